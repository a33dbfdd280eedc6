"""CPU per leg and 20 ms of the mixer: one room, three talkers or all, G.711 and Opus.

Beside it what aiortc's codecs take to decode and encode one leg's 20 ms, which a mixer without gating and
sharing pays for every leg; aiortc itself has no mixer.
"""

import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import av
import numpy as np
from aiortc.codecs.g711 import PcmuDecoder, PcmuEncoder
from aiortc.codecs.opus import OpusDecoder, OpusEncoder
from aiortc.jitterbuffer import JitterFrame as EncodedFrame

from bridge.ids import LegId, ParticipantId, RoomId
from bridge.media.audio.mixer import AudioLeg, Mixer
from bridge.media.audio.playback import SoundLibrary
from bridge.plane.messages import Codec, Hearing
from bridge.rtp.frame import FrameKind, JitterFrame
from tests.bench.figure import Figure, middle
from tests.bench.footage import OPUS, SPEECH_FRAMES, speech, spoken

PCMU = Codec("PCMU", 0, 8_000)
SIZES = (10, 50)
ROOMS_OF_TWO = 10
TALKERS = 3
WINDOWS = 3
AIM_OPUS_US = 100.0
ROOM = RoomId("room_bench")


class Repeater:
    """A source of prepared payloads, so that only the mixer is measured."""

    def __init__(self, payloads: list[bytes], position: int) -> None:
        self._frames = [JitterFrame(FrameKind.PAYLOAD, payload) for payload in payloads]
        self._position = position

    def pull(self, now: float) -> JitterFrame:
        self._position += 1
        return self._frames[self._position % len(self._frames)]

    def rest(self, now: float) -> bytes:
        return self.pull(now).payload


class Bin:
    """A sink that drops."""

    def push(self, payload: bytes, media_time: int, now: float, *, marker: bool) -> None: ...


def run(window_s: float) -> Iterator[str | Figure]:
    for codec, peer in ((PCMU, _aiortc_pcmu), (OPUS, _aiortc_opus)):
        yield f"mixing {codec.name}"
        peer_us = _us_per_call(peer(), window_s / 2)
        for legs in SIZES:
            for talkers in (TALKERS, legs):
                us = _mixed(codec, legs, talkers, window_s / 2)
                yield Figure(
                    "mixer",
                    f"{codec.name}, {legs} legs, {'all' if talkers == legs else talkers} talk",
                    us,
                    "us/leg/20 ms",
                    peer_us,
                    "aiortc codec",
                    AIM_OPUS_US if codec is OPUS and talkers == TALKERS else None,
                    "the peer decodes and encodes one leg, no mixing",
                )

        yield Figure(
            "mixer",
            f"{codec.name}, {ROOMS_OF_TWO} rooms of two",
            _of_two(codec, window_s / 2),
            "us/leg/20 ms",
            peer_us,
            "aiortc codec",
            None,
            "more than a relay of the packets could save",
        )


def _of_two(codec: Codec, window_s: float) -> float:
    mixer = Mixer(SoundLibrary(lambda _: b""))
    voices = [spoken(codec, seed) for seed in range(1, 9)]
    for number in range(ROOMS_OF_TWO):
        _add_room(mixer, codec, RoomId(f"room_{number}"), voices[number % 8 :] + voices[: number % 8], 2)
    return _warm_us_per_leg(mixer, 2 * ROOMS_OF_TWO, window_s)


def _mixed(codec: Codec, legs: int, talkers: int, window_s: float) -> float:
    mixer = Mixer(SoundLibrary(lambda _: b""))
    voices = [spoken(codec, seed) for seed in range(1, 9)]
    quiet = spoken(codec, 0, 0.002)
    sounds = [voices[number % len(voices)] if number < talkers else quiet for number in range(legs)]
    _add_room(mixer, codec, ROOM, sounds, legs)
    return _warm_us_per_leg(mixer, legs, window_s)


def _warm_us_per_leg(mixer: Mixer, legs: int, window_s: float) -> float:
    for tick in range(2 * SPEECH_FRAMES):  # gates close, encoders are shared
        mixer.tick(tick * 0.02)
    return _us_per_call(lambda: mixer.tick(mixer.ticks * 0.02), window_s) / legs


def _add_room(mixer: Mixer, codec: Codec, room: RoomId, sounds: list[list[bytes]], legs: int) -> None:
    people = [ParticipantId(f"prt_{room}_{number}") for number in range(legs)]
    mixer.set_hears(room, [Hearing(person, tuple(people)) for person in people])
    for number, (person, sound) in enumerate(zip(people, sounds, strict=False)):
        leg = AudioLeg(LegId(f"leg_{room}_{number}"), person, room, codec, codec)
        mixer.add_leg(leg, Repeater(sound, 7 * number), Bin())


def _us_per_call(call: Callable[[], object], window_s: float) -> float:
    """CPU per call, the median of some windows."""
    results = []
    for _ in range(WINDOWS):
        calls, began = 0, time.process_time()
        while (spent := time.process_time() - began) < window_s:
            call()
            calls += 1
        results.append(spent / calls * 1e6)
    return middle(results)


def _aiortc_opus() -> Callable[[], object]:
    decoder, encoder = OpusDecoder(), OpusEncoder()
    payloads, position = spoken(OPUS, 1), 0

    def once() -> None:
        nonlocal position
        position += 1
        data = payloads[position % len(payloads)]
        for frame in decoder.decode(EncodedFrame(data, position * 960)):
            encoder.encode(frame)

    return once


def _aiortc_pcmu() -> Callable[[], object]:
    decoder, encoder = PcmuDecoder(), PcmuEncoder()
    sound = (speech(1, 8_000, 0.5) * 32_767).astype(np.int16).reshape(SPEECH_FRAMES, 1, -1)
    payloads, position = [], 0
    for number, samples in enumerate(sound):
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8_000, number * 160, Fraction(1, 8_000)
        payloads += encoder.encode(frame)[0]

    def once() -> None:
        nonlocal position
        position += 1
        for frame in decoder.decode(EncodedFrame(payloads[position % len(payloads)], position * 160)):
            encoder.encode(frame)

    return once
