"""The VP8 payload descriptor (RFC 7741 section 4.2), and changing its counters in place."""

import msgspec

from bridge.errors import ParseError

_X, _N, _S, _PARTITION = 0x80, 0x20, 0x10, 0x07
_I, _L, _T, _K = 0x80, 0x40, 0x20, 0x10
_WIDE = 0x80


class Vp8Descriptor(msgspec.Struct, frozen=True, gc=False):
    """`picture_id_bits` is 0, 7 or 15; offsets ending in `_at` count from the payload's start.

    `tl0picidx`, `tid` and `key_index` are None where absent. `size` is the descriptor's size in octets.
    """

    size: int
    starts_partition: bool
    partition: int
    non_reference: bool
    picture_id: int = 0
    picture_id_bits: int = 0
    picture_id_at: int = 0
    tl0picidx: int | None = None
    tl0picidx_at: int = 0
    tid: int | None = None
    layer_sync: bool = False
    key_index: int | None = None

    @property
    def starts_frame(self) -> bool:
        """Whether this packet holds the beginning of a frame (section 4.4)."""
        return self.starts_partition and self.partition == 0


def parse_descriptor(payload: bytes | bytearray, start: int = 0, end: int | None = None) -> Vp8Descriptor:
    """The descriptor of the payload that lies at `start`..`end` of these bytes. Raises ParseError."""
    if end is None:
        end = len(payload)
    at = start + 1
    if at > end:
        raise ParseError("VP8 payload is empty")
    first = payload[start]
    if not first & _X:
        return Vp8Descriptor(1, first & _S != 0, first & _PARTITION, first & _N != 0)
    try:
        descriptor = _parse_extended(payload, start, first)
    except IndexError:
        raise ParseError("VP8 payload descriptor is cut off") from None
    if start + descriptor.size > end:
        raise ParseError("VP8 payload descriptor is cut off")
    return descriptor


def _parse_extended(payload: bytes | bytearray, start: int, first: int) -> Vp8Descriptor:
    present = payload[start + 1]
    at = start + 2
    picture_id = picture_id_bits = picture_id_at = tl0picidx_at = 0
    tl0picidx: int | None = None
    if present & _I:
        picture_id_at = at - start
        picture_id, picture_id_bits = payload[at], 7
        at += 1
        if picture_id & _WIDE:
            picture_id, picture_id_bits = (picture_id & 0x7F) << 8 | payload[at], 15
            at += 1
    if present & _L:
        tl0picidx_at = at - start
        tl0picidx = payload[at]
        at += 1
    tid: int | None = None
    key_index: int | None = None
    layer_sync = False
    if present & (_T | _K):
        octet = payload[at]
        at += 1
        if present & _T:
            tid, layer_sync = octet >> 6, octet & 0x20 != 0
        if present & _K:
            key_index = octet & 0x1F
    return Vp8Descriptor(
        at - start,
        first & _S != 0,
        first & _PARTITION,
        first & _N != 0,
        picture_id,
        picture_id_bits,
        picture_id_at,
        tl0picidx,
        tl0picidx_at,
        tid,
        layer_sync,
        key_index,
    )


def starts_key_frame(payload: bytes, descriptor: Vp8Descriptor, start: int = 0) -> bool:
    """Whether a key frame begins here: the inverse key frame flag of the payload header (section 4.3)."""
    at = start + descriptor.size
    return descriptor.starts_frame and at < len(payload) and not payload[at] & 0x01


def frame_size(payload: bytes, descriptor: Vp8Descriptor, start: int = 0) -> tuple[int, int] | None:
    """(width, height) from the beginning of a key frame (RFC 6386 section 9.1); None if it is not there."""
    at = start + descriptor.size
    if not starts_key_frame(payload, descriptor, start) or len(payload) < at + 10:
        return None
    if payload[at + 3 : at + 6] != b"\x9d\x01\x2a":
        return None
    width = payload[at + 6] | (payload[at + 7] & 0x3F) << 8
    height = payload[at + 8] | (payload[at + 9] & 0x3F) << 8
    return width, height


def write_counters(
    buffer: bytearray, descriptor: Vp8Descriptor, picture_id: int, tl0picidx: int, start: int = 0
) -> None:
    """Sets picture id and tl0picidx in place, each in its own width; what is absent stays absent."""
    if descriptor.picture_id_bits == 15:
        at = start + descriptor.picture_id_at
        buffer[at] = _WIDE | picture_id >> 8 & 0x7F
        buffer[at + 1] = picture_id & 0xFF
    elif descriptor.picture_id_bits == 7:
        buffer[start + descriptor.picture_id_at] = picture_id & 0x7F
    if descriptor.tl0picidx is not None:
        buffer[start + descriptor.tl0picidx_at] = tl0picidx & 0xFF


def widened_descriptor(payload: bytes | bytearray, descriptor: Vp8Descriptor, start: int = 0) -> bytes:
    """The descriptor with its 7-bit picture id made 15 bits wide: one octet longer, all else the same."""
    at = start + descriptor.picture_id_at
    head = payload[start:at] + bytes((_WIDE, payload[at])) + payload[at + 1 : start + descriptor.size]
    return bytes(head)
