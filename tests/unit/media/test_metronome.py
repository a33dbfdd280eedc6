import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.media.audio.metronome import MOST_AT_ONCE, Beat, Metronome


def test_ticks_are_absolute_so_lateness_does_not_add_up() -> None:
    metronome = Metronome(100.0)
    asked = [100.0 + 0.02 * n + 0.003 for n in range(1000)]
    assert [metronome.due(now) for now in asked] == [1] * 1000
    assert metronome.timer() == pytest.approx(120.0)
    assert metronome.late == 0


def test_nothing_is_due_before_its_time() -> None:
    metronome = Metronome(10.0)
    assert metronome.due(9.99) == 0
    assert metronome.due(10.0) == 1
    assert metronome.due(10.019) == 0


@pytest.mark.parametrize(("behind", "ticks"), [(0.0, 1), (0.02, 2), (0.0401, 3)])
def test_a_short_delay_is_caught_up(behind: float, ticks: int) -> None:
    metronome = Metronome(0.0)
    assert metronome.due(behind) == ticks
    assert metronome.take_skipped() == 0
    assert metronome.late == (1 if behind else 0)


def test_a_long_sleep_is_skipped_and_told_once() -> None:
    metronome = Metronome(0.0)
    assert metronome.due(10.0) == 1
    assert metronome.take_skipped() == 500
    assert metronome.take_skipped() == 0
    assert metronome.skipped == 500
    assert metronome.index == 501
    assert metronome.worst_s == 10.0
    assert metronome.due(10.0201) == 1


@given(st.lists(st.floats(0, 0.5), max_size=50))
def test_every_tick_is_run_or_skipped(steps: list[float]) -> None:
    metronome, now, counted = Metronome(0.0), 0.0, 0
    for step in steps:
        now += step
        ticks = metronome.due(now)
        assert ticks <= MOST_AT_ONCE
        counted += ticks + metronome.take_skipped()
    assert counted == metronome.index
    assert metronome.timer() > now - 1e-9 or not steps


def test_a_beat_skips_before_it_ticks() -> None:
    told: list[str] = []
    beat = Beat(
        Metronome(0.0), lambda now: told.append(f"tick {now}"), lambda ticks: told.append(f"skip {ticks}")
    )
    for now in (0.0, 0.04, 1.06):
        beat.handle_timer(now)
    assert told == ["tick 0.0", "tick 0.04", "tick 0.04", "skip 50", "tick 1.06"]
    assert beat.timer() == pytest.approx(1.08)


def test_the_percentile_is_of_every_tick_also_of_those_that_were_left_out() -> None:
    metronome = Metronome(0.0)
    assert metronome.lateness_p99_s == 0.0
    for tick in range(990):
        metronome.due(tick * 0.02 + 0.001)
    assert metronome.lateness_p99_s == pytest.approx(0.001)
    metronome.due(990 * 0.02 + 0.390)  # twenty ticks in one
    assert metronome.skipped == 19
    assert metronome.lateness_p99_s == pytest.approx(0.19, abs=0.011)
    for tick in range(1010, 2010):
        metronome.due(tick * 0.02 + 0.002)
    assert metronome.lateness_p99_s == pytest.approx(0.002)
