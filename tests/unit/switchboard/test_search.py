"""Finding interactions: filters that must all hold, and pages that nothing shifts."""

import base64

import pytest

from bridge.desk.interaction.interaction import Interaction
from bridge.errors import NotAllowedError
from bridge.ids import InteractionId, RoomId
from bridge.switchboard.view.search import EVERY_STATE, PAGE_MAX, InteractionFilter, page_of
from tests.unit.desk.house import ALICE, House


def opened(number: int, at: float) -> Interaction:
    return Interaction(InteractionId(f"int_{number}"), RoomId("room"), "+491", "sip:desk", created_at=at)


def test_what_is_set_must_all_hold() -> None:
    house = House()
    interaction = house.interaction(house.answered_call())
    assert InteractionFilter().matches(interaction)
    assert InteractionFilter(caller="+49301", called="sip:desk", user_id=ALICE).matches(interaction)
    for wanted in (
        InteractionFilter(states=("ended",)),
        InteractionFilter(caller="+49302"),
        InteractionFilter(called="sip:other"),
        InteractionFilter(user_id="bob"),
        InteractionFilter(attributes={"case_number": "1"}),
        InteractionFilter(caller="+49301", user_id="bob"),
    ):
        assert not wanted.matches(interaction)


def test_every_state_can_be_asked_for() -> None:
    house = House()
    talking = house.interaction(house.answered_call())
    waiting = house.interaction(house.call())
    assert {waiting.state, talking.state} < set(EVERY_STATE)
    assert all(InteractionFilter(states=EVERY_STATE).matches(each) for each in (waiting, talking))


def test_pages_are_newest_first_and_end() -> None:
    all_of_them = [opened(number, at=number) for number in range(5)]
    page, cursor = page_of(all_of_them, "", 2)
    assert [i.created_at for i in page] == [4, 3]
    page, cursor = page_of(all_of_them, cursor, 2)
    assert [i.created_at for i in page] == [2, 1]
    page, cursor = page_of(all_of_them, cursor, 2)
    assert [i.created_at for i in page] == [0]
    assert cursor == ""


def test_what_opens_meanwhile_shifts_no_later_page() -> None:
    known = [opened(number, at=number) for number in range(4)]
    _, cursor = page_of(known, "", 2)
    page, _ = page_of([*known, opened(9, at=9)], cursor, 2)
    assert [i.created_at for i in page] == [1, 0]


def test_those_of_one_instant_are_kept_apart_by_their_ids() -> None:
    twins = [opened(number, at=7.0) for number in range(3)]
    seen, cursor = [], ""
    for _ in twins:
        page, cursor = page_of(twins, cursor, 1)
        seen += [i.interaction_id for i in page]
    assert seen == ["int_2", "int_1", "int_0"]


@pytest.mark.parametrize(("limit", "length"), [(0, 1), (-5, 1), (PAGE_MAX + 50, PAGE_MAX)])
def test_a_page_is_bounded(limit: int, length: int) -> None:
    page, _ = page_of([opened(number, at=number) for number in range(PAGE_MAX + 10)], "", limit)
    assert len(page) == length


@pytest.mark.parametrize(
    "text", ["!", "AAAA", *(base64.b64encode(raw).decode() for raw in (b"[]", b"[1]", b'["x", 1]', b"7"))]
)
def test_a_cursor_that_was_never_handed_out_is_refused(text: str) -> None:
    with pytest.raises(NotAllowedError, match="none of ours"):
        page_of([opened(1, at=1.0)], text, 10)
