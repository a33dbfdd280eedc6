import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.peers.tone import Tone, draw_frequencies, heard, level_db


@given(seed=st.integers(0, 1 << 32), count=st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_drawn_frequencies_are_not_near_each_other_nor_their_harmonics(seed: int, count: int) -> None:
    drawn = draw_frequencies(count, random.Random(seed).randrange)
    assert len(drawn) == count
    for one in drawn:
        for other in drawn:
            if other > one:
                assert min(abs(other - one * factor) for factor in (1, 2, 3)) >= 120


def test_more_tones_than_the_band_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 3"):
        draw_frequencies(4, random.Random(1).randrange)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_each_tone_of_a_mix_is_heard_and_nothing_else(rate_hz: int) -> None:
    pcm = Tone((440.0, 700.0), rate_hz).take(2 * rate_hz)
    assert {round(frequency) for frequency in heard(pcm, rate_hz)} == {440, 700}


def test_taking_in_pieces_gives_the_same_sound_as_taking_at_once() -> None:
    pieces, whole = Tone((610.0,), 8000), Tone((610.0,), 8000)
    assert np.array_equal(np.concatenate([pieces.take(160) for _ in range(50)]), whole.take(8000))


def test_silence_has_no_tones() -> None:
    pcm = Tone((), 8000).take(8000)
    assert heard(pcm, 8000) == {}
    assert level_db(pcm, 8000, 440.0) == -120.0


def test_too_little_sound_to_measure_has_no_level() -> None:
    assert level_db(Tone((440.0,), 8000).take(160), 8000, 440.0) == -120.0


def test_a_steady_sine_at_full_scale_is_zero_decibel() -> None:
    times = np.arange(16000) / 16000
    pcm = (32767 * np.sin(2 * np.pi * 1000 * times)).astype(np.int16)
    assert level_db(pcm, 16000, 1000.0) == pytest.approx(0.0, abs=0.1)
    assert level_db(pcm, 16000, 700.0) < -60


def test_the_level_halves_with_the_amplitude() -> None:
    loud, soft = Tone((500.0,), 8000, amplitude=0.5), Tone((500.0,), 8000, amplitude=0.25)
    difference = level_db(loud.take(8000), 8000, 500.0) - level_db(soft.take(8000), 8000, 500.0)
    assert difference == pytest.approx(6.0, abs=0.1)
