"""The master key identifier of SRTP and SRTCP packets (RFC 3711 section 3.1, RFC 7714 section 8.1).

It stands before the authentication tag, or at the end where the cipher authenticates, and is not authenticated
itself: it can be taken out and put in beside libsrtp, whatever that can do.
"""

from bridge.transport.srtp_library import (
    AEAD_AES_128_GCM,
    AEAD_AES_256_GCM,
    AES128_CM_SHA1_32,
    AES256_CM_SHA1_32,
    MALFORMED,
    SrtpContext,
    SrtpProfile,
)

TAG_SIZE = 10  # of HMAC-SHA1-80, and of SRTCP in all suites that have a tag (RFC 4568 section 6.2)
SHORT_TAG_SIZE = 4


def tag_sizes(profile: SrtpProfile) -> tuple[int, int]:
    """Octets behind the MKI of RTP and of RTCP packets."""
    if profile in (AEAD_AES_128_GCM, AEAD_AES_256_GCM):
        return 0, 0
    return SHORT_TAG_SIZE if profile in (AES128_CM_SHA1_32, AES256_CM_SHA1_32) else TAG_SIZE, TAG_SIZE


class MarkingContext:
    """Sends: `mki` is put into each packet that `context` protected."""

    __slots__ = ("_context", "_mki", "_tags")

    def __init__(self, context: SrtpContext, mki: bytes, profile: SrtpProfile) -> None:
        self._context = context
        self._mki = mki
        self._tags = tag_sizes(profile)

    def rtp(self, packet: bytes) -> bytes | int:
        return self._mark(self._context.rtp(packet), self._tags[0])

    def rtcp(self, packet: bytes) -> bytes | int:
        return self._mark(self._context.rtcp(packet), self._tags[1])

    def set_stream_roc(self, ssrc: int, roc: int) -> bool:
        return self._context.set_stream_roc(ssrc, roc)

    def _mark(self, protected: bytes | int, tag_size: int) -> bytes | int:
        if isinstance(protected, int):
            return protected
        end = len(protected) - tag_size
        return b"".join((protected[:end], self._mki, protected[end:]))


class MarkedContext:
    """Receives: a packet without `mki` in its place is malformed, another goes on to `context` without it."""

    __slots__ = ("_context", "_mki", "_tags")

    def __init__(self, context: SrtpContext, mki: bytes, profile: SrtpProfile) -> None:
        self._context = context
        self._mki = mki
        self._tags = tag_sizes(profile)

    def rtp(self, packet: bytes) -> bytes | int:
        plain = self._unmark(packet, self._tags[0])
        return MALFORMED if plain is None else self._context.rtp(plain)

    def rtcp(self, packet: bytes) -> bytes | int:
        plain = self._unmark(packet, self._tags[1])
        return MALFORMED if plain is None else self._context.rtcp(plain)

    def set_stream_roc(self, ssrc: int, roc: int) -> bool:
        return self._context.set_stream_roc(ssrc, roc)

    def _unmark(self, packet: bytes, tag_size: int) -> bytes | None:
        end = len(packet) - tag_size
        start = end - len(self._mki)
        if start < 0 or packet[start:end] != self._mki:
            return None
        return packet[:start] + packet[end:]
