"""RTP packets: bytes to values and back (RFC 3550 section 5.1), and looks at bytes for the packet path.

`RtpPacket` is for tests, peers and audio. The video path never builds one: it reads the fixed header with
`HEADER.unpack_from` and asks for the payload's bounds.
"""

import struct

import msgspec

from bridge.errors import ParseError

HEADER = struct.Struct("!BBHII")  # RFC 3550 section 5.1: V P X CC, M PT, sequence, timestamp, SSRC
HEADER_SIZE = 12
MAX_CSRCS = 15  # CC is four bits
VERSION_2 = 0x80
PADDING_BIT = 0x20
EXTENSION_BIT = 0x10
MARKER_BIT = 0x80

_EXTENSION_HEADER = struct.Struct("!HH")


class RtpPacket(msgspec.Struct, frozen=True, gc=False):
    """One RTP packet. `extension` is the body of the header extension, without its four-byte head.

    `extension_profile` is None when there is no extension. `padding_size` counts the padding octets, the
    last one (which holds the count) included; the padding itself is not kept.
    """

    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension_profile: int | None = None
    extension: bytes = b""
    padding_size: int = 0


def header_size(data: bytes | bytearray) -> int:
    """The number of octets before the payload: fixed header, CSRCs and extension. Raises ParseError."""
    size = len(data)
    if size < HEADER_SIZE:
        raise ParseError("RTP packet shorter than its header")
    first = data[0]
    if first >> 6 != 2:
        raise ParseError("RTP version is not 2")
    end = HEADER_SIZE + 4 * (first & 0x0F)
    if first & EXTENSION_BIT:
        if end + 4 > size:
            raise ParseError("RTP header extension is cut off")
        end += 4 + 4 * (data[end + 2] << 8 | data[end + 3])
    if end > size:
        raise ParseError("RTP header is longer than the packet")
    return end


def padding_size(data: bytes | bytearray, payload_start: int) -> int:
    """The number of padding octets at the end; 0 without the padding bit. Raises ParseError."""
    if not data[0] & PADDING_BIT:
        return 0
    if len(data) == payload_start:
        raise ParseError("RTP padding is announced but absent")
    count = data[-1]
    if count == 0 or count > len(data) - payload_start:
        raise ParseError("RTP padding count is impossible")
    return count


def parse_rtp(data: bytes | bytearray) -> RtpPacket:
    """Raises ParseError on anything that is not one whole RTP packet."""
    if (
        len(data) >= HEADER_SIZE and data[0] == VERSION_2
    ):  # what phones send: nothing between header and sound
        _, second, sequence_number, timestamp, ssrc = HEADER.unpack_from(data)
        payload, is_marked = bytes(data[HEADER_SIZE:]), second > 127
        return RtpPacket(second & 0x7F, sequence_number, timestamp, ssrc, payload, is_marked)
    start = header_size(data)
    padding = padding_size(data, start)
    first, second, sequence_number, timestamp, ssrc = HEADER.unpack_from(data)
    csrc_end = HEADER_SIZE + 4 * (first & 0x0F)
    profile: int | None = None
    extension = b""
    if first & EXTENSION_BIT:
        profile = data[csrc_end] << 8 | data[csrc_end + 1]
        extension = bytes(data[csrc_end + 4 : start])
    return RtpPacket(
        payload_type=second & 0x7F,
        sequence_number=sequence_number,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=bytes(data[start : len(data) - padding]),
        marker=second & MARKER_BIT != 0,
        csrcs=tuple(int.from_bytes(data[at : at + 4], "big") for at in range(HEADER_SIZE, csrc_end, 4)),
        extension_profile=profile,
        extension=extension,
        padding_size=padding,
    )


def serialize_rtp(packet: RtpPacket) -> bytes:
    """The packet as bytes. Raises ValueError when a field does not fit its place."""
    if len(packet.csrcs) > MAX_CSRCS:
        raise ValueError("an RTP packet has at most 15 CSRCs")
    if len(packet.extension) % 4 or not 0 <= packet.padding_size <= 255:
        raise ValueError("an RTP extension is whole words, padding at most 255 octets")
    first = VERSION_2 | len(packet.csrcs)
    parts = [b"", *(csrc.to_bytes(4, "big") for csrc in packet.csrcs)]
    if packet.extension_profile is not None:
        first |= EXTENSION_BIT
        parts.append(_EXTENSION_HEADER.pack(packet.extension_profile, len(packet.extension) // 4))
        parts.append(packet.extension)
    parts.append(packet.payload)
    if packet.padding_size:
        first |= PADDING_BIT
        parts.append(bytes(packet.padding_size - 1) + bytes((packet.padding_size,)))
    second = packet.payload_type | (MARKER_BIT if packet.marker else 0)
    try:
        parts[0] = HEADER.pack(first, second, packet.sequence_number, packet.timestamp, packet.ssrc)
    except struct.error as error:
        raise ValueError(f"an RTP header field is out of range: {error}") from None
    return b"".join(parts)


def payload_type_of(data: bytes | bytearray) -> int:
    """The payload type of a packet of at least two octets."""
    return data[1] & 0x7F


def ssrc_of(data: bytes | bytearray) -> int:
    """The SSRC of a packet of at least twelve octets."""
    return int.from_bytes(data[8:12], "big")


def sequence_number_of(data: bytes | bytearray) -> int:
    """The sequence number of a packet of at least four octets."""
    return data[2] << 8 | data[3]
