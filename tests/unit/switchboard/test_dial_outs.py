"""Phones that are called into a conversation: they ring, join, refuse, and ring for nobody never.

Elsewhere: ghost legs, the room ends and the phone keeps ringing.
"""

import pytest

from bridge.errors import CallFailedError, ForbiddenError, NotAllowedError
from bridge.ids import LegId
from bridge.switchboard.event import InteractionUpdated
from bridge.switchboard.participants import DialOut
from tests.unit.switchboard.test_switchboard_queues import eventually
from tests.unit.switchboard.theatre import ALICE, PHONE_OFFER, Theatre, theatre, who

BANK = DialOut("+49301234567", name="The bank")


async def ringing(stage: Theatre) -> LegId:
    await eventually(stage, "dialed")
    leg_id, target = stage.doors.dialed[-1]
    assert "+49301234567" in target
    return leg_id


async def test_a_phone_is_called_into_the_conversation() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.dial_outcomes = [PHONE_OFFER]
        added = await stage.board.participants.dial(ALICE, id_, BANK)
        assert (added.created, added.participant.state, added.participant.name) == (
            True,
            "alerting",
            "The bank",
        )
        await eventually(stage, "answered")
        bank = await stage.participant(id_, "sme")
        assert (bank.state, len(bank.leg_ids), bank.address) == ("in-session", 1, BANK.address)
        everybody = {p.participant_id for p in (await stage.view(id_)).participants}
        hears = stage.hears(id_)
        assert hears[bank.participant_id] == everybody - {bank.participant_id}
        assert all(
            bank.participant_id in talkers for who_, talkers in hears.items() if who_ != bank.participant_id
        )


async def test_its_own_hanging_up_takes_it_out_and_nobody_else() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.dial_outcomes = [PHONE_OFFER]
        await stage.board.participants.dial(ALICE, id_, BANK)
        await eventually(stage, "answered")
        (leg_id,) = (await stage.participant(id_, "sme")).leg_ids
        await stage.board.hung_up(leg_id, "hung up")
        await stage.board.settled()
        assert (await stage.participant(id_, "sme")).state == "disconnected"
        assert (await stage.participant(id_, "customer")).state == "in-session"
        assert leg_id not in stage.plane.legs


async def test_a_refusal_says_why_and_leaves_nothing() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        legs = set(stage.plane.legs)
        stage.doors.dial_outcomes = [CallFailedError("486 Busy Here", 486)]
        await stage.board.participants.dial(ALICE, id_, BANK)
        await eventually(stage, "refused")
        bank = await stage.participant(id_, "sme")
        assert (bank.state, bank.disconnect_reason) == ("disconnected", "busy: 486 Busy Here")
        assert set(stage.plane.legs) == legs
        told = [event for event in stage.doors.seen_by(ALICE) if isinstance(event, InteractionUpdated)]
        assert told[-1].interaction.participants[-1].disconnect_reason == "busy: 486 Busy Here"


async def test_whoever_is_taken_out_while_it_rings_rings_no_more() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.participants.dial(ALICE, id_, BANK)
        leg_id = await ringing(stage)
        bank = await stage.participant(id_, "sme")
        await stage.board.participants.remove(ALICE, id_, bank.participant_id)
        await eventually(stage, "taken back")
        assert leg_id in [hung for hung, _ in stage.doors.hung_up]
        assert leg_id not in stage.plane.legs


async def test_when_the_interaction_ends_no_phone_rings_on() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.participants.dial(ALICE, id_, BANK)
        leg_id = await ringing(stage)
        await stage.board.hung_up(LegId("leg_phone"), "the customer hung up")
        await eventually(stage, "ended")
        assert leg_id in [hung for hung, _ in stage.doors.hung_up]
        assert (stage.board.legs, stage.plane.legs) == (0, {})


async def test_a_phone_that_rings_too_long_is_taken_back() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.participants.dial(ALICE, id_, BANK)
        leg_id = await ringing(stage)
        await stage.pass_time(41)
        await eventually(stage, "taken back")
        assert (await stage.participant(id_, "sme")).disconnect_reason.startswith("no_answer")
        assert leg_id in [hung for hung, _ in stage.doors.hung_up]


async def test_the_same_number_again_is_the_participant_there_is() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        first = await stage.board.participants.dial(ALICE, id_, BANK)
        again = await stage.board.participants.dial(ALICE, id_, BANK)
        assert (first.created, again.created) == (True, False)
        assert again.participant.participant_id == first.participant.participant_id
        await ringing(stage)
        assert len(stage.doors.dialed) == 1


async def test_who_may_not_write_calls_nobody_and_roles_are_ours() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        with pytest.raises(ForbiddenError):
            await stage.board.participants.dial(
                who("alice", scopes=frozenset({"interaction:read"})), id_, BANK
            )
        with pytest.raises(NotAllowedError):
            await stage.board.participants.dial(ALICE, id_, DialOut("+49", role="customer"))
        stage.doors.ways_out = ()
        with pytest.raises(NotAllowedError, match="no way out"):
            await stage.board.participants.dial(ALICE, id_, BANK)
        assert stage.doors.dialed == []
