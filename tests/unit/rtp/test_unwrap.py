"""Wrapping counters made whole."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.rtp.unwrap import PictureIdUnwrap, Unwrap


@given(st.integers(0, 0xFFFF), st.lists(st.integers(-0x7FFF, 0x7FFF), max_size=40))
@settings(max_examples=80, deadline=None)
def test_steps_of_less_than_half_a_turn_are_kept(start: int, steps: list[int]) -> None:
    unwrap = Unwrap(16)
    truth = newest = unwrap(start)
    for step in steps:
        truth = newest + step
        assert unwrap(truth & 0xFFFF) == truth
        newest = max(newest, truth)


def test_a_packet_before_the_first_is_not_negative() -> None:
    unwrap = Unwrap(16)
    assert (unwrap(0), unwrap(0xFFFF), unwrap(1)) == (0x10000, 0xFFFF, 0x10001)


def test_a_restart_lies_ahead_and_keeps_its_low_bits() -> None:
    unwrap = Unwrap(16)
    before = unwrap(60_000)
    after = unwrap.restart(59_000)
    assert after > before
    assert after & 0xFFFF == 59_000
    assert Unwrap(16).restart(7) == 0x10007


def test_picture_ids_of_seven_bits_wrap_at_seven() -> None:
    unwrap = PictureIdUnwrap()
    assert [unwrap(value, 7) - 0x8000 for value in (126, 127, 0, 1, 127)] == [126, 127, 128, 129, 127]


def test_short_forms_of_a_fifteen_bit_counter_wrap_at_fifteen() -> None:
    unwrap = PictureIdUnwrap()
    counter = [(32_766, 15), (32_767, 15), (0, 7), (127, 7), (128, 15)]
    assert [unwrap(*value) - 0x8000 for value in counter] == [32_766, 32_767, 32_768, 32_895, 32_896]


def test_a_counter_that_grows_wide_goes_on() -> None:
    unwrap = PictureIdUnwrap()
    assert [unwrap(*value) - 0x8000 for value in ((127, 7), (128, 15), (127, 7))] == [127, 128, 127]
