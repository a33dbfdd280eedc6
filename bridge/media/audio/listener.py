"""The down audio of one leg: which mix it gets, and its place on the RTP timeline."""

from collections.abc import Callable
from typing import Final

from bridge.codec.audio import EncodingProfile, encoding_profile
from bridge.codec.sample import FRAMES_PER_SECOND
from bridge.ids import LegId, ParticipantId
from bridge.media.audio.frames import FrameSink
from bridge.plane.messages import Codec

OnFault = Callable[[LegId, Exception], None]
Content = tuple[int, ...]  # numbers of the voices and players in a mix, sorted: equal content, equal sound
NO_CONTENT: Final[Content] = ()

# Expected loss told to the encoder, by the loss that the receiver reports: (from this fraction on, percent).
# Falling below half a threshold is needed to leave it, which keeps a path at the edge from flapping.
LOSS_STEPS: Final = ((0.10, 20), (0.04, 10), (0.01, 5))


class Listener:
    """Gets one payload per tick, whatever there is to hear."""

    __slots__ = (
        "_codec",
        "_media_time",
        "_sink",
        "_step",
        "_unmarked_gap",
        "content",
        "leg_id",
        "participant_id",
        "profile",
        "pushed",
        "sends",
    )

    def __init__(self, leg_id: LegId, participant_id: ParticipantId, codec: Codec, sink: FrameSink) -> None:
        self.leg_id = leg_id
        self.participant_id = participant_id
        self.profile: EncodingProfile = encoding_profile(codec)
        self.content: Content = NO_CONTENT
        self.sends = True
        self.pushed = 0
        self._codec = codec
        self._sink = sink
        self._step = codec.clock_rate_hz // FRAMES_PER_SECOND
        self._media_time = 0
        self._unmarked_gap = True

    def receive_loss(self, fraction_lost: float) -> None:
        """What the endpoint reports (RFC 3550 section 6.4.1); decides on FEC where it was negotiated."""
        current = self.profile.opus.expected_loss_percent if self.profile.opus else 0
        percent = next((percent for loss, percent in LOSS_STEPS if fraction_lost >= loss), 0)
        if percent < current:
            keep = next((step for loss, step in LOSS_STEPS if fraction_lost >= loss / 2), 0)
            percent = min(current, keep)
        profile = encoding_profile(self._codec, percent)
        if profile != self.profile:
            self.profile = profile

    def push(self, payload: bytes, now: float) -> None:
        """The payload of this tick; not sent while the leg does not send (hold), but time goes on."""
        media_time = self._media_time
        self._media_time += self._step
        if not self.sends:
            self._unmarked_gap = True
            return
        marker, self._unmarked_gap = self._unmarked_gap, False
        self._sink.push(payload, media_time, now, marker=marker)
        self.pushed += 1

    def skip(self, ticks: int) -> None:
        """Ticks that were left out."""
        self._media_time += ticks * self._step
        self._unmarked_gap = True
