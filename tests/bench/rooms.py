"""What was measured of rooms of two, the same for every bridge."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.figure import middle

VIDEO_PPS, AUDIO_PPS = 120, 50
AUDIO_SHARE = AUDIO_PPS / (VIDEO_PPS + AUDIO_PPS)


@dataclass(frozen=True)
class Window:
    """CPU seconds of the bridge's process, and the packets it worked on meanwhile."""

    cpu_s: float
    packets: int


@dataclass(frozen=True)
class RoomLoad:
    """Windows with video alone, and with video and audio."""

    video: Sequence[Window]
    both: Sequence[Window]

    @property
    def video_us(self) -> float:
        return _us_per_packet(self.video)

    @property
    def both_us(self) -> float:
        return _us_per_packet(self.both)

    @property
    def audio_us(self) -> float:
        """What an audio packet adds: the difference between the two loads, by its share of the packets."""
        return (self.both_us - self.video_us * (1 - AUDIO_SHARE)) / AUDIO_SHARE


def _us_per_packet(windows: Sequence[Window]) -> float:
    return middle([window.cpu_s / max(1, window.packets) * 1e6 for window in windows])
