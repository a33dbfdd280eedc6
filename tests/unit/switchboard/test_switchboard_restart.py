"""A switchboard that goes on where another one was killed: who is kept, who is called again, who is told."""

from pathlib import Path

import pytest

from bridge.desk.centre.policy import DeskPolicy
from bridge.errors import BridgeError, CallFailedError, GlareError, NotFoundError, ParseError
from bridge.ids import LegId
from bridge.switchboard.conversation.callbacks import CallbackWish
from bridge.switchboard.door.doors import ArrivingCall
from tests.unit.switchboard.test_switchboard_queues import ADMIN, POLICY, called_back
from tests.unit.switchboard.theatre import ALICE, ALL_SCOPES, EVE, PHONE_OFFER, Life, theatre, who

PHONE = LegId("leg_phone")
LATER = 2000.0
AUDITOR = who("auditor", scopes=ALL_SCOPES | {"interaction:all"})


def first_life(directory: Path) -> Life:
    return Life(f"sqlite+aiosqlite:///{directory / 'journal.db'}", "boot_1")


def next_life(directory: Path, *returning: LegId, boot_id: str = "boot_2") -> Life:
    return Life(first_life(directory).url, boot_id, LATER, frozenset(returning))


async def test_a_caller_who_waits_keeps_place_and_clock_and_gets_a_new_port(tmp_path: Path) -> None:
    async with theatre(life=first_life(tmp_path)) as stage:
        await stage.call("leg_phone")
        await stage.pass_time(60)
        await stage.call("leg_other")
        before = await stage.board.interactions.list(AUDITOR)
    async with theatre(life=next_life(tmp_path, PHONE, LegId("leg_other"))) as stage:
        await stage.board.settled()
        assert {leg_id for leg_id, _ in stage.doors.reoffers} == {PHONE, LegId("leg_other")}
        assert stage.phone_leg().audio is not None
        assert stage.phone_leg().playback is not None  # the waiting prompt goes on
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        assert stage.offer_to(ALICE).interaction_id == before[0].interaction_id
        interaction = await stage.view(before[0].interaction_id)
        assert interaction.state == "waiting"
        assert interaction.participants[0].leg_ids == (PHONE,)


async def test_the_next_offer_of_the_phone_is_taken_as_if_nothing_had_happened(tmp_path: Path) -> None:
    async with theatre(life=first_life(tmp_path)) as stage:
        await stage.call()
    async with theatre(life=next_life(tmp_path, PHONE)) as stage:
        await stage.board.settled()
        held = PHONE_OFFER + "a=sendonly\n"
        assert "a=recvonly" in await stage.board.reoffer(PHONE, held)
        assert stage.board.expects(PHONE)
        await stage.board.hung_up(PHONE, "BYE")
        await stage.board.settled()
        assert stage.board.open_interactions == stage.board.legs == 0
    async with theatre(life=next_life(tmp_path, PHONE, boot_id="boot_3")) as stage:
        assert not stage.board.expects(PHONE)  # forgotten with its call


@pytest.mark.parametrize("error", [CallFailedError("gone", 481), NotFoundError("no dialog")])
async def test_a_phone_that_does_not_agree_is_disconnected_by_bridge_restart(
    tmp_path: Path, error: BridgeError
) -> None:
    async with theatre(life=first_life(tmp_path)) as stage:
        await stage.call()
        (before,) = await stage.board.interactions.list(AUDITOR)
    async with theatre(life=next_life(tmp_path, PHONE)) as stage:
        stage.doors.reoffer_outcomes = [error]
        await stage.board.settled()
        interaction = await stage.view(before.interaction_id)
        assert (interaction.state, interaction.ended_by) == ("ended", "bridge.restart")


async def test_a_phone_that_offers_at_the_same_time_is_asked_again(tmp_path: Path) -> None:
    async with theatre(life=first_life(tmp_path)) as stage:
        await stage.call()
    async with theatre(life=next_life(tmp_path, PHONE)) as stage:
        stage.doors.reoffer_outcomes = [GlareError("both")]
        await stage.board.settled()
        assert len(stage.doors.reoffers) == 2
        assert stage.board.open_interactions == 1


