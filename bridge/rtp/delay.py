"""How late packets are, and how much delay a jitter buffer needs for it.

The baseline is the fastest packet of the last seconds (a sliding minimum, so it follows clock drift and route
changes); the target is the 99th percentile of what the others needed beyond it.
"""

from collections import deque

BUCKET_S = 0.5
BUCKETS = 20  # the baseline looks back ten seconds
WINDOW_PACKETS = 500  # the percentile too, at 50 packets a second
BIN_S = 0.005
BINS = 200  # up to one second
QUANTILE = 0.99
COUNT_INTERVAL = 25  # packets between two looks at the percentile, if none was later than it
LEARNING_PACKETS = 50  # until then the target is at least the initial one


class DelayEstimator:
    """Relative delays of one stream. All times in seconds."""

    __slots__ = ("_bins", "_counts", "_initial_s", "_minima", "_quantile_s", "_since_count", "baseline")

    def __init__(self, initial_s: float) -> None:
        self.baseline: float | None = None
        self._initial_s = initial_s
        self._minima: deque[tuple[int, float]] = deque()
        self._bins: deque[int] = deque()
        self._counts = [0] * BINS
        self._quantile_s = 0.0
        self._since_count = 0

    def push(self, transit: float, now: float) -> float:
        """Takes a packet's transit (arrival minus media time); returns its delay beyond the baseline."""
        self._push_minimum(transit, int(now / BUCKET_S))
        assert self.baseline is not None
        relative = transit - self.baseline
        self._push_bin(min(BINS - 1, int(relative / BIN_S)))
        return relative

    def rebase(self) -> None:
        """Forgets the baseline, keeps the percentile: a talk spurt whose clock began anew."""
        self._minima.clear()
        self.baseline = None

    def clear(self) -> None:
        """Forgets everything: another sender."""
        self.rebase()
        self._bins.clear()
        self._counts = [0] * BINS
        self._quantile_s = 0.0

    @property
    def wanted_s(self) -> float:
        """The delay beyond the baseline that 99 % of the packets need."""
        if len(self._bins) < LEARNING_PACKETS:
            return max(self._initial_s, self._quantile_s)
        return self._quantile_s

    def _push_minimum(self, transit: float, bucket: int) -> None:
        minima = self._minima
        while minima and minima[0][0] <= bucket - BUCKETS:
            minima.popleft()
        while minima and minima[-1][1] >= transit:
            minima.pop()
        if not minima or minima[-1][0] != bucket:
            minima.append((bucket, transit))
        self.baseline = minima[0][1]

    def _push_bin(self, number: int) -> None:
        self._bins.append(number)
        self._counts[number] += 1
        if len(self._bins) > WINDOW_PACKETS:
            self._counts[self._bins.popleft()] -= 1
        self._since_count += 1
        if self._since_count >= COUNT_INTERVAL or (number + 1) * BIN_S > self._quantile_s:
            self._since_count = 0
            self._quantile_s = self._count()

    def _count(self) -> float:
        """The upper end of the bin in which the quantile lies."""
        allowed = int(len(self._bins) * (1 - QUANTILE))
        for highest in range(BINS - 1, -1, -1):
            allowed -= self._counts[highest]
            if allowed < 0:
                return (highest + 1) * BIN_S
        return 0.0
