"""Keys as tones: heard as what they are, through every codec, and not in music, noise or a single tone."""

import numpy as np
import pytest

from bridge.codec.audio import decoder_for, encoder_for, encoding_profile
from bridge.codec.dtmf import HIGH_HZ, KEYS, LOW_HZ, DtmfDetector, tone_frame
from bridge.codec.sample import Samples, frame_samples
from bridge.plane.messages import Codec

ALL = "123A456B789C*0#D"
CODECS = {
    "PCMU": Codec("PCMU", 0, 8000),
    "PCMA": Codec("PCMA", 8, 8000),
    "G722": Codec("G722", 9, 8000),
    "OPUS": Codec("OPUS", 96, 48_000, 2),
}
TICKS = 4  # 80 ms


def dialed(keys: str, rate_hz: int, ticks: int = TICKS) -> Samples:
    silence = np.zeros(frame_samples(rate_hz) * ticks, np.float32)
    parts = []
    for key in keys:
        parts += [tone_frame(key, tick, ticks, rate_hz) for tick in range(ticks)] + [silence]
    return np.concatenate(parts)


def heard(sound: Samples, rate_hz: int) -> str:
    detector, size = DtmfDetector(rate_hz), frame_samples(rate_hz)
    frames = [sound[at : at + size] for at in range(0, len(sound) - size + 1, size)]
    found = [detector.hear(frame) for frame in [*frames, None, None, None]]
    return "".join(key for item in found if item is not None for key in item[0])


@pytest.mark.parametrize("name", CODECS)
def test_every_key_is_heard_once_through_every_codec(name: str) -> None:
    codec = CODECS[name]
    encoder, decoder = encoder_for(encoding_profile(codec)), decoder_for(codec)
    size = frame_samples(encoder.rate_hz)
    sound = dialed(ALL + ALL[::-1], encoder.rate_hz)
    frames = [sound[at : at + size] for at in range(0, len(sound), size)]
    through = np.concatenate([decoder.decode(encoder.encode(frame)) for frame in frames])
    assert heard(through, decoder.rate_hz) == ALL + ALL[::-1]


@pytest.mark.parametrize("offset", [0, 37, 80, 123])
def test_a_key_need_not_begin_with_a_frame(offset: int) -> None:
    assert heard(np.pad(dialed(ALL, 8000), (offset, 160)), 8000) == ALL


@pytest.mark.parametrize("noise_db", [-15, -20, -30])
def test_keys_are_heard_over_noise(noise_db: int) -> None:
    sound = dialed(ALL, 8000)
    noise = np.random.default_rng(1).standard_normal(len(sound)).astype(np.float32)
    power = np.float32(0.2 * 10 ** (noise_db / 20))
    assert heard(sound + noise * power, 8000) == ALL


def test_a_key_of_20_ms_is_none_and_a_gap_of_20_ms_does_not_make_two() -> None:
    assert heard(np.concatenate([tone_frame("5", 0, 1, 8000), np.zeros(800, np.float32)]), 8000) == ""
    frames = [tone_frame("5", tick, 8, 8000) for tick in range(8)]
    frames[4] = np.zeros(160, np.float32)
    assert heard(np.concatenate(frames), 8000) == "5"


def test_one_tone_of_a_key_alone_is_none() -> None:
    at = np.arange(8000) / 8000
    for frequency in (*LOW_HZ, *HIGH_HZ, 440.0, 350.0, 480.0, 1000.0, 2100.0):
        assert heard((0.3 * np.sin(2 * np.pi * frequency * at)).astype(np.float32), 8000) == ""


@pytest.mark.parametrize(
    "frequencies", [(350.0, 440.0), (440.0, 480.0), (480.0, 620.0), (700.0, 900.0), (697.0, 1300.0)]
)
def test_other_pairs_of_tones_are_none(frequencies: tuple[float, float]) -> None:
    at = np.arange(8000) / 8000
    sound = sum(0.2 * np.sin(2 * np.pi * frequency * at) for frequency in frequencies)
    assert heard(np.asarray(sound, np.float32), 8000) == ""


def test_noise_is_none() -> None:
    noise = np.random.default_rng(2).standard_normal(8000 * 60).astype(np.float32)
    assert heard(0.1 * noise, 8000) == ""


def test_the_keys_lie_as_on_a_telephone() -> None:
    assert "".join(KEYS) == ALL
