"""Whether the media worker keeps up: a call that would make every other call stutter is better refused."""

import structlog

from bridge.errors import CapacityError
from bridge.plane.messages import WorkerStatistics

log = structlog.get_logger()

TOO_MANY_SKIPPED = 0.4  # of the ticks: nobody can follow a conversation with so many holes in it
LASTS = 3  # seconds in a row; a machine that sleeps for a moment is no reason to refuse anybody

_SKIPPED, _TICKS = "ticks_skipped_total", "ticks_total"


class Overload:
    """`receive` is told of each second of the worker; `present` is True while it skips ticks again and again."""

    __slots__ = ("_last", "_seconds", "refused")

    def __init__(self) -> None:
        self.refused = 0
        self._last: tuple[float, float] | None = None
        self._seconds = 0

    @property
    def present(self) -> bool:
        return self._seconds >= LASTS

    def receive(self, statistics: WorkerStatistics) -> None:
        values = statistics.values
        now = values.get(_SKIPPED, 0.0), values.get(_TICKS, 0.0)
        last, self._last = self._last, now
        if last is None:
            return
        skipped, played = now[0] - last[0], now[1] - last[1]
        if skipped <= TOO_MANY_SKIPPED * (skipped + played):
            self._seconds = 0
            return
        self._seconds += 1
        if self._seconds == LASTS:
            log.warning("! media worker behind", skipped=skipped, played=played)

    def check(self) -> None:
        """Raises CapacityError while the worker is behind."""
        if self.present:
            self.refused += 1
            raise CapacityError("the media worker cannot keep up with the calls there are")

    def forget(self) -> None:
        """The worker is gone; the next one begins to count anew."""
        self._last = None
        self._seconds = 0
