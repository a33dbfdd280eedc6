"""The token bucket."""

from signaling.web.access.rate import CALLERS_MAX, RateLimit, RateLimits


def test_a_burst_passes_and_then_the_rate() -> None:
    limit = RateLimit(per_second=2, burst=3, now=0.0)
    assert [limit.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [limit.take(0.5), limit.take(0.5)] == [True, False]


def test_what_was_not_used_is_not_saved_beyond_the_burst() -> None:
    limit = RateLimit(per_second=2, burst=3, now=0.0)
    assert sum(limit.take(1000.0) for _ in range(10)) == 3


def test_each_caller_has_a_bucket_and_the_oldest_gives_way() -> None:
    limits = RateLimits(1.0, 2.0)
    assert [limits.take("alice", 0.0) for _ in range(3)] == [True, True, False]
    assert limits.take("bob", 0.0)
    for number in range(CALLERS_MAX):
        limits.take(str(number), 0.0)
    assert limits.take("alice", 0.0), "forgotten by now"
