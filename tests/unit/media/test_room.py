from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.ids import ParticipantId
from bridge.media.audio.listener import Listener
from bridge.media.audio.room import Room
from bridge.media.audio.voice import Voice
from bridge.plane.messages import Hearing
from tests.unit.media.stage import PCMU, Ear, Script, leg_id, person


def test_rows_of_one_listener_add_up() -> None:
    room = Room()
    room.declare([Hearing(person(1), (person(2),)), Hearing(person(1), (person(3),))])
    assert room.hears == {person(1): {person(2), person(3)}}


def test_a_room_is_forgotten_when_nothing_holds_it() -> None:
    room = Room()
    assert room.forgotten
    room.declare([])
    assert not room.forgotten
    room.undeclare()
    assert room.forgotten


def test_who_is_heard_by_anybody_follows_every_change() -> None:
    room = Room()
    voices = [Voice(leg_id(n), person(n), PCMU, Script(), n) for n in (1, 2)]
    room.voices += voices
    room.listeners += [Listener(leg_id(n), person(n), PCMU, Ear(PCMU)) for n in (1, 2)]
    room.declare([Hearing(person(1), (person(1), person(2)))])
    assert [voice.audible for voice in voices] == [False, True]
    voices[0].searched = True
    room.settle()
    assert [voice.audible for voice in voices] == [True, True]
    voices[0].searched = False
    room.undeclare()
    assert not room.is_heard


class Looked(dict[ParticipantId, frozenset[ParticipantId]]):
    """Counts how often somebody's row was looked up."""

    times = 0

    def get(self, key: ParticipantId, default: Any = None) -> Any:
        self.times += 1
        return super().get(key, default)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 8), st.data())
def test_each_row_is_looked_at_once_for_all_voices(count: int, data: st.DataObject) -> None:
    people = [person(number) for number in range(count)]
    rows = {talker: frozenset(data.draw(st.sets(st.sampled_from(people)))) for talker in people}
    room = Room()
    room.voices = [Voice(leg_id(n), people[n], PCMU, Script(), n) for n in range(count)]
    room.listeners = [Listener(leg_id(n), people[n], PCMU, Ear(PCMU)) for n in range(0, count, 2)]
    room.hears = looked = Looked(rows)
    room.settle()
    assert looked.times <= len(room.listeners)
    assert [voice.audible for voice in room.voices] == [
        any(each in rows[other] for other in people[::2] if other != each) for each in people
    ]
