"""Phones that are called into a conversation: they ring, join, refuse, and ring for nobody never.

Elsewhere: ghost legs, the room ends and the phone keeps ringing.
"""

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from bridge.desk import commands, events
from bridge.desk.centre.role import ParticipantRole
from bridge.desk.interaction.participant import ParticipantState
from bridge.errors import CallFailedError, ForbiddenError, NotAllowedError
from bridge.ids import LegId
from bridge.plane import messages
from bridge.switchboard.conversation.participants import DialOut
from bridge.switchboard.phone.dial_outs import DialOuts
from bridge.switchboard.view.event import InteractionUpdated
from tests.unit.desk.house import House
from tests.unit.switchboard.test_switchboard_queues import eventually
from tests.unit.switchboard.theatre import ALICE, PHONE_OFFER, Theatre, theatre, who

if TYPE_CHECKING:
    from bridge.switchboard.phone.dialer import Dialer
    from bridge.switchboard.wiring import Wiring

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


async def test_a_phone_that_answers_and_describes_no_sound_is_let_go() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.dial_outcomes = [""]
        await stage.board.participants.dial(ALICE, id_, BANK)
        leg_id = await ringing(stage)
        await stage.board.settled()
        bank = await stage.participant(id_, "sme")
        assert bank.state == "disconnected"
        assert leg_id not in stage.plane.legs


async def test_what_was_described_while_it_rang_is_the_answer() -> None:
    """Reliably, with 183: the 200 then needs none (RFC 3262 section 5)."""
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.participants.dial(ALICE, id_, BANK)
        leg_id = await ringing(stage)
        await stage.board.progressed(leg_id, 183, PHONE_OFFER)
        stage.doors.ringing[leg_id].set_result("")
        await eventually(stage, "answered")
        assert stage.phone_leg(leg_id).audio is not None


async def test_it_may_ring_for_long_without_a_sound() -> None:
    """Its gateway described its sound with 183, and sends none before somebody answers."""
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.participants.dial(ALICE, id_, BANK)
        leg_id = await ringing(stage)
        await stage.board.progressed(leg_id, 183, PHONE_OFFER)
        stage.board.plane_event(messages.LegFailed(leg_id, "rtp_timeout", "silent for 30 s"))
        await stage.board.settled()
        assert (await stage.participant(id_, "sme")).state == "alerting"
        stage.board.plane_event(messages.LegFailed(leg_id, "internal_error", "see the log"))
        await stage.board.settled()
        assert (await stage.participant(id_, "sme")).state == "disconnected"


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


async def test_a_mistake_of_ours_while_it_is_dialed_ends_that_call_and_no_other() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        legs = set(stage.plane.legs)
        stage.plane.crash_on = messages.DeclareRtpLeg
        await stage.board.participants.dial(ALICE, id_, BANK)
        await eventually(stage, "given up")
        assert (await stage.participant(id_, "sme")).state == "disconnected"
        assert (await stage.participant(id_, "customer")).state == "in-session"
        assert set(stage.plane.legs) == legs
        await stage.call("leg_another")
        assert stage.board.open_interactions == 2


class NeverAnswered:
    async def call(self, *_: object) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize("turns", range(6))
async def test_a_call_that_is_taken_back_before_it_began_is_over(turns: int) -> None:
    """A task that is cancelled before its first turn never comes to its `finally`."""
    house = House()
    id_ = house.call()
    dial = commands.DialParticipant(id_, BANK.address, ParticipantRole.SME, "alice")
    dialed = next(event for event in house.step(dial) if isinstance(event, events.ParticipantDialed))
    called_id, interaction = dialed.participant_id, house.interaction(id_)
    over = events.ParticipantMoved(2.0, id_, called_id, ParticipantState.DISCONNECTED, "removed", "alice")
    nothing, dialer = cast("Wiring", None), cast("Dialer", NeverAnswered())
    dial_outs = DialOuts(nothing, dialer)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(dial_outs.run())
        await asyncio.sleep(0)
        dial_outs.receive(dialed, interaction)
        for _ in range(turns):
            await asyncio.sleep(0)
        dial_outs.receive(over, interaction)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not dial_outs.busy
        running.cancel()
