"""What many who wait cost less by: music that is made once, voices that rest. They hear what they heard before."""

from collections.abc import Callable
from functools import partial

import pytest

from bridge.ids import RoomId
from bridge.media.audio.mix import SILENT_TICKS
from bridge.media.audio.mixer import AudioLeg
from bridge.media.audio.voice import PROBE_TICKS, RESTS_AFTER_TICKS
from bridge.plane.messages import Codec, Hearing, Playback
from tests.unit.codec.tone import tone
from tests.unit.media.stage import G722, OPUS, PCMA, PCMU, Call, Ear, Script, leg_id, person, saying, wav

MUSIC_TICKS = 40
MUSIC = Playback("music", "music", loop=True)


def recording(rate_hz: int = 8_000, amplitude: float = 0.3, seconds: float = MUSIC_TICKS / 50) -> bytes:
    return wav(tone(440, rate_hz, seconds, amplitude) + tone(333, rate_hz, seconds, amplitude), rate_hz)


def hall(rate_hz: int = 8_000, amplitude: float = 0.3) -> Call:
    return Call({"music": recording(rate_hz, amplitude), "prompt": wav(tone(900, 8_000, 0.25), 8_000)})


def room(number: int) -> RoomId:
    return RoomId(f"room_{number}")


def wait(call: Call, number: int, codec: Codec, playback: Playback = MUSIC) -> Ear:
    """A caller alone in a room, who hears the music from its beginning."""
    ear = call.join(number, codec, Script(), room_id=room(number))
    call.mesh(number, room_id=room(number))
    call.mixer.play_to_leg(leg_id(number), playback)
    return ear


def alike(some: list[bytes], others: list[bytes]) -> bool:
    """Frame by frame the same octets, but for a sample on the edge: products of other shapes round otherwise."""
    assert len(some) == len(others)
    return all(
        sum(a != b for a, b in zip(one, other, strict=True)) <= 1
        for one, other in zip(some, others, strict=True)
    )


def replays(call: Call) -> float:
    return call.mixer.statistics()["mixer_replays_total"]


@pytest.mark.parametrize("codec", [PCMU, PCMA], ids=lambda codec: codec.name)
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_music_is_made_once_for_all_who_wait_each_from_its_beginning(codec: Codec, rate_hz: int) -> None:
    call = hall(rate_hz)
    first = wait(call, 1, codec)
    call.run(7)
    second = wait(call, 2, codec)
    call.run(3 * MUSIC_TICKS)
    assert alike(second.payloads[:MUSIC_TICKS], first.payloads[:MUSIC_TICKS])
    assert alike(first.payloads[MUSIC_TICKS + 3 : 2 * MUSIC_TICKS], first.payloads[3:MUSIC_TICKS])
    assert replays(call) > 4 * MUSIC_TICKS
    levels = [call.mixer.leg_statistics(leg_id(number)).down_level_dbov for number in (1, 2)]
    assert levels[0] == pytest.approx(levels[1], abs=0.5)


@pytest.mark.parametrize("codec", [OPUS, G722], ids=lambda codec: codec.name)
def test_encoders_that_remember_make_their_own(codec: Codec) -> None:
    call = hall()
    ear = wait(call, 1, codec)
    call.run(3 * MUSIC_TICKS)
    assert replays(call) == 0
    assert ear.hears(440, 333, 900) == {440, 333}


def prompted(call: Call) -> None:
    call.mixer.play_to_room(room(9), Playback("place", "prompt"))


def answered(call: Call) -> None:
    call.join(5, PCMU, saying(PCMU, 700), room_id=room(9))
    call.mesh(5, 9, room_id=room(9))


def stopped(call: Call) -> None:
    call.mixer.play_to_leg(leg_id(9), None)


def replaced(call: Call) -> None:
    call.mixer.play_to_leg(leg_id(9), Playback("next", "prompt"))


@pytest.mark.parametrize("change", [prompted, answered, stopped, replaced])
def test_what_comes_beside_the_music_or_after_it_sounds_as_if_all_was_made_anew(
    change: Callable[[Call], None],
) -> None:
    heard = []
    for is_known in (False, True):
        call = hall()
        if is_known:
            wait(call, 1, PCMU)
            call.run(MUSIC_TICKS)
        ear = wait(call, 9, PCMU)
        call.run(15)
        change(call)
        call.run(24)
        heard.append(ear.payloads)
        assert (replays(call) > 0) == is_known
    assert alike(*heard)


def test_a_prompt_reaches_its_caller_alone() -> None:
    call = hall()
    first = wait(call, 1, PCMU)
    ear = wait(call, 9, PCMU)
    call.run(MUSIC_TICKS + 10)
    prompted(call)
    call.run(10)
    assert first.hears(440, 900, ticks=8) == {440}
    assert ear.hears(440, 900, ticks=8) == {440, 900}
    call.run(20)
    assert ear.hears(440, 900, ticks=8) == {440}


