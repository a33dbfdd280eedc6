"""What is played when: rounds for who waits, music for who is held, prompts in between."""

import pytest

from bridge.desk.interaction.participant import ParticipantState
from bridge.ids import LegId, PromptId, RoomId
from bridge.plane.messages import Playback
from bridge.switchboard.door.doors import Sounds
from bridge.switchboard.performance.sound import SHORTEST_S, LegSounds, RoomSounds

SOUNDS = Sounds(("one.wav", "two.wav"), "hold.wav")
QUEUED, HELD, IN_SESSION = ParticipantState.QUEUED, ParticipantState.HELD, ParticipantState.IN_SESSION


def playing(sounds: LegSounds, state: ParticipantState, now: float = 0.0) -> Playback:
    playback = sounds.playback(state, SOUNDS, now)
    assert playback is not None
    return playback


def test_the_same_state_keeps_the_same_playback() -> None:
    sounds = LegSounds(LegId("leg_1"))
    assert playing(sounds, QUEUED) == playing(sounds, QUEUED, 5.0)


def test_the_round_goes_on_for_ever() -> None:
    sounds = LegSounds(LegId("leg_1"))
    heard, now = [], 0.0
    for _ in range(5):
        playback = playing(sounds, QUEUED, now)
        heard.append(playback.source)
        now += 10.0
        sounds.ended(playback.playback_id, "", now)
    assert heard == ["one.wav", "two.wav", "one.wav", "two.wav", "one.wav"]


def test_an_empty_sound_ends_the_round_instead_of_spinning() -> None:
    sounds = LegSounds(LegId("leg_1"))
    sounds.ended(playing(sounds, QUEUED).playback_id, "", SHORTEST_S / 2)
    assert sounds.playback(QUEUED, SOUNDS, 1.0) is None


def test_a_new_wait_begins_the_round_anew() -> None:
    sounds = LegSounds(LegId("leg_1"))
    first = playing(sounds, QUEUED)
    sounds.ended(first.playback_id, "no such file", 5.0)
    assert sounds.playback(IN_SESSION, SOUNDS, 6.0) is None
    again = playing(sounds, QUEUED, 7.0)
    assert again.source == "one.wav"
    assert again.playback_id != first.playback_id


def test_what_follows_a_prompt_is_played_after_it_once() -> None:
    sounds = LegSounds(LegId("leg_1"))
    playing(sounds, QUEUED)
    sounds.start_prompt("place", "place.wav")
    sounds.follow_prompt([("wait", "wait.wav")])
    heard, now = [], 0.0
    for _ in range(3):
        playback = playing(sounds, QUEUED, now)
        heard.append(playback.source)
        now += 5.0
        sounds.ended(playback.playback_id, "", now)
    assert heard == ["place.wav", "wait.wav", "one.wav"]


@pytest.mark.parametrize("somebody_answers", [True, False])
def test_what_would_follow_is_gone_with_the_prompt(somebody_answers: bool) -> None:
    sounds = LegSounds(LegId("leg_1"))
    playing(sounds, QUEUED)
    sounds.start_prompt("place", "place.wav")
    sounds.follow_prompt([("wait", "wait.wav")])
    if somebody_answers:
        sounds.stop_wait()
    else:
        sounds.start_prompt("greeting", "greeting.wav")
    for _ in range(2):
        sounds.ended(playing(sounds, QUEUED).playback_id, "", 9.0)
    assert sounds.prompt is None


def test_the_late_end_of_an_earlier_sound_changes_nothing() -> None:
    sounds = LegSounds(LegId("leg_1"))
    first = playing(sounds, QUEUED)
    sounds.ended(first.playback_id, "", 10.0)
    second = playing(sounds, QUEUED, 10.0)
    sounds.ended(first.playback_id, "", 10.1)
    assert playing(sounds, QUEUED, 10.2) == second


def test_a_prompt_interrupts_and_what_was_there_goes_on() -> None:
    sounds = LegSounds(LegId("leg_1"))
    music = playing(sounds, HELD)
    sounds.start_prompt("greeting", "greeting.wav")
    prompt = playing(sounds, HELD)
    assert prompt.source == "greeting.wav"
    ended = sounds.ended(prompt.playback_id, "", 1.0)
    assert ended is not None
    assert ended.name == "greeting"
    assert playing(sounds, HELD).source == music.source


def test_without_sounds_there_is_silence() -> None:
    sounds = LegSounds(LegId("leg_1"))
    for state in ParticipantState:
        assert sounds.playback(state, Sounds(), 0.0) is None


@pytest.mark.parametrize("sounds", [LegSounds(LegId("leg_1")), RoomSounds(RoomId("room_1"))])
def test_a_newer_prompt_replaces_and_only_its_own_id_stops_it(sounds: LegSounds | RoomSounds) -> None:
    first, second = PromptId("pmt_1"), PromptId("pmt_2")
    assert sounds.start_prompt("hello", "hello.wav", first) is None
    replaced = sounds.start_prompt("sorry", "sorry.wav", second)
    assert replaced is not None
    assert replaced.name == "hello"
    assert not sounds.stop_prompt(first), "it plays no more"
    assert sounds.stop_prompt(second)
    assert sounds.prompt is None
    assert not sounds.stop_prompt(second)


def test_a_rooms_prompt_ends_once_and_a_replaced_one_ends_nothing() -> None:
    sounds = RoomSounds(RoomId("room_1"))
    assert sounds.ended("room_1/prompt/1") is None
    sounds.start_prompt("hello", "hello.wav")
    sounds.start_prompt("sorry", "sorry.wav")
    assert sounds.prompt is not None
    current = sounds.prompt.playback.playback_id
    assert sounds.ended("room_1/prompt/1") is None, "the one that gave way"
    ended = sounds.ended(current)
    assert ended is not None
    assert ended.name == "sorry"
    assert sounds.ended(current) is None


def test_what_is_for_who_waits_is_not_played_into_the_conversation() -> None:
    sounds = LegSounds(LegId("leg_1"))
    playing(sounds, QUEUED)
    sounds.start_prompt("position", "position.wav")
    prompt = sounds.stop_wait()
    assert prompt is not None
    assert prompt.name == "position"
    assert sounds.playback(IN_SESSION, SOUNDS, 1.0) is None
    assert sounds.stop_wait() is None


def test_a_prompt_from_before_anything_was_heard_is_for_who_waits_too() -> None:
    sounds = LegSounds(LegId("leg_1"))
    sounds.start_prompt("press-one", "press-one.wav")
    assert sounds.stop_wait() is not None


def test_what_somebody_plays_into_the_conversation_goes_on() -> None:
    sounds = LegSounds(LegId("leg_1"))
    sounds.playback(IN_SESSION, SOUNDS, 0.0)
    sounds.start_prompt("connecting", "connecting.wav")
    assert sounds.stop_wait() is None
    assert playing(sounds, IN_SESSION).source == "connecting.wav"
