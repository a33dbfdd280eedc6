import numpy as np
import pytest

from bridge.codec.g711 import PCMA, PCMU, G711Decoder, G711Encoder, Law, a_law_table, mu_law_table
from bridge.codec.sample import from_pcm16
from tests.unit.codec.tone import error_db, tone

LAWS = [pytest.param(PCMU, id="PCMU"), pytest.param(PCMA, id="PCMA")]
ALL_OCTETS = bytes(range(256))


def test_mu_law_values_are_those_of_g711() -> None:
    table = mu_law_table()
    assert table[[0x00, 0x80, 0x7F, 0xFF, 0x0F, 0x70]].tolist() == [-32124, 32124, 0, 0, -16764, -120]


def test_a_law_values_are_those_of_g711() -> None:
    table = a_law_table()
    assert table[[0x55, 0xD5, 0x2A, 0xAA, 0x54]].tolist() == [-8, 8, -32256, 32256, -24]


@pytest.mark.parametrize("law", LAWS)
def test_every_octet_comes_back_but_negative_zero(law: Law) -> None:
    back = law.encode(law.decode(ALL_OCTETS))
    changed = [octet for octet in range(256) if back[octet] != octet]
    assert changed == ([0x7F] if law is PCMU else [])


@pytest.mark.parametrize("law", LAWS)
def test_every_sample_becomes_the_nearest_value(law: Law) -> None:
    every = from_pcm16(np.arange(-32_768, 32_768).astype(np.int16))
    values = np.sort(law.decode(ALL_OCTETS))
    made = law.decode(law.encode(every))
    right = values[np.clip(np.searchsorted(values, every), 0, 255)]
    left = values[np.clip(np.searchsorted(values, every) - 1, 0, 255)]
    best = np.minimum(np.abs(every - left), np.abs(every - right))
    assert np.abs(np.abs(made - every) - best).max() < 1e-6


@pytest.mark.parametrize("law", LAWS)
def test_a_tone_keeps_36_db_above_the_noise(law: Law) -> None:
    sound = tone(440, 8_000, 0.5)
    assert error_db(law.decode(law.encode(sound)), sound) < -36


@pytest.mark.parametrize("law", LAWS)
def test_a_batch_is_the_same_as_one_by_one(law: Law) -> None:
    payloads = [bytes([number]) * 160 for number in (1, 128, 255)]
    rows = law.decode_many(payloads)
    assert [row.tolist() for row in rows] == [law.decode(payload).tolist() for payload in payloads]
    assert law.encode_many(rows) == [law.encode(row) for row in rows]


@pytest.mark.parametrize("law", LAWS)
def test_silence_is_quiet(law: Law) -> None:
    assert abs(float(law.decode(law.silence)[0])) <= 8 / 32_768


def test_a_loss_is_concealed_with_what_was_before() -> None:
    decoder, sound = G711Decoder(PCMU), tone(200, 8_000, 0.1)
    decoder.decode(PCMU.encode(sound))
    hidden = decoder.recover(b"next")
    assert len(hidden) == 160
    assert np.abs(hidden[:80]).max() > 0.25


def test_encoders_share_what_has_no_state() -> None:
    encoder = G711Encoder(PCMA)
    assert encoder.clone() is encoder
    assert encoder.encode(np.zeros(3, dtype=np.float32)) == PCMA.silence * 3
