"""How much delay a stream needs."""

import pytest

from bridge.rtp.delay import BUCKET_S, BUCKETS, LEARNING_PACKETS, DelayEstimator


def test_the_fastest_packet_is_the_baseline() -> None:
    estimator = DelayEstimator(0.04)
    assert [round(estimator.push(transit, 0.0), 3) for transit in (5.0, 4.9, 4.95)] == [0.0, 0.0, 0.05]
    assert estimator.baseline == 4.9


def test_the_baseline_is_forgotten_after_ten_seconds() -> None:
    estimator = DelayEstimator(0.04)
    estimator.push(1.0, 0.0)
    estimator.push(1.2, 1.0)
    estimator.push(1.3, BUCKET_S * (BUCKETS + 1))
    assert estimator.baseline == 1.2


def test_the_initial_delay_holds_until_enough_was_seen() -> None:
    estimator = DelayEstimator(0.04)
    assert estimator.wanted_s == 0.04
    for _ in range(LEARNING_PACKETS):
        estimator.push(1.0, 0.0)
    assert estimator.wanted_s == pytest.approx(0.005)


def test_one_packet_in_a_hundred_may_be_later() -> None:
    estimator = DelayEstimator(0.04)
    for number in range(500):
        late = 0.3 if number % 125 == 5 else 0.02 * (number % 2)
        estimator.push(1.0 + late, number * 0.02)
    assert estimator.wanted_s == pytest.approx(0.025)
    for number in range(500, 600):
        estimator.push(1.0 + (0.3 if number % 25 == 0 else 0.0), number * 0.02)
    assert estimator.wanted_s == pytest.approx(0.305)


def test_what_was_late_is_forgotten_with_the_window() -> None:
    estimator = DelayEstimator(0.0)
    for number in range(1100):
        estimator.push(1.0 + (0.2 if 0 < number < 100 else 0.0), number * 0.02)
    assert estimator.wanted_s == pytest.approx(0.005)


def test_a_new_clock_forgets_the_baseline_and_another_sender_all() -> None:
    estimator = DelayEstimator(0.04)
    for number in range(100):
        estimator.push(1.0 + 0.1 * (number % 2), 0.0)
    estimator.rebase()
    assert estimator.push(9.0, 1.0) == 0.0
    assert estimator.wanted_s > 0.1
    estimator.clear()
    assert (estimator.baseline, estimator.wanted_s) == (None, 0.04)


def test_absurd_delays_are_bounded() -> None:
    estimator = DelayEstimator(0.0)
    estimator.push(0.0, 0.0)
    estimator.push(50.0, 0.0)
    assert estimator.wanted_s == 1.0
