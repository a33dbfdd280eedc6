"""The VP8 payload descriptor (RFC 7741 section 4.2)."""

import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from bridge.wire.vp8 import (
    Vp8Descriptor,
    frame_size,
    parse_descriptor,
    starts_key_frame,
    widened_descriptor,
    write_counters,
)

KEY_FRAME_360P = bytes.fromhex("10 00 00 9d012a 8002 6801")  # RFC 6386 section 9.1: 640x360, not scaled


def test_the_short_form() -> None:
    assert parse_descriptor(b"\x10\x00") == Vp8Descriptor(1, True, 0, False)
    assert parse_descriptor(b"\x23\x00") == Vp8Descriptor(1, False, 3, True)


def test_every_field_at_once() -> None:
    descriptor = parse_descriptor(bytes.fromhex("b0 f0 9234 56 a7 00"))
    assert descriptor == Vp8Descriptor(6, True, 0, True, 0x1234, 15, 2, 0x56, 4, 2, True, 7)
    assert descriptor.starts_frame


def test_a_narrow_picture_id() -> None:
    descriptor = parse_descriptor(bytes.fromhex("90 80 7f 00"))
    assert (descriptor.picture_id, descriptor.picture_id_bits, descriptor.size) == (127, 7, 3)


@pytest.mark.parametrize("text", ["", "90", "9080", "908081", "9040", "9010", "90f0 8001 05"])
def test_a_cut_off_descriptor_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_descriptor(bytes.fromhex(text))


def test_the_descriptor_may_not_reach_beyond_its_payload() -> None:
    with pytest.raises(ParseError):
        parse_descriptor(bytes.fromhex("ffff 90e0 8001 05"), start=2, end=5)


@given(st.binary(min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_any_bytes_parse_as_another_implementation_does(payload: bytes) -> None:
    try:
        descriptor = parse_descriptor(payload)
    except ParseError:
        return
    theirs, rest = VpxPayloadDescriptor.parse(payload)
    assert len(rest) == len(payload) - descriptor.size
    assert (theirs.picture_id or 0) == descriptor.picture_id
    assert theirs.tl0picidx == descriptor.tl0picidx


def test_a_key_frame_begins_in_its_first_packet_only() -> None:
    first, other = b"\x90\x80\x01" + KEY_FRAME_360P, b"\x80\x80\x01" + KEY_FRAME_360P
    assert starts_key_frame(first, parse_descriptor(first))
    assert frame_size(first, parse_descriptor(first)) == (640, 360)
    assert not starts_key_frame(other, parse_descriptor(other))
    assert frame_size(other, parse_descriptor(other)) is None
    inter_frame = b"\x90\x80\x01\x11"
    assert not starts_key_frame(inter_frame, parse_descriptor(inter_frame))


def test_a_key_frame_without_start_code_has_no_size() -> None:
    payload = b"\x10" + bytes(10)
    assert frame_size(payload, parse_descriptor(payload)) is None


@given(st.integers(0, 1 << 20), st.integers(0, 1 << 12))
@settings(max_examples=50, deadline=None)
def test_counters_are_written_in_place(picture_id: int, tl0picidx: int) -> None:
    payload = bytearray(bytes.fromhex("ffff b0 f0 9234 56 a7 01"))
    before = parse_descriptor(payload, 2)
    write_counters(payload, before, picture_id, tl0picidx, start=2)
    after = parse_descriptor(payload, 2)
    assert (after.picture_id, after.tl0picidx) == (picture_id & 0x7FFF, tl0picidx & 0xFF)
    assert (after.non_reference, after.tid, after.key_index, after.size) == (True, 2, 7, before.size)
    assert payload[:2] == b"\xff\xff"
    assert payload[-1] == 1


def test_a_narrow_picture_id_stays_narrow_in_place_or_is_widened() -> None:
    payload = bytearray(bytes.fromhex("90 c0 05 09 00"))
    descriptor = parse_descriptor(payload)
    write_counters(payload, descriptor, 130, 3)
    assert payload == bytes.fromhex("90 c0 02 03 00")
    assert widened_descriptor(payload, descriptor) == bytes.fromhex("90 c0 8002 03")


def test_what_is_absent_stays_absent() -> None:
    payload = bytearray(b"\x10\x00")
    write_counters(payload, parse_descriptor(payload), 5, 6)
    assert payload == b"\x10\x00"
