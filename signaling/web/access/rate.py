"""How often something may happen: a token bucket, sans-I/O."""

CALLERS_MAX = 4096


class RateLimit:
    """Lets `burst` pass at once and `per_second` in the long run; `take` says whether one more may."""

    __slots__ = ("_burst", "_per_second", "_taken_at", "_tokens")

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = burst
        self._taken_at = now

    def take(self, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._taken_at) * self._per_second)
        self._taken_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class RateLimits:
    """One bucket for each caller; of too many the one that asked longest ago gives way."""

    __slots__ = ("_buckets", "_burst", "_per_second")

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: dict[str, RateLimit] = {}

    def take(self, caller: str, now: float) -> bool:
        bucket = self._buckets.pop(caller, None) or RateLimit(self._per_second, self._burst, now)
        self._buckets[caller] = bucket  # the newest last
        if len(self._buckets) > CALLERS_MAX:
            del self._buckets[next(iter(self._buckets))]
        return bucket.take(now)
