"""Prompts and music: a WAV file becomes a stream of 20 ms, once or in a loop."""

import io
import wave
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import numpy as np

from bridge.codec.resample import resample
from bridge.codec.sample import Pcm16, Samples, frame_samples, from_pcm16, to_pcm16
from bridge.errors import BridgeError
from bridge.media.audio.frames import MIX_RATE_HZ
from bridge.plane.messages import Playback

LARGEST_FILE_BYTES: Final = 32 * 1024 * 1024  # five minutes at 48 kHz; longer music belongs in a loop
LIBRARY_BYTES: Final = 128 * 1024 * 1024
SHORTEST_SAMPLES: Final = 1
SETTLED_TICKS: Final = 2  # resampling remembers 3 ms: after a jump the second tick is itself again
# These are played as they are and resampled tick by tick with all voices; others once, when they are read.
NATIVE_RATES_HZ: Final = (8_000, 16_000, 24_000, 32_000, 48_000)
OTHER_RATES_HZ: Final = (11_025, 12_000, 22_050, 44_100, 64_000, 88_200, 96_000, 192_000)


class SoundError(BridgeError):
    """A sound file that is missing or not a mono or stereo WAV of 16 bits."""

    code = "bad_sound"


class EncodedFrame(NamedTuple):
    """20 ms of a sound that is heard alone, as its listeners get it, and its mean square."""

    payload: bytes
    power: float


FrameKey = tuple[str, float, int]
"""Codec, gain and position of an encoded frame."""


class Sound(msgspec.Struct, frozen=True):
    """A recording in memory, and what was encoded of it: at most `most_encoded` frames."""

    pcm: Pcm16
    rate_hz: int
    encoded: dict[FrameKey, EncodedFrame] = msgspec.field(default_factory=dict)

    @property
    def most_encoded(self) -> int:
        """Enough for both laws of G.711."""
        return 2 * (len(self.pcm) // frame_samples(self.rate_hz))


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
    """One playback: where it stands in its sound. Each tick is one `read`, or one `pass_over`.

    A sound that is heard alone makes the same payloads whoever waits: those of a stateless codec are kept with
    it, by the position at which they begin.
    """

    __slots__ = (
        "_frame_samples",
        "_gain",
        "_position",
        "_sound",
        "_steady_ticks",
        "ended",
        "faded",
        "number",
        "playback",
        "rate_hz",
        "slot",
        "stale",
    )

    def __init__(self, playback: Playback, sound: Sound, number: int) -> None:
        self.playback = playback
        self.number = number
        self.slot = -1
        self.rate_hz = sound.rate_hz
        self.ended = False
        self.faded = False  # its last tick is over
        self.stale = False  # its row does not hold what was heard last
        self._sound = sound
        self._frame_samples = frame_samples(sound.rate_hz)
        self._position = 0
        self._steady_ticks = 0
        self._gain = np.float32(10 ** (min(max(playback.gain_db, -96.0), 24.0) / 20))

    def read(self) -> Samples:
        """The next 20 ms; after the end of the sound, silence."""
        wanted = self._frame_samples
        pcm = self._sound.pcm[self._position : self._position + wanted]
        self._position += wanted
        self._steady_ticks += 1
        if len(pcm) < wanted:
            pcm = self._beyond_the_end(pcm, wanted)
        return from_pcm16(pcm) * self._gain

    def pass_over(self) -> None:
        """The same without its samples."""
        self._position += self._frame_samples
        self._steady_ticks += 1
        if self._position > len(self._sound.pcm):
            if self.playback.loop:
                self._position %= len(self._sound.pcm)
            else:
                self.ended = True

    def recent(self, count: int) -> Samples:
        """The `count` samples before the next tick's."""
        at = np.arange(self._position - count, self._position)
        if self.playback.loop:
            at %= len(self._sound.pcm)
        inside = (at >= 0) & (at < len(self._sound.pcm))
        pcm: Pcm16 = np.where(inside, self._sound.pcm[at * inside], 0).astype(np.int16)
        return from_pcm16(pcm) * self._gain

    def encoded(self, codec: str) -> EncodedFrame | None:
        """The next tick's payload, if it was made before."""
        if not self.playback.loop and self._position + self._frame_samples > len(self._sound.pcm):
            return None
        return self._sound.encoded.get((codec, self.playback.gain_db, self._position))

    def keep(self, codec: str, frame: EncodedFrame) -> None:
        """What the last tick became. Only where nothing else had a part in it: not soon after a jump, nor the
        silence after the end."""
        sound, position = self._sound, self._position - self._frame_samples
        is_whole = position >= 0 and self._position <= len(sound.pcm)
        if self._steady_ticks > SETTLED_TICKS and is_whole and len(sound.encoded) < sound.most_encoded:
            sound.encoded[codec, self.playback.gain_db, position] = frame

    def skip(self, ticks: int) -> None:
        """Time went by that nobody could hear."""
        self._position += ticks * self._frame_samples
        self._steady_ticks = 0
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
