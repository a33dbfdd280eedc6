from bridge.media.room import Room
from bridge.plane.messages import Hearing
from tests.unit.media.stage import person


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
