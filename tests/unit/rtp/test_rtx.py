"""Retransmission packets (RFC 4588 section 4)."""

import pytest
from aiortc import rtp as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from bridge.rtp.rtx import original_sequence_number, unwrap_rtx, wrap_rtx
from bridge.wire.rtp import RtpPacket, parse_rtp, serialize_rtp

MEDIA = RtpPacket(
    96, 4321, 90_000, 0x1111, b"picture", marker=True, extension_profile=0xBEDE, extension=b"\x100\x00\x00"
)


def test_a_retransmission_is_the_original_with_its_number_in_front() -> None:
    rtx = parse_rtp(wrap_rtx(serialize_rtp(MEDIA), 97, 0x2222, 0x1_0005))
    assert (rtx.payload_type, rtx.ssrc, rtx.sequence_number) == (97, 0x2222, 5)
    assert rtx.payload == (4321).to_bytes(2, "big") + b"picture"
    assert (rtx.timestamp, rtx.marker, rtx.extension) == (90_000, True, MEDIA.extension)


@given(st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=30), st.integers(0, 4))
@settings(max_examples=50, deadline=None)
def test_unwrapping_gives_the_original_without_padding(number: int, payload: bytes, padding: int) -> None:
    media = RtpPacket(96, number, 1, 2, payload, csrcs=(9,))
    rtx = bytearray(wrap_rtx(serialize_rtp(media), 97, 3, 4))
    if padding:
        rtx[0] |= 0x20
        rtx += bytes(padding - 1) + bytes((padding,))
    assert original_sequence_number(rtx) == number
    assert unwrap_rtx(rtx, 96, 2) == serialize_rtp(media)


def test_mere_padding_holds_no_original() -> None:
    padding = serialize_rtp(RtpPacket(97, 1, 2, 3, padding_size=200))
    assert original_sequence_number(padding) is None
    with pytest.raises(ParseError):
        unwrap_rtx(padding, 96, 2)


def test_another_implementation_unwraps_it() -> None:
    rtx = reference.RtpPacket.parse(wrap_rtx(serialize_rtp(RtpPacket(96, 7, 1, 2, b"x")), 97, 3, 4))
    assert reference.unwrap_rtx(rtx, 96, 2).serialize() == serialize_rtp(RtpPacket(96, 7, 1, 2, b"x"))
