"""The trunks: whose call it is, by the network it comes from, and where calls go out."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from bridge.ids import TrunkId
from signaling.sip.wire.flow import is_numeric
from signaling.sip.wire.uri import bracket

MAX_SOURCES = 4096  # looked up and remembered; the one remembered longest goes first
_PORT = re.compile(r":[0-9]+\Z")
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
    username: str = (
        ""  # with `password`: who we are there, and, with `authenticate`, who calls from there are
    )
    password: str = field(default="", repr=False)
    authenticate: bool = False
    name: str = ""
    priority: int = 0  # calls go out by the trunk with the lowest first
    ping_s: float = 0.0  # 0: never asked
    max_calls: int = 0  # 0: no bound of its own
    calls_per_second: float = 0.0  # 0: no bound
    digests: tuple[str, ...] = ("SHA-256", "MD5")  # what its callers may prove themselves by, best first

    @property
    def account(self) -> str:
        """Who we are there, "" if nobody in particular."""
        if not self.username or not self.target:
            return ""
        return f"{quote(self.username, safe=_USER_SAFE)}@{bracket(self.target_host)}"

    @property
    def target_host(self) -> str:
        """The host of `target`, without brackets and in lower case."""
        rest = re.split(r"[;?]", self.target.partition(":")[2].rpartition("@")[2])[0]
        return _PORT.sub("", rest).strip("[]").lower()

    @property
    def address(self) -> str:
        """`target` without a user: the trunk itself."""
        scheme, _, rest = self.target.partition(":")
        return f"{scheme}:{rest.rpartition('@')[2]}"

    @property
    def roams(self) -> bool:
        """Its calls may come from anywhere, if they prove whose they are."""
        return self.authenticate and not self.networks

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

    __slots__ = (
        "_by_host",
        "_by_id",
        "_by_username",
        "_names",
        "_networks",
        "_targets",
        "_trunks",
        "roaming",
    )

    def __init__(self, trunks: Sequence[Trunk] = (LOOPBACK,)) -> None:
        self._trunks = tuple(trunks)
        self._by_id = {trunk.trunk_id: trunk for trunk in trunks}
        self._by_username = {trunk.username: trunk for trunk in trunks if trunk.authenticate}
        self.roaming = next((trunk for trunk in trunks if trunk.roams), None)
        networks = [(ipaddress.ip_network(text), trunk) for trunk in trunks for text in trunk.networks]
        self._networks = sorted(networks, key=lambda pair: -pair[0].prefixlen)
        self._by_host: dict[str, Trunk | None] = {}
        self._targets: dict[str, Trunk] = {}
        self._names: dict[str, Trunk] = {}
        for trunk in trunks:
            if host := trunk.target_host:
                self._names.setdefault(host, trunk)
                self.learn(host, host)

    def learn(self, name: str, address: str) -> None:
        """`name` has this address: if it is a trunk's target, what comes from there is that trunk's."""
        trunk = self._names.get(name.lower())
        if trunk is None or not is_numeric(address):
            return
        if len(self._targets) >= MAX_SOURCES:
            del self._targets[next(iter(self._targets))]
        self._targets[address] = trunk
        self._by_host.pop(address, None)

    def name_of(self, address: str) -> str:
        """The domain that was found at this address and is a trunk's target: whose certificate stands for it."""
        trunk = self._targets.get(address)
        return trunk.target_host if trunk is not None and not is_numeric(trunk.target_host) else ""

    def get(self, trunk_id: TrunkId) -> Trunk | None:
        return self._by_id.get(trunk_id)

    def by_username(self, username: str) -> Trunk | None:
        """The trunk whose calls must prove that they are this user's."""
        return self._by_username.get(username)

    def of(self, host: str) -> Trunk | None:
        """The trunk that `host`, a numeric address, belongs to; None for a stranger."""
        if host not in self._by_host:
            if len(self._by_host) >= MAX_SOURCES:
                del self._by_host[next(iter(self._by_host))]
            self._by_host[host] = self._find(host)
        return self._by_host[host]

    @property
    def welcome_strangers(self) -> bool:
        """Somebody's calls may come from anywhere."""
        return self.roaming is not None

    def ways_out(self) -> tuple[Trunk, ...]:
        """Those that calls can go to, in the order in which they are tried."""
        return tuple(sorted((t for t in self._trunks if t.target), key=lambda trunk: trunk.priority))

    def __iter__(self) -> Iterator[Trunk]:
        return iter(self._trunks)

    def _find(self, host: str) -> Trunk | None:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return None
        found = next((trunk for network, trunk in self._networks if address in network), None)
        return found or self._targets.get(host)
