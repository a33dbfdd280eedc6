"""A phone rings by a call of ours, and another one takes the call from it (RFC 3891, RFC 5359 section 2.16)."""

import asyncio

import msgspec
import pytest

from bridge.errors import BridgeError, CallFailedError, ConflictError, NotFoundError
from bridge.ids import InteractionId, LegId
from bridge.plane import messages
from bridge.switchboard.door.doors import ArrivingCall
from tests.unit.switchboard.test_dial_outs import BANK, ringing
from tests.unit.switchboard.test_referrals import TARGET, Phone, expert_on_a_phone
from tests.unit.switchboard.test_switchboard_queues import POLICY, called_back, eventually
from tests.unit.switchboard.theatre import ALICE, PHONE_OFFER, Theatre, theatre, until

OTHER, PHONE = LegId("leg_other"), LegId("leg_phone")


def picking_up(rings: LegId, leg_id: LegId = OTHER, offer: str = PHONE_OFFER) -> ArrivingCall:
    return ArrivingCall(leg_id, "+49", "sip:desk", offer, replaces=rings)


def customers_legs(stage: Theatre, id_: InteractionId) -> tuple[LegId, ...]:
    """As they are at this moment, perhaps not on disk yet."""
    (customer,) = [p for p in stage.board.interactions.peek(ALICE, id_).participants if p.role == "customer"]
    return tuple(customer.leg_ids)


async def bank_rings(stage: Theatre) -> tuple[InteractionId, LegId]:
    id_ = await stage.answered_call()
    await stage.board.participants.dial(ALICE, id_, BANK)
    return id_, await ringing(stage)


@pytest.mark.parametrize("answers_cancel", [True, False])
async def test_whoever_picks_up_is_who_was_called_and_the_other_phone_rings_no_more(
    answers_cancel: bool,
) -> None:
    async with theatre() as stage:
        stage.doors.answers_cancel = answers_cancel
        id_, rings = await bank_rings(stage)
        assert "m=audio" in await stage.board.arrive(picking_up(rings))
        await stage.board.settled() if answers_cancel else None
        bank = await stage.participant(id_, "sme")
        assert (bank.state, bank.leg_ids, bank.address) == ("in-session", (OTHER,), BANK.address)
        assert rings in [leg_id for leg_id, _ in stage.doors.hung_up]
        assert (rings in stage.plane.legs, OTHER in stage.plane.legs) == (False, True)
        everybody = {p.participant_id for p in (await stage.view(id_)).participants}
        assert stage.hears(id_)[bank.participant_id] == everybody - {bank.participant_id}
        stage.doors.ringing[rings].cancel() if not answers_cancel else None
        await stage.board.hung_up(OTHER, "hung up")
        await stage.board.settled()
        assert (await stage.participant(id_, "sme")).state == "disconnected"
        assert (await stage.participant(id_, "customer")).state == "in-session"


async def test_the_phone_that_rang_may_answer_at_the_same_moment() -> None:
    """Whichever is first has the call; the other one is hung up."""
    async with theatre() as stage:
        stage.doors.answers_cancel = False
        id_, rings = await bank_rings(stage)
        await stage.board.arrive(picking_up(rings))
        stage.doors.ringing[rings].set_result(PHONE_OFFER)
        await eventually(stage, "both are heard")
        assert (await stage.participant(id_, "sme")).leg_ids == (OTHER,)
        assert set(stage.plane.legs) >= {OTHER}
        assert rings not in stage.plane.legs


async def test_of_two_who_pick_up_one_has_the_call() -> None:
    async with theatre() as stage:
        id_, rings = await bank_rings(stage)
        first, second = LegId("leg_first"), LegId("leg_second")
        outcomes = await asyncio.gather(
            *(stage.board.arrive(picking_up(rings, leg_id)) for leg_id in (first, second)),
            return_exceptions=True,
        )
        await stage.board.settled()
        assert [isinstance(outcome, BridgeError) for outcome in outcomes] == [False, True]
        assert (await stage.participant(id_, "sme")).leg_ids == (first,)
        assert second not in stage.plane.legs


async def test_a_call_without_an_offer_may_pick_up_as_well() -> None:
    async with theatre() as stage:
        id_, rings = await bank_rings(stage)
        assert "m=audio" in await stage.board.arrive(picking_up(rings, offer=""))
        await stage.board.late_answer(OTHER, PHONE_OFFER)
        await stage.board.settled()
        assert (await stage.participant(id_, "sme")).leg_ids == (OTHER,)


async def test_a_callback_is_answered_by_another_phone_of_the_customer() -> None:
    async with theatre(POLICY) as stage:
        id_ = await called_back(stage)
        rings = stage.doors.dialed[0][0]
        await stage.board.arrive(picking_up(rings))
        await stage.board.settled()
        customer = await stage.participant(id_, "customer")
        assert (customer.state, customer.leg_ids) == ("in-session", (OTHER,))
        callback = (await stage.view(id_)).callback
        assert callback is not None
        assert callback.state == "answered"
        assert len(stage.doors.dialed) == 1
        await stage.board.hung_up(OTHER, "hung up")
        await stage.board.settled()
        assert (await stage.view(id_)).state == "ended"


