"""What a jitter buffer reads of audio payloads."""

import pytest

from bridge.errors import ParseError
from bridge.rtp.payload_shape import SHAPES


def test_g711_and_g722_have_an_octet_per_tick() -> None:
    for name in ("PCMU", "PCMA", "G722"):
        assert SHAPES[name].samples(bytes(240)) == 240


def test_opus_says_its_duration() -> None:
    assert SHAPES["OPUS"].samples(bytes((9 << 3, 1))) == 960
    with pytest.raises(ParseError):
        SHAPES["OPUS"].samples(b"")


@pytest.mark.parametrize(
    ("name", "silence", "voice"),
    [("PCMU", b"\xff\x7f\xfe\xe8", b"\xff\x80"), ("PCMA", b"\xd5\x55\xd4\x45", b"\xd5\xaa")],
)
def test_small_amplitudes_are_quiet(name: str, silence: bytes, voice: bytes) -> None:
    assert SHAPES[name].is_quiet(silence * 40)
    assert not SHAPES[name].is_quiet(silence * 40 + voice)


def test_quiet_opus_is_what_its_encoder_calls_so() -> None:
    assert SHAPES["OPUS"].is_quiet(bytes((9 << 3, 0x00, 1, 1)))
    assert not SHAPES["OPUS"].is_quiet(bytes((9 << 3, 0x80, 1, 1)))
    assert not SHAPES["OPUS"].is_quiet(bytes((31 << 3, 0, 1, 1)))  # CELT has no opinion
    assert not SHAPES["G722"].is_quiet(bytes(160))


def test_only_opus_announces_its_pauses() -> None:
    assert SHAPES["OPUS"].begins_pause(b"\x48")
    assert not SHAPES["OPUS"].begins_pause(b"\x48\x00\x00")
    assert not SHAPES["PCMU"].begins_pause(b"\xff")
