import numpy as np
import pytest

from bridge.codec.audio import AUDIO_CODECS, decoder_for, encoder_for, encoding_profile
from bridge.errors import NegotiationError
from bridge.plane.messages import Codec
from tests.unit.codec.tone import amplitude_of, tone

CODECS = {
    "PCMU": Codec("PCMU", 0, 8_000),
    "PCMA": Codec("PCMA", 8, 8_000),
    "G722": Codec("G722", 9, 8_000),
    "OPUS": Codec("OPUS", 111, 48_000, fmtp="useinbandfec=1"),
}


@pytest.mark.parametrize("name", AUDIO_CODECS)
def test_every_codec_carries_a_tone(name: str) -> None:
    encoder, decoder = encoder_for(encoding_profile(CODECS[name])), decoder_for(CODECS[name])
    assert encoder.rate_hz == decoder.rate_hz
    sound = tone(500, encoder.rate_hz, 0.4).reshape(20, -1)
    heard = np.concatenate([decoder.decode(encoder.encode(frame)) for frame in sound])
    assert amplitude_of(500, heard[len(heard) // 4 :], encoder.rate_hz) == pytest.approx(0.3, rel=0.1)
    assert len(decoder.conceal()) == encoder.rate_hz // 50


def test_loss_counts_only_where_fec_was_negotiated() -> None:
    with_fec = encoding_profile(CODECS["OPUS"], 10).opus
    without = encoding_profile(Codec("OPUS", 111, 48_000), 10).opus
    assert with_fec is not None
    assert without is not None
    assert (with_fec.expected_loss_percent, without.expected_loss_percent) == (10, 0)
    assert encoding_profile(CODECS["PCMU"], 10) is encoding_profile(CODECS["PCMU"], 10)


def test_an_unknown_codec_is_refused_by_name() -> None:
    with pytest.raises(NegotiationError, match="SPEEX"):
        decoder_for(Codec("SPEEX", 97, 8_000))
