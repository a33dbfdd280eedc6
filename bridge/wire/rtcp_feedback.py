"""RTCP feedback bodies: NACK, PLI (RFC 4585), FIR (RFC 5104) and REMB (draft-alvestrand-rmcat-remb-03).

`wire.rtcp` frames them; nothing else needs this module directly.
"""

import struct
from collections.abc import Iterable

import msgspec

from bridge.errors import ParseError
from bridge.wire.transport_feedback import TransportFeedback, parse_transport_feedback

_SSRCS = struct.Struct("!II")
_REMB_MARK = b"REMB"
_MANTISSA_BITS = 18  # draft-alvestrand-rmcat-remb-03 section 2.2

GENERIC_NACK = 1  # RFC 4585 section 6.2.1
TRANSPORT_CC = 15  # draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1
PICTURE_LOSS = 1  # RFC 4585 section 6.3.1
FULL_INTRA = 4  # RFC 5104 section 4.3.1
APPLICATION_LAYER = 15  # RFC 4585 section 6.4


class Nack(msgspec.Struct, frozen=True, gc=False):
    """Generic NACK. `sequence_numbers` in the order of the wire."""

    sender_ssrc: int
    media_ssrc: int
    sequence_numbers: tuple[int, ...]


class PictureLossIndication(msgspec.Struct, frozen=True, gc=False):
    sender_ssrc: int
    media_ssrc: int


class FullIntraRequest(msgspec.Struct, frozen=True, gc=False):
    """`entries` are (SSRC, command sequence number) pairs."""

    sender_ssrc: int
    entries: tuple[tuple[int, int], ...]


class Remb(msgspec.Struct, frozen=True, gc=False):
    """Receiver estimated maximum bitrate; the wire rounds it down to 18 significant bits."""

    sender_ssrc: int
    bitrate_bps: int
    ssrcs: tuple[int, ...]


def parse_transport_layer_feedback(message_type: int, body: bytes) -> Nack | TransportFeedback | None:
    """The body of packet type 205; None for a message type that is not known."""
    sender_ssrc, media_ssrc = _parse_ssrcs(body)
    if message_type == GENERIC_NACK:
        return _parse_nack(sender_ssrc, media_ssrc, body)
    if message_type == TRANSPORT_CC:
        return parse_transport_feedback(sender_ssrc, media_ssrc, body[8:])
    return None


def parse_payload_feedback(
    message_type: int, body: bytes
) -> PictureLossIndication | FullIntraRequest | Remb | None:
    """The body of packet type 206; None for a message type that is not known."""
    sender_ssrc, media_ssrc = _parse_ssrcs(body)
    if message_type == PICTURE_LOSS:
        return PictureLossIndication(sender_ssrc, media_ssrc)
    if message_type == FULL_INTRA:
        entries = tuple(
            (int.from_bytes(body[at : at + 4], "big"), body[at + 4]) for at in range(8, len(body) - 7, 8)
        )
        return FullIntraRequest(sender_ssrc, entries)
    if message_type == APPLICATION_LAYER and body[8:12] == _REMB_MARK:
        return _parse_remb(sender_ssrc, body)
    return None


def _parse_ssrcs(body: bytes) -> tuple[int, int]:
    if len(body) < 8:
        raise ParseError("RTCP feedback is cut off")
    sender_ssrc, media_ssrc = _SSRCS.unpack_from(body)
    return sender_ssrc, media_ssrc


def _parse_nack(sender_ssrc: int, media_ssrc: int, body: bytes) -> Nack:
    sequence_numbers: list[int] = []
    for at in range(8, len(body) - 3, 4):
        packet_id = body[at] << 8 | body[at + 1]
        bitmask = body[at + 2] << 8 | body[at + 3]
        sequence_numbers.append(packet_id)
        while bitmask:
            lowest = bitmask & -bitmask
            sequence_numbers.append((packet_id + lowest.bit_length()) & 0xFFFF)
            bitmask ^= lowest
    return Nack(sender_ssrc, media_ssrc, tuple(sequence_numbers))


def _parse_remb(sender_ssrc: int, body: bytes) -> Remb:
    if len(body) < 16 or len(body) < 16 + 4 * body[12]:
        raise ParseError("RTCP REMB is cut off")
    packed = int.from_bytes(body[13:16], "big")
    ssrcs = tuple(int.from_bytes(body[at : at + 4], "big") for at in range(16, 16 + 4 * body[12], 4))
    return Remb(sender_ssrc, (packed & 0x3FFFF) << (packed >> _MANTISSA_BITS), ssrcs)


def serialize_nack(packet: Nack) -> bytes:
    """Packs neighbours into one PID and bitmask pair (RFC 4585 section 6.2.1)."""
    pairs = b"".join(
        packet_id.to_bytes(2, "big") + bitmask.to_bytes(2, "big")
        for packet_id, bitmask in _nack_pairs(packet.sequence_numbers)
    )
    return _SSRCS.pack(packet.sender_ssrc, packet.media_ssrc) + pairs


def _nack_pairs(sequence_numbers: Iterable[int]) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for sequence_number in sequence_numbers:
        if pairs:
            packet_id, bitmask = pairs[-1]
            ahead = (sequence_number - packet_id) & 0xFFFF
            if 1 <= ahead <= 16:
                pairs[-1] = (packet_id, bitmask | 1 << (ahead - 1))
                continue
        pairs.append((sequence_number, 0))
    return pairs


def serialize_picture_loss_indication(packet: PictureLossIndication) -> bytes:
    return _SSRCS.pack(packet.sender_ssrc, packet.media_ssrc)


def serialize_full_intra_request(packet: FullIntraRequest) -> bytes:
    """The media SSRC of the feedback header is 0 (RFC 5104 section 4.3.1.2)."""
    return _SSRCS.pack(packet.sender_ssrc, 0) + b"".join(
        ssrc.to_bytes(4, "big") + bytes((number & 0xFF, 0, 0, 0)) for ssrc, number in packet.entries
    )


def serialize_remb(packet: Remb) -> bytes:
    if len(packet.ssrcs) > 255:
        raise ValueError("a REMB names at most 255 SSRCs")
    exponent = max(0, packet.bitrate_bps.bit_length() - _MANTISSA_BITS)
    packed = exponent << _MANTISSA_BITS | packet.bitrate_bps >> exponent
    head = _SSRCS.pack(packet.sender_ssrc, 0) + _REMB_MARK + bytes((len(packet.ssrcs),))
    return head + packed.to_bytes(3, "big") + b"".join(ssrc.to_bytes(4, "big") for ssrc in packet.ssrcs)
