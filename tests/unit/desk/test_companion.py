"""Companion links: used up once, bound to one browser, replaced, expired."""

import itertools

import pytest

from bridge.desk import commands, events
from bridge.desk.interaction import companion
from bridge.desk.interaction.companion import Companion, LinkState
from bridge.errors import ConflictError, NotAllowedError, NotFoundError
from bridge.ids import InteractionId, LinkId
from tests.unit.desk.house import ALICE, House

FIRST, SECOND = LinkId("lnk_1"), LinkId("lnk_2")


@pytest.mark.parametrize(
    ("state", "trigger"), list(itertools.product(companion.LinkState, companion.LinkTrigger))
)
def test_link_follows_its_table(state: companion.LinkState, trigger: companion.LinkTrigger) -> None:
    one = Companion(FIRST, 0.0, state)
    if (state, trigger) in companion.TRANSITIONS:
        assert one.next_state(trigger) is companion.TRANSITIONS[state, trigger]
        return
    with pytest.raises(NotAllowedError, match=str(state)):
        one.next_state(trigger)


def link(house: House, id_: InteractionId, link_id: LinkId = FIRST, lasts_s: float = 900.0) -> None:
    customer_id = house.customer(id_).participant_id
    expires_at = house.now + lasts_s
    house.step(commands.CreateCompanionLink(id_, customer_id, link_id, expires_at, ALICE))


def join(
    house: House, id_: InteractionId, link_id: LinkId = FIRST, binding: str = "mine"
) -> tuple[events.DeskEvent, ...]:
    customer_id = house.customer(id_).participant_id
    return house.step(commands.JoinCompanion(id_, customer_id, link_id, binding))


def links(house: House, id_: InteractionId) -> list[tuple[LinkId, LinkState]]:
    return [(one.link_id, one.state) for one in house.customer(id_).companions]


def test_the_first_browser_that_joins_has_it() -> None:
    house = House()
    id_ = house.answered_call()
    link(house, id_)
    join(house, id_)
    assert links(house, id_) == [(FIRST, LinkState.BOUND)]
    with pytest.raises(ConflictError, match="another browser"):
        join(house, id_, binding="theirs")


def test_the_same_browser_may_reload_also_after_the_links_time() -> None:
    house = House()
    id_ = house.answered_call()
    link(house, id_, lasts_s=60.0)
    join(house, id_)
    house.pass_time(600.0)
    assert join(house, id_) == ()


def test_a_link_that_was_not_used_expires_and_says_so() -> None:
    house = House()
    id_ = house.answered_call()
    link(house, id_, lasts_s=60.0)
    house.pass_time(61.0)
    assert links(house, id_) == []
    moved = [event for event in house.journal if isinstance(event, events.CompanionLinkMoved)]
    assert [(event.state, event.reason) for event in moved] == [
        (LinkState.EXPIRED, "nobody pressed join in time")
    ]
    with pytest.raises(NotFoundError):
        join(house, id_)


def test_in_the_very_moment_of_expiry_it_is_too_late() -> None:
    house = House()
    id_ = house.answered_call()
    link(house, id_, lasts_s=60.0)
    house.now += 60.0
    with pytest.raises(NotAllowedError, match="expired"):
        join(house, id_)


def test_a_newer_link_voids_an_older_one_at_once() -> None:
    house = House()
    id_ = house.answered_call()
    link(house, id_)
    link(house, id_, SECOND)
    assert links(house, id_) == [(SECOND, LinkState.OPEN)]
    with pytest.raises(NotFoundError):
        join(house, id_)


def test_a_bound_browser_stays_until_the_newer_link_is_used() -> None:
    house = House()
    id_ = house.answered_call()
    link(house, id_)
    join(house, id_)
    link(house, id_, SECOND)
    assert join(house, id_) == ()
    join(house, id_, SECOND, "another browser")
    assert links(house, id_) == [(SECOND, LinkState.BOUND)]
    with pytest.raises(NotFoundError):
        join(house, id_)


def test_a_call_that_is_over_has_no_companion() -> None:
    house = House()
    id_ = house.answered_call()
    link(house, id_)
    house.step(commands.EndInteraction(id_, ALICE, "done"))
    with pytest.raises(NotAllowedError, match="ended"):
        join(house, id_)


def test_one_of_ours_has_no_companion() -> None:
    house = House()
    id_ = house.answered_call()
    alice = house.participant(id_, ALICE).participant_id
    with pytest.raises(NotAllowedError, match="only a customer"):
        house.step(commands.CreateCompanionLink(id_, alice, FIRST, house.now + 60.0, ALICE))


def test_a_restart_keeps_who_is_bound() -> None:
    house = House()
    id_ = house.answered_call()
    link(house, id_)
    join(house, id_)
    house.step(commands.Restart(frozenset(house.customer(id_).leg_ids)))
    assert join(house, id_) == ()
    with pytest.raises(ConflictError):
        join(house, id_, binding="theirs")
