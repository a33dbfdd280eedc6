"""Keeps one outgoing stream continuous while its source changes.

Sequence number, timestamp, picture id and tl0picidx of one outgoing SSRC always go on: a stream that starts
anew behind its old place is refused by SRTP's replay check and freezes decoders (both measured).
"""

import msgspec

START_SEQUENCE = 0x1000  # far enough from zero that the first retransmissions do not go below it


class Rewritten(msgspec.Struct, frozen=True, gc=False):
    """The place of a packet in the outgoing stream, unwrapped."""

    index: int
    media_time: int


class StreamRewriter:
    """Offsets from the current source to the outgoing stream."""

    __slots__ = (
        "_clock_rate_hz",
        "_first_index",
        "_index_offset",
        "_media_offset",
        "_newest_at",
        "_newest_index",
        "_newest_media",
        "_newest_picture",
        "_newest_tl0",
        "_picture_offset",
        "_tl0_offset",
    )

    def __init__(self, clock_rate_hz: int, start_media_time: int = 0) -> None:
        self._clock_rate_hz = clock_rate_hz
        self._first_index: int | None = None
        self._newest_index = START_SEQUENCE
        self._newest_media = start_media_time
        self._newest_at: float | None = None
        self._newest_picture = -1
        self._newest_tl0 = -1
        self._index_offset = self._media_offset = 0
        self._picture_offset: int | None = None
        self._tl0_offset: int | None = None

    @property
    def has_rolled_over(self) -> bool:
        """The outgoing sequence number went through 0."""
        return self._newest_index > 0xFFFF

    def switch(self, index: int, media_time: int, now: float) -> None:
        """The packet at this place of a new source, or of the old one after a pause, comes next."""
        ticks = 0
        if self._newest_at is not None:
            # Time went on while nothing was sent; at least one tick, or two frames would be one.
            ticks = max(1, round((now - self._newest_at) * self._clock_rate_hz))
        self._first_index = index
        self._index_offset = self._newest_index + 1 - index
        self._media_offset = self._newest_media + ticks - media_time
        self._picture_offset = self._tl0_offset = None

    def release(self) -> None:
        """Nothing is forwarded until the next `switch`."""
        self._first_index = None

    def rewrite(self, index: int, media_time: int, now: float) -> Rewritten | None:
        """None for a packet from before the switch: its place in the outgoing stream is taken."""
        first = self._first_index
        if first is None or index < first:
            return None
        out_index = index + self._index_offset
        out_media = media_time + self._media_offset
        if out_index > self._newest_index:
            self._newest_index = out_index
            if out_media > self._newest_media or self._newest_at is None:
                self._newest_media = out_media
                self._newest_at = now
        return Rewritten(out_index, out_media)

    def picture_id(self, extended: int) -> int:
        """The outgoing picture id, unwrapped, of an unwrapped one."""
        if self._picture_offset is None:
            self._picture_offset = self._newest_picture + 1 - extended
        out = extended + self._picture_offset
        self._newest_picture = max(self._newest_picture, out)
        return out

    def tl0picidx(self, extended: int) -> int:
        """The outgoing tl0picidx, unwrapped, of an unwrapped one."""
        if self._tl0_offset is None:
            self._tl0_offset = self._newest_tl0 + 1 - extended
        out = extended + self._tl0_offset
        self._newest_tl0 = max(self._newest_tl0, out)
        return out
