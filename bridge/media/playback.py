"""Prompts and music: a WAV file becomes a stream of 20 ms, once or in a loop."""

import io
import wave
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np

from bridge.codec.resample import resample
from bridge.codec.sample import Pcm16, Samples, frame_samples, from_pcm16, to_pcm16
from bridge.errors import BridgeError
from bridge.media.frames import MIX_RATE_HZ
from bridge.plane.messages import Playback

LARGEST_FILE_BYTES: Final = 32 * 1024 * 1024  # five minutes at 48 kHz; longer music belongs in a loop
LIBRARY_BYTES: Final = 128 * 1024 * 1024
SHORTEST_SAMPLES: Final = 1
# These are played as they are and resampled tick by tick with all voices; others once, when they are read.
NATIVE_RATES_HZ: Final = (8_000, 16_000, 24_000, 32_000, 48_000)
OTHER_RATES_HZ: Final = (11_025, 12_000, 22_050, 44_100, 64_000, 88_200, 96_000, 192_000)


class SoundError(BridgeError):
    """A sound file that is missing or not a mono or stereo WAV of 16 bits."""

    code = "bad_sound"


class Sound(msgspec.Struct, frozen=True, gc=False):
    """A recording in memory."""

    pcm: Pcm16
    rate_hz: int


def parse_wav(data: bytes) -> Sound:
    """A WAV file; stereo is averaged. Raises SoundError with what is wrong."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate_hz = file.getnchannels(), file.getsampwidth(), file.getframerate()
            octets = file.readframes(file.getnframes())
    except (wave.Error, EOFError, RuntimeError) as error:  # RuntimeError: a chunk longer than the file
        raise SoundError(f"not a WAV file of PCM: {str(error) or 'it ends early'}") from error
    if width != 2 or channels not in {1, 2} or rate_hz not in (*NATIVE_RATES_HZ, *OTHER_RATES_HZ):
        raise SoundError(
            f"{channels} channels of {8 * width} bits at {rate_hz} Hz: want 16 bits mono at a usual rate"
        )
    pcm = np.frombuffer(octets[: len(octets) // (2 * channels) * 2 * channels], dtype="<i2").astype(np.int16)
    if channels == 2:
        pcm = pcm.reshape(-1, 2).mean(axis=1).astype(np.int16)
    if len(pcm) < SHORTEST_SAMPLES:
        raise SoundError("the file has no samples")
    if rate_hz in NATIVE_RATES_HZ:
        return Sound(pcm, rate_hz)
    return Sound(to_pcm16(resample(from_pcm16(pcm), rate_hz, MIX_RATE_HZ)), MIX_RATE_HZ)


class SoundLibrary:
    """Sounds by path, read once. What has not been played longest goes when it gets too big.

    `read` gets a path and returns the file; it may raise OSError.
    """

    __slots__ = ("_capacity_bytes", "_read", "_size_bytes", "_sounds", "evicted")

    def __init__(self, read: Callable[[str], bytes], capacity_bytes: int = LIBRARY_BYTES) -> None:
        self._read = read
        self._capacity_bytes = capacity_bytes
        self._sounds: OrderedDict[str, Sound] = OrderedDict()
        self._size_bytes = 0
        self.evicted = 0

    def sound(self, source: str) -> Sound:
        """Raises SoundError."""
        found = self._sounds.get(source)
        if found is not None:
            self._sounds.move_to_end(source)
            return found
        try:
            data = self._read(source)
        except OSError as error:
            raise SoundError(f"cannot read {source}: {error.strerror or error}") from error
        if len(data) > LARGEST_FILE_BYTES:
            raise SoundError(f"{source} is larger than {LARGEST_FILE_BYTES // 1024**2} MiB")
        sound = parse_wav(data)
        self._keep(source, sound)
        return sound

    def _keep(self, source: str, sound: Sound) -> None:
        self._sounds[source] = sound
        self._size_bytes += sound.pcm.nbytes
        while self._size_bytes > self._capacity_bytes and len(self._sounds) > 1:
            _, oldest = self._sounds.popitem(last=False)
            self._size_bytes -= oldest.pcm.nbytes
            self.evicted += 1


class Player:
    """One playback: where it stands in its sound."""

    __slots__ = ("_gain", "_position", "_sound", "ended", "faded", "number", "playback", "rate_hz", "slot")

    def __init__(self, playback: Playback, sound: Sound, number: int) -> None:
        self.playback = playback
        self.number = number
        self.slot = -1
        self.rate_hz = sound.rate_hz
        self.ended = False
        self.faded = False  # its last tick is over
        self._sound = sound
        self._position = 0
        self._gain = np.float32(10 ** (min(max(playback.gain_db, -96.0), 24.0) / 20))

    def read(self) -> Samples:
        """The next 20 ms; after the end of the sound, silence."""
        wanted = frame_samples(self.rate_hz)
        pcm = self._sound.pcm[self._position : self._position + wanted]
        self._position += wanted
        if len(pcm) < wanted:
            pcm = self._beyond_the_end(pcm, wanted)
        return from_pcm16(pcm) * self._gain

    def skip(self, ticks: int) -> None:
        """Time went by that nobody could hear."""
        self._position += ticks * frame_samples(self.rate_hz)
        if self.playback.loop:
            self._position %= len(self._sound.pcm)

    def _beyond_the_end(self, pcm: Pcm16, wanted: int) -> Pcm16:
        if self.playback.loop:
            length = len(self._sound.pcm)
            begin = self._position - wanted
            self._position %= length
            looped: Pcm16 = self._sound.pcm[np.arange(begin, begin + wanted) % length]
            return looped
        self.ended = True
        return np.pad(pcm, (0, wanted - len(pcm)))
