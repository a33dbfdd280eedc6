"""RTP header extensions: the one-byte and two-byte forms of RFC 8285, and changing one in place.

Functions that take a whole packet work on bytes at offsets; the packet path uses those.
"""

from collections.abc import Mapping

from bridge.errors import ParseError

ONE_BYTE_PROFILE = 0xBEDE  # RFC 8285 section 4.2
TWO_BYTE_PROFILE = 0x1000  # RFC 8285 section 4.3, the low four bits are the application's
_TWO_BYTE_MASK = 0xFFF0
_ONE_BYTE_STOP = 15  # section 4.2: an id of 15 ends the list
_MAX_ONE_BYTE_ID = 14
_MAX_ONE_BYTE_SIZE = 16
_PACKET_EXTENSION_BIT = 0x10


def is_two_byte(profile: int) -> bool:
    """Whether `profile` is one of the two-byte forms."""
    return profile & _TWO_BYTE_MASK == TWO_BYTE_PROFILE


def parse_extensions(profile: int, body: bytes) -> dict[int, bytes]:
    """The elements by id; the last one wins when an id repeats. {} for a profile that is not RFC 8285."""
    if profile != ONE_BYTE_PROFILE and not is_two_byte(profile):
        return {}
    elements: dict[int, bytes] = {}
    two_byte = profile != ONE_BYTE_PROFILE
    at = 0
    while at < len(body):
        if body[at] == 0:  # padding, sections 4.2 and 4.3
            at += 1
            continue
        number, start, end = _element(body, at, len(body), 2 if two_byte else 1)
        if number == 0:
            break
        elements[number] = body[start:end]
        at = end
    return elements


def build_extensions(elements: Mapping[int, bytes]) -> tuple[int, bytes]:
    """(profile, body) in the one-byte form where all elements fit it, else in the two-byte form."""
    if all(
        1 <= number <= _MAX_ONE_BYTE_ID and 1 <= len(value) <= _MAX_ONE_BYTE_SIZE
        for number, value in elements.items()
    ):
        profile = ONE_BYTE_PROFILE
        body = b"".join(bytes((number << 4 | len(value) - 1,)) + value for number, value in elements.items())
    else:
        profile = TWO_BYTE_PROFILE
        if any(not 1 <= number <= 255 or len(value) > 255 for number, value in elements.items()):
            raise ValueError("a header extension has an id from 1 to 255 and at most 255 octets")
        body = b"".join(bytes((number, len(value))) + value for number, value in elements.items())
    return profile, body + bytes(-len(body) % 4)


def extension_block(elements: Mapping[int, bytes]) -> bytes:
    """The whole extension with its four-byte head, to be put after the CSRCs; b"" for no elements."""
    if not elements:
        return b""
    profile, body = build_extensions(elements)
    return profile.to_bytes(2, "big") + (len(body) // 4).to_bytes(2, "big") + body


def find_extension(packet: bytes | bytearray, wanted: int) -> tuple[int, int]:
    """(offset, size) of an element's value inside a whole RTP packet; (0, 0) if it is not there.

    For packets whose header was checked by `rtp.header_size`; a broken element list counts as not there.
    """
    if not packet[0] & _PACKET_EXTENSION_BIT:
        return 0, 0
    head = 12 + 4 * (packet[0] & 0x0F)
    profile = packet[head] << 8 | packet[head + 1]
    at = head + 4
    end = at + 4 * (packet[head + 2] << 8 | packet[head + 3])
    if profile == ONE_BYTE_PROFILE:
        return _find_one_byte(packet, wanted, at, end)
    if is_two_byte(profile):
        return _find_two_byte(packet, wanted, at, end)
    return 0, 0


def _find_one_byte(packet: bytes | bytearray, wanted: int, at: int, end: int) -> tuple[int, int]:
    while at < end:
        first = packet[at]
        if first == 0:
            at += 1
            continue
        number = first >> 4
        size = (first & 0x0F) + 1
        if number == wanted:
            return (at + 1, size) if at + 1 + size <= end else (0, 0)
        if number == _ONE_BYTE_STOP:
            break
        at += 1 + size
    return 0, 0


def _find_two_byte(packet: bytes | bytearray, wanted: int, at: int, end: int) -> tuple[int, int]:
    while at + 1 < end:
        if packet[at] == 0:
            at += 1
            continue
        size = packet[at + 1]
        if packet[at] == wanted:
            return (at + 2, size) if at + 2 + size <= end else (0, 0)
        at += 2 + size
    return 0, 0


def replace_extension(packet: bytearray, wanted: int, value: bytes) -> bool:
    """Overwrites an element of the same size in place; False if there is none of that size."""
    at, size = find_extension(packet, wanted)
    if at == 0 or size != len(value):
        return False
    packet[at : at + size] = value
    return True


def read_mid(packet: bytes | bytearray, number: int) -> str | None:
    """The media section a packet belongs to (RFC 9143 section 15.2), None if it does not say."""
    at, size = find_extension(packet, number)
    if size == 0:
        return None
    return packet[at : at + size].decode("utf-8", "replace")


def read_transport_sequence_number(packet: bytes | bytearray, number: int) -> int | None:
    """The transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 2)."""
    at, size = find_extension(packet, number)
    if size < 2:
        return None
    return packet[at] << 8 | packet[at + 1]


def write_transport_sequence_number(packet: bytearray, number: int, sequence_number: int) -> bool:
    """Sets it in place; False if the packet has no room reserved for it."""
    return replace_extension(packet, number, (sequence_number & 0xFFFF).to_bytes(2, "big"))


def read_audio_level(packet: bytes | bytearray, number: int) -> int | None:
    """The level in -dBov, 0 loudest to 127 silence (RFC 6464 section 3)."""
    at, size = find_extension(packet, number)
    return packet[at] & 0x7F if size else None


def _element(body: bytes, at: int, end: int, head: int) -> tuple[int, int, int]:
    """(id, start, end) of the element at `at`; id 0 ends the list. Raises ParseError."""
    if head == 1:
        number = body[at] >> 4
        if number == _ONE_BYTE_STOP:
            return 0, at, at
        size = (body[at] & 0x0F) + 1
    else:
        if at + 1 >= end:
            raise ParseError("RTP header extension ends inside an element")
        number, size = body[at], body[at + 1]
    start = at + head
    if start + size > end:
        raise ParseError("RTP header extension ends inside an element")
    return number, start, start + size
