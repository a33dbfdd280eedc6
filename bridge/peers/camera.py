"""Microphone and camera of a synthetic browser: aiortc tracks that make their own media on a steady beat."""

import asyncio
from collections.abc import Callable
from fractions import Fraction

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from bridge.peers.picture import Reading, compose
from bridge.peers.tone import Tone

AUDIO_RATE_HZ = 48_000
AUDIO_FRAME_SAMPLES = 960  # 20 ms
VIDEO_CLOCK_RATE_HZ = 90_000  # RFC 7741 section 4.1, RFC 6184 section 8.2.1


def never(_counter: int) -> bool:
    """A camera without a fault."""
    return False


class Beat:
    """Absolute beats: a late one does not delay the next."""

    __slots__ = ("_count", "_period_s", "_start")

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._start: float | None = None
        self._count = 0

    async def next(self) -> int:
        """Sleeps until the next beat and returns its number, from 0."""
        now = asyncio.get_running_loop().time()
        if self._start is None:
            self._start = now
        number = self._count
        self._count += 1
        await asyncio.sleep(self._start + number * self._period_s - now)
        return number


class Microphone(MediaStreamTrack):
    """Plays a tone, 48 kHz mono. `tone` may be exchanged while it plays."""

    kind = "audio"

    def __init__(self, tone: Tone) -> None:
        super().__init__()
        self.tone = tone
        self._beat = Beat(AUDIO_FRAME_SAMPLES / AUDIO_RATE_HZ)

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        number = await self._beat.next()
        samples = self.tone.take(AUDIO_FRAME_SAMPLES)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = AUDIO_RATE_HZ
        frame.pts = number * AUDIO_FRAME_SAMPLES
        frame.time_base = Fraction(1, AUDIO_RATE_HZ)
        return frame


class Camera(MediaStreamTrack):
    """Shows the counter picture. `skips(counter)` true = that frame is lost on its way to the encoder."""

    kind = "video"

    def __init__(
        self,
        picture_id: int,
        first_counter: int,
        skips: Callable[[int], bool] = never,
        size: tuple[int, int] = (320, 240),
        frames_per_second: int = 15,
    ) -> None:
        super().__init__()
        self._picture_id = picture_id
        self._first_counter = first_counter
        self._skips = skips
        self._size = size
        self._frames_per_second = frames_per_second
        self._beat = Beat(1 / frames_per_second)
        self.shown = 0

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        number = await self._beat.next()
        while self._skips(self._first_counter + number):
            number = await self._beat.next()
        picture = compose(*self._size, Reading(self._picture_id, self._first_counter + number))
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number * VIDEO_CLOCK_RATE_HZ // self._frames_per_second
        frame.time_base = Fraction(1, VIDEO_CLOCK_RATE_HZ)
        self.shown += 1
        return frame
