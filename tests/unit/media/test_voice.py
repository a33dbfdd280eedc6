from collections.abc import Iterable

import numpy as np
import pytest

from bridge.codec.opus import OpusDecoder
from bridge.codec.sample import Samples
from bridge.ids import LegId, ParticipantId
from bridge.media.audio.voice import RESTS_AFTER_TICKS, Voice
from bridge.plane.messages import Codec
from bridge.rtp.frame import CONTINUES_FRAME, EMPTY_FRAME, LOST_FRAME, FrameKind, JitterFrame
from tests.unit.codec.tone import error_db, power, tone
from tests.unit.media.stage import G722, OPUS, PCMU, Script, payloads


def voice(codec: Codec, frames: Iterable[JitterFrame]) -> Voice:
    return Voice(LegId("leg_1"), ParticipantId("prt_1"), codec, Script(frames), 1)


def hear(spoken: Voice, ticks: int) -> Samples:
    """Runs ticks as the mixer does; silence is zeros."""
    sound = []
    for _ in range(ticks):
        payload = spoken.take(0.0)
        if payload is not None and spoken.law is not None:
            spoken.take_batch(spoken.law.decode(payload))
        samples = (
            np.zeros(spoken.rate_hz // 50, dtype=np.float32) if spoken.samples is None else spoken.samples
        )
        assert len(samples) == spoken.rate_hz // 50
        spoken.measure(power(samples))
        sound.append(samples)
    return np.concatenate(sound)


def frames_of(codec: Codec, sound: Samples, loss_percent: int = 0) -> list[JitterFrame]:
    return [JitterFrame(FrameKind.PAYLOAD, payload) for payload in payloads(codec, sound, loss_percent)]


def test_nothing_is_silence() -> None:
    quiet = voice(PCMU, [EMPTY_FRAME, LOST_FRAME, CONTINUES_FRAME])
    assert not hear(quiet, 3).any()
    assert quiet.concealed == 0
    assert quiet.level_dbov == -127.0


def test_a_stream_that_stops_fades_out_in_one_tick() -> None:
    sound = hear(voice(PCMU, [*frames_of(PCMU, tone(200, 8_000, 0.2)), EMPTY_FRAME, EMPTY_FRAME]), 12)
    assert abs(np.diff(sound)).max() < 0.08
    assert abs(sound[10 * 160 : 10 * 160 + 40]).max() > 0.15
    assert not sound[11 * 160 :].any()


def test_opus_loses_a_frame_and_gets_it_back_from_the_next() -> None:
    rising = tone(300, 48_000, 1.0) * np.linspace(0, 1, 48_000, dtype=np.float32)
    frames = frames_of(OPUS, rising, loss_percent=20)
    frames[30] = JitterFrame(FrameKind.LOST, next_payload=frames[31].payload)
    spoken = voice(OPUS, frames)
    hear(spoken, 40)
    assert (spoken.recovered, spoken.concealed) == (1, 0)


@pytest.mark.parametrize("codec", [PCMU, G722, OPUS], ids=lambda codec: codec.name)
def test_lost_frames_are_concealed(codec: Codec) -> None:
    rate_hz = 8_000 if codec is PCMU else 16_000 if codec is G722 else 48_000
    frames = frames_of(codec, tone(200, rate_hz, 0.4))
    frames[15] = LOST_FRAME
    spoken = voice(codec, frames)
    sound = hear(spoken, 20)
    assert spoken.concealed == 1
    assert power(sound[15 * rate_hz // 50 : 16 * rate_hz // 50]) > 0.01


def test_broken_payloads_are_counted_and_concealed() -> None:
    broken = JitterFrame(FrameKind.PAYLOAD, b"\xff")  # code 3 without its frame count
    spoken = voice(OPUS, [broken, JitterFrame(FrameKind.LOST, next_payload=b"\x0b\x03\xff\xff")])
    hear(spoken, 2)
    assert spoken.malformed == 2


def test_payloads_of_30_ms_are_read_20_ms_at_a_time() -> None:
    sound = tone(400, 8_000, 0.24)
    octets = b"".join(payloads(PCMU, sound))
    frames = []
    for at in range(0, len(octets), 480):
        first, second = octets[at : at + 240], octets[at + 240 : at + 480]
        frames += [
            JitterFrame(FrameKind.PAYLOAD, first),
            JitterFrame(FrameKind.PAYLOAD, second),
            CONTINUES_FRAME,
        ]
    spoken = voice(PCMU, frames)
    assert error_db(hear(spoken, 12), sound) < -35
    assert spoken.concealed == 0


def test_a_payload_of_200_ms_is_read_to_its_end() -> None:
    """RFC 3551 section 4.2: that long a packet is to be taken. Of those above 160 ms the beginning was lost."""
    sound = tone(400, 8_000, 2.0)
    frames: list[JitterFrame] = []
    for part in payloads_of_200_ms(sound):
        frames += [JitterFrame(FrameKind.PAYLOAD, part), *[CONTINUES_FRAME] * 9]
    spoken = voice(PCMU, frames)
    heard = hear(spoken, 100)
    assert (spoken.dropped, spoken.concealed) == (0, 0)
    assert error_db(sound, heard) < -30


def payloads_of_200_ms(sound: Samples) -> list[bytes]:
    ticks = payloads(PCMU, sound)
    return [b"".join(ticks[first : first + 10]) for first in range(0, len(ticks), 10)]


def test_what_waits_too_long_is_dropped_and_counted() -> None:
    spoken = voice(PCMU, [JitterFrame(FrameKind.PAYLOAD, bytes(3_000))])
    hear(spoken, 1)
    assert spoken.dropped == 3_000 - 12 * 160


def test_slower_leaves_a_whole_frame_after_160_ticks() -> None:
    sound = tone(400, 8_000, 3.2)
    slow = [JitterFrame(FrameKind.PAYLOAD, frame.payload, speed=1) for frame in frames_of(PCMU, sound)]
    spoken = voice(PCMU, [*slow, CONTINUES_FRAME, EMPTY_FRAME])
    heard = hear(spoken, 161)
    assert spoken.concealed == 0
    assert abs(np.diff(heard)).max() < 1.1 * abs(np.diff(sound)).max()
    stretched = 0.3 * np.sin(2 * np.pi * 400 * 159 / 160 * np.arange(160 * 160) / 8_000)
    assert error_db(heard[: 160 * 160], stretched.astype(np.float32)) < -25


def test_faster_uses_up_a_frame_that_came_too_much() -> None:
    payload = payloads(PCMU, tone(400, 8_000, 3.3))
    first = JitterFrame(FrameKind.PAYLOAD, payload[0], speed=-1, more=(payload[1],))
    rest = [JitterFrame(FrameKind.PAYLOAD, p, speed=-1) for p in payload[2:161]]
    normal = [JitterFrame(FrameKind.PAYLOAD, p) for p in payload[161:]]
    spoken = voice(PCMU, [first, *rest, *normal])
    sound = hear(spoken, 164)
    assert spoken.concealed == 0
    assert abs(np.diff(sound)).max() < 1.1 * 0.3 * 2 * np.pi * 400 / 8_000 * 161 / 160


def test_silence_is_not_decoded_and_speech_is_again_at_once() -> None:
    rng = np.random.default_rng(3)
    quiet = rng.normal(0, 0.0005, 48_000).astype(np.float32)
    speech = tone(150, 48_000, 0.4) + tone(450, 48_000, 0.4, 0.2)
    frames = frames_of(OPUS, np.concatenate((quiet, speech)), loss_percent=5)
    spoken = voice(OPUS, frames)
    hear(spoken, 50)
    assert spoken.gated > 15
    assert spoken.samples is None
    gated = spoken.gated
    assert power(hear(spoken, 20)[-4_800:]) > 0.01
    assert spoken.gated <= gated + 3


def test_a_gated_voice_stays_silent_through_continued_frames() -> None:
    quiet = np.random.default_rng(3).normal(0, 0.0005, 96_000).astype(np.float32)
    spoken = voice(OPUS, [*frames_of(OPUS, quiet, loss_percent=5)[:80], CONTINUES_FRAME, LOST_FRAME])
    hear(spoken, 80)
    assert spoken.gated
    hear(spoken, 2)
    assert spoken.concealed == 0


def test_loudness_outlives_the_pause_between_words() -> None:
    spoken = voice(PCMU, [*frames_of(PCMU, tone(300, 8_000, 0.2)), *[EMPTY_FRAME] * 10])
    hear(spoken, 10)
    loud = spoken.loudness
    hear(spoken, 10)
    assert 0.3 * loud < spoken.loudness < loud


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf"), 4.1])
def test_what_is_no_sound_is_silenced(nonsense: float) -> None:
    spoken = voice(PCMU, frames_of(PCMU, tone(300, 8_000, 0.04)))
    hear(spoken, 1)
    loudness, level = spoken.loudness, spoken.level_dbov
    spoken.take(0.0)
    spoken.measure(nonsense)
    assert spoken.samples is None
    assert spoken.malformed == 1
    assert 0 < spoken.loudness < loudness
    assert -127 < spoken.level_dbov < level


def test_what_was_not_decoded_before_a_rest_is_not_decoded_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = np.random.default_rng(3).normal(0, 0.0005, 96_000).astype(np.float32)
    frames = frames_of(OPUS, np.concatenate((quiet, tone(150, 48_000, 1.0))), loss_percent=5)
    spoken = voice(OPUS, frames)
    hear(spoken, 95 - RESTS_AFTER_TICKS)
    spoken.audible = False
    hear(spoken, RESTS_AFTER_TICKS)
    assert spoken.gated
    hear(spoken, 20)
    assert spoken.resting
    decoded: list[bytes] = []
    real = OpusDecoder.decode

    def decode(decoder: OpusDecoder, payload: bytes) -> Samples:
        decoded.append(payload)
        return real(decoder, payload)

    monkeypatch.setattr(OpusDecoder, "decode", decode)
    spoken.audible = True
    hear(spoken, 2)
    newest = [frame.payload for frame in frames[105:117]]
    assert decoded
    assert all(payload in newest for payload in decoded)
