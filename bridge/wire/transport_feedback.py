"""Transport-wide congestion control feedback.

Sections are those of draft-holmer-rmcat-transport-wide-cc-extensions-01.
"""

import struct

import msgspec

from bridge.errors import ParseError

DELTA_S = 0.00025  # section 3.1.5: receive deltas count 250 us
REFERENCE_S = 0.064  # section 3.1: the reference time counts 64 ms
DELTAS_PER_REFERENCE = 256
MAX_STATUSES = 8192  # packets: a second at 80 Mbit/s; a few octets could claim 65535

_HEAD = struct.Struct("!HH")
_NOT_RECEIVED, _SMALL, _LARGE = 0, 1, 2  # section 3.1.1: packet status symbols
_VECTOR_SYMBOLS = 7  # section 3.1.4: a two-bit status vector chunk holds seven
_MAX_RUN = 0x1FFF  # section 3.1.3: run length has thirteen bits
_MIN_LARGE, _MAX_LARGE = -0x8000, 0x7FFF
_MAX_SMALL = 0xFF


class TransportFeedback(msgspec.Struct, frozen=True, gc=False):
    """Which packets of a transport arrived when.

    `deltas` has one entry per transport sequence number from `base_sequence_number` on: None = not received,
    else 250 us steps since the one before. The first counts from `reference_time` (64 ms steps, 24 bits
    signed).
    """

    sender_ssrc: int
    media_ssrc: int
    base_sequence_number: int
    reference_time: int
    feedback_packet_count: int
    deltas: tuple[int | None, ...]


def parse_transport_feedback(sender_ssrc: int, media_ssrc: int, body: bytes) -> TransportFeedback:
    """`body` begins at the base sequence number. Raises ParseError."""
    if len(body) < 10:
        raise ParseError("transport-cc feedback is cut off")
    base, count = _HEAD.unpack_from(body)
    if count > MAX_STATUSES:
        raise ParseError("transport-cc feedback covers too many packets")
    symbols, at = _parse_symbols(body, count)
    deltas: list[int | None] = []
    for symbol in symbols:
        if symbol == _SMALL and at < len(body):
            deltas.append(body[at])
        elif symbol == _LARGE and at + 2 <= len(body):
            deltas.append(int.from_bytes(body[at : at + 2], "big", signed=True))
        elif symbol == _NOT_RECEIVED:
            deltas.append(None)
        else:
            raise ParseError("transport-cc feedback has a reserved symbol or lacks a delta")
        at += symbol
    reference_time = int.from_bytes(body[4:7], "big", signed=True)
    return TransportFeedback(sender_ssrc, media_ssrc, base, reference_time, body[7], tuple(deltas))


def _parse_symbols(body: bytes, count: int) -> tuple[list[int], int]:
    symbols: list[int] = []
    at = 8
    while len(symbols) < count:
        if at + 2 > len(body):
            raise ParseError("transport-cc feedback ends inside its chunks")
        chunk = body[at] << 8 | body[at + 1]
        at += 2
        if not chunk & 0x8000:
            run = min(chunk & _MAX_RUN, count - len(symbols))  # bounded: a peer cannot make us grow
            if run == 0:
                raise ParseError("transport-cc feedback has an empty run")
            symbols.extend([chunk >> 13 & 3] * run)
        elif chunk & 0x4000:
            symbols.extend(chunk >> shift & 3 for shift in range(12, -1, -2))
        else:
            symbols.extend(chunk >> shift & 1 for shift in range(13, -1, -1))
    return symbols[:count], at


def serialize_transport_feedback(packet: TransportFeedback) -> bytes:
    """The body, SSRCs included. Raises ValueError when a delta does not fit 16 bits."""
    symbols = [_symbol(delta) for delta in packet.deltas]
    deltas = b"".join(
        delta.to_bytes(1 if symbol == _SMALL else 2, "big", signed=symbol == _LARGE)
        for delta, symbol in zip(packet.deltas, symbols, strict=True)
        if delta is not None
    )
    return b"".join(
        (
            packet.sender_ssrc.to_bytes(4, "big"),
            packet.media_ssrc.to_bytes(4, "big"),
            _HEAD.pack(packet.base_sequence_number, len(symbols)),
            (packet.reference_time & 0xFFFFFF).to_bytes(3, "big"),
            bytes((packet.feedback_packet_count & 0xFF,)),
            _serialize_symbols(symbols),
            deltas,
        )
    )


def _symbol(delta: int | None) -> int:
    if delta is None:
        return _NOT_RECEIVED
    if 0 <= delta <= _MAX_SMALL:
        return _SMALL
    if _MIN_LARGE <= delta <= _MAX_LARGE:
        return _LARGE
    raise ValueError("a transport-cc delta has at most 16 bits")


def _serialize_symbols(symbols: list[int]) -> bytes:
    """Runs of more than seven become run-length chunks, the rest two-bit status vectors."""
    chunks: list[bytes] = []
    at = 0
    while at < len(symbols):
        run = 1
        while at + run < len(symbols) and symbols[at + run] == symbols[at] and run < _MAX_RUN:
            run += 1
        if run >= _VECTOR_SYMBOLS or at + run == len(symbols):
            chunks.append((symbols[at] << 13 | run).to_bytes(2, "big"))
            at += run
            continue
        chunk = 0xC000
        for place, symbol in enumerate(symbols[at : at + _VECTOR_SYMBOLS]):
            chunk |= symbol << (12 - 2 * place)
        chunks.append(chunk.to_bytes(2, "big"))
        at += _VECTOR_SYMBOLS
    return b"".join(chunks)
