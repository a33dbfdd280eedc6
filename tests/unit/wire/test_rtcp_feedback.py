"""Feedback bodies: what goes into as few words as possible, and what comes back."""

from aiortc import rtp as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.wire.rtcp import FullIntraRequest, Nack, Remb, parse_rtcp, serialize_rtcp


def test_neighbours_share_one_bitmask() -> None:
    # RFC 4585 section 6.2.1: a PID and the sixteen after it
    assert serialize_rtcp([Nack(1, 2, (100, 101, 116))])[12:] == bytes.fromhex("0064 8001")
    assert serialize_rtcp([Nack(1, 2, (100, 117))])[12:] == bytes.fromhex("0064 0000 0075 0000")


def test_a_bitmask_goes_round_the_wrap() -> None:
    assert serialize_rtcp([Nack(1, 2, (65535, 0, 3))])[12:] == bytes.fromhex("ffff 0009")


@given(st.sets(st.integers(0, 400), min_size=1, max_size=60), st.integers(0, 0xFFFF))
@settings(max_examples=60, deadline=None)
def test_every_missing_number_arrives_once(missing: set[int], start: int) -> None:
    wanted = tuple((start + number) & 0xFFFF for number in sorted(missing))
    assert parse_rtcp(serialize_rtcp([Nack(1, 2, wanted)])) == [Nack(1, 2, wanted)]


@given(st.integers(0, 1 << 40))
@settings(max_examples=60, deadline=None)
def test_a_bitrate_is_rounded_down_to_eighteen_bits(bitrate_bps: int) -> None:
    (parsed,) = parse_rtcp(serialize_rtcp([Remb(1, bitrate_bps, (2,))]))
    assert isinstance(parsed, Remb)
    assert parsed.bitrate_bps <= bitrate_bps
    assert bitrate_bps - parsed.bitrate_bps <= bitrate_bps >> 17
    assert parsed.ssrcs == (2,)


def test_another_implementation_reads_our_remb() -> None:
    (packet,) = reference.RtcpPacket.parse(serialize_rtcp([Remb(1, 4_160_000, (2,))]))
    assert isinstance(packet, reference.RtcpPsfbPacket)
    assert reference.unpack_remb_fci(packet.fci) == (4_160_000, [2])


def test_an_intra_request_names_its_stream_in_the_entry() -> None:
    # RFC 5104 section 4.3.1.2: the media SSRC of the header is not used
    assert serialize_rtcp([FullIntraRequest(1, ((9, 7),))])[8:] == bytes.fromhex("00000000 00000009 07000000")
