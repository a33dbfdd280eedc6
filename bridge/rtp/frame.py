"""What a jitter buffer hands to the mixer once per 20 ms: the seam between packets and samples."""

import enum

import msgspec


class FrameKind(enum.IntEnum):
    """What the tick holds."""

    PAYLOAD = 0  # `payload` begins at this tick; it may cover several (Opus 40 or 60 ms)
    LOST = 1  # expected and not here: recover it from `next_payload` or conceal it
    EMPTY = 2  # nothing to play: no stream yet, DTX, or the buffer fills up
    CONTINUES = 3  # an earlier, longer payload still covers this tick


class JitterFrame(msgspec.Struct, frozen=True, gc=False):
    """One tick of one stream.

    `next_payload` is the payload after a lost one, when it is here already (in-band FEC). `speed` asks the
    reader to play a little longer (+1) or shorter (-1) than written: the drift of the sender's clock.
    `audio_level` is the header extension of RFC 6464 in -dBov (0 loudest, 127 silence).
    """

    kind: FrameKind
    payload: bytes = b""
    next_payload: bytes = b""
    speed: int = 0
    audio_level: int | None = None


EMPTY_FRAME = JitterFrame(FrameKind.EMPTY)
LOST_FRAME = JitterFrame(FrameKind.LOST)
CONTINUES_FRAME = JitterFrame(FrameKind.CONTINUES)