def test_what_had_to_be_turned_down_is_made_each_time() -> None:
    call = hall(amplitude=0.8)
    wait(call, 1, PCMU)
    call.run(3 * MUSIC_TICKS)
    assert call.mixer.statistics()["mixer_limited_total"] > 2 * MUSIC_TICKS
    assert replays(call) == 0


def test_another_gain_is_another_sound() -> None:
    call = hall()
    loud = wait(call, 1, PCMU)
    quiet = wait(call, 2, PCMU, Playback("quiet", "music", loop=True, gain_db=-6.0))
    call.run(3 * MUSIC_TICKS)
    assert loud.amplitude(440) == pytest.approx(2 * quiet.amplitude(440), rel=0.05)


def test_after_skipped_beats_nothing_wrong_is_kept() -> None:
    clean, jumped = hall(), hall()
    wanted = wait(clean, 1, PCMU)
    clean.run(MUSIC_TICKS)
    wait(jumped, 1, PCMU)
    for _ in range(8):
        jumped.run(3)
        jumped.mixer.skip(1)
    late = wait(jumped, 2, PCMU)
    jumped.run(MUSIC_TICKS)
    assert alike(late.payloads, wanted.payloads)


def test_music_that_ends_is_told_although_nobody_makes_it() -> None:
    call = hall()
    once = Playback("once", "music")
    wait(call, 1, PCMU, once)
    call.run(MUSIC_TICKS + 5)
    call.mixer.events()
    ear = wait(call, 2, PCMU, once)
    call.run(MUSIC_TICKS + 5)
    assert [event.leg_id for event in call.mixer.events()] == [leg_id(2)]
    assert ear.hears(440, 333, ticks=4) == set()


@pytest.mark.parametrize("codec", [PCMU, PCMA, G722, OPUS], ids=lambda codec: codec.name)
def test_whom_nobody_hears_is_not_decoded_has_a_level_and_is_heard_again(codec: Codec) -> None:
    call = Call()
    source = saying(codec, 400, seconds=6.0)
    ear = call.join(1, codec, Script())
    call.join(2, codec, source)
    call.run(RESTS_AFTER_TICKS + 5 * PROBE_TICKS)
    assert (source.pulls, source.rests) == (RESTS_AFTER_TICKS, 5 * PROBE_TICKS)
    assert call.mixer.leg_statistics(leg_id(2)).level_dbov == pytest.approx(-17, abs=1)
    assert ear.hears(400) == set()
    call.mesh(1, 2)
    call.run(20)
    assert ear.amplitude(400, 15) == pytest.approx(0.2, rel=0.1)
    assert source.rests == 5 * PROBE_TICKS


def test_the_level_of_whom_nobody_hears_falls_when_nothing_comes() -> None:
    call = Call()
    call.join(2, PCMU, saying(PCMU, 400, seconds=1.5))
    call.run(75 + 3 * PROBE_TICKS)
    level = call.mixer.leg_statistics(leg_id(2)).level_dbov
    assert level is not None
    assert level < -25


def test_a_short_mute_rests_nobody() -> None:
    call = Call()
    source = saying(PCMU, 400, seconds=3.0)
    ear = call.join(1, PCMU, Script())
    call.join(2, PCMU, source)
    everyone = (person(1), person(2))
    hear = partial(call.mixer.set_hears, RoomId("room_1"))
    for _ in range(3):
        hear([])
        call.run(20)
        hear([Hearing(person(1), everyone)])
        call.run(5)
    assert source.rests == 0
    assert ear.hears(400, ticks=4) == {400}


@pytest.mark.parametrize("codec", [PCMU, OPUS], ids=lambda codec: codec.name)
def test_a_silence_that_lasts_is_encoded_once_and_what_follows_it_sounds_as_ever(codec: Codec) -> None:
    call = Call()
    call.mesh(1, 2)
    ear = call.join(1, codec, Script())
    call.run(SILENT_TICKS + 20)
    assert replays(call) > 15
    assert len(set(ear.payloads[-20:])) == 1
    assert len(ear.payloads) == SILENT_TICKS + 20
    call.join(2, codec, saying(codec, 400, seconds=0.6))
    call.run(30)
    assert ear.amplitude(400, 15) == pytest.approx(0.2, rel=0.05)
    before = replays(call)
    call.run(SILENT_TICKS + 40)
    assert replays(call) > before
    assert ear.amplitude(400, 10) < 0.001


def test_silence_under_loss_and_on_hold_is_made_as_before() -> None:
    call = Call()
    ear = call.join(1, OPUS, Script())
    call.mixer.receive_loss(leg_id(1), 0.2)
    call.run(SILENT_TICKS + 20)
    assert replays(call) == 0
    call.mixer.receive_loss(leg_id(1), 0.0)
    call.run(SILENT_TICKS + 20)
    assert replays(call) > 0
    before = replays(call)
    call.mixer.add_leg(AudioLeg(leg_id(1), person(1), RoomId("room_1"), OPUS, OPUS, sends=False), None, ear)
    call.run(5)
    assert replays(call) == before
