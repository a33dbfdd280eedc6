"""Who is heard when many talk, and that nobody hears the bridge change its mind."""

import numpy as np

from bridge.codec.sample import Samples
from bridge.plane.messages import Codec
from bridge.rtp.frame import EMPTY_FRAME, FrameKind, JitterFrame
from tests.sim.sound.speech import speech
from tests.unit.codec.tone import tone
from tests.unit.media.stage import Call, Script, payloads

OPUS = Codec("OPUS", 111, 48_000, fmtp="useinbandfec=1")
RATE_HZ = 48_000
TURN = 75  # ticks of 20 ms


def frames(sound: Samples) -> list[JitterFrame]:
    return [JitterFrame(FrameKind.PAYLOAD, payload) for payload in payloads(OPUS, sound)]


def spoken(hz: float, amplitudes: list[float]) -> Script:
    """A tone that changes its strength with each turn."""
    turns = [tone(hz, RATE_HZ, TURN * 0.02, amplitude) for amplitude in amplitudes]
    return Script(frames(np.concatenate(turns)))


def test_a_fourth_talker_is_heard_when_louder_and_the_quietest_is_not() -> None:
    call = Call()
    call.mesh(1, 2, 3, 4, 5)
    for number, (hz, amplitudes) in enumerate(
        [(437, [0.2, 0.2]), (722, [0.15, 0.15]), (1130, [0.1, 0.02]), (1523, [0.02, 0.1])], start=1
    ):
        call.join(number, OPUS, spoken(hz, amplitudes))
    ear = call.join(5, OPUS, Script())
    call.run(TURN)
    assert ear.amplitude(1130) > 0.08
    assert ear.amplitude(1523) < 0.01
    call.run(TURN)
    assert ear.amplitude(1523) > 0.08
    assert ear.amplitude(1130) < 0.01
    assert min(ear.amplitude(437), ear.amplitude(722)) > 0.1


def test_who_begins_and_ends_to_talk_hears_the_other_without_a_glitch() -> None:
    """Two listeners share an encoder while both are silent; whoever talks gets a clone of it, and hears exactly
    what would be heard in a call of two. With a fresh encoder PESQ is 4.49 (measured here)."""
    sound = speech(RATE_HZ)
    ticks = len(sound) // 960
    call = Call()
    call.mesh(1, 2, 3)
    call.join(1, OPUS, Script(frames(sound)))
    word, silence = frames(tone(500.0, RATE_HZ, 1.0, 0.1)), [EMPTY_FRAME] * 50
    second = call.join(2, OPUS, Script([*silence, *(word + silence) * (ticks // 100)]))
    alone = Call()
    alone.mesh(1, 2)
    alone.join(1, OPUS, Script(frames(sound)))
    undisturbed = alone.join(2, OPUS, Script())
    call.join(3, OPUS, Script())
    call.run(ticks)
    alone.run(ticks)
    assert call.mixer.statistics()["mixer_encoder_clones_total"] >= 5
    assert np.array_equal(undisturbed.heard(ticks), second.heard(ticks))
