"""How often something may happen: a token bucket, sans-I/O."""


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
