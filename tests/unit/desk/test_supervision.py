"""Supervisors listen in, and are nobody the customer could talk with."""

import pytest

from bridge.desk import commands, events
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.role import ParticipantRole
from bridge.desk.interaction.participant import ParticipantState
from bridge.desk.interaction.supervision import Supervision, SupervisionMode
from bridge.errors import CapacityError, NotAllowedError, NotFoundError
from bridge.ids import InteractionId, ParticipantId, UserId
from tests.unit.desk.house import ALICE, EVE, House

SUE = UserId("sue")


def supervise(
    house: House,
    id_: InteractionId,
    mode: SupervisionMode = SupervisionMode.MONITOR,
    coached_id: ParticipantId | None = None,
) -> tuple[events.DeskEvent, ...]:
    return house.step(commands.Supervise(id_, SUE, "Sue", mode, coached_id))


def supervised_call(mode: SupervisionMode = SupervisionMode.MONITOR) -> tuple[House, InteractionId]:
    house = House()
    id_ = house.answered_call()
    supervise(house, id_, mode)
    house.connect(id_, SUE)
    return house, id_


def test_a_supervisor_joins_like_somebody_who_accepted() -> None:
    house = House()
    id_ = house.answered_call()
    supervise(house, id_)
    sue = house.participant(id_, SUE)
    assert (sue.role, sue.state, sue.name) == (ParticipantRole.SUPERVISOR, ParticipantState.CONNECTING, "Sue")
    house.connect(id_, SUE)
    assert house.participant(id_, SUE).state is ParticipantState.IN_SESSION


def test_without_media_in_time_it_is_over() -> None:
    house = House()
    id_ = house.answered_call()
    supervise(house, id_)
    house.pass_time(16.0)
    assert house.interaction(id_).participant_of(SUE) is None


def test_monitoring_coaches_nobody_and_a_whisper_goes_to_the_agent() -> None:
    house, id_ = supervised_call()
    assert house.participant(id_, SUE).supervision == Supervision(SupervisionMode.MONITOR, None)
    supervise(house, id_, SupervisionMode.WHISPER)
    alice = house.participant(id_, ALICE).participant_id
    assert house.participant(id_, SUE).supervision == Supervision(SupervisionMode.WHISPER, alice)


def test_a_whisper_to_the_expert_when_named() -> None:
    house, id_ = supervised_call()
    house.ready_expert(EVE)
    house.seek(id_, EVE)
    house.accept(EVE)
    house.connect(id_, EVE)
    eve = house.participant(id_, EVE).participant_id
    supervise(house, id_, SupervisionMode.COACH, eve)
    assert house.participant(id_, SUE).supervision == Supervision(SupervisionMode.COACH, eve)


def test_the_same_mode_again_changes_nothing() -> None:
    house, id_ = supervised_call(SupervisionMode.WHISPER)
    assert supervise(house, id_, SupervisionMode.WHISPER) == ()


def test_nobody_whispers_to_the_customer() -> None:
    house, id_ = supervised_call()
    with pytest.raises(NotAllowedError, match="not one of ours"):
        supervise(house, id_, SupervisionMode.WHISPER, house.customer(id_).participant_id)


def test_nobody_whispers_to_a_stranger() -> None:
    house, id_ = supervised_call()
    with pytest.raises(NotFoundError):
        supervise(house, id_, SupervisionMode.WHISPER, ParticipantId("prt_nobody"))


def test_while_the_customer_waits_there_is_nobody_to_whisper_to() -> None:
    house = House()
    id_ = house.call()
    with pytest.raises(NotAllowedError, match="nobody to speak to"):
        supervise(house, id_, SupervisionMode.WHISPER)


def test_a_supervisor_alone_is_no_company_for_a_customer() -> None:
    house, id_ = supervised_call()
    house.leave(id_, ALICE)
    assert house.customer(id_).state is ParticipantState.QUEUED
    assert len(house.interaction(id_).seats) == 1


def test_a_customer_who_waits_does_not_meet_the_supervisor() -> None:
    house = House()
    id_ = house.call()
    supervise(house, id_)
    house.connect(id_, SUE)
    assert house.customer(id_).state is ParticipantState.QUEUED


def test_whoever_talks_with_the_customer_does_not_supervise() -> None:
    house = House()
    id_ = house.answered_call()
    with pytest.raises(NotAllowedError, match="leave it first"):
        house.step(commands.Supervise(id_, ALICE, "Alice", SupervisionMode.MONITOR))


def test_whoever_supervises_is_rung_for_nothing() -> None:
    house, _ = supervised_call()
    house.ready(SUE)
    house.call()
    assert house.offer_to(SUE) is None


def test_a_supervisor_hands_nothing_over() -> None:
    house, id_ = supervised_call()
    house.ready_expert(EVE)
    with pytest.raises(NotAllowedError):
        house.step(commands.StartConsult(id_, SUE, EVE))


def test_a_full_room_is_full() -> None:
    house = House(DeskPolicy(max_participants=2))
    id_ = house.answered_call()
    with pytest.raises(CapacityError):
        supervise(house, id_)


def test_an_ended_interaction_has_nothing_to_hear() -> None:
    house = House()
    id_ = house.answered_call()
    house.step(commands.EndInteraction(id_, ALICE, "done"))
    with pytest.raises(NotAllowedError, match="ended"):
        supervise(house, id_)
