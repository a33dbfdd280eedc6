import numpy as np
import pytest

from bridge.codec.g722 import G722Decoder, G722Encoder
from bridge.codec.sample import Samples
from tests.unit.codec.tone import amplitude_of, tone


def through(sound: Samples) -> Samples:
    encoder, decoder = G722Encoder(), G722Decoder()
    return np.concatenate([decoder.decode(encoder.encode(frame)) for frame in sound.reshape(-1, 320)])


@pytest.mark.parametrize("frequency_hz", [300, 1000, 3400, 6000])
def test_wideband_tones_pass(frequency_hz: float) -> None:
    heard = through(tone(frequency_hz, 16_000, 0.4))
    assert amplitude_of(frequency_hz, heard[1600:], 16_000) == pytest.approx(0.3, rel=0.15)


def test_20_ms_are_160_octets() -> None:
    assert len(G722Encoder().encode(tone(400, 16_000, 0.02))) == 160


def test_a_loss_is_concealed() -> None:
    encoder, decoder = G722Encoder(), G722Decoder()
    for frame in tone(200, 16_000, 0.1).reshape(-1, 320):
        decoder.decode(encoder.encode(frame))
    hidden = decoder.recover(b"")
    assert len(hidden) == 320
    assert np.abs(hidden[:160]).max() > 0.2


def test_any_octets_are_sound() -> None:
    assert len(G722Decoder().decode(bytes(range(256)))) == 512


def test_a_clone_is_a_new_stream() -> None:
    encoder = G722Encoder()
    assert encoder.clone() is not encoder
