import numpy as np
import pytest

from bridge.codec.conceal import Concealer
from bridge.codec.sample import Samples
from tests.unit.codec.tone import amplitude_of, error_db, tone


def fed(rate_hz: int, sound: Samples) -> Concealer:
    concealer = Concealer(rate_hz)
    for frame in sound.reshape(-1, rate_hz // 50):
        concealer.good(frame)
    return concealer


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
@pytest.mark.parametrize("pitch_hz", [80, 125, 200])
def test_a_periodic_sound_goes_on_as_it_was(rate_hz: int, pitch_hz: float) -> None:
    whole = tone(pitch_hz, rate_hz, 0.2) + tone(3 * pitch_hz, rate_hz, 0.2, 0.1)
    known, lost = np.split(whole, [rate_hz // 10])
    made = fed(rate_hz, known).lost(rate_hz // 100)  # the first 10 ms are not faded
    assert error_db(made, lost[: len(made)]) < -10


def test_it_fades_to_silence_in_60_ms() -> None:
    concealer = fed(8_000, tone(100, 8_000, 0.1))
    peaks = [float(np.abs(concealer.lost(160)).max()) for _ in range(5)]
    assert peaks[0] > 0.25
    assert peaks[0] > peaks[1] > peaks[2] > 0
    assert peaks[3:] == [0, 0]


def test_the_stream_comes_back_without_a_step() -> None:
    sound = tone(200, 8_000, 0.3)
    concealer = fed(8_000, sound[:800])
    hidden = concealer.lost(160)
    back = concealer.good(sound[960:1120])
    steps = np.abs(np.diff(np.concatenate((sound[640:800], hidden, back))))
    assert steps.max() < 2.0 * np.abs(np.diff(sound)).max()
    assert back[40:].tolist() == sound[1000:1120].tolist()


def test_without_a_past_there_is_silence() -> None:
    assert not Concealer(8_000).lost(160).any()
    assert not fed(8_000, np.ones(160, dtype=np.float32)).lost(160).any()


def test_silence_stays_silence() -> None:
    made = fed(8_000, np.zeros(480, dtype=np.float32)).lost(160)
    assert not made.any()


def test_the_pitch_is_kept_through_a_loss() -> None:
    concealer = fed(8_000, tone(150, 8_000, 0.1))
    made = np.concatenate([concealer.lost(160), concealer.lost(160)])
    assert amplitude_of(150, made, 8_000) > 0.15
