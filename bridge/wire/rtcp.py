"""RTCP: compound packets to values and back (RFC 3550 section 6, RFC 4585, RFC 5104, REMB, transport-cc).

`parse_rtcp` takes a whole compound (or, by RFC 5506, a reduced-size one), skips packet types it does not know
and what is broken inside of a packet, and refuses a compound whose lengths do not add up.
"""

import struct
from collections.abc import Callable, Iterable

import msgspec

from bridge.errors import ParseError
from bridge.wire.rtcp_feedback import (
    FullIntraRequest,
    Nack,
    PictureLossIndication,
    Remb,
    parse_payload_feedback,
    parse_transport_layer_feedback,
    serialize_full_intra_request,
    serialize_nack,
    serialize_picture_loss_indication,
    serialize_remb,
)
from bridge.wire.transport_feedback import TransportFeedback, serialize_transport_feedback

__all__ = [
    "FullIntraRequest",
    "Goodbye",
    "Nack",
    "PictureLossIndication",
    "ReceiverReport",
    "Remb",
    "ReportBlock",
    "RtcpPacket",
    "SenderReport",
    "SourceDescription",
    "TransportFeedback",
    "parse_rtcp",
    "serialize_rtcp",
]

SENDER_REPORT = 200  # RFC 3550 section 12.1
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
GOODBYE = 203
TRANSPORT_LAYER_FEEDBACK = 205  # RFC 4585 section 6.1
PAYLOAD_SPECIFIC_FEEDBACK = 206

MAX_ITEMS = 31  # the count field has five bits

_HEADER = struct.Struct("!BBH")
_SENDER_INFO = struct.Struct("!IQIII")
_REPORT_BLOCK = struct.Struct("!IIIIII")
_CNAME = 1  # RFC 3550 section 6.5.1
_LOST_MASK = 0xFFFFFF


