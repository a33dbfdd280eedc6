"""The only place that asks what time it is. Everything below the shells takes `now` as an argument."""

import time
from typing import Protocol

NTP_EPOCH_OFFSET_S = 2_208_988_800  # RFC 5905 section 6: seconds from 1900 to 1970


class Clock(Protocol):
    """A source of time. `now` never goes backwards; `wall` may be set by the administrator."""

    def now(self) -> float:
        """Monotonic seconds; the kernel's are comparable within one machine since boot, also across processes."""
        ...

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clock. `now` is the clock asyncio's loop uses, so timers and stamps agree."""

    __slots__ = ()

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()  # noqa: TID251 - this is the one place the ban points to


class ContinuedClock:
    """A clock whose `now` goes on over restarts, so that journaled instants mean the same in every process.

    Monotonic within a process, and anchored to the wall clock where the process starts. `base` tells both.
    """

    __slots__ = ("_base", "_offset")

    def __init__(self, base: Clock) -> None:
        self._base = base
        self._offset = _wall_offset(base)

    def now(self) -> float:
        return self._base.now() + self._offset

    def wall(self) -> float:
        return self._base.wall()

    def continue_after(self, at: float) -> None:
        """An earlier process has seen `at`: if the wall clock was set back since, `now` begins there."""
        self._offset += max(0.0, at - self.now())


def _wall_offset(clock: Clock) -> float:
    """Wall minus monotonic time. Of some tries the one that was interrupted least."""
    tries = []
    for _ in range(5):
        before, wall, after = clock.now(), clock.wall(), clock.now()
        tries.append((after - before, wall - (before + after) / 2))
    return min(tries)[1]


class ManualClock:
    """A clock for tests and simulations: moves only when told."""

    __slots__ = ("_now", "_wall_offset")

    def __init__(self, now: float = 0.0, wall: float = 1_700_000_000.0) -> None:
        self._now = now
        self._wall_offset = wall - now

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now + self._wall_offset

    def advance(self, seconds: float) -> float:
        """Moves time forward and returns the new `now`."""
        self._now += seconds
        return self._now


def ntp_time(wall: float) -> float:
    """Wall time as seconds since 1900, the epoch of NTP timestamps in RTCP (RFC 3550 section 4)."""
    return wall + NTP_EPOCH_OFFSET_S
