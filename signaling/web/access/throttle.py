"""How often a password may be tried: by user and source together, by source, and by user; sans-I/O.

Each try counts as failed until it has succeeded, so that many at once are no way around it. A stranger who
fails in somebody's name does not lock that person out where they have signed in before.
"""

from ipaddress import IPv6Address, ip_address
from typing import Any

NAMES_MAX = 10_000  # of each kind; of too many the one tried longest ago is forgotten
QUIET_S = 3600.0  # after which a streak is none any more
IPV6_SITE_BITS = 64  # one customer's network (RFC 6177): a single address of it costs nothing


# One person mistypes a few times; a call centre behind one address has many persons; a user is one for all of them.
FREE, FIRST_S, LONGEST_S = (
    5,
    30.0,
    900.0,
)  # by pair: failures in a row, and the pause after them, which doubles
SOURCE_BURST, SOURCE_RECOVERS_S = 50.0, 30.0  # failures at once, and how long until one of them is forgiven
USER_BURST, USER_RECOVERS_S = 100.0, 60.0


class Streak:
    """Failures in a row by name: after `FREE` of them one waits, and twice as long after each further one."""

    __slots__ = ("_failures", "forgotten")

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, float]] = {}  # how many, and when the last was; newest last
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._failures)

    def wait_s(self, name: str, now: float) -> float:
        count, last_at = self._failures.get(name, (0, now))
        if count < FREE or now - last_at >= QUIET_S:
            return 0.0
        pause_s = min(LONGEST_S, FIRST_S * 2.0 ** min(count - FREE, 32))
        return float(max(0.0, last_at + pause_s - now))

    def fail(self, name: str, now: float) -> None:
        count, last_at = self._failures.pop(name, (0, now))
        self._failures[name] = (1 if now - last_at >= QUIET_S else count + 1, now)
        self.forgotten += _trim(self._failures)

    def forgive(self, name: str) -> None:
        self._failures.pop(name, None)


class Allowance:
    """So many failures at once, and one more each `recovers_s`: nobody is shut out for long by others' mistakes."""

    __slots__ = ("_burst", "_recovers_s", "_spent", "forgotten")

    def __init__(self, burst: float, recovers_s: float) -> None:
        self._burst = burst
        self._recovers_s = recovers_s
        self._spent: dict[str, tuple[float, float]] = {}  # how much, as of when; newest last
        self.forgotten = 0

    def wait_s(self, name: str, now: float) -> float:
        return max(0.0, (self._left_of(name, now) + 1.0 - self._burst) * self._recovers_s)

    def fail(self, name: str, now: float) -> None:
        spent = self._left_of(name, now) + 1.0
        self._spent.pop(name, None)
        self._spent[name] = (spent, now)
        self.forgotten += _trim(self._spent)

    def give_back(self, name: str) -> None:
        """One of the failures was none."""
        if name in self._spent:
            spent, at = self._spent[name]
            self._spent[name] = (max(0.0, spent - 1.0), at)

    def _left_of(self, name: str, now: float) -> float:
        """Of the failures, what is not forgiven yet."""
        spent, at = self._spent.get(name, (0.0, now))
        return max(0.0, spent - (now - at) / self._recovers_s)


class Throttle:
    """`begin` says how long to wait, or counts a try; `succeed` takes back what it counted."""

    __slots__ = ("_pairs", "_sources", "_trusted", "_users", "refused")

    def __init__(self) -> None:
        self._pairs = Streak()
        self._sources = Allowance(SOURCE_BURST, SOURCE_RECOVERS_S)
        self._users = Allowance(USER_BURST, USER_RECOVERS_S)
        self._trusted: dict[str, None] = {}  # pairs that signed in, newest last
        self.refused = 0

    def begin(self, user: str, address: str, now: float) -> float:
        """Seconds to wait before the next try; 0: this one may go on."""
        source = source_of(address)
        pair = _pair(user, source)
        waits = [self._pairs.wait_s(pair, now), self._sources.wait_s(source, now)]
        if pair not in self._trusted:
            waits.append(self._users.wait_s(user, now))
        wait_s = max(waits)
        if wait_s > 0:
            self.refused += 1
            return wait_s
        self._pairs.fail(pair, now)
        self._sources.fail(source, now)
        self._users.fail(user, now)
        return 0.0

    def succeed(self, user: str, address: str) -> None:
        source = source_of(address)
        pair = _pair(user, source)
        self._pairs.forgive(pair)
        self._sources.give_back(source)
        self._users.give_back(user)
        self._trusted.pop(pair, None)
        self._trusted[pair] = None
        _trim(self._trusted)

    def counters(self) -> dict[str, float]:
        forgotten = self._pairs.forgotten + self._sources.forgotten + self._users.forgotten
        return {"refused_total": self.refused, "forgotten_total": forgotten, "pairs": len(self._pairs)}


def source_of(address: str) -> str:
    """An IPv4 address, or the network an IPv6 address is in."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> IPV6_SITE_BITS:x}/{IPV6_SITE_BITS}"


def _pair(user: str, source: str) -> str:
    return f"{source} {user}"


def _trim(names: dict[str, Any]) -> int:
    """The oldest gives way; returns how many did."""
    if len(names) <= NAMES_MAX:
        return 0
    del names[next(iter(names))]
    return 1
