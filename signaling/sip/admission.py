"""Who may talk to the SIP port, and how fast."""

import ipaddress
from collections.abc import Sequence
from typing import TypeVar

V = TypeVar("V")

MAX_SOURCES = 4096  # remembered; the one remembered longest goes first


class Admission:
    """Allow-list of networks and a token bucket per source address."""

    __slots__ = ("_allowed", "_buckets", "_burst", "_networks", "_rate", "throttled")

    def __init__(self, networks: Sequence[str], messages_per_second: float, burst: float) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)
        self._rate = messages_per_second
        self._burst = burst
        self._allowed: dict[str, bool] = {}
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens left, and when
        self.throttled = 0

    def allows(self, host: str) -> bool:
        """Whether `host`, a numeric address, lies in one of the networks."""
        known = self._allowed.get(host)
        if known is None:
            address = ipaddress.ip_address(host.partition("%")[0])
            known = any(address in network for network in self._networks)
            _remember(self._allowed, host, known)
        return known

    def takes(self, host: str, now: float) -> bool:
        """Whether one more message of `host` is within its rate; counts those that are not."""
        tokens, at = self._buckets.get(host, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        if tokens < 1:
            self.throttled += 1
            return False
        _remember(self._buckets, host, (tokens - 1, now))
        return True


def _remember(table: dict[str, V], host: str, value: V) -> None:
    if host not in table and len(table) >= MAX_SOURCES:
        del table[next(iter(table))]
    table[host] = value
