"""Handing over and listening in, down to what the plane is told."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from bridge.errors import BridgeError, ForbiddenError, NotAllowedError, NotFoundError
from bridge.ids import InteractionId, LegId, ParticipantId, UserId
from bridge.switchboard.conversation.participants import AddParticipant
from bridge.switchboard.conversation.transfers import TransferWish
from bridge.switchboard.view.event import InteractionUpdated, OfferUpdated
from tests.unit.switchboard.theatre import ALICE, ALL_SCOPES, BOB, EVE, Theatre, theatre, who

SUE = who("sue", scopes=ALL_SCOPES | {"interaction:supervise"})


async def consulting(stage: Theatre) -> tuple[InteractionId, dict[str, ParticipantId]]:
    """Alice talks with Eve. The names of the participants by role."""
    id_ = await stage.answered_call()
    await stage.board.users.set_presence(EVE, "ready", "sme")
    await stage.board.transfers.consult(ALICE, id_, TransferWish(EVE.user_id))
    await stage.accept(EVE)
    await stage.join(EVE, id_)
    await stage.answer_offers(ALICE)
    await stage.answer_offers(EVE)
    view = await stage.view(id_)
    return id_, {p.role: p.participant_id for p in view.participants}


class TestConsult:
    async def test_the_customer_hears_music_and_neither_agent_nor_expert(self) -> None:
        async with theatre() as stage:
            id_, names = await consulting(stage)
            assert stage.hears(id_) == {names["agent"]: {names["sme"]}, names["sme"]: {names["agent"]}}
            playback = stage.phone_leg().playback
            assert playback is not None
            assert (playback.source, playback.loop) == ("music.wav", True)

    async def test_from_the_first_ring_on(self) -> None:
        async with theatre() as stage:
            id_ = await stage.answered_call()
            await stage.board.users.set_presence(EVE, "ready", "sme")
            target = await stage.board.transfers.consult(ALICE, id_, TransferWish(EVE.user_id))
            assert target.state == "alerting"
            assert stage.phone_leg().playback is not None
            view = await stage.view(id_)
            assert view.transfer is not None
            assert (view.transfer.kind, view.transfer.state) == ("consult", "seeking")
            assert view.transfer.expires_at > view.transfer.started_at

    async def test_warm_transfer_keeps_the_leg_and_the_id(self) -> None:
        async with theatre() as stage:
            id_, names = await consulting(stage)
            view = await stage.board.transfers.complete_transfer(ALICE, id_)
            assert view.interaction_id == id_
            assert stage.hears(id_) == {
                names["customer"]: {names["sme"]},
                names["sme"]: {names["customer"]},
            }
            assert stage.phone_leg().playback is None
            assert stage.doors.hung_up == []
            alice = next(p for p in view.participants if p.participant_id == names["agent"])
            assert (alice.state, alice.disconnect_reason) == ("disconnected", "transferred to eve")

    async def test_conference(self) -> None:
        async with theatre() as stage:
            id_, names = await consulting(stage)
            await stage.board.transfers.merge_consult(ALICE, id_)
            everybody = set(names.values())
            assert stage.hears(id_) == {one: everybody - {one} for one in everybody}

    async def test_back_to_the_old_place(self) -> None:
        async with theatre() as stage:
            id_, names = await consulting(stage)
            await stage.board.transfers.cancel_transfer(ALICE, id_, "thought better of it")
            assert stage.hears(id_) == {
                names["customer"]: {names["agent"]},
                names["agent"]: {names["customer"]},
            }
            timeline = await stage.board.interactions.timeline(ALICE, id_)
            moved = [entry.facts for entry in timeline if entry.event == "transfer_moved"]
            assert moved[-1]["state"] == "returned"
            assert moved[-1]["reason"] == "thought better of it"

    async def test_time_brings_it_back_too(self) -> None:
        async with theatre() as stage:
            id_, _ = await consulting(stage)
            await stage.pass_time(301.0)
            assert (await stage.view(id_)).transfer is None
            assert (await stage.participant(id_, "customer")).state == "in-session"

    async def test_a_stranger_hands_nothing_over(self) -> None:
        async with theatre() as stage:
            id_ = await stage.answered_call()
            await stage.board.users.set_presence(EVE, "ready", "sme")
            with pytest.raises(NotFoundError, match="no interaction"):
                await stage.board.transfers.consult(BOB, id_, TransferWish(EVE.user_id))

    async def test_either_a_user_or_a_queue(self) -> None:
        async with theatre() as stage:
            id_ = await stage.answered_call()
            with pytest.raises(NotAllowedError, match="either"):
                await stage.board.transfers.consult(ALICE, id_, TransferWish())

    async def test_video_needs_its_scope(self) -> None:
        async with theatre() as stage:
            id_ = await stage.answered_call()
            poor = who("alice", scopes=ALL_SCOPES - {"telephony:video:use"})
            with pytest.raises(ForbiddenError):
                await stage.board.transfers.consult(poor, id_, TransferWish(EVE.user_id, type="video"))


async def test_blind_transfer() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.users.set_presence(BOB, "ready", "agent")
        view = await stage.board.transfers.transfer_blind(ALICE, id_, TransferWish(BOB.user_id, role="agent"))
        assert view.transfer is not None
        assert stage.phone_leg().playback is not None
        await stage.accept(BOB)
        await stage.join(BOB, id_)
        states = {p.user_id: p.state for p in (await stage.view(id_)).participants}
        assert states == {None: "in-session", "alice": "disconnected", "bob": "in-session"}
        assert stage.phone_leg().playback is None
        assert stage.doors.hung_up == []


class TestSupervision:
    async def test_a_whisper_reaches_the_agent_only_and_a_monitor_nobody(self) -> None:
        async with theatre() as stage:
            id_ = await stage.conference()
            names = {p.role: p.participant_id for p in (await stage.view(id_)).participants}
            sue = (await stage.board.transfers.supervise(SUE, id_, "monitor")).participant_id
            await stage.join(SUE, id_)
            others = set(names.values())
            assert stage.hears(id_)[sue] == others
            assert all(sue not in stage.hears(id_)[one] for one in others)
            await stage.board.transfers.supervise(SUE, id_, "whisper")
            hearing = {one for one in others if sue in stage.hears(id_)[one]}
            assert hearing == {names["agent"]}

    async def test_it_needs_its_scope(self) -> None:
        async with theatre() as stage:
            id_ = await stage.answered_call()
            with pytest.raises(ForbiddenError, match="interaction:supervise"):
                await stage.board.transfers.supervise(who("sue"), id_, "monitor")

    async def test_who_may_supervise_hears_what_becomes_of_every_call(self) -> None:
        async with theatre() as stage:
            id_ = await stage.answered_call()
            for watcher in (SUE, who("crm", scopes=ALL_SCOPES | {"interaction:all"})):
                told = [e for e in stage.doors.seen_by(watcher) if isinstance(e, InteractionUpdated)]
                assert {event.interaction_id for event in told} == {id_}
            assert not any(isinstance(e, InteractionUpdated) for e in stage.doors.seen_by(BOB))

    async def test_who_listens_in_changes_nothing(self) -> None:
        async with theatre() as stage:
            id_ = await stage.answered_call()
            await stage.board.transfers.supervise(SUE, id_, "monitor")
            await stage.join(SUE, id_)
            with pytest.raises(ForbiddenError):
                await stage.board.interactions.end(SUE, id_)
            await stage.board.participants.leave(SUE, id_)
            assert (await stage.participant(id_, "supervisor")).state == "disconnected"

    async def test_the_agent_sees_a_coach_and_no_whisperer(self) -> None:
        async with theatre() as stage:
            id_ = await stage.answered_call()
            leg_id = (await stage.participant(id_, "agent")).leg_ids[0]
            await stage.board.transfers.supervise(SUE, id_, "whisper")
            await stage.join(SUE, id_)
            await stage.answer_offers(ALICE)

            def shown() -> list[str | None]:
                return [down.source for down in stage.browser_leg(leg_id).down_tracks if down.kind == "video"]

            assert not any(shown())
            await stage.board.transfers.supervise(SUE, id_, "coach")
            assert any(shown())


async def test_an_offer_that_rings_tells_what_became_of_the_customers_video() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.users.set_presence(EVE, "ready", "sme")
        await stage.board.participants.add(ALICE, id_, AddParticipant(EVE.user_id))
        offer = stage.offer_to(EVE)
        assert offer.attributes["customer_video_capable"] == "false"
        assert offer.customer.audio.send
        assert offer.customer.no_video == "the phone offers no video"
        await stage.board.interactions.set_attributes(ALICE, id_, {"case_number": "12345"})
        told = [event for event in stage.doors.seen_by(EVE) if isinstance(event, OfferUpdated)]
        assert told[-1].offer.attributes["case_number"] == "12345"
        assert told[-1].offer.offer_id == offer.offer_id
        bob = [event for event in stage.doors.seen_by(who("nobody")) if isinstance(event, OfferUpdated)]
        assert bob == []
        assert UserId("eve") == told[-1].offer.user_id


# --- hanging up in the middle -----------------------------------------------------------------------------


async def a_consult_that_rings(stage: Theatre) -> InteractionId:
    id_ = await stage.answered_call()
    await stage.board.users.set_presence(EVE, "ready", "sme")
    await stage.board.transfers.consult(ALICE, id_, TransferWish(EVE.user_id))
    return id_


async def a_consult_that_is_accepted(stage: Theatre) -> InteractionId:
    id_ = await a_consult_that_rings(stage)
    await stage.accept(EVE)
    return id_


async def a_consult_that_goes_on(stage: Theatre) -> InteractionId:
    return (await consulting(stage))[0]


async def a_blind_transfer_that_rings(stage: Theatre) -> InteractionId:
    id_ = await stage.answered_call()
    await stage.board.users.set_presence(BOB, "ready", "agent")
    await stage.board.transfers.transfer_blind(ALICE, id_, TransferWish(BOB.user_id, role="agent"))
    return id_


async def a_blind_transfer_that_is_accepted(stage: Theatre) -> InteractionId:
    id_ = await a_blind_transfer_that_rings(stage)
    await stage.accept(BOB)
    return id_


MIDDLES = (
    a_consult_that_rings,
    a_consult_that_is_accepted,
    a_consult_that_goes_on,
    a_blind_transfer_that_rings,
    a_blind_transfer_that_is_accepted,
)


@pytest.mark.parametrize("middle", MIDDLES)
async def test_a_customer_who_hangs_up_in_the_middle_leaves_nothing(
    middle: Callable[[Theatre], Awaitable[InteractionId]],
) -> None:
    """Elsewhere: transfer races and ghost legs. Here nobody rings on, and no late command brings it back."""
    async with theatre() as stage:
        id_ = await middle(stage)
        await stage.board.hung_up(LegId("leg_phone"), "hung up")
        await stage.board.settled()
        assert (stage.board.open_interactions, stage.board.legs, stage.plane.legs) == (0, 0, {})
        for late in (
            stage.board.transfers.complete_transfer(ALICE, id_),
            stage.board.transfers.merge_consult(ALICE, id_),
            stage.board.transfers.cancel_transfer(ALICE, id_, "late"),
        ):
            with pytest.raises(BridgeError):
                await late
        await stage.pass_time(400.0)
        assert (stage.board.open_interactions, stage.board.legs, stage.plane.legs) == (0, 0, {})


@pytest.mark.parametrize("middle", MIDDLES)
async def test_an_agent_who_leaves_in_the_middle_does_not_take_the_customer_along(
    middle: Callable[[Theatre], Awaitable[InteractionId]],
) -> None:
    async with theatre() as stage:
        id_ = await middle(stage)
        with contextlib.suppress(NotAllowedError, NotFoundError):  # who handed over blind has left already
            await stage.board.participants.leave(ALICE, id_)
        await stage.board.settled()
        await stage.pass_time(31.0)
        assert stage.board.open_interactions == 1
        assert stage.phone_leg() is not None
        assert stage.doors.hung_up == []
        assert (await stage.participant(id_, "customer")).state != "disconnected"
        await stage.board.hung_up(LegId("leg_phone"), "hung up")
        await stage.board.settled()
        assert (stage.board.open_interactions, stage.board.legs, stage.plane.legs) == (0, 0, {})


@pytest.mark.parametrize("middle", MIDDLES)
async def test_two_ends_of_a_transfer_at_once_come_to_one(
    middle: Callable[[Theatre], Awaitable[InteractionId]],
) -> None:
    """Elsewhere: transfer races and deadlocks. Complete, merge, give up and hang up, all in the same moment."""
    async with theatre() as stage:
        id_ = await middle(stage)
        transfers = stage.board.transfers
        await asyncio.gather(
            transfers.complete_transfer(ALICE, id_),
            transfers.merge_consult(ALICE, id_),
            transfers.cancel_transfer(ALICE, id_, "thought better of it"),
            stage.board.hung_up(LegId("leg_phone"), "hung up"),
            transfers.complete_transfer(ALICE, id_),
            return_exceptions=True,
        )
        await stage.board.settled()
        assert (stage.board.open_interactions, stage.board.legs, stage.plane.legs) == (0, 0, {})
