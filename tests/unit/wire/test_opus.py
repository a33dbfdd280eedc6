"""Opus packets without a decoder (RFC 6716 section 3)."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from bridge.wire.opus import has_fec, is_dtx, packet_samples, parse_toc, voice_activity


def toc(config: int, code: int = 0, stereo: int = 0) -> int:
    return config << 3 | stereo << 2 | code


@pytest.mark.parametrize(
    ("config", "milliseconds"),
    [(0, 10), (1, 20), (2, 40), (3, 60), (11, 60), (12, 10), (13, 20), (16, 2.5), (19, 20), (31, 20)],
)
def test_durations_follow_table_2(config: int, milliseconds: float) -> None:
    samples = int(milliseconds * 48)
    assert parse_toc(toc(config)).frame_samples == samples
    assert packet_samples(bytes((toc(config), 0xFF))) == samples
    assert packet_samples(bytes((toc(config, 1), 0xFF))) == 2 * samples
    assert packet_samples(bytes((toc(config, 2), 0xFF))) == 2 * samples


def test_code_3_counts_its_frames() -> None:
    assert packet_samples(bytes((toc(16, 3), 0x83, 0))) == 360
    for payload in (b"", bytes((toc(1, 3),)), bytes((toc(1, 3), 0)), bytes((toc(3, 3), 3))):
        with pytest.raises(ParseError):
            packet_samples(payload)


@given(st.binary(max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_payload_can_be_looked_at(payload: bytes) -> None:
    voice_activity(payload)
    has_fec(payload)
    with contextlib.suppress(ParseError):
        assert 0 < packet_samples(payload) <= 5760


@pytest.mark.parametrize(
    ("head", "first", "active", "fec"),
    [
        pytest.param(bytes((toc(9),)), 0b1000_0000, True, False, id="20 ms, voice"),
        pytest.param(bytes((toc(9),)), 0b0100_0000, False, True, id="20 ms, FEC"),
        pytest.param(bytes((toc(11),)), 0b0010_0000, True, False, id="60 ms, voice in the third frame"),
        pytest.param(bytes((toc(11),)), 0b0001_0000, False, True, id="60 ms, FEC"),
        pytest.param(bytes((toc(9, 0, 1),)), 0b0010_0000, True, False, id="stereo, voice at the side"),
        pytest.param(bytes((toc(9, 0, 1),)), 0b0001_0000, False, True, id="stereo, FEC at the side"),
        pytest.param(bytes((toc(9, 1),)), 0b1100_0000, True, True, id="two equal frames"),
        pytest.param(bytes((toc(9, 2), 5)), 0b1000_0000, True, False, id="two frames, one length octet"),
        pytest.param(bytes((toc(9, 2), 252, 0)), 0b1000_0000, True, False, id="two frames, two octets"),
        pytest.param(bytes((toc(9, 3), 2)), 0b1000_0000, True, False, id="code 3, constant bitrate"),
        pytest.param(bytes((toc(9, 3), 0x83, 1, 1)), 0b1000_0000, True, False, id="code 3, variable"),
        pytest.param(bytes((toc(9, 3), 0x41, 255, 3)), 0b0100_0000, False, True, id="code 3, padding"),
        pytest.param(bytes((toc(9, 3), 2)), 0b0100_0000, None, True, id="code 3, a second frame to come"),
        pytest.param(bytes((toc(9, 1),)), 0, None, False, id="two frames, the first silent"),
    ],
)
def test_flags_are_in_the_first_frame(head: bytes, first: int, active: bool | None, fec: bool) -> None:
    payload = head + bytes((first, 0, 0, 0))
    assert voice_activity(payload) is active
    assert has_fec(payload) is fec


def test_celt_has_neither_flag() -> None:
    payload = bytes((toc(31), 0xFF, 0xFF, 0xFF))
    assert voice_activity(payload) is None
    assert not has_fec(payload)


def test_dtx_is_a_packet_of_one_or_two_octets() -> None:
    assert is_dtx(bytes((toc(9),)))
    assert voice_activity(bytes((toc(9),))) is False
    assert not is_dtx(bytes((toc(9), 0, 0)))


def test_an_empty_first_frame_says_nothing() -> None:
    for payload in (bytes((toc(9, 2), 0, 1, 1)), bytes((toc(9, 3), 0x82, 0, 1)), bytes((toc(9, 3), 0x42, 9))):
        assert voice_activity(payload) is None
        assert not has_fec(payload)
