"""RTP header extensions (RFC 8285)."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from bridge.wire.extensions import (
    ONE_BYTE_PROFILE,
    TWO_BYTE_PROFILE,
    build_extensions,
    extension_block,
    find_extension,
    is_two_byte,
    parse_extensions,
    read_audio_level,
    read_mid,
    read_transport_sequence_number,
    replace_extension,
    write_transport_sequence_number,
)
from bridge.wire.rtp import RtpPacket, header_size, serialize_rtp

small = st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), max_size=5)
large = st.dictionaries(st.integers(1, 255), st.binary(max_size=40), max_size=5)


def packet_with(elements: dict[int, bytes], csrcs: tuple[int, ...] = ()) -> bytearray:
    profile, body = build_extensions(elements)
    packet = RtpPacket(96, 1, 2, 3, b"\xff\xff", csrcs=csrcs, extension_profile=profile, extension=body)
    return bytearray(serialize_rtp(packet))


@given(small | large)
@settings(max_examples=100, deadline=None)
def test_elements_survive_the_wire(elements: dict[int, bytes]) -> None:
    profile, body = build_extensions(elements)
    assert len(body) % 4 == 0
    assert parse_extensions(profile, body) == elements


@given(small | large, st.lists(st.integers(0, 99), max_size=2))
@settings(max_examples=100, deadline=None)
def test_each_element_is_found_in_the_packet(elements: dict[int, bytes], csrcs: list[int]) -> None:
    packet = packet_with(elements, tuple(csrcs))
    for number, value in elements.items():
        at, size = find_extension(packet, number)
        assert packet[at : at + size] == value


@given(st.sampled_from([0xBEDE, 0x1000, 0x100F]), st.binary(max_size=24), st.integers(1, 15))
@settings(max_examples=150, deadline=None)
def test_any_extension_can_be_looked_through(profile: int, body: bytes, wanted: int) -> None:
    body += bytes(-len(body) % 4)
    packet = serialize_rtp(RtpPacket(96, 1, 2, 3, extension_profile=profile, extension=body))
    at, size = find_extension(packet, wanted)
    assert at + size <= header_size(packet)
    with contextlib.suppress(ParseError):
        parse_extensions(profile, body)


def test_the_one_byte_form_is_preferred() -> None:
    assert build_extensions({1: b"a"}) == (ONE_BYTE_PROFILE, b"\x10a\x00\x00")
    assert build_extensions({15: b"a"})[0] == TWO_BYTE_PROFILE
    assert build_extensions({1: b""})[0] == TWO_BYTE_PROFILE
    assert build_extensions({1: b"x" * 17})[0] == TWO_BYTE_PROFILE
    assert extension_block({}) == b""
    assert is_two_byte(0x1007)


def test_padding_between_elements_and_the_stop_id() -> None:
    # RFC 8285 section 4.2: id 15 ends the list whatever follows
    assert parse_extensions(ONE_BYTE_PROFILE, bytes.fromhex("00 1061 00 f0 2062 00")) == {1: b"a"}
    packet = serialize_rtp(
        RtpPacket(96, 1, 2, 3, extension_profile=0xBEDE, extension=bytes.fromhex("001061f020620000"))
    )
    assert find_extension(packet, 1) == (18, 1)
    assert find_extension(packet, 2) == (0, 0)


def test_a_profile_of_somebody_else_has_no_elements() -> None:
    assert parse_extensions(0x4242, b"\x10a\x00\x00") == {}
    packet = serialize_rtp(RtpPacket(96, 1, 2, 3, extension_profile=0x4242, extension=b"\x10a\x00\x00"))
    assert find_extension(packet, 1) == (0, 0)
    assert find_extension(serialize_rtp(RtpPacket(96, 1, 2, 3)), 1) == (0, 0)


def test_an_element_beyond_the_end_is_refused() -> None:
    with pytest.raises(ParseError):
        parse_extensions(ONE_BYTE_PROFILE, b"\x1f\x00\x00\x00")
    with pytest.raises(ParseError):
        parse_extensions(TWO_BYTE_PROFILE, b"\x01\x09\x00\x00")
    with pytest.raises(ParseError):
        parse_extensions(TWO_BYTE_PROFILE, b"\x00\x00\x00\x01")


def test_an_element_too_large_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="255"):
        build_extensions({256: b""})


def test_values_are_changed_in_place() -> None:
    packet = packet_with({1: b"0", 3: b"\x00\x00", 4: b"\x85"})
    size = len(packet)
    assert write_transport_sequence_number(packet, 3, 0x1_1234)
    assert replace_extension(packet, 1, b"7")
    assert not replace_extension(packet, 1, b"77")
    assert not write_transport_sequence_number(packet, 9, 1)
    assert len(packet) == size
    assert read_transport_sequence_number(packet, 3) == 0x1234
    assert read_mid(packet, 1) == "7"
    assert read_audio_level(packet, 4) == 5


def test_what_is_not_there_reads_as_none() -> None:
    packet = packet_with({1: b"0"})
    assert read_transport_sequence_number(packet, 3) is None
    assert read_mid(packet, 2) is None
    assert read_audio_level(packet, 4) is None


def test_a_peer_cannot_make_a_mid_raise() -> None:
    assert read_mid(packet_with({1: b"\xff\xfe"}), 1) == "\ufffd\ufffd"


def test_a_negotiated_id_fits_both_forms() -> None:
    packet = packet_with({1: b"0", 200: b"x" * 20})
    assert read_mid(packet, 1) == "0"
