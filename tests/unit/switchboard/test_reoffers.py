"""Holding a phone by re-INVITE: what is offered, what a phone makes of it, and that no call is lost by it."""

import asyncio
from pathlib import Path

import pytest

from bridge.errors import BridgeError, CallFailedError, GlareError, NegotiationError, NotFoundError
from bridge.ids import InteractionId, LegId
from bridge.plane import messages
from tests.unit.switchboard.theatre import ALICE, PHONE_OFFER, Life, Theatre, theatre

PHONE = LegId("leg_phone")
HELD_ANSWER = PHONE_OFFER + "a=recvonly\n"
REFUSAL = CallFailedError("the phone refused the change", 488)
SILENCE = CallFailedError("no answer", 408)


def directions(stage: Theatre) -> list[str]:
    """Of all our re-INVITEs, in order."""
    known = ("sendrecv", "sendonly", "recvonly", "inactive")
    return [next(way for way in known if f"a={way}" in offer) for _, offer in stage.doors.reoffers]


async def hold(stage: Theatre, id_: InteractionId) -> None:
    """The command alone: what the phone thinks of it is not waited for."""
    customer = await stage.participant(id_, "customer")
    await stage.board.participants.hold(ALICE, id_, customer.participant_id)


async def resume(stage: Theatre, id_: InteractionId) -> None:
    customer = await stage.participant(id_, "customer")
    await stage.board.participants.resume(ALICE, id_, customer.participant_id)


def plays_hold_music(stage: Theatre) -> bool:
    spec = stage.phone_leg()
    assert spec.audio is not None
    return spec.playback is not None and spec.playback.source == "music.wav" and spec.audio.sends


async def in_session(stage: Theatre, id_: InteractionId) -> bool:
    """The customer takes part, and media goes both ways."""
    audio = stage.phone_leg().audio
    assert audio is not None
    state = (await stage.participant(id_, "customer")).state
    return state == "in-session" and audio.sends and audio.receives


async def test_a_held_phone_is_told_to_listen_only_and_to_talk_again() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [HELD_ANSWER]
        await hold(stage, id_)
        await stage.board.settled()
        assert directions(stage) == ["sendonly"]
        audio = stage.phone_leg().audio
        assert audio is not None
        assert (audio.sends, audio.receives) == (True, False)
        assert plays_hold_music(stage)
        customer = await stage.participant(id_, "customer")
        assert (customer.state, customer.held_by_remote) == ("held", False)
        await resume(stage, id_)
        await stage.board.settled()
        assert directions(stage) == ["sendonly", "sendrecv"]
        assert await in_session(stage, id_)
        assert stage.board.reoffers.counters()["agreed_total"] == 2


@pytest.mark.parametrize("error", [REFUSAL, SILENCE, GlareError("both at once")])
async def test_a_phone_that_will_not_be_refreshed_keeps_its_call(error: BridgeError) -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [error] * 3
        stage.board.refresh(PHONE)
        await stage.board.settled()
        assert set(directions(stage)) == {"sendrecv"}
        assert await in_session(stage, id_)
        await stage.pass_time(60)
        assert await in_session(stage, id_)
        asked = len(stage.doors.reoffers)
        stage.board.refresh(PHONE)
        await stage.board.settled()
        assert len(stage.doors.reoffers) == asked + 1


async def test_a_held_phone_that_will_not_be_refreshed_stays_held() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [HELD_ANSWER, REFUSAL]
        await hold(stage, id_)
        await stage.board.settled()
        stage.board.refresh(PHONE)
        await stage.board.settled()
        assert directions(stage) == ["sendonly", "sendonly"]
        assert plays_hold_music(stage)


async def test_commands_do_not_wait_for_a_slow_phone_and_the_last_wish_wins() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.phones_answer.clear()
        for _ in range(3):
            await hold(stage, id_)
            await resume(stage, id_)
        assert directions(stage) == ["sendonly"]
        stage.doors.reoffer_outcomes = [HELD_ANSWER]
        stage.doors.phones_answer.set()
        await stage.board.settled()
        assert directions(stage) == ["sendonly", "sendrecv"]
        assert await in_session(stage, id_)


async def test_a_passing_hold_ends_where_it_began() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        customer = (await stage.participant(id_, "customer")).participant_id
        await asyncio.gather(
            stage.board.participants.hold(ALICE, id_, customer),
            stage.board.participants.resume(ALICE, id_, customer),
        )
        await stage.board.settled()
        assert directions(stage)[-1:] in ([], ["sendrecv"])
        assert await in_session(stage, id_)


