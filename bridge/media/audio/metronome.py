"""The beat of the mixer: absolute ticks, so that lateness never adds up."""

from collections import deque
from collections.abc import Callable
from typing import Final

from bridge.media.audio.frames import TICK_S

# Behind by up to this many ticks, all are run at once: jitter buffers at the far end absorb 60 ms, and no
# sound is lost. Behind by more (the machine slept) only the newest is run and the rest skipped: a burst
# would reach the listeners as delay, and running it makes the next tick late too.
MOST_AT_ONCE: Final = 3
LATE_S: Final = 0.005  # a tick this late is counted
REMEMBERED_TICKS: Final = 1_000  # twenty seconds: the percentile is of these
QUANTILE: Final = 0.99


class Metronome:
    """Says how many ticks are due. Tick n is due at `start + n * 20 ms`, whenever it was asked."""

    __slots__ = ("_index", "_lateness", "_skipped_untold", "_start", "late", "skipped", "worst_s")

    def __init__(self, start: float) -> None:
        self._start = start
        self._index = 0
        self._skipped_untold = 0
        self._lateness: deque[float] = deque(maxlen=REMEMBERED_TICKS)
        self.late = 0
        self.skipped = 0
        self.worst_s = 0.0

    @property
    def index(self) -> int:
        """The number of the next tick, skipped ones counted."""
        return self._index

    def timer(self) -> float:
        """When the next tick is due."""
        return self._start + self._index * TICK_S

    def due(self, now: float) -> int:
        """Ticks to run now; after it `take_skipped` says how many to leave out before them."""
        lateness = now - self.timer()
        if lateness < 0:
            return 0
        ticks = int(lateness / TICK_S) + 1
        self._count(lateness, ticks)
        if ticks > MOST_AT_ONCE:
            self._skipped_untold += ticks - 1
            self.skipped += ticks - 1
            self._index += ticks
            return 1
        self._index += ticks
        return ticks

    def take_skipped(self) -> int:
        """Ticks left out since the last call: the timeline has to jump over them."""
        skipped, self._skipped_untold = self._skipped_untold, 0
        return skipped

    @property
    def lateness_p99_s(self) -> float:
        """What 99 % of the last twenty seconds' ticks kept; the skipped ones count, as late as they were then."""
        if not self._lateness:
            return 0.0
        return sorted(self._lateness)[int(QUANTILE * (len(self._lateness) - 1))]

    def _count(self, lateness: float, ticks: int) -> None:
        self.worst_s = max(self.worst_s, lateness)
        if lateness > LATE_S:
            self.late += 1
        for number in range(min(ticks, REMEMBERED_TICKS)):
            self._lateness.append(lateness - number * TICK_S)


class Beat:
    """A metronome and what it drives, as an engine with one timer."""

    __slots__ = ("_skip", "_tick", "metronome")

    def __init__(
        self, metronome: Metronome, tick: Callable[[float], None], skip: Callable[[int], None]
    ) -> None:
        self.metronome = metronome
        self._tick = tick
        self._skip = skip

    def timer(self) -> float:
        return self.metronome.timer()

    def handle_timer(self, now: float) -> None:
        ticks = self.metronome.due(now)
        skipped = self.metronome.take_skipped()
        if skipped:
            self._skip(skipped)
        for _ in range(ticks):
            self._tick(now)
