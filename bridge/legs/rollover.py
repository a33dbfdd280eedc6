"""When a stream to a phone has to begin anew, so that both sides count its SRTP rollovers alike."""

from typing import Protocol

from bridge.plane.messages import RtpAudio, RtpVideo


class RollingTrack(Protocol):
    """A down track; `has_rolled_over` once SRTP's rollover counter is no longer its first."""

    @property
    def has_rolled_over(self) -> bool: ...


def is_ambiguous(
    before: RtpAudio | RtpVideo | None, section: RtpAudio | RtpVideo, track: RollingTrack | None
) -> bool:
    """Some phones count rollovers anew at each exchange of descriptions (seen with baresip). A stream that had
    one would be noise to them; a new one has none to anybody. Without `before` the medium rested."""
    if track is None or section.srtp is None or not track.has_rolled_over:
        return False
    return before is None or before.exchange != section.exchange
