"""RTP packets as bytes (RFC 3550 section 5.1)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from bridge.wire.rtp import (
    RtpPacket,
    header_size,
    padding_size,
    parse_rtp,
    payload_type_of,
    sequence_number_of,
    serialize_rtp,
    ssrc_of,
)

uint16 = st.integers(0, 0xFFFF)
uint32 = st.integers(0, 0xFFFFFFFF)


@st.composite
def packets(draw: st.DrawFn) -> RtpPacket:
    profile = draw(st.none() | uint16)
    words = draw(st.integers(0, 4)) if profile is not None else 0
    return RtpPacket(
        payload_type=draw(st.integers(0, 127)),
        sequence_number=draw(uint16),
        timestamp=draw(uint32),
        ssrc=draw(uint32),
        payload=draw(st.binary(max_size=40)),
        marker=draw(st.booleans()),
        csrcs=tuple(draw(st.lists(uint32, max_size=15))),
        extension_profile=profile,
        extension=draw(st.binary(min_size=4 * words, max_size=4 * words)),
        padding_size=draw(st.sampled_from([0, 1, 4, 255])),
    )


def test_the_fixed_header_is_where_rfc_3550_puts_it() -> None:
    data = bytes.fromhex("80e0 1234 00000010 deadbeef 0102")
    assert parse_rtp(data) == RtpPacket(0x60, 0x1234, 0x10, 0xDEADBEEF, b"\x01\x02", marker=True)
    assert (header_size(data), padding_size(data, 12)) == (12, 0)
    assert (payload_type_of(data), sequence_number_of(data), ssrc_of(data)) == (0x60, 0x1234, 0xDEADBEEF)


@given(packets())
@settings(max_examples=60, deadline=None)
def test_a_packet_survives_the_wire(packet: RtpPacket) -> None:
    assert parse_rtp(serialize_rtp(packet)) == packet


@given(st.binary(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    try:
        packet = parse_rtp(data)
    except ParseError:
        return
    assert len(serialize_rtp(packet)) == len(data)


@given(packets(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_cut_off_header_is_refused(packet: RtpPacket, data: st.DataObject) -> None:
    whole = serialize_rtp(packet)
    size = data.draw(st.integers(0, header_size(whole) - 1))
    with pytest.raises(ParseError):
        header_size(whole[:size])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("40e0 1234 00000010 deadbeef", id="version 1"),
        pytest.param("a0e0 1234 00000010 deadbeef", id="padding of nothing"),
        pytest.param("a0e0 1234 00000010 deadbeef 00", id="padding count 0"),
        pytest.param("a0e0 1234 00000010 deadbeef 0002 03 05", id="padding longer than the payload"),
        pytest.param("90e0 1234 00000010 deadbeef bede 0002 00000000", id="extension cut off"),
    ],
)
def test_what_rfc_3550_forbids_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_rtp(bytes.fromhex(text))


@pytest.mark.parametrize(
    "packet",
    [
        RtpPacket(96, 0x10000, 0, 0),
        RtpPacket(96, 0, 0, 0, csrcs=(0,) * 16),
        RtpPacket(96, 0, 0, 0, extension_profile=0xBEDE, extension=b"abc"),
        RtpPacket(96, 0, 0, 0, padding_size=256),
    ],
)
def test_fields_that_do_not_fit_are_our_own_mistake(packet: RtpPacket) -> None:
    with pytest.raises(ValueError, match="RTP"):
        serialize_rtp(packet)