async def test_a_call_whose_door_knows_nothing_of_it_is_reported_by_bridge_restart(tmp_path: Path) -> None:
    async with theatre(life=first_life(tmp_path)) as stage:
        await stage.call()
        (before,) = await stage.board.interactions.list(AUDITOR)
    async with theatre(life=next_life(tmp_path)) as stage:
        await stage.board.settled()
        interaction = await stage.view(before.interaction_id)
        assert interaction.ended_by == "bridge.restart"
        assert interaction.participants[0].disconnected_by == "bridge.restart"
        assert stage.doors.reoffers == []


async def test_a_start_on_more_lost_calls_than_are_remembered_is_a_start(tmp_path: Path) -> None:
    policy = DeskPolicy(ended_kept=2)
    async with theatre(policy, life=first_life(tmp_path)) as stage:
        for number in range(5):
            await stage.call(f"leg_{number}")
    for boot_id in ("boot_2", "boot_3"):
        async with theatre(policy, life=next_life(tmp_path, boot_id=boot_id)) as stage:
            await stage.board.settled()
            assert stage.board.open_interactions == 0


async def test_a_text_that_cannot_be_written_down_is_refused_before_anything_happens(tmp_path: Path) -> None:
    """JSON lets half of a surrogate pair in; a step that is not in the journal makes all that follow unreadable."""
    async with theatre(POLICY, life=first_life(tmp_path)) as stage:
        await stage.call()
        (live,) = await stage.board.interactions.list(ADMIN)
        with pytest.raises(ParseError, match="surrogate"):
            await stage.board.callbacks.request(ADMIN, live.interaction_id, CallbackWish(reason="\ud800"))
        assert await stage.board.interactions.list(ADMIN) == (live,)
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        await stage.accept(ALICE)
        await stage.join(ALICE, live.interaction_id)
    async with theatre(POLICY, life=next_life(tmp_path, PHONE)) as stage:
        assert stage.board.open_interactions == 1


async def test_an_invite_that_arrives_once_more_keeps_its_interaction(tmp_path: Path) -> None:
    """Killed between opening the interaction and the 200."""
    async with theatre(life=first_life(tmp_path)) as stage:
        await stage.call()
        (before,) = await stage.board.interactions.list(AUDITOR)
    async with theatre(life=next_life(tmp_path, PHONE)) as stage:
        answer = await stage.board.arrive(ArrivingCall(PHONE, "+4930123", "sip:desk", PHONE_OFFER))
        assert "m=audio" in answer
        await stage.board.settled()
        (after,) = await stage.board.interactions.list(AUDITOR)
        assert (after.interaction_id, after.created_at) == (before.interaction_id, before.created_at)


@pytest.mark.parametrize("offer", [PHONE_OFFER, ""])
async def test_an_invite_that_arrives_once_more_goes_before_an_offer_of_ours_that_waits_for_its_call(
    tmp_path: Path, offer: str
) -> None:
    """The media worker is there before the SIP door is open."""
    async with theatre(life=first_life(tmp_path)) as stage:
        await stage.call()
    async with theatre(life=next_life(tmp_path, PHONE)) as stage:
        stage.doors.phones_answer.clear()
        await stage.doors.phone_was_asked.wait()
        assert "m=audio" in await stage.board.arrive(ArrivingCall(PHONE, "+4930123", "sip:desk", offer))
        if not offer:
            await stage.board.late_answer(PHONE, PHONE_OFFER)
        stage.doors.phones_answer.set()
        await stage.board.settled()
        assert (stage.board.open_interactions, stage.doors.hung_up) == (1, [])
        assert stage.phone_leg().audio is not None


async def test_desktops_bring_their_media_anew_and_the_conference_goes_on(tmp_path: Path) -> None:
    async with theatre(life=first_life(tmp_path)) as stage:
        id_ = await stage.conference()
    async with theatre(life=next_life(tmp_path, PHONE)) as stage:
        await stage.board.settled()
        states = {p.role: p.state for p in (await stage.view(id_)).participants}
        assert states == {"customer": "in-session", "agent": "connecting", "sme": "connecting"}
        for principal in (ALICE, EVE):
            await stage.join(principal, id_)
        states = {p.role: p.state for p in (await stage.view(id_)).participants}
        assert set(states.values()) == {"in-session"}
        assert len(stage.hears(id_)) == 3
        await stage.answer_offers(ALICE)
        await stage.answer_offers(EVE)
        await stage.pass_time(60)
        assert (await stage.view(id_)).state == "in-progress"


