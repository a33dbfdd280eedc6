"""Sources and sinks for mixer tests: what a leg says is a tone, what it hears is decoded again."""

import io
import wave
from collections.abc import Iterable

import numpy as np

from bridge.codec.audio import decoder_for, encoder_for, encoding_profile
from bridge.codec.sample import Samples
from bridge.ids import LegId, ParticipantId, RoomId
from bridge.media.audio.mixer import AudioLeg, Mixer
from bridge.media.audio.playback import SoundLibrary
from bridge.plane.messages import Codec, Hearing
from bridge.rtp.frame import EMPTY_FRAME, FrameKind, JitterFrame
from tests.unit.codec.tone import amplitude_of, tone

PCMU = Codec("PCMU", 0, 8_000)
PCMA = Codec("PCMA", 8, 8_000)
G722 = Codec("G722", 9, 8_000)
OPUS = Codec("OPUS", 111, 48_000, fmtp="useinbandfec=1")
ROOM = RoomId("room_1")
TICK_S = 0.02


class Script:
    """A source that gives these frames, then nothing."""

    def __init__(self, frames: Iterable[JitterFrame] = ()) -> None:
        self._frames = iter(frames)
        self.pulls = 0
        self.rests = 0

    def pull(self, now: float) -> JitterFrame:
        self.pulls += 1
        return next(self._frames, EMPTY_FRAME)

    def rest(self, now: float) -> bytes:
        self.rests += 1
        return next(self._frames, EMPTY_FRAME).payload


def payloads(codec: Codec, sound: Samples, loss_percent: int = 0) -> list[bytes]:
    encoder = encoder_for(encoding_profile(codec, loss_percent))
    return [encoder.encode(frame) for frame in sound.reshape(-1, encoder.rate_hz // 50)]


def saying(codec: Codec, frequency_hz: float, seconds: float = 1.4, amplitude: float = 0.2) -> Script:
    rate_hz = decoder_for(codec).rate_hz
    sound = tone(frequency_hz, rate_hz, seconds, amplitude)
    return Script(JitterFrame(FrameKind.PAYLOAD, payload) for payload in payloads(codec, sound))


class Ear:
    """A sink that keeps all it gets, and hears it."""

    def __init__(self, codec: Codec) -> None:
        self.payloads: list[bytes] = []
        self.media_times: list[int] = []
        self.markers: list[bool] = []
        self._decoder = decoder_for(codec)
        self._sound: list[Samples] = []

    def push(self, payload: bytes, media_time: int, now: float, *, marker: bool) -> None:
        self.payloads.append(payload)
        self.media_times.append(media_time)
        self.markers.append(marker)
        self._sound.append(self._decoder.decode(payload))

    def heard(self, ticks: int) -> Samples:
        """The sound of the last ticks."""
        return np.concatenate(self._sound[-ticks:])

    def amplitude(self, frequency_hz: float, ticks: int = 20) -> float:
        return amplitude_of(frequency_hz, self.heard(ticks), self._decoder.rate_hz)

    def hears(self, *frequencies_hz: float, ticks: int = 20) -> set[float]:
        """Which of these are loud: the tones of `saying` have 0.2."""
        return {hz for hz in frequencies_hz if self.amplitude(hz, ticks) > 0.08}


class Call:
    """A mixer with one room whose legs are numbered and hear each other."""

    def __init__(self, sounds: dict[str, bytes] | None = None) -> None:
        self.files = sounds or {}
        self.mixer = Mixer(SoundLibrary(self._read))
        self.now = 0.0

    def _read(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(2, "No such file", path)
        return self.files[path]

    def join(self, number: int, codec: Codec, source: Script, room_id: RoomId = ROOM) -> Ear:
        ear = Ear(codec)
        self.mixer.add_leg(leg(number, codec, room_id), source, ear)
        return ear

    def mesh(self, *numbers: int, room_id: RoomId = ROOM) -> None:
        people = tuple(person(number) for number in numbers)
        self.mixer.set_hears(room_id, [Hearing(listener, people) for listener in people])

    def run(self, ticks: int) -> None:
        for _ in range(ticks):
            self.mixer.tick(self.now)
            self.now += TICK_S


def person(number: int) -> ParticipantId:
    return ParticipantId(f"prt_{number}")


def leg_id(number: int) -> LegId:
    return LegId(f"leg_{number}")


def leg(number: int, codec: Codec, room_id: RoomId = ROOM) -> AudioLeg:
    return AudioLeg(leg_id(number), person(number), room_id, codec, codec)


def wav(samples: Samples, rate_hz: int = 16_000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((channels, 2, rate_hz, 0, "NONE", ""))
        out.writeframes((samples * 32_767).astype("<i2").tobytes())
    return file.getvalue()
