"""Where a SIP message came from or goes to (RFC 3261 section 18, RFC 3581)."""

import ipaddress
from enum import StrEnum
from functools import lru_cache

import msgspec

from signaling.sip.wire.uri import SipUri

DEFAULT_PORT = 5060  # RFC 3261 section 19.1.2
DEFAULT_TLS_PORT = 5061
UDP = "udp"
TCP = "tcp"
TLS = "tls"
TRANSPORTS = (UDP, TCP, TLS)
MAX_NUMERIC_CHARS = 64  # the longest IPv6 address has 45, and a zone behind it


class Lookup(StrEnum):
    """What is asked about a name (RFC 3263 section 4)."""

    ADDRESS = "address"  # transport and port are known
    SERVICE = "service"  # the transport is
    ANY = "any"  # neither; what the flow says of them is what is taken without an answer


class Flow(msgspec.Struct, frozen=True, gc=False):
    """A transport and a remote address. `connection` is the endpoint's number of a TCP or TLS connection.

    0 means any connection to that address: the endpoint opens one if there is none. When the numbered
    connection is gone, the endpoint falls back to the address (section 18.2.2). `name` is the domain whose
    certificate must be shown over TLS (RFC 5922), where it is not `host`. `lookup` is for a `host` that is a name.
    """

    transport: str
    host: str
    port: int
    connection: int = 0
    name: str = ""
    lookup: Lookup = Lookup.ADDRESS

    @property
    def reliable(self) -> bool:
        return self.transport != UDP


def flow_to(uri: SipUri) -> Flow:
    """Where a request to `uri` goes: its host and port as they stand, and what is still to be looked up."""
    asked = transport_of(uri)
    transport = asked or (TLS if uri.scheme == "sips" else UDP)
    host = (uri.parameter("maddr") or "").strip("[]") or uri.host
    name = uri.host if transport == TLS and host != uri.host else ""
    lookup = Lookup.ADDRESS
    if uri.port is None and not is_numeric(host):
        lookup = Lookup.SERVICE if asked else Lookup.ANY
    return Flow(transport, host, uri.port or default_port(transport), name=name, lookup=lookup)


def is_numeric(host: str) -> bool:
    """An address, not a name."""
    return len(host) <= MAX_NUMERIC_CHARS and _is_numeric(host)


@lru_cache(1024)
def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


# RFC 1918, RFC 6598, RFC 4193, and those of one machine or link: behind a NAT they are somebody else's.
_INNER = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
        *("127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10"),
    )
)


def is_elsewhere(host: str, flow: Flow) -> bool:
    """An address of a private network, said by who is not in ours: nothing that we send there arrives."""
    return _is_inner(host) and not _is_inner(flow.host)


def _is_inner(host: str) -> bool:
    """An address that means something within its own network only."""
    return is_numeric(host) and _is_in_inner_network(host)


@lru_cache(1024)
def _is_in_inner_network(host: str) -> bool:
    address = ipaddress.ip_address(host)
    return any(address in network for network in _INNER)


def is_available(uri: SipUri) -> bool:
    """Whether there is a transport for `uri` here; a sips URI needs one that is encrypted (section 26.2.2)."""
    transport = flow_to(uri).transport
    return transport == TLS if uri.scheme == "sips" else transport in TRANSPORTS


def transport_of(uri: SipUri) -> str:
    """The transport a URI asks for, "" if it leaves it open. `sips` over TCP is TLS (section 26.2.2)."""
    transport = (uri.parameter("transport") or "").lower()
    return TLS if uri.scheme == "sips" and transport == TCP else transport


def default_port(transport: str) -> int:
    return DEFAULT_TLS_PORT if transport == TLS else DEFAULT_PORT