class ReportBlock(msgspec.Struct, frozen=True, gc=False):
    """What a receiver says about one stream. `fraction_lost` is in 1/256, the last two in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence_number: int  # extended to 32 bits
    jitter: int
    last_sender_report: int
    delay_since_last_sender_report: int


class SenderReport(msgspec.Struct, frozen=True, gc=False):
    """`ntp_timestamp` is the 64-bit fixed-point NTP time that `timestamp` belongs to."""

    ssrc: int
    ntp_timestamp: int
    timestamp: int
    packet_count: int
    octet_count: int
    blocks: tuple[ReportBlock, ...] = ()


class ReceiverReport(msgspec.Struct, frozen=True, gc=False):
    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


class SourceDescription(msgspec.Struct, frozen=True, gc=False):
    """`cnames` are (SSRC, CNAME) pairs; the other SDES items are skipped."""

    cnames: tuple[tuple[int, str], ...]


class Goodbye(msgspec.Struct, frozen=True, gc=False):
    ssrcs: tuple[int, ...]
    reason: str = ""


RtcpPacket = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Goodbye
    | Nack
    | PictureLossIndication
    | FullIntraRequest
    | Remb
    | TransportFeedback
)


def parse_rtcp(compound: bytes | bytearray) -> list[RtcpPacket]:
    """All packets of a compound that are known here, in order. Raises ParseError.

    A broken one costs itself alone: a sloppy SDES must not take the picture loss behind it along. Nothing but
    broken ones is an error.
    """
    data = bytes(compound)
    if len(data) < 4:
        raise ParseError("RTCP packet shorter than its header")
    packets: list[RtcpPacket] = []
    broken: ParseError | None = None
    start = 0
    while start < len(data):
        first, packet_type, end = _packet_bounds(data, start)
        parse = _PARSERS.get(packet_type)
        if parse is not None:
            try:
                packet = parse(first & 0x1F, data[start + 4 : end - _padding(first, data, start, end)])
            except ParseError as error:
                broken, packet = error, None
            if packet is not None:
                packets.append(packet)
        start = end
    if broken is not None and not packets:
        raise broken
    return packets


def serialize_rtcp(packets: Iterable[RtcpPacket]) -> bytes:
    """The packets as one compound, in the given order. Raises ValueError when a list is too long."""
    return b"".join(_serialize(packet) for packet in packets)


def _packet_bounds(data: bytes, start: int) -> tuple[int, int, int]:
    if start + 4 > len(data):
        raise ParseError("RTCP compound ends inside a header")
    first, packet_type, words = _HEADER.unpack_from(data, start)
    if first >> 6 != 2:
        raise ParseError("RTCP version is not 2")
    end = start + 4 * (words + 1)
    if end > len(data):
        raise ParseError("RTCP packet is cut off")
    return first, packet_type, end


def _padding(first: int, data: bytes, start: int, end: int) -> int:
    if not first & 0x20:
        return 0
    count = data[end - 1]
    if count == 0 or count > end - start - 4:
        raise ParseError("RTCP padding count is impossible")
    return count


def _parse_sender_report(count: int, body: bytes) -> SenderReport:
    if len(body) < 24 * (count + 1):
        raise ParseError("RTCP sender report is cut off")
    ssrc, ntp_timestamp, timestamp, packet_count, octet_count = _SENDER_INFO.unpack_from(body)
    return SenderReport(
        ssrc, ntp_timestamp, timestamp, packet_count, octet_count, _parse_blocks(count, body, 24)
    )


def _parse_receiver_report(count: int, body: bytes) -> ReceiverReport:
    if len(body) < 4 + 24 * count:
        raise ParseError("RTCP receiver report is cut off")
    return ReceiverReport(int.from_bytes(body[:4], "big"), _parse_blocks(count, body, 4))


def _parse_blocks(count: int, body: bytes, start: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for at in range(start, start + 24 * count, 24):
        ssrc, loss, highest, jitter, last_report, delay = _REPORT_BLOCK.unpack_from(body, at)
        lost = loss & _LOST_MASK
        if lost & 0x800000:  # RFC 3550 section 6.4.1: duplicates can make it negative
            lost -= 0x1000000
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_report, delay))
    return tuple(blocks)


def _parse_source_description(count: int, body: bytes) -> SourceDescription:
    cnames: list[tuple[int, str]] = []
    at = 0
    for _ in range(count):
        if at + 4 > len(body):
            raise ParseError("RTCP source description is cut off")
        ssrc = int.from_bytes(body[at : at + 4], "big")
        at += 4
        while True:
            if at >= len(body):
                raise ParseError("RTCP source description has no end")
            if body[at] == 0:
                break
            item_end = at + 2 + body[at + 1] if at + 1 < len(body) else len(body) + 1
            if item_end > len(body):
                raise ParseError("RTCP source description item is cut off")
            if body[at] == _CNAME:
                cnames.append((ssrc, _text(body[at + 2 : item_end])))
            at = item_end
        at += 4 - at % 4  # a chunk ends with one to four zero octets, RFC 3550 section 6.5
    return SourceDescription(tuple(cnames))


def _parse_goodbye(count: int, body: bytes) -> Goodbye:
    end = 4 * count
    if end > len(body):
        raise ParseError("RTCP BYE is cut off")
    ssrcs = tuple(int.from_bytes(body[at : at + 4], "big") for at in range(0, end, 4))
    reason = b""
    if end < len(body):
        reason = body[end + 1 : end + 1 + body[end]]
        if len(reason) < body[end]:
            raise ParseError("RTCP BYE reason is cut off")
    return Goodbye(ssrcs, _text(reason))


def _text(octets: bytes) -> str:
    """What is no UTF-8 is left out: something in its place could be longer than the 255 octets there are for it."""
    return octets.decode("utf-8", "ignore")


_PARSERS: dict[int, Callable[[int, bytes], RtcpPacket | None]] = {
    SENDER_REPORT: _parse_sender_report,
    RECEIVER_REPORT: _parse_receiver_report,
    SOURCE_DESCRIPTION: _parse_source_description,
    GOODBYE: _parse_goodbye,
    TRANSPORT_LAYER_FEEDBACK: parse_transport_layer_feedback,
    PAYLOAD_SPECIFIC_FEEDBACK: parse_payload_feedback,
}


def _serialize(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport():
            return _serialize_sender_report(packet)
        case ReceiverReport():
            body = packet.ssrc.to_bytes(4, "big") + _serialize_blocks(packet.blocks)
            return _framed(len(packet.blocks), RECEIVER_REPORT, body)
        case SourceDescription():
            return _serialize_source_description(packet)
        case Goodbye():
            return _serialize_goodbye(packet)
        case Nack():
            return _framed(1, TRANSPORT_LAYER_FEEDBACK, serialize_nack(packet))
        case TransportFeedback():
            return _framed(15, TRANSPORT_LAYER_FEEDBACK, serialize_transport_feedback(packet))
        case PictureLossIndication():
            return _framed(1, PAYLOAD_SPECIFIC_FEEDBACK, serialize_picture_loss_indication(packet))
        case FullIntraRequest():
            return _framed(4, PAYLOAD_SPECIFIC_FEEDBACK, serialize_full_intra_request(packet))
        case Remb():
            return _framed(15, PAYLOAD_SPECIFIC_FEEDBACK, serialize_remb(packet))


def _framed(count: int, packet_type: int, body: bytes) -> bytes:
    """`body` with the common header before it; padded by the RTCP padding rule if it is not whole words."""
    if count > MAX_ITEMS:
        raise ValueError("an RTCP packet has at most 31 items")
    first = 0x80 | count
    rest = -len(body) % 4
    if rest:
        first |= 0x20
        body += bytes(rest - 1) + bytes((rest,))
    return _HEADER.pack(first, packet_type, len(body) // 4) + body


def _serialize_sender_report(packet: SenderReport) -> bytes:
    info = _SENDER_INFO.pack(
        packet.ssrc,
        packet.ntp_timestamp,
        packet.timestamp,
        packet.packet_count & 0xFFFFFFFF,
        packet.octet_count & 0xFFFFFFFF,
    )
    return _framed(len(packet.blocks), SENDER_REPORT, info + _serialize_blocks(packet.blocks))


def _serialize_blocks(blocks: tuple[ReportBlock, ...]) -> bytes:
    return b"".join(
        _REPORT_BLOCK.pack(
            block.ssrc,
            block.fraction_lost << 24 | max(-0x800000, min(block.packets_lost, 0x7FFFFF)) & _LOST_MASK,
            block.highest_sequence_number,
            block.jitter,
            block.last_sender_report,
            block.delay_since_last_sender_report,
        )
        for block in blocks
    )


def _serialize_source_description(packet: SourceDescription) -> bytes:
    chunks = []
    for ssrc, cname in packet.cnames:
        text = cname.encode()
        if len(text) > 255:
            raise ValueError("a CNAME has at most 255 octets")
        chunk = ssrc.to_bytes(4, "big") + bytes((_CNAME, len(text))) + text
        chunks.append(chunk + bytes(4 - len(chunk) % 4))
    return _framed(len(chunks), SOURCE_DESCRIPTION, b"".join(chunks))


def _serialize_goodbye(packet: Goodbye) -> bytes:
    body = b"".join(ssrc.to_bytes(4, "big") for ssrc in packet.ssrcs)
    reason = packet.reason.encode()
    if reason:
        if len(reason) > 255:
            raise ValueError("a BYE reason has at most 255 octets")
        body += bytes((len(reason),)) + reason
        body += bytes(-len(body) % 4)  # RFC 3550 section 6.6: padded with zeros, not by the P bit
    return _framed(len(packet.ssrcs), GOODBYE, body)