async def test_a_desktop_that_stays_away_gives_the_caller_back_to_the_queue(tmp_path: Path) -> None:
    async with theatre(life=first_life(tmp_path)) as stage:
        id_ = await stage.answered_call()
    async with theatre(life=next_life(tmp_path, PHONE)) as stage:
        await stage.pass_time(20)
        assert (await stage.view(id_)).state == "waiting"


async def test_an_offer_that_rang_has_expired_and_may_ring_again_at_once(tmp_path: Path) -> None:
    async with theatre(life=first_life(tmp_path)) as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        await stage.call()
        rang = stage.offer_to(ALICE)
    async with theatre(life=next_life(tmp_path, PHONE)) as stage:
        await stage.board.settled()
        with pytest.raises(NotFoundError):
            await stage.board.offers.accept(ALICE, rang.offer_id)
        await stage.board.interactions.list(ALICE)  # any command: Alice's desktop is back
        again = stage.offer_to(ALICE)
        assert again.offer_id != rang.offer_id
        assert again.interaction_id == rang.interaction_id


async def test_a_callback_keeps_its_place_and_one_that_was_answered_its_call(tmp_path: Path) -> None:
    async with theatre(POLICY, life=first_life(tmp_path)) as stage:
        stage.doors.dial_outcomes = [PHONE_OFFER]
        talking = await called_back(stage)
        ((dialed, _),) = stage.doors.dialed
        await stage.call("leg_later")
        waiting = next(i for i in await stage.board.interactions.list(AUDITOR) if i.interaction_id != talking)
        await stage.board.callbacks.request(ADMIN, waiting.interaction_id, CallbackWish())
    async with theatre(POLICY, life=next_life(tmp_path, dialed)) as stage:
        await stage.board.settled()
        assert [leg_id for leg_id, _ in stage.doors.reoffers] == [dialed]
        assert (await stage.participant(talking, "customer")).state == "in-session"
        view = await stage.view(waiting.interaction_id)
        assert (view.state, view.callback and view.callback.state) == ("waiting", "waiting")
        assert view.created_at == waiting.created_at


async def test_a_shutdown_ends_calls_and_keeps_what_was_promised(tmp_path: Path) -> None:
    """The caller has hung up and waits to be called: an upgrade must not make a liar of the bridge."""
    async with theatre(POLICY, life=first_life(tmp_path)) as stage:
        await stage.call("leg_other")
        await stage.call()
        other, promised = await stage.board.interactions.list(ADMIN)
        await stage.board.callbacks.request(ADMIN, promised.interaction_id, CallbackWish())
        assert (stage.board.open_interactions, stage.board.open_calls) == (2, 1)
        await stage.board.end_all("the bridge shuts down")
        assert (await stage.view(other.interaction_id)).state == "ended"
        assert stage.board.open_calls == 0
    async with theatre(POLICY, life=next_life(tmp_path)) as stage:
        assert [c.state for c in await stage.board.callbacks.list(ADMIN)] == ["waiting"]
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        assert stage.offer_to(ALICE).interaction_id == promised.interaction_id


async def test_a_shutdown_while_a_callback_rings_is_a_failed_attempt_and_no_cancellation(
    tmp_path: Path,
) -> None:
    async with theatre(POLICY, life=first_life(tmp_path)) as stage:
        await called_back(stage)
        assert stage.board.open_calls == 1
        await stage.board.end_all("the bridge shuts down")
    async with theatre(POLICY, life=next_life(tmp_path)) as stage:
        (callback,) = await stage.board.callbacks.list(ADMIN)
        assert (callback.state, callback.attempts) == ("waiting", 1)


async def test_a_callback_that_was_being_dialed_is_tried_again_by_rule(tmp_path: Path) -> None:
    async with theatre(POLICY, life=first_life(tmp_path)) as stage:
        id_ = await called_back(stage)
    async with theatre(POLICY, life=next_life(tmp_path)) as stage:
        await stage.board.settled()
        view = await stage.view(id_)
        assert view.callback is not None
        assert (view.state, view.callback.state, view.callback.attempts) == ("waiting", "waiting", 1)