@pytest.mark.parametrize(("outcome", "counter"), [(REFUSAL, "refused_total"), (SILENCE, "unanswered_total")])
async def test_a_phone_that_will_not_be_held_keeps_its_call_and_hears_the_music(
    outcome: BridgeError, counter: str
) -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [outcome]
        await hold(stage, id_)
        await stage.board.settled()
        assert plays_hold_music(stage)
        assert stage.doors.hung_up == []
        assert stage.board.reoffers.counters()[counter] == 1
        await resume(stage, id_)
        await stage.board.settled()
        assert await in_session(stage, id_)
        # Nobody knows what a silent phone made of the offer: it hears once more how things stand.
        assert directions(stage) == (["sendonly", "sendrecv"] if outcome is SILENCE else ["sendonly"])
        await hold(stage, id_)
        await stage.board.settled()
        assert directions(stage)[-1] == "sendonly", "the next hold is tried again"


async def test_a_hold_that_crosses_the_phone_s_own_offer_is_made_again() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [GlareError("crossed"), GlareError("crossed"), HELD_ANSWER]
        await hold(stage, id_)
        await stage.board.settled()
        assert directions(stage) == ["sendonly"] * 3
        assert stage.board.reoffers.counters()["crossed_total"] == 2
        assert not stage.phone_leg().audio.receives  # type: ignore[union-attr]


async def test_a_phone_that_offers_all_the_time_is_left_alone_for_a_while() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [*[GlareError("crossed")] * 3, HELD_ANSWER]
        await hold(stage, id_)
        await stage.board.settled()
        assert len(stage.doors.reoffers) == 3
        assert plays_hold_music(stage)
        await stage.pass_time(1.0)
        assert len(stage.doors.reoffers) == 4
        assert stage.doors.hung_up == []


async def test_the_phone_s_own_offer_while_a_hold_is_due_is_answered_as_held() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [GlareError("crossed")] * 3
        await hold(stage, id_)
        await stage.board.settled()
        assert "a=sendonly" in await stage.board.reoffer(PHONE, PHONE_OFFER)
        await stage.pass_time(5.0)
        assert len(stage.doors.reoffers) == 3, "there is nothing more to tell it"
        assert not (await stage.participant(id_, "customer")).held_by_remote


async def test_a_phone_that_will_not_be_resumed_is_asked_again() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [HELD_ANSWER]
        await hold(stage, id_)
        await stage.board.settled()
        stage.doors.reoffer_outcomes = [REFUSAL, CallFailedError("busy", 500), PHONE_OFFER]
        await resume(stage, id_)
        await stage.board.settled()
        assert directions(stage) == ["sendonly", "sendrecv"]
        await stage.pass_time(1.0)
        assert len(stage.doors.reoffers) == 3
        await stage.pass_time(2.0)
        assert len(stage.doors.reoffers) == 4
        assert await in_session(stage, id_)
        assert stage.doors.hung_up == []


async def test_a_phone_that_hangs_up_over_a_re_invite_is_asked_nothing_more() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.phones_answer.clear()
        stage.doors.reoffer_outcomes = [CallFailedError("the call ended", 481)]
        await hold(stage, id_)
        await stage.doors.phone_was_asked.wait()
        await stage.board.hung_up(PHONE, "BYE")
        stage.doors.phones_answer.set()
        await stage.board.settled()
        await stage.pass_time(60)
        assert len(stage.doors.reoffers) == 1
        assert stage.board.legs == 0


async def test_an_answer_nobody_can_use_is_no_reason_to_hang_up() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [PHONE_OFFER.replace("0 101", "18")]
        await hold(stage, id_)
        await stage.board.settled()
        assert directions(stage) == ["sendonly", "sendrecv"]
        assert plays_hold_music(stage)


async def lose_worker(stage: Theatre) -> None:
    stage.plane.die(first_port=31_000)
    stage.board.plane_lost("killed")
    stage.board.plane_event(messages.WorkerReady(messages.Fingerprint("sha-256", "CD"), (), "test"))
    await stage.board.settled()


async def test_a_held_phone_stays_held_at_the_next_worker() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [HELD_ANSWER] * 2
        await hold(stage, id_)
        await stage.board.settled()
        await lose_worker(stage)
        assert directions(stage) == ["sendonly", "sendonly"]
        assert "m=audio 31000" in stage.doors.reoffers[-1][1]
        assert plays_hold_music(stage)
        assert stage.doors.hung_up == []


