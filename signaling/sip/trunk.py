"""The trunks: whose call it is, by the network it comes from, and where calls go out."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from bridge.ids import TrunkId

MAX_SOURCES = 4096  # looked up and remembered; the one remembered longest goes first
_USER_SAFE = "-_.!~*'()&=+$,;?/"  # RFC 3261 section 25.1, userinfo


@dataclass(frozen=True)
class Trunk:
    """What the SIP door must know of one trunk. `target` is a SIP URI, "" for calls from there only."""

    trunk_id: TrunkId
    networks: tuple[str, ...] = ()
    target: str = ""
    trusted: bool = False  # its P-Asserted-Identity is believed
    session_expires_s: int = 1800
    reliable_provisional: bool = False

    def address_of(self, number: str) -> str:
        """The URI of a number behind this trunk: in the place of {number}, else as the user of `target`."""
        user = quote(number, safe=_USER_SAFE)
        if "{number}" in self.target:
            return self.target.replace("{number}", user)
        scheme, _, rest = self.target.partition(":")
        return f"{scheme}:{user}@{rest.rpartition('@')[2]}"


LOOPBACK = Trunk(TrunkId("default"), ("127.0.0.0/8",))


class Trunks:
    """The trunks in the order of the settings; among networks that hold an address the smallest decides."""

    __slots__ = ("_by_host", "_by_id", "_networks", "_trunks")

    def __init__(self, trunks: Sequence[Trunk] = (LOOPBACK,)) -> None:
        self._trunks = tuple(trunks)
        self._by_id = {trunk.trunk_id: trunk for trunk in trunks}
        networks = [(ipaddress.ip_network(text), trunk) for trunk in trunks for text in trunk.networks]
        self._networks = sorted(networks, key=lambda pair: -pair[0].prefixlen)
        self._by_host: dict[str, Trunk | None] = {}

    def get(self, trunk_id: TrunkId) -> Trunk | None:
        return self._by_id.get(trunk_id)

    def of(self, host: str) -> Trunk | None:
        """The trunk that `host`, a numeric address, belongs to; None for a stranger."""
        if host not in self._by_host:
            if len(self._by_host) >= MAX_SOURCES:
                del self._by_host[next(iter(self._by_host))]
            self._by_host[host] = self._find(host)
        return self._by_host[host]

    def ways_out(self) -> tuple[Trunk, ...]:
        """Those that calls can go to."""
        return tuple(trunk for trunk in self._trunks if trunk.target)

    def _find(self, host: str) -> Trunk | None:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return None
        return next((trunk for network, trunk in self._networks if address in network), None)
