from bridge.media.audio.gate import CLOSE_AFTER_TICKS, PROBE_EVERY_TICKS, SilenceGate, says_silence
from bridge.rtp.frame import FrameKind, JitterFrame

ACTIVE = JitterFrame(FrameKind.PAYLOAD, bytes([8, 0x80, 0, 0]))  # SILK with its VAD bit set
INACTIVE = JitterFrame(FrameKind.PAYLOAD, bytes([8, 0x00, 0, 0]))
CELT = JitterFrame(FrameKind.PAYLOAD, bytes([0xF8, 0, 0, 0]))
QUIET_BY_LEVEL = JitterFrame(FrameKind.PAYLOAD, bytes([0xF8, 0, 0, 0]), audio_level=127)


def closed() -> SilenceGate:
    gate = SilenceGate()
    for _ in range(CLOSE_AFTER_TICKS):
        assert gate.admits(INACTIVE)
        gate.heard(-70.0)
    return gate


def test_it_closes_after_300_ms_of_silence_said_and_measured() -> None:
    gate = closed()
    assert gate.closed
    assert not gate.admits(INACTIVE)
    assert gate.gated == 1


def test_the_vad_bit_alone_does_not_close_it() -> None:
    gate = SilenceGate()
    for _ in range(100):
        assert gate.admits(INACTIVE)
        gate.heard(-20.0)  # a tone, which SILK takes for noise
    assert not gate.closed


def test_quiet_sound_that_calls_itself_speech_is_decoded() -> None:
    gate = SilenceGate()
    for frame in (ACTIVE, CELT):
        for _ in range(100):
            assert gate.admits(frame)
            gate.heard(-70.0)


def test_speech_opens_it_at_once_and_brings_what_was_skipped() -> None:
    gate = closed()
    gate.admits(INACTIVE)
    assert gate.admits(ACTIVE)
    assert gate.take_skipped() == INACTIVE.payload
    assert gate.take_skipped() == b""


def test_a_closed_gate_probes_and_opens_when_it_was_lied_to() -> None:
    gate = closed()
    admitted = [gate.admits(INACTIVE) for _ in range(PROBE_EVERY_TICKS)]
    assert admitted == [False] * (PROBE_EVERY_TICKS - 1) + [True]
    gate.heard(-20.0)
    assert gate.admits(INACTIVE)


def test_the_level_extension_says_silence_for_any_codec_mode() -> None:
    assert says_silence(QUIET_BY_LEVEL)
    assert says_silence(INACTIVE)
    assert not says_silence(ACTIVE)
    assert not says_silence(CELT)