async def test_who_sent_the_call_there_hears_at_once_that_somebody_has_it() -> None:
    async with theatre() as stage:
        stage.doors.answers_cancel = False
        id_, expert = await expert_on_a_phone(stage)
        async with asyncio.TaskGroup() as tasks:
            referred = tasks.create_task(stage.board.refer(expert, TARGET, Phone(stage)))
            await eventually(stage, "it rings")
            rings = stage.doors.dialed[-1][0]
            await stage.board.arrive(picking_up(rings))
        assert referred.result() == 200
        stage.doors.ringing[rings].set_exception(CallFailedError("canceled", 487))
        await eventually(stage, "handed over")
        states = {p.address: p.state for p in (await stage.view(id_)).participants if p.role == "sme"}
        assert states == {"+491": "disconnected", TARGET: "in-session"}


async def test_what_rings_no_more_cannot_be_picked_up() -> None:
    async with theatre() as stage:
        id_, rings = await bank_rings(stage)
        bank = await stage.participant(id_, "sme")
        await stage.board.participants.remove(ALICE, id_, bank.participant_id)
        await eventually(stage, "taken back")
        with pytest.raises(BridgeError):
            await stage.board.arrive(picking_up(rings))
        assert OTHER not in stage.plane.legs


async def test_who_wants_what_rings_only_takes_nothing_from_who_answered_meanwhile() -> None:
    """RFC 3891 section 3, early-only: the INVITE crossed the answer, and waited for its turn."""
    async with theatre() as stage:
        id_, rings = await bank_rings(stage)
        stage.doors.ringing[rings].set_result(PHONE_OFFER)
        await eventually(stage, "the bank has answered")
        late = msgspec.structs.replace(picking_up(rings), early_only=True)
        with pytest.raises(ConflictError):
            await stage.board.arrive(late)
        await stage.board.settled()
        assert (await stage.participant(id_, "sme")).leg_ids == (rings,)
        assert OTHER not in stage.plane.legs


async def test_a_callback_that_another_phone_takes_outlives_a_performance_of_the_state_before() -> None:
    async with theatre(POLICY) as stage:
        id_ = await called_back(stage)
        rings = stage.doors.dialed[0][0]
        agent = await stage.participant(id_, "agent")
        async with asyncio.TaskGroup() as tasks:
            arriving = tasks.create_task(stage.board.arrive(picking_up(rings)))
            while not arriving.done():
                stage.board.plane_event(messages.LegConnected(agent.leg_ids[0]))
                await asyncio.sleep(0)
        await stage.board.settled()
        customer = await stage.participant(id_, "customer")
        assert (customer.state, customer.leg_ids) == ("in-session", (OTHER,))
        assert OTHER not in [leg_id for leg_id, _ in stage.doors.hung_up]


async def test_a_pick_up_that_is_given_up_in_its_commit_leaves_the_call_where_it_was() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        async with asyncio.TaskGroup() as tasks:
            arriving = tasks.create_task(stage.board.arrive(picking_up(PHONE)))
            await until(lambda: OTHER in customers_legs(stage, id_))
            arriving.cancel()
        await stage.board.settled()
        customer = await stage.participant(id_, "customer")
        assert (customer.state, customer.leg_ids) == ("in-session", (PHONE,))
        assert PHONE not in [leg_id for leg_id, _ in stage.doors.hung_up]
        assert OTHER not in stage.plane.legs
        await stage.board.hung_up(OTHER, "canceled")
        await stage.board.settled()
        assert (await stage.participant(id_, "customer")).state == "in-session"
        assert stage.board.legs == 2


@pytest.mark.parametrize("committed", [False, True])
async def test_a_pick_up_that_is_canceled_leaves_the_call_where_it_was(*, committed: bool) -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()

        def waits() -> bool:
            return committed and OTHER not in customers_legs(stage, id_)

        with pytest.raises(NotFoundError):
            await stage.board.arrive(msgspec.structs.replace(picking_up(PHONE), waits=waits))
        await stage.board.hung_up(OTHER, "canceled")
        await stage.board.settled()
        assert (await stage.participant(id_, "customer")).leg_ids == (PHONE,)
        assert PHONE not in [leg_id for leg_id, _ in stage.doors.hung_up]
        assert OTHER not in stage.plane.legs
        assert (stage.board.legs, await stage.board.reoffer(PHONE, PHONE_OFFER) != "") == (2, True)


@pytest.mark.parametrize("taken", [True, False])
async def test_a_phone_may_hang_up_while_its_call_is_taken_over(*, taken: bool) -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.plane.answers.clear()
        call = msgspec.structs.replace(picking_up(PHONE), waits=lambda: taken)
        outcome, _ = await asyncio.gather(
            stage.board.arrive(call), hang_up_meanwhile(stage), return_exceptions=True
        )
        await stage.board.settled()
        assert isinstance(outcome, NotFoundError) is not taken
        customer = await stage.participant(id_, "customer")
        expected = ("in-session", (OTHER,)) if taken else ("disconnected", (PHONE,))
        assert (customer.state, customer.leg_ids) == expected
        assert PHONE not in stage.plane.legs
        assert (OTHER in stage.plane.legs, stage.board.legs) == (taken, 2 if taken else 0)


async def hang_up_meanwhile(stage: Theatre) -> None:
    await until(lambda: OTHER in stage.plane.legs)
    await stage.board.hung_up(PHONE, "BYE")
    stage.plane.answers.set()
