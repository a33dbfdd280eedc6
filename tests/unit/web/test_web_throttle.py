"""Trying passwords: how often, from where, in whose name; in virtual time."""

import pytest

from signaling.web.access.throttle import (
    FREE,
    LONGEST_S,
    NAMES_MAX,
    QUIET_S,
    SOURCE_BURST,
    SOURCE_RECOVERS_S,
    USER_BURST,
    Allowance,
    Streak,
    Throttle,
    source_of,
)


def fail_until_told_to_wait(throttle: Throttle, user: str, address: str, now: float) -> int:
    tries = 0
    while throttle.begin(user, address, now) == 0.0:
        tries += 1
    return tries


def test_five_failures_cost_half_a_minute_and_each_further_one_twice_as_much() -> None:
    throttle, now = Throttle(), 0.0
    assert fail_until_told_to_wait(throttle, "eve", "192.0.2.1", now) == FREE
    pauses = []
    for _ in range(7):
        wait_s = throttle.begin("eve", "192.0.2.1", now)
        pauses.append(wait_s)
        now += wait_s
        assert throttle.begin("eve", "192.0.2.1", now) == 0.0
    assert pauses == [30.0, 60.0, 120.0, 240.0, 480.0, 900.0, 900.0]


def test_a_right_password_begins_anew() -> None:
    throttle = Throttle()
    for _ in range(10):
        for _ in range(FREE):
            assert throttle.begin("eve", "192.0.2.1", 0.0) == 0.0
        throttle.succeed("eve", "192.0.2.1")


def test_a_shift_of_two_hundred_signs_in_from_one_address_with_its_mistakes() -> None:
    throttle, now = Throttle(), 0.0
    for number in range(200):
        now += 2.0
        user = f"user{number}"
        for _ in range(2 if number % 10 == 0 else 1):
            assert throttle.begin(user, "192.0.2.1", now) == 0.0
        throttle.succeed(user, "192.0.2.1")


def test_a_source_that_tries_many_names_waits_whatever_the_name() -> None:
    throttle = Throttle()
    for number in range(int(SOURCE_BURST)):
        assert throttle.begin(f"user{number}", "192.0.2.1", 0.0) == 0.0
    assert throttle.begin("somebody else", "192.0.2.1", 0.0) > 0.0
    assert throttle.begin("somebody else", "192.0.2.2", 0.0) == 0.0
    assert throttle.begin("somebody else", "192.0.2.1", SOURCE_RECOVERS_S) == 0.0


def test_a_right_password_of_one_s_own_does_not_pay_for_wrong_ones_of_others() -> None:
    throttle, tries = Throttle(), 0
    while tries < 1000:
        if throttle.begin(f"user{tries}", "192.0.2.1", 0.0) > 0.0:
            break
        tries += 1
        if throttle.begin("mallory", "192.0.2.1", 0.0) == 0.0:
            throttle.succeed("mallory", "192.0.2.1")
    assert tries <= SOURCE_BURST


def test_a_thousand_sources_do_not_get_a_thousand_times_the_tries() -> None:
    throttle = Throttle()
    tries = sum(throttle.begin("eve", f"198.51.{n >> 8}.{n & 255}", 0.0) == 0.0 for n in range(1000))
    assert tries == USER_BURST


def test_strangers_who_fail_in_a_name_do_not_lock_out_its_owner() -> None:
    throttle = Throttle()
    assert throttle.begin("eve", "192.0.2.1", 0.0) == 0.0
    throttle.succeed("eve", "192.0.2.1")
    for n in range(1000):
        throttle.begin("eve", f"198.51.{n >> 8}.{n & 255}", 0.0)
    assert throttle.begin("eve", "203.0.113.9", 0.0) > 0.0
    assert throttle.begin("eve", "192.0.2.1", 0.0) == 0.0


def test_many_tries_at_once_are_no_way_around() -> None:
    throttle = Throttle()
    begun = [throttle.begin("eve", "192.0.2.1", 0.0) for _ in range(50)]  # none of them has an answer yet
    assert begun.count(0.0) == FREE


def test_an_hour_later_nothing_is_held_against_anybody() -> None:
    throttle = Throttle()
    fail_until_told_to_wait(throttle, "eve", "192.0.2.1", 0.0)
    assert fail_until_told_to_wait(throttle, "eve", "192.0.2.1", QUIET_S) == FREE


def test_the_memory_has_a_bound_and_counts_what_it_forgets() -> None:
    streak, allowance = Streak(), Allowance(2.0, 30.0)
    for number in range(NAMES_MAX + 7):
        streak.fail(f"name {number}", 0.0)
        allowance.fail(f"name {number}", 0.0)
    assert len(streak) == NAMES_MAX
    assert (streak.forgotten, allowance.forgotten) == (7, 7)


def test_a_pause_has_a_longest() -> None:
    streak = Streak()
    for _ in range(5000):
        streak.fail("eve", 0.0)
    assert streak.wait_s("eve", 0.0) == LONGEST_S


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("unknown", "unknown", True),
    ],
)
def test_an_ipv6_network_is_one_source(one: str, other: str, *, same: bool) -> None:
    assert (source_of(one) == source_of(other)) is same
