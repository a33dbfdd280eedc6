"""Retransmission payload format (RFC 4588 section 4): wrapping and unwrapping whole packets as bytes."""

from bridge.errors import ParseError
from bridge.wire.rtp import (
    HEADER,
    HEADER_SIZE,
    MARKER_BIT,
    PADDING_BIT,
    header_size,
    padding_size,
)

OSN_SIZE = 2  # RFC 4588 section 4: the original sequence number, before the original payload


def wrap_rtx(packet: bytes, payload_type: int, ssrc: int, sequence_number: int) -> bytes:
    """The retransmission of `packet`: its header with these three fields, OSN, its payload."""
    start = header_size(packet)
    first, second, original, timestamp, _ = HEADER.unpack_from(packet)
    head = HEADER.pack(first, second & MARKER_BIT | payload_type, sequence_number & 0xFFFF, timestamp, ssrc)
    return b"".join((head, packet[HEADER_SIZE:start], original.to_bytes(2, "big"), packet[start:]))


def original_sequence_number(packet: bytes | bytearray) -> int | None:
    """The OSN of a retransmission; None for mere padding, which Chromium probes with. Raises ParseError."""
    start = header_size(packet)
    if len(packet) - padding_size(packet, start) < start + OSN_SIZE:
        return None
    return packet[start] << 8 | packet[start + 1]


def unwrap_rtx(packet: bytes | bytearray, payload_type: int, ssrc: int) -> bytes:
    """The original packet. Raises ParseError if there is none inside (mere padding)."""
    start = header_size(packet)
    padding = padding_size(packet, start)
    end = len(packet) - padding
    if end < start + OSN_SIZE:
        raise ParseError("RTX packet without an original")
    first, second, _, timestamp, _ = HEADER.unpack_from(packet)
    original = packet[start] << 8 | packet[start + 1]
    head = HEADER.pack(first & ~PADDING_BIT, second & MARKER_BIT | payload_type, original, timestamp, ssrc)
    return b"".join((head, packet[HEADER_SIZE:start], packet[start + OSN_SIZE : end]))
