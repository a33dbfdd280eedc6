"""What is kept for those whose socket dropped."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.ids import QueueId
from bridge.switchboard.door.doors import Audience
from bridge.switchboard.view.event import QueueDepthExceeded
from signaling.web.protocol.history import CHARACTERS_MAX, EVENTS_MAX, History, Numbering, Place, Told


def told(number: int, part: int = 0, text: str = "") -> Told:
    return Told(Place(number, part), QueueDepthExceeded(number, QueueId("video"), 3, 2), Audience(), text)


def places(history: History, place: Place) -> list[Place] | None:
    found = history.since(place)
    return None if found is None else [one.place for one in found]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=50), st.data())
def test_whoever_has_a_place_gets_exactly_what_came_after_it(steps: list[int], data: st.DataObject) -> None:
    numbering, history, number = Numbering(), History("boot"), 10
    history.begin(number)
    everything = [Place(10, 0)]
    for step in steps:
        number += step or (1 if len(everything) == 1 else 0)
        everything.append(numbering.place(number))
        history.add(told(everything[-1].number, everything[-1].part))
    assert len(set(everything)) == len(everything)
    start = data.draw(st.integers(0, len(everything) - 1))
    assert places(history, everything[start]) == everything[start + 1 :]


def test_a_place_before_the_beginning_or_after_the_end_is_no_place() -> None:
    history = History("boot")
    assert history.since(Place(0, 0)) is None
    history.begin(10)
    assert places(history, Place(10, 0)) == []
    assert history.since(Place(9, 0)) is None
    assert history.since(Place(11, 0)) is None
    history.add(told(11))
    assert places(history, Place(10, 0)) == [Place(11, 0)]
    assert history.newest == Place(11, 0)


def test_events_before_the_beginning_was_known_are_kept_too() -> None:
    history = History("boot")
    history.add(told(5))
    history.begin(5)
    assert places(history, Place(4, 0)) == [Place(5, 0)]


def test_the_oldest_give_way_and_then_nobody_can_begin_there() -> None:
    history = History("boot")
    history.begin(0)
    for number in range(1, EVENTS_MAX + 3):
        history.add(told(number))
    assert history.dropped == 2
    assert history.since(Place(1, 0)) is None
    found = history.since(Place(2, 0))
    assert found is not None
    assert len(found) == EVENTS_MAX
    history.add(told(EVENTS_MAX + 3, text="y" * CHARACTERS_MAX))
    assert history.since(Place(EVENTS_MAX, 0)) is None


def test_what_nobody_saw_is_written_when_somebody_asks_for_it() -> None:
    written = told(7, 1).text
    assert (
        written
        == '{"event":"queueDepthExceeded","number":7,"queueId":"video","depth":3,"threshold":2,"part":1}'
    )
    assert told(7, 1, text="as it went out").text == "as it went out"
