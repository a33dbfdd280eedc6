"""What a phone does to its stream: pauses, comfort noise, other timestamps, another SSRC. Never old sound again.

Elsewhere: silence suppression breaks buffers, DTX replays old audio, timestamp gaps lose calls.
"""

import numpy as np
import pytest

from bridge.codec.audio import encoder_for, encoding_profile
from bridge.codec.sample import Samples
from bridge.ids import LegId, ParticipantId
from bridge.media.audio.track import COMFORT_NOISE, AudioUpTrack
from bridge.media.audio.voice import Voice
from bridge.plane.messages import Codec
from bridge.wire.rtp import RtpPacket, serialize_rtp
from tests.unit.codec.tone import amplitude_of, tone

PCMU, PCMA = Codec("PCMU", 0, 8_000), Codec("PCMA", 8, 8_000)
OPUS = Codec("OPUS", 111, 48_000, 2)
TICK_S = 0.02
BEFORE_HZ, AFTER_HZ, AMPLITUDE = 437.0, 722.0, 0.2
SPURT, PAUSE = 100, 150  # packets


def spurt(codec: Codec, hz: float) -> list[bytes]:
    encoder = encoder_for(encoding_profile(codec))
    sound = tone(hz, encoder.rate_hz, SPURT * TICK_S, AMPLITUDE)
    return [encoder.encode(frame) for frame in np.split(sound, SPURT)]


class Phone:
    """Sends two spurts with a pause between them. The second one may come from another SSRC and timeline."""

    def __init__(
        self, codec: Codec, jump: int = 0, ssrc: int = 7, gap: int = PAUSE, noise_every: int = 0
    ) -> None:
        self.codec = codec
        self.packets: list[tuple[float, bytes]] = []
        step, sequence = codec.clock_rate_hz // 50, 65_500
        for number, payload in enumerate(spurt(codec, BEFORE_HZ)):
            self._send(number * TICK_S, sequence := sequence + 1, number * step, 7, payload)
        for number in range(0, PAUSE, noise_every) if noise_every else ():
            at = SPURT + number
            noise = RtpPacket(COMFORT_NOISE, (sequence := sequence + 1) & 0xFFFF, at * step, 7, b"\x48")
            self.packets.append((at * TICK_S, serialize_rtp(noise)))
        for number, payload in enumerate(spurt(codec, AFTER_HZ)):
            at, timestamp = SPURT + PAUSE + number, (SPURT + gap + number) * step + jump
            self._send(at * TICK_S, sequence := sequence + 1, timestamp, ssrc, payload)

    def _send(self, at: float, sequence: int, timestamp: int, ssrc: int, payload: bytes) -> None:
        packet = RtpPacket(self.codec.payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, payload)
        self.packets.append((at, serialize_rtp(packet)))


def heard(phone: Phone) -> tuple[Samples, Voice]:
    up = AudioUpTrack("audio", phone.codec)
    voice = Voice(LegId("leg_1"), ParticipantId("prt_1"), phone.codec, up, 1)
    frames: list[Samples] = []
    waiting = sorted(phone.packets)
    for tick in range(2 * SPURT + PAUSE + 10):
        now = tick * TICK_S + 0.005
        while waiting and waiting[0][0] <= now:
            up.receive(waiting.pop(0)[1], now)
        payload = voice.take(now)
        if payload is not None and voice.law is not None:
            voice.take_batch(voice.law.decode_many([payload])[0])
        silence = np.zeros(voice.rate_hz // 50, np.float32)
        frames.append(silence if voice.samples is None else voice.samples)
    assert up.foreign == up.malformed == 0
    return np.concatenate(frames), voice


PHONES = {
    "nothing in the pause": Phone(PCMU),
    "opus, nothing in the pause": Phone(OPUS),
    "comfort noise once": Phone(PCMU, noise_every=PAUSE),
    "comfort noise again and again": Phone(PCMA, noise_every=10),
    "timestamps stand still in the pause": Phone(PCMU, gap=0),
    "timestamps jump ahead": Phone(PCMU, jump=1_000_000),
    "timestamps jump back": Phone(PCMU, jump=-1_000_000),
    "another ssrc and timeline": Phone(PCMU, jump=123_456_789, ssrc=8),
    "opus, another ssrc and timeline": Phone(OPUS, jump=123_456_789, ssrc=8),
    "one spurt after the other, timestamps jump": Phone(PCMU, jump=4_000_000),
}


@pytest.mark.parametrize("name", PHONES)
def test_each_spurt_is_heard_in_its_time_and_the_pause_is_silent(name: str) -> None:
    sound, voice = heard(PHONES[name])
    rate_hz = voice.rate_hz

    def amplitudes(hz: float, from_s: float, to_s: float) -> list[float]:
        part = sound[int(from_s * rate_hz) : int(to_s * rate_hz)]
        return [amplitude_of(hz, piece, rate_hz) for piece in np.split(part, len(part) // (rate_hz // 10))]

    end_s, again_s = SPURT * TICK_S, (SPURT + PAUSE) * TICK_S
    assert min(amplitudes(BEFORE_HZ, 0.2, end_s - 0.1)) > 0.8 * AMPLITUDE
    silent = sound[int((end_s + 0.3) * rate_hz) : int(again_s * rate_hz)]
    assert np.abs(silent).max() < 0.01
    assert max(amplitudes(BEFORE_HZ, again_s, again_s + 1.9)) < 0.05 * AMPLITUDE
    # A new timeline begins with the first delay, which is then played away by 0.6 % of speed.
    assert min(amplitudes(AFTER_HZ, again_s + 0.2, again_s + 1.9)) > 0.7 * AMPLITUDE
    assert voice.concealed <= 12, "a pause is no loss"
