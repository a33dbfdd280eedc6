"""Packets we sent, kept a short while for retransmission (RFC 4588, RFC 4585)."""

import msgspec

DEFAULT_CAPACITY = 512  # packets: about two seconds of 2.5 Mbit/s video, 0.6 MB
DEFAULT_MAX_AGE_S = 1.0  # later a retransmission only adds to the congestion


class SentPacket(msgspec.Struct, gc=False):
    """`packet` is the unprotected RTP packet; `resent_at` is None until it was retransmitted."""

    sequence_number: int
    packet: bytes
    sent_at: float
    resent_at: float | None = None


class SentHistory:
    """A ring by sequence number: the newest packet of a slot replaces the older one (counted)."""

    __slots__ = ("_mask", "_max_age_s", "_ring", "overwritten", "too_old", "unknown")

    def __init__(self, capacity: int = DEFAULT_CAPACITY, max_age_s: float = DEFAULT_MAX_AGE_S) -> None:
        if capacity <= 0 or capacity & (capacity - 1) or capacity > 0x8000:
            raise ValueError("the capacity of a history is a power of two up to 32768")
        self._mask = capacity - 1
        self._max_age_s = max_age_s
        self._ring: list[SentPacket | None] = [None] * capacity
        self.overwritten = 0
        self.too_old = 0
        self.unknown = 0

    def push(self, sequence_number: int, packet: bytes, now: float) -> None:
        slot = sequence_number & self._mask
        if self._ring[slot] is not None:
            self.overwritten += 1
        self._ring[slot] = SentPacket(sequence_number, packet, now)

    def find(self, sequence_number: int, now: float) -> SentPacket | None:
        """The packet, if it is still here and young enough to be of use."""
        found = self._ring[sequence_number & self._mask]
        if found is None or found.sequence_number != sequence_number:
            self.unknown += 1
            return None
        if now - found.sent_at > self._max_age_s:
            self.too_old += 1
            return None
        return found