async def test_a_worker_that_dies_during_a_re_invite_needs_another_one() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.phones_answer.clear()
        stage.doors.reoffer_outcomes = [HELD_ANSWER] * 2
        await hold(stage, id_)
        stage.plane.die(first_port=31_000)
        stage.board.plane_lost("killed")
        stage.board.plane_event(messages.WorkerReady(messages.Fingerprint("sha-256", "CD"), (), "test"))
        stage.doors.phones_answer.set()
        await stage.board.settled()
        assert [("31000" in offer) for _, offer in stage.doors.reoffers] == [False, True]
        assert plays_hold_music(stage)


async def test_a_phone_that_refuses_hold_and_new_port_together_gets_the_port_alone() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [REFUSAL]
        await hold(stage, id_)
        await stage.board.settled()
        await lose_worker(stage)
        assert directions(stage) == ["sendonly", "sendrecv"]
        assert "m=audio 31000" in stage.doors.reoffers[-1][1]
        assert plays_hold_music(stage)
        assert stage.doors.hung_up == []


@pytest.mark.parametrize("refuses", [False, True])
async def test_a_hold_survives_a_restart(tmp_path: Path, *, refuses: bool) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}"
    async with theatre(life=Life(url, "boot_1")) as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [HELD_ANSWER]
        await hold(stage, id_)
        await stage.board.settled()
    async with theatre(life=Life(url, "boot_2", 2000.0, frozenset({PHONE}))) as stage:
        stage.doors.reoffer_outcomes = [REFUSAL, PHONE_OFFER] if refuses else [HELD_ANSWER]
        await stage.board.settled()
        assert directions(stage) == (["sendonly", "sendrecv"] if refuses else ["sendonly"])
        assert plays_hold_music(stage)
        assert (await stage.participant(id_, "customer")).state == "held"
        await stage.join(ALICE, id_)
        await resume(stage, id_)
        await stage.board.settled()
        assert await in_session(stage, id_)
        assert stage.doors.hung_up == []


async def test_a_call_the_door_does_not_know_is_not_asked_for_ever() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [NotFoundError("no SIP call")]
        await hold(stage, id_)
        await stage.board.settled()
        await stage.pass_time(60)
        assert len(stage.doors.reoffers) == 1
        assert stage.doors.hung_up == []


async def test_a_new_port_that_crosses_offers_of_the_phone_again_and_again_ends_no_call() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.reoffer_outcomes = [GlareError("crossed")] * 3
        await lose_worker(stage)
        assert stage.doors.hung_up == []
        await stage.pass_time(1.0)
        assert len(stage.doors.reoffers) == 4
        assert "m=audio 31000" in stage.doors.reoffers[-1][1]
        assert (await stage.participant(id_, "customer")).state == "in-session"


@pytest.mark.parametrize("offer", ["", PHONE_OFFER + "a=sendonly\n"])
async def test_a_phone_that_took_its_offer_back_hears_how_things_stand_and_can_still_be_held(
    offer: str,
) -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.reoffer(PHONE, offer)
        stage.board.answer_lost(PHONE, offer)
        await stage.board.settled()
        assert directions(stage) == ["sendrecv"]
        assert await in_session(stage, id_)
        assert "a=sendrecv" in await stage.board.reoffer(PHONE, PHONE_OFFER)
        stage.doors.reoffer_outcomes = [HELD_ANSWER]
        await hold(stage, id_)
        await stage.board.settled()
        assert directions(stage) == ["sendrecv", "sendonly"]


async def test_an_offer_of_the_phone_that_the_media_worker_refuses_leaves_the_call_as_it_was() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.plane.refuse[messages.DeclareRtpLeg] = NegotiationError("not with me")
        with pytest.raises(NegotiationError):
            await stage.board.reoffer(PHONE, PHONE_OFFER.replace("40000", "50000"))
        stage.board.picture_wanted(PHONE)  # a reason to look at the leg again
        await stage.board.settled()
        assert stage.doors.hung_up == []
        assert await in_session(stage, id_)
        assert stage.phone_leg().audio.remote_port == 40_000  # type: ignore[union-attr]


async def test_a_late_offer_of_the_phone_gives_way_to_one_of_ours_on_its_way() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.phones_answer.clear()
        await hold(stage, id_)
        await stage.doors.phone_was_asked.wait()
        with pytest.raises(GlareError):
            await stage.board.reoffer(PHONE, "")
        stage.doors.reoffer_outcomes = [HELD_ANSWER]
        stage.doors.phones_answer.set()
        await stage.board.settled()
        assert directions(stage) == ["sendonly"]
