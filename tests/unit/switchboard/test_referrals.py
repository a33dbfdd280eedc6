"""Phones that send the others elsewhere: the customer stays, somebody else is called, nobody is stranded."""

import asyncio

import pytest

from bridge.desk.centre.policy import DeskPolicy
from bridge.errors import CallFailedError, ConflictError, ForbiddenError, NotFoundError
from bridge.ids import InteractionId, LegId
from bridge.switchboard.conversation.participants import DialOut
from bridge.switchboard.door.doors import ArrivingCall
from tests.unit.switchboard.test_switchboard_queues import eventually
from tests.unit.switchboard.theatre import ALICE, PHONE_OFFER, Theatre, theatre

EXPERT = DialOut("+491", name="Expert")
TARGET = "+492"
DIAL_S = DeskPolicy().dial_s


class Phone:
    """Whoever sent the REFER, and what it was told."""

    def __init__(self, stage: Theatre) -> None:
        self.told: list[str] = []
        self.dialed: list[LegId] = []
        self._stage = stage

    def dials(self, leg_id: LegId) -> None:
        """Before it is dialed: its INVITE says who sent it."""
        assert leg_id not in [leg for leg, _ in self._stage.doors.dialed]
        self.told.append("dials")
        self.dialed.append(leg_id)

    def accepted(self) -> None:
        self.told.append("accepted")


async def expert_on_a_phone(stage: Theatre) -> tuple[InteractionId, LegId]:
    id_ = await stage.answered_call()
    stage.doors.dial_outcomes = [PHONE_OFFER]
    await stage.board.participants.dial(ALICE, id_, EXPERT)
    await eventually(stage, "answered")
    (leg_id,) = (await stage.participant(id_, "sme")).leg_ids
    return id_, leg_id


async def states(stage: Theatre, id_: InteractionId) -> dict[str, str]:
    return {p.address or p.role: p.state for p in (await stage.view(id_)).participants}


async def test_an_expert_hands_over_by_the_phone_and_the_customer_stays() -> None:
    async with theatre() as stage:
        id_, leg_id = await expert_on_a_phone(stage)
        stage.doors.dial_outcomes = [PHONE_OFFER]
        phone = Phone(stage)
        assert await stage.board.refer(leg_id, TARGET, phone) == 200
        await eventually(stage, "handed over")
        assert phone.told == ["dials", "accepted"]
        assert phone.dialed == [leg for leg, _ in stage.doors.dialed[-1:]]
        now = await states(stage, id_)
        assert (now[EXPERT.address], now[TARGET], now["+4930123"]) == (
            "disconnected",
            "in-session",
            "in-session",
        )
        assert leg_id in [hung for hung, _ in stage.doors.hung_up]


async def test_a_refusal_leaves_all_as_it_was_and_is_told() -> None:
    async with theatre() as stage:
        id_, leg_id = await expert_on_a_phone(stage)
        stage.doors.dial_outcomes = [CallFailedError("486 Busy Here", 486)]
        assert await stage.board.refer(leg_id, TARGET, Phone(stage)) == 486
        now = await states(stage, id_)
        assert (now[EXPERT.address], now[TARGET]) == ("in-session", "disconnected")


async def test_that_nobody_answered_is_told_as_that() -> None:
    async with theatre() as stage:
        id_, leg_id = await expert_on_a_phone(stage)
        async with asyncio.TaskGroup() as tasks:
            referred = tasks.create_task(stage.board.refer(leg_id, TARGET, Phone(stage)))
            await eventually(stage, "it rings")
            await stage.pass_time(DIAL_S)
        assert referred.result() == 408
        assert (await states(stage, id_))[EXPERT.address] == "in-session"


async def test_a_phone_that_hangs_up_at_once_still_hands_over() -> None:
    async with theatre() as stage:
        id_, leg_id = await expert_on_a_phone(stage)
        async with asyncio.TaskGroup() as tasks:
            referred = tasks.create_task(stage.board.refer(leg_id, TARGET, Phone(stage)))
            await eventually(stage, "it rings")
            await stage.board.hung_up(leg_id, "hung up")
            now = await states(stage, id_)
            assert (now[EXPERT.address], now[TARGET]) == ("disconnected", "alerting")
            assert now["+4930123"] == "in-session"
            participant = next(p for p in (await stage.view(id_)).participants if p.address == TARGET)
            await stage.board.participants.remove(ALICE, id_, participant.participant_id)
        assert referred.result() == 487


async def test_customers_cannot_send_the_call_elsewhere() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        with pytest.raises(ForbiddenError):
            await stage.board.refer(LegId("leg_phone"), TARGET, Phone(stage))
        assert (await states(stage, id_))["+4930123"] == "in-session"
        assert stage.doors.dialed == []
        with pytest.raises(NotFoundError):
            await stage.board.refer(LegId("leg_x"), TARGET, Phone(stage))


async def test_who_is_called_already_is_not_called_twice() -> None:
    async with theatre() as stage:
        _, leg_id = await expert_on_a_phone(stage)
        with pytest.raises(ConflictError):
            await stage.board.refer(leg_id, EXPERT.address, Phone(stage))


async def test_another_call_of_the_same_participant_takes_its_place() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        old, new = LegId("leg_phone"), LegId("leg_other")
        await stage.board.arrive(ArrivingCall(new, "+49", "sip:desk", PHONE_OFFER, replaces=old))
        await stage.board.settled()
        customer = await stage.participant(id_, "customer")
        assert (customer.state, customer.leg_ids) == ("in-session", (new,))
        assert old in [hung for hung, _ in stage.doors.hung_up]
        assert (old in stage.plane.legs, new in stage.plane.legs) == (False, True)
        await stage.board.hung_up(old, "hung up")  # its BYE crossed ours
        await stage.board.settled()
        assert (await stage.participant(id_, "customer")).state == "in-session"
        await stage.board.hung_up(new, "hung up")
        await stage.board.settled()
        assert (await stage.view(id_)).state == "ended"


async def test_a_call_that_is_over_cannot_be_replaced() -> None:
    async with theatre() as stage:
        with pytest.raises(NotFoundError):
            await stage.board.arrive(
                ArrivingCall(LegId("leg_new"), "+49", "sip:desk", PHONE_OFFER, replaces=LegId("leg_gone"))
            )
        assert (stage.board.legs, stage.plane.legs) == (0, {})
