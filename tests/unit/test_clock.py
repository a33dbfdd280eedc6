"""A clock that goes on over restarts."""

import pytest

from bridge.clock import ContinuedClock, ManualClock


def test_instants_of_two_processes_can_be_compared() -> None:
    """The machine rebooted in between: its monotonic clock began anew, the wall clock went on."""
    first_base = ManualClock(50_000.0, wall=1_700_000_000.0)
    first = ContinuedClock(first_base)
    called_at = first.now()
    second = ContinuedClock(ManualClock(12.0, wall=1_700_000_060.0))
    second.continue_after(called_at)
    assert second.now() - called_at == pytest.approx(60.0)


def test_a_wall_clock_that_was_set_does_not_move_a_running_process() -> None:
    base = ManualClock(10.0, wall=1_700_000_000.0)
    clock = ContinuedClock(base)
    began = clock.now()
    base.advance(5.0)
    assert clock.now() - began == pytest.approx(5.0)
    assert clock.wall() == base.wall()


def test_a_wall_clock_that_was_set_back_meanwhile_does_not_make_time_go_back() -> None:
    called_at = ContinuedClock(ManualClock(0.0, wall=1_700_000_000.0)).now()
    later = ContinuedClock(ManualClock(0.0, wall=1_600_000_000.0))
    later.continue_after(called_at)
    assert later.now() == pytest.approx(called_at)
