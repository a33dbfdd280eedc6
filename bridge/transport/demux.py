"""What a datagram on a multiplexed port is, by its first bytes (RFC 7983 section 7, RFC 5761 section 4)."""

import enum


class Kind(enum.IntEnum):
    """The protocols that share one UDP port."""

    OTHER = 0
    STUN = 1
    DTLS = 2
    RTP = 3
    RTCP = 4


STUN_MAGIC_COOKIE = b"\x21\x12\xa4\x42"  # RFC 5389 section 6
STUN_HEADER_SIZE = 20
DTLS_RECORD_HEADER_SIZE = 13  # RFC 6347 section 4.1
RTP_HEADER_SIZE = 12
RTCP_HEADER_SIZE = 8

_STUN = range(4)
_DTLS = range(20, 64)
_RTP = range(128, 192)
_RTCP_TYPES = range(192, 224)  # RFC 5761 section 4: payload types 64-95 are kept free for this


def _first_byte(value: int) -> Kind:
    if value in _STUN:
        return Kind.STUN
    if value in _DTLS:
        return Kind.DTLS
    return Kind.RTP if value in _RTP else Kind.OTHER


_KINDS = tuple(_first_byte(value) for value in range(256))
_IS_RTCP = tuple(value in _RTCP_TYPES for value in range(256))


def classify(datagram: bytes) -> Kind:
    """The kind of `datagram`; OTHER also where it is too short to be what its first byte promises."""
    size = len(datagram)
    if size < RTCP_HEADER_SIZE:
        return Kind.OTHER
    kind = _KINDS[datagram[0]]
    if kind is Kind.RTP:
        if _IS_RTCP[datagram[1]]:
            return Kind.RTCP
        return Kind.RTP if size >= RTP_HEADER_SIZE else Kind.OTHER
    if kind is Kind.STUN:
        return Kind.STUN if size >= STUN_HEADER_SIZE and datagram[4:8] == STUN_MAGIC_COOKIE else Kind.OTHER
    if kind is Kind.DTLS:
        return Kind.DTLS if size >= DTLS_RECORD_HEADER_SIZE else Kind.OTHER
    return Kind.OTHER


def is_keep_alive(datagram: bytes, kind: Kind) -> bool:
    """What phones send for their NAT alone where they have nothing to say: RFC 6263 sections 4.1 (nothing), 4.4 (STUN)
    and 4.5 (RTP of version 0), and the blank lines and zeroes that are usual beside them."""
    if kind is Kind.OTHER:
        return not datagram.strip(b"\r\n\0") or (len(datagram) >= RTP_HEADER_SIZE and datagram[0] == 0)
    return kind is Kind.STUN
