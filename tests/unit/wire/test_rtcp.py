"""RTCP compounds (RFC 3550 section 6)."""

import contextlib

import pytest
from aiortc import rtp as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from bridge.wire.rtcp import (
    FullIntraRequest,
    Goodbye,
    Nack,
    PictureLossIndication,
    ReceiverReport,
    Remb,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    TransportFeedback,
    parse_rtcp,
    serialize_rtcp,
)

BLOCK = ReportBlock(0x1111, 64, -3, 0x10005, 77, 0x12345678, 65536)
EXAMPLES: list[RtcpPacket] = [
    SenderReport(1, 0xE5A1_0000_8000_0000, 90_000, 10, 12_000, (BLOCK,)),
    ReceiverReport(2, (BLOCK, BLOCK)),
    ReceiverReport(2),
    SourceDescription(((1, "abcd"), (2, "x"), (3, ""))),
    Goodbye((1, 2), "gone"),
    Goodbye((1,)),
    Nack(1, 2, (5, 6, 21, 22, 65535, 0)),
    PictureLossIndication(1, 2),
    FullIntraRequest(1, ((2, 9), (3, 255))),
    Remb(1, 2_500_000 >> 6 << 6, (2, 3)),
    TransportFeedback(1, 2, 65530, -5, 200, (0, None, 255, 256, -1, None, None, 4)),
]


@pytest.mark.parametrize("packet", EXAMPLES, ids=lambda packet: type(packet).__name__)
def test_each_packet_survives_the_wire(packet: RtcpPacket) -> None:
    assert parse_rtcp(serialize_rtcp([packet])) == [packet]


def test_a_compound_keeps_its_order_and_whole_words() -> None:
    data = serialize_rtcp(EXAMPLES)
    assert len(data) % 4 == 0
    assert parse_rtcp(data) == EXAMPLES


def test_unknown_types_and_messages_are_skipped() -> None:
    xr = bytes.fromhex("80cf0001 00000001")
    sli = bytes.fromhex("82ce0003 00000001 00000002 00000003")
    tmmbr = bytes.fromhex("83cd0002 00000001 00000002")
    assert parse_rtcp(xr + sli + tmmbr + serialize_rtcp([Goodbye((7,))])) == [Goodbye((7,))]


def test_padding_at_the_end_is_left_out() -> None:
    # RFC 3550 section 6.4.1: the padding count counts itself and is a multiple of four
    assert parse_rtcp(bytes.fromhex("a1cb0002 00000007 00000004")) == [Goodbye((7,))]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("80c9", id="half a header"),
        pytest.param("80c90002 00000001", id="length beyond the end"),
        pytest.param("41c90001 00000001", id="version 1"),
        pytest.param("81c90001 00000001", id="a block announced but absent"),
        pytest.param("80c80001 00000001", id="sender info absent"),
        pytest.param("81ca0002 00000001 01054142", id="SDES item beyond the end"),
        pytest.param("81ca0002 00000001 01024142", id="SDES without an end"),
        pytest.param("82cb0001 00000001", id="BYE with too few SSRCs"),
        pytest.param("81cb0002 00000001 09414243", id="BYE reason beyond the end"),
        pytest.param("a1cb0001 00000001", id="padding count beyond the packet"),
        pytest.param("81cd0001 00000001", id="feedback without media SSRC"),
        pytest.param("8fce0004 00000001 00000000 52454d42 05000000", id="REMB with too few SSRCs"),
        pytest.param("8fcd0004 00000001 00000002 00010001 00000000", id="transport-cc without chunk"),
        pytest.param("80c90001 00000001 80", id="rubbish behind"),
    ],
)
def test_what_does_not_add_up_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_rtcp(bytes.fromhex(text))


def test_a_broken_packet_does_not_take_the_others_along() -> None:
    """SDES whose list of items has no end, as sloppy stacks write it, before a request for a key frame."""
    report, request = ReceiverReport(1), PictureLossIndication(1, 2)
    sloppy = bytes.fromhex("81ca0002 00000001 01026162")
    with pytest.raises(ParseError):
        parse_rtcp(sloppy)
    assert parse_rtcp(serialize_rtcp([report]) + sloppy + serialize_rtcp([request])) == [report, request]


@given(st.binary(max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    with contextlib.suppress(ParseError):
        parse_rtcp(data)


@given(st.sampled_from(EXAMPLES), st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_packet_parses_or_is_refused(packet: RtcpPacket, data: st.DataObject) -> None:
    damaged = bytearray(serialize_rtcp([packet]))
    at = data.draw(st.integers(4, len(damaged) - 1) if len(damaged) > 4 else st.just(0))
    damaged[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ParseError):
        parse_rtcp(damaged)


def test_lost_counts_are_clamped_to_24_bits() -> None:
    block = ReportBlock(1, 255, 1 << 30, 0, 0, 0, 0)
    (parsed,) = parse_rtcp(serialize_rtcp([ReceiverReport(1, (block,))]))
    assert isinstance(parsed, ReceiverReport)
    assert parsed.blocks[0].packets_lost == 0x7FFFFF


def test_too_many_items_are_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="31"):
        serialize_rtcp([ReceiverReport(1, (BLOCK,) * 32)])
    with pytest.raises(ValueError, match="255"):
        serialize_rtcp([SourceDescription(((1, "x" * 256),))])
    with pytest.raises(ValueError, match="255"):
        serialize_rtcp([Goodbye((1,), "x" * 256)])
    with pytest.raises(ValueError, match="255"):
        serialize_rtcp([Remb(1, 1, (1,) * 256)])


def test_another_implementation_reads_our_reports() -> None:
    report, description, goodbye, nack, pli = reference.RtcpPacket.parse(
        serialize_rtcp(
            [
                SenderReport(1, 5 << 32, 90, 2, 3, (BLOCK,)),
                SourceDescription(((1, "name"),)),
                Goodbye((1,)),
                Nack(1, 2, (5, 6, 7)),
                PictureLossIndication(1, 2),
            ]
        )
    )
    assert isinstance(report, reference.RtcpSrPacket)
    assert (report.ssrc, report.sender_info.ntp_timestamp, report.reports[0].packets_lost) == (1, 5 << 32, -3)
    assert isinstance(description, reference.RtcpSdesPacket)
    assert description.chunks[0].items == [(1, b"name")]
    assert isinstance(goodbye, reference.RtcpByePacket)
    assert goodbye.sources == [1]
    assert isinstance(nack, reference.RtcpRtpfbPacket)
    assert (nack.ssrc, nack.media_ssrc, nack.lost) == (1, 2, [5, 6, 7])
    assert isinstance(pli, reference.RtcpPsfbPacket)
    assert (pli.fmt, pli.media_ssrc) == (1, 2)
