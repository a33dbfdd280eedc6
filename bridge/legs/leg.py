"""What every kind of leg offers the worker, and what it needs from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bridge.ids import LegId
from bridge.media.audio.mixer import AudioStatistics
from bridge.media.audio.track import AudioDownTrack, AudioUpTrack
from bridge.plane import messages


@dataclass(frozen=True)
class LegShell:
    """What a leg needs beside its sockets. Chance and time come from here.

    `audio_changed` is told when `audio_up` has become another object by itself: the mixer has to know.
    """

    emit: Callable[[messages.Event], None]
    random_bits: Callable[[int], int]
    ntp_seconds: Callable[[], float]
    audio_changed: Callable[[LegId], None]


class Leg(Protocol):
    """A connection of one participant as the worker sees it."""

    @property
    def leg_id(self) -> LegId: ...

    @property
    def spec(self) -> messages.RtpLegSpec | messages.WebRtcLegSpec: ...

    @property
    def audio_up(self) -> AudioUpTrack | None:
        """Another object each time the codec changes."""
        ...

    @property
    def audio_down(self) -> AudioDownTrack | None:
        """Another object each time the codec changes."""
        ...

    @property
    def sends_audio(self) -> bool:
        """False while the endpoint wants no audio (hold): its timeline goes on in silence."""
        ...

    def tick(self, now: float) -> None:
        """Every 20 ms, after the mix went out: reports, feedback, deadlines."""
        ...

    def statistics(self, audio: AudioStatistics) -> messages.LegStatistics: ...

    def counters(self) -> dict[str, int]:
        """What its packets went through, each name with the kind of leg in front: rtp_strangers."""
        ...

    def close(self, now: float) -> None:
        """Says goodbye and frees what it holds; twice is fine."""
        ...
