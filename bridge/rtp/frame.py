"""What a jitter buffer hands to the mixer once per 20 ms: the seam between packets and samples.

The reader keeps the decoded samples that reach beyond their tick (a payload of 60 ms, or 30 ms) and takes
20 ms of them per tick; the jitter buffer counts the same durations and says CONTINUES while they last.
"""

import enum

import msgspec

SPEED_STEPS_PER_FRAME = 160  # one tick with speed +-1 reads 1/160 of 20 ms less or more: one sample at 8 kHz


class FrameKind(enum.IntEnum):
    """What the tick holds."""

    PAYLOAD = 0  # `payload` begins at this tick; it may cover several (Opus 40 or 60 ms)
    LOST = 1  # expected and not here: recover it from `next_payload` or conceal it
    EMPTY = 2  # nothing to play: no stream yet, DTX, or the buffer fills up
    CONTINUES = 3  # an earlier, longer payload still covers this tick


class JitterFrame(msgspec.Struct, frozen=True, gc=False):
    """One tick of one stream.

    `next_payload` is the payload after a lost one, when it is here already (in-band FEC); it comes again as
    `payload` of its own tick. `more` are further payloads to be read in the same tick: packets of 10 ms, or
    one frame too many that `speed` -1 then uses up. `speed` is the drift of the sender's clock: +1 plays
    this tick slower (reads 159/160 of 20 ms, what is left waits at the reader; after 160 such ticks a whole
    frame is left and one CONTINUES is due), -1 plays it faster (reads 161/160 of what waits). `audio_level`
    is the header extension of RFC 6464 in -dBov (0 loudest, 127 silence).
    """

    kind: FrameKind
    payload: bytes = b""
    next_payload: bytes = b""
    speed: int = 0
    audio_level: int | None = None
    more: tuple[bytes, ...] = ()


EMPTY_FRAME = JitterFrame(FrameKind.EMPTY)
LOST_FRAME = JitterFrame(FrameKind.LOST)
CONTINUES_FRAME = JitterFrame(FrameKind.CONTINUES)
