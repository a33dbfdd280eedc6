"""CPU per leg and 20 ms of the mixer: one room, three talkers, G.711 and Opus. Prints JSON lines.

Run: python -m tests.bench.bench_mixer [seconds]
"""

import json
import sys
import time

import numpy as np

from bridge.codec.audio import encoder_for, encoding_profile
from bridge.codec.sample import Samples
from bridge.ids import LegId, ParticipantId, RoomId
from bridge.media.mixer import AudioLeg, Mixer
from bridge.media.playback import SoundLibrary
from bridge.plane.messages import Codec, Hearing
from bridge.rtp.frame import FrameKind, JitterFrame

CODECS = {"PCMU": Codec("PCMU", 0, 8_000), "OPUS": Codec("OPUS", 111, 48_000, fmtp="useinbandfec=1")}
SIZES = (2, 10, 50)
TALKERS = 3
LOOP_FRAMES = 100
ROOM = RoomId("room_bench")


class Repeater:
    """A source of prepared payloads, so that only the mixer is measured."""

    def __init__(self, payloads: list[bytes]) -> None:
        self._frames = [JitterFrame(FrameKind.PAYLOAD, payload) for payload in payloads]
        self._position = 0

    def pull(self, now: float) -> JitterFrame:
        self._position += 1
        return self._frames[self._position % len(self._frames)]


class Bin:
    """A sink that counts."""

    def __init__(self) -> None:
        self.payloads = 0

    def push(self, payload: bytes, media_time: int, now: float, *, marker: bool) -> None:
        self.payloads += 1


def speech(seed: int, rate_hz: int, gain: float) -> Samples:
    """Something with pitch, formants and pauses, of two seconds."""
    rng = np.random.default_rng(seed)
    instants = np.arange(LOOP_FRAMES * rate_hz // 50) / rate_hz
    pitch = 110 + 60 * rng.random()
    voiced = sum(np.sin(2 * np.pi * pitch * n * instants) / n for n in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * (2 + rng.random()) * instants) + 0.5, 0, 1)
    noise = rng.normal(0, 0.02, len(instants))
    return ((voiced * envelope * 0.3 + noise) * gain).astype(np.float32)


def payloads(codec: Codec, seed: int, gain: float) -> list[bytes]:
    """What a phone or browser would send; a browser's Opus is SILK or hybrid, with the VAD bit."""
    encoder = encoder_for(encoding_profile(codec, 5))
    frames = speech(seed, encoder.rate_hz, gain).reshape(LOOP_FRAMES, -1)
    return [encoder.encode(frame) for frame in frames]


def room(codec: Codec, legs: int) -> tuple[Mixer, list[Bin]]:
    mixer = Mixer(SoundLibrary(lambda _: b""))
    people = [ParticipantId(f"prt_{number}") for number in range(legs)]
    mixer.set_hears(ROOM, [Hearing(person, tuple(people)) for person in people])
    bins = [Bin() for _ in people]
    quiet = payloads(codec, 0, 0.002)
    for number, person in enumerate(people):
        sound = payloads(codec, number + 1, 0.5) if number < TALKERS else quiet
        leg = AudioLeg(LegId(f"leg_{number}"), person, ROOM, codec, codec)
        mixer.add_leg(leg, Repeater(sound), bins[number])
    return mixer, bins


def measure(codec: Codec, legs: int, seconds: float) -> dict[str, float | str]:
    mixer, _ = room(codec, legs)
    for tick in range(2 * LOOP_FRAMES):  # gates close, encoders are shared
        mixer.tick(tick * 0.02)
    before = mixer.statistics()
    ticks, wall, cpu, slowest = 0, time.perf_counter(), time.process_time(), 0.0
    while time.perf_counter() - wall < seconds:
        began = time.perf_counter()
        mixer.tick(ticks * 0.02)
        slowest = max(slowest, time.perf_counter() - began)
        ticks += 1
    spent = time.process_time() - cpu
    encodes = mixer.statistics()["mixer_encodes_total"] - before["mixer_encodes_total"]
    return {
        "bench": "mixer",
        "codec": codec.name,
        "legs": legs,
        "talkers": min(TALKERS, legs),
        "us_per_leg_per_20ms": round(spent / ticks / legs * 1e6, 1),
        "encodes_per_tick": round(encodes / ticks, 1),
        "slowest_tick_ms": round(slowest * 1000, 2),
    }


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    for codec in CODECS.values():
        for legs in SIZES:
            print(json.dumps(measure(codec, legs, seconds)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
