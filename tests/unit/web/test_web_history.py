"""What is kept for those whose socket dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.desk import events
from bridge.ids import InteractionId, LegId, ParticipantId, QueueId
from bridge.switchboard.door.changes import Changes
from bridge.switchboard.door.doors import Audience
from bridge.switchboard.view.event import QueueDepthExceeded
from bridge.switchboard.view.view import Sketch
from signaling.web.protocol.history import CHARACTERS_MAX, EVENTS_MAX, History, Numbering, Place, Told


def told(number: int, part: int = 0, text: str = "") -> Told:
    return Told(Place(number, part), QueueDepthExceeded(number, QueueId("video"), 3, 2), Audience(), text)


def changes(first: int, count: int, attributes: dict[str, str] | None = None) -> Changes:
    id_, participant_id = InteractionId("int_1"), ParticipantId("prt_1")
    happened = [events.LegAttached(1.0, id_, participant_id, LegId(f"leg_{one}")) for one in range(count)]
    sketch = Sketch(attributes or {}, lambda: pytest.fail("somebody looked"))
    return Changes(tuple(range(first, first + count)), happened, Audience(), sketch)


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


def test_changes_that_nobody_saw_are_made_when_somebody_missed_them() -> None:
    numbering, history = Numbering(), History("boot")
    history.begin(10)
    history.add_unread(changes(11, 3))
    numbering.skip_to(13)
    again = numbering.place(13)  # what rang is told once more, by the newest number
    history.add(told(again.number, again.part))
    history.add_unread(changes(14, 1))
    expected = [Place(11, 0), Place(12, 0), Place(13, 0), Place(13, 1), Place(14, 0)]
    for at in range(len(expected)):
        assert places(history, expected[at]) == expected[at + 1 :]
    missed = history.since(Place(10, 0))
    assert missed is not None
    assert [one.place for one in missed] == expected
    assert [getattr(one.event, "change", "") for one in missed[:3]] == ["leg_attached"] * 3
    assert history.since(Place(10, 0)) == missed, "made once"


def test_changes_that_nobody_saw_give_way_together_by_their_count_and_their_size() -> None:
    history = History("boot")
    history.begin(0)
    for number in range(1, EVENTS_MAX + 1, 10):
        history.add_unread(changes(number, 10))
    assert history.dropped == 0
    history.add_unread(changes(EVENTS_MAX + 1, 2))
    assert history.dropped == 10
    assert history.since(Place(9, 0)) is None
    found = history.since(Place(10, 0))
    assert found is not None
    assert len(found) == EVENTS_MAX - 8
    history.add_unread(changes(EVENTS_MAX + 3, 1, {"note": "y" * CHARACTERS_MAX}))
    assert history.since(Place(EVENTS_MAX + 2, 0)) is None


def test_what_nobody_saw_is_written_when_somebody_asks_for_it() -> None:
    written = told(7, 1).text
    assert (
        written
        == '{"event":"queueDepthExceeded","number":7,"queueId":"video","depth":3,"threshold":2,"part":1}'
    )
    assert told(7, 1, text="as it went out").text == "as it went out"
