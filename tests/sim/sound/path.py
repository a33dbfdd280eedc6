"""One talker behind a bad network, in virtual time: what the bridge makes of it, and what a fixed buffer would.

Both get the same packets at the same instants and have the same mean delay.
"""

import random
from dataclasses import dataclass, field

import numpy as np
from pesq import pesq

from bridge.codec.audio import decoder_for, encoder_for, encoding_profile
from bridge.codec.resample import resample
from bridge.codec.sample import Samples, frame_samples
from bridge.ids import LegId, ParticipantId
from bridge.media.audio.track import AudioDownTrack, AudioUpTrack
from bridge.media.audio.voice import Voice
from bridge.plane.messages import Codec
from bridge.wire.rtp import parse_rtp
from tests.sim.sound.speech import speech

OPUS = Codec("OPUS", 111, 48_000, 2, fmtp="useinbandfec=1")
PCMU = Codec("PCMU", 0, 8_000)
PESQ_HZ = 16_000
TICK_S = 0.02
PATH_S = 0.05
WARM_UP = " ".join(("One two three four five six seven eight nine ten.",) * 2)  # the buffer learns the path


@dataclass(frozen=True)
class Path:
    """`fec_percent` is the loss the talker's encoder was told of, as RTCP reports it."""

    codec: Codec = OPUS
    loss: float = 0.0
    jitter_s: float = 0.02
    drift_ppm: float = 0.0
    fec_percent: int = 0
    seed: int = 1
    voice: str = "en-gb"
    repeats: int = 1  # of the speech: 17 s each


@dataclass
class Packets:
    """What arrives: (instant, RTP packet), in order of arrival."""

    arrivals: list[tuple[float, bytes]]
    undisturbed: Samples  # what the codec makes of the speech where no network is between
    rate_hz: int  # of it
    warm_up_s: float
    repeats: int


@dataclass
class Outcome:
    sound: Samples
    delay_s: float
    concealed: int = 0
    recovered: int = 0
    delays_s: list[float] = field(default_factory=list)


def packets_of(path: Path) -> Packets:
    encoder = encoder_for(encoding_profile(path.codec, path.fec_percent))
    rate_hz = encoder.rate_hz
    warm_up = speech(rate_hz, voice=path.voice, text=WARM_UP)
    sound = np.concatenate((warm_up, *[speech(rate_hz, voice=path.voice)] * path.repeats))
    size, chance = frame_samples(rate_hz), random.Random(path.seed)
    sent: list[bytes] = []
    track = AudioDownTrack("audio", path.codec, 7, sent.append, first=(65_000, 2**32 - 48_000))
    arrivals: list[tuple[float, bytes]] = []
    for number, frame in enumerate(np.split(sound, len(sound) // size)):
        at = (number + 1) * TICK_S * (1 + path.drift_ppm * 1e-6)
        track.push(encoder.encode(frame), number * path.codec.clock_rate_hz // 50, at, marker=False)
        arrives_at = at + PATH_S + chance.random() * path.jitter_s
        if chance.random() >= path.loss:
            arrivals.append((arrives_at, sent[-1]))
    arrivals.sort(key=lambda arrival: arrival[0])
    decoder = decoder_for(path.codec)
    undisturbed = np.concatenate([decoder.decode(parse_rtp(data).payload) for data in sent])
    return Packets(arrivals, undisturbed, decoder.rate_hz, len(warm_up) / rate_hz, path.repeats)


def through_the_bridge(path: Path, packets: Packets) -> Outcome:
    """Up track, jitter buffer, decoder and concealment, as the mixer asks them once a tick."""
    up = AudioUpTrack("audio", path.codec)
    voice = Voice(LegId("leg_1"), ParticipantId("prt_1"), path.codec, up, 1)
    silence = np.zeros(frame_samples(voice.rate_hz), np.float32)
    heard: list[Samples] = []
    delays: list[float] = []
    place, now = 0, 0.003
    last = packets.arrivals[-1][0]
    while now < last + 0.2:
        while place < len(packets.arrivals) and packets.arrivals[place][0] <= now:
            up.receive(packets.arrivals[place][1], packets.arrivals[place][0])
            place += 1
        payload = voice.take(now)
        if payload is not None and voice.law is not None:
            voice.take_batch(voice.law.decode_many([payload])[0])
        heard.append(silence if voice.samples is None else voice.samples)
        delay_ms = up.delay_ms
        if delay_ms is not None and packets.warm_up_s + PATH_S < now < last:
            delays.append(delay_ms / 1000)
        now += TICK_S
    mean = float(np.mean(delays))
    return Outcome(np.concatenate(heard), mean, voice.concealed, voice.recovered, delays)


def through_a_fixed_buffer(path: Path, packets: Packets, delay_s: float) -> Outcome:
    """Each frame is played `delay_s` after the fastest packet could be here, and is silence if it is not."""
    decoder = decoder_for(path.codec)
    frames: dict[int, tuple[float, bytes]] = {}
    for at, data in packets.arrivals:
        packet = parse_rtp(data)
        frames[(packet.sequence_number - 65_001) & 0xFFFF] = (at, packet.payload)
    size = frame_samples(decoder.rate_hz)
    silence = np.zeros(size, np.float32)
    heard = [silence] * round((PATH_S + delay_s) / TICK_S)
    missing = 0
    for number in range(len(packets.undisturbed) // size):
        due_at = (number + 1) * TICK_S + PATH_S + delay_s
        at, payload = frames.get(number, (np.inf, b""))
        if at <= due_at:
            heard.append(decoder.decode(payload)[:size])
        else:
            missing += 1
            heard.append(silence)
    return Outcome(np.concatenate(heard), delay_s, missing)


def scores(packets: Packets, outcome: Outcome) -> list[float]:
    """PESQ, wide band, of each repetition after the warm-up, against the same codec without a network."""
    rate_hz = packets.rate_hz
    reference = packets.undisturbed[int(packets.warm_up_s * rate_hz) :]
    degraded = outcome.sound[int((packets.warm_up_s + PATH_S + outcome.delay_s) * rate_hz) :]
    length = len(reference) // packets.repeats
    found = []
    for first in range(0, length * packets.repeats, length):
        pair = (resample(part[first : first + length], rate_hz, PESQ_HZ) for part in (reference, degraded))
        ours, theirs = pair
        common = min(len(ours), len(theirs))
        found.append(float(pesq(PESQ_HZ, ours[:common], theirs[:common], "wb")))
    return found


def compared(path: Path) -> tuple[float, float, Outcome]:
    """The bridge's score and a fixed buffer's at the same delay, and what became of the bridge's frames."""
    packets = packets_of(path)
    ours = through_the_bridge(path, packets)
    fixed = through_a_fixed_buffer(path, packets, ours.delay_s)
    return min(scores(packets, ours)), min(scores(packets, fixed)), ours
