"""Where the bridge listens by its settings, and that no port is wanted twice."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from bridge.settings.media import Rtp, Webrtc
from bridge.settings.section import complaint
from bridge.settings.sip import Sip
from bridge.settings.web import Http


@dataclass(frozen=True)
class Listener:
    """`keys` are the settings that `ports` come from. Port 0 is any free one, which is none of the others'."""

    keys: tuple[str, ...]
    transport: Literal["udp", "tcp"]
    address: str
    ports: range

    def collides(self, other: "Listener") -> bool:
        return (
            self.transport == other.transport
            and max(self.ports.start, other.ports.start) < min(self.ports.stop, other.ports.stop)
            and self.ports.start > 0
            and other.ports.start > 0
            and _meet(self.address, other.address)
        )

    def __str__(self) -> str:
        ports = f"{self.ports[0]}-{self.ports[-1]}" if len(self.ports) > 1 else f"{self.ports[0]}"
        return f"{' to '.join(self.keys)} ({ports} on {self.address})"


def check_ports(http: Http, sip: Sip, rtp: Rtp, webrtc: Webrtc) -> None:
    """Whoever opens its port last would fail, at the start or in the middle of a call."""
    for one, other in combinations(_listeners(http, sip, rtp, webrtc), 2):
        if one.collides(other):
            text = f"{one} and {other} want the same {one.transport.upper()} port: each needs its own"
            raise complaint(text, *one.keys, *other.keys)


def _listeners(http: Http, sip: Sip, rtp: Rtp, webrtc: Webrtc) -> Iterator[Listener]:
    # The narrow before the wide: it is the likelier to be moved.
    yield Listener(("http.port",), "tcp", http.address, _single(http.port))
    if "tls" in sip.transports:
        yield Listener(("sip.tls_port",), "tcp", sip.address, _single(sip.tls_port))
    if "tcp" in sip.transports:
        yield Listener(("sip.port",), "tcp", sip.address, _single(sip.port))
    if "udp" in sip.transports:
        yield Listener(("sip.port",), "udp", sip.address, _single(sip.port))
    yield Listener(("webrtc.port",), "udp", webrtc.address, _single(webrtc.port))
    first = rtp.port_min + rtp.port_min % 2  # pairs begin with an even port
    last = rtp.port_max - (rtp.port_max - first + 1) % 2
    yield Listener(("rtp.port_min", "rtp.port_max"), "udp", rtp.address, range(first, last + 1))


def _single(port: int) -> range:
    return range(port, port + 1)


def _meet(one: str, other: str) -> bool:
    """Whether a packet may be for either: the same address, or one of them stands for all of its family."""
    addresses = [_numeric(one), _numeric(other)]
    numeric = [address for address in addresses if address is not None]
    if len(numeric) < len(addresses):
        return one == other  # a name stands for an address we do not know yet
    first, second = numeric
    return first == second or (
        first.version == second.version and (first.is_unspecified or second.is_unspecified)
    )


def _numeric(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address({"": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host))
    except ValueError:
        return None
