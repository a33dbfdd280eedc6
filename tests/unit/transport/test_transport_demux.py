"""RFC 7983 section 7 and RFC 5761 section 4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.transport.demux import Kind, classify, is_keep_alive
from tests.unit.transport.browser import check, receiver_report, rtp_packet


@pytest.mark.parametrize(
    ("datagram", "kind"),
    [
        (bytes(check()), Kind.STUN),
        (rtp_packet(1), Kind.RTP),
        (receiver_report(), Kind.RTCP),
        (b"\x16\xfe\xfd" + bytes(10), Kind.DTLS),
        (b"\x80\xc8" + bytes(6), Kind.RTCP),
        (b"\x80\xdf" + bytes(6), Kind.RTCP),
        (b"\x80\xe0" + bytes(10), Kind.RTP),  # payload type 96 with the marker bit
        (b"\x80\xbf" + bytes(10), Kind.RTP),
        (b"\x80\x60" + bytes(9), Kind.OTHER),  # 11 bytes: no RTP header
        (b"\x00\x01\x00\x00" + bytes(16), Kind.OTHER),  # no magic cookie
        (b"\x16\xfe\xfd" + bytes(9), Kind.OTHER),
        (b"\x40\x00" + bytes(20), Kind.OTHER),  # TURN channel
        (b"\x10" + bytes(20), Kind.OTHER),  # ZRTP
        (b"\xc0" + bytes(20), Kind.OTHER),
        (b"", Kind.OTHER),
        (b"\x80", Kind.OTHER),
    ],
)
def test_the_first_bytes_say_what_a_datagram_is(datagram: bytes, kind: Kind) -> None:
    assert classify(datagram) is kind


@given(st.binary(max_size=64))
def test_any_bytes_have_a_kind(datagram: bytes) -> None:
    assert classify(datagram) in Kind


@pytest.mark.parametrize(
    ("datagram", "is_one"),
    [
        (b"", True),
        (b"\r\n\r\n", True),
        (bytes(4), True),
        (bytes(12), True),
        (b"\x00\x60" + bytes(10), True),  # RTP but for its version
        (bytes(check()), True),
        (b"\x00\x60", False),
        (b"\xc0" + bytes(20), False),
        (b"hello", False),
        (b"\x16\xfe\xfd" + bytes(10), False),
    ],
)
def test_a_keep_alive_says_nothing(datagram: bytes, is_one: bool) -> None:
    assert is_keep_alive(datagram, classify(datagram)) is is_one
