"""How fast each source may talk to the SIP port."""

MAX_SOURCES = 4096  # remembered; the one remembered longest goes first


class Admission:
    """A token bucket per source address."""

    __slots__ = ("_buckets", "_burst", "_rate", "throttled")

    def __init__(self, messages_per_second: float, burst: float) -> None:
        self._rate = messages_per_second
        self._burst = burst
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens left, and when
        self.throttled = 0

    def takes(self, host: str, now: float) -> bool:
        """Whether one more message of `host` is within its rate; counts those that are not."""
        tokens, at = self._buckets.get(host, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        if tokens < 1:
            self.throttled += 1
            return False
        if host not in self._buckets and len(self._buckets) >= MAX_SOURCES:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[host] = (tokens - 1, now)
        return True
