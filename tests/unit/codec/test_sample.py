import numpy as np
import pytest

from bridge.codec.sample import SILENCE_DBOV, dbov, frame_samples, from_pcm16, to_pcm16
from tests.unit.codec.tone import power, tone


def test_a_full_scale_sine_is_minus_three_dbov() -> None:
    assert dbov(power(tone(1000, 8000, 1, 1.0))) == pytest.approx(-3.01, abs=0.02)


@pytest.mark.parametrize("value", [0.0, 1e-20])
def test_silence_is_minus_127_dbov(value: float) -> None:
    assert dbov(value) == SILENCE_DBOV


def test_integers_survive_the_way_to_floats_and_back() -> None:
    every = np.arange(-32_768, 32_768).astype(np.int16)
    assert np.array_equal(to_pcm16(from_pcm16(every)), every)


def test_too_loud_floats_are_limited() -> None:
    assert to_pcm16(np.array([-7.0, 1.0, 7.0], dtype=np.float32)).tolist() == [-32_768, 32_767, 32_767]


@pytest.mark.parametrize(("rate_hz", "samples"), [(8_000, 160), (16_000, 320), (48_000, 960)])
def test_a_frame_is_20_ms(rate_hz: int, samples: int) -> None:
    assert frame_samples(rate_hz) == samples
