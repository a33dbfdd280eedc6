"""Phones at the switchboard: arriving, waiting, being offered, hanging up, and everything that goes wrong."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from sqlalchemy import select

from bridge.desk.centre.policy import DeskPolicy
from bridge.errors import (
    BridgeError,
    CallFailedError,
    CapacityError,
    GlareError,
    NegotiationError,
    NotFoundError,
)
from bridge.ids import LegId
from bridge.journal.schema import LEG_MEMORIES
from bridge.plane import messages
from bridge.switchboard.door.doors import ArrivingCall
from bridge.switchboard.view.event import DigitReceived, InteractionUpdated, MediaConnected, OfferEnded
from tests.unit.switchboard.theatre import ALICE, ALL_SCOPES, PHONE_OFFER, Theatre, theatre, who


async def test_a_call_is_answered_with_the_leg_s_own_port_and_hears_the_waiting_sound() -> None:
    async with theatre() as stage:
        answer = await stage.call()
        assert "m=audio 30000 RTP/AVP 0 101" in answer
        spec = stage.phone_leg()
        assert spec.playback is not None
        assert spec.playback.source == "waiting.wav"
        assert spec.audio is not None
        assert spec.audio.remote_port == 40000


async def test_the_waiting_sounds_take_turns_and_a_broken_one_is_not_repeated() -> None:
    async with theatre() as stage:
        await stage.call()
        first = stage.phone_leg().playback
        assert first is not None
        await stage.pass_time(5)
        stage.board.plane_event(messages.PlaybackEnded(first.playback_id, LegId("leg_phone")))
        await stage.board.settled()
        second = stage.phone_leg().playback
        assert second is not None
        assert second.source == "music.wav"
        stage.board.plane_event(
            messages.PlaybackEnded(second.playback_id, LegId("leg_phone"), error="no such file")
        )
        await stage.board.settled()
        assert stage.phone_leg().playback is None


async def test_the_agent_sees_the_offer_and_hears_the_caller_after_accepting() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        customer = await stage.participant(id_, "customer")
        agent = await stage.participant(id_, "agent")
        assert (customer.state, agent.state) == ("in-session", "in-session")
        assert stage.hears(id_) == {
            customer.participant_id: {agent.participant_id},
            agent.participant_id: {customer.participant_id},
        }
        assert stage.phone_leg().playback is None


async def test_the_offer_shows_caller_and_attributes_to_its_user_only() -> None:
    async with theatre() as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        await stage.call()
        offer = stage.offer_to(ALICE)
        assert offer.caller == "+4930123"
        assert offer.attributes == {
            "customer_video_capable": "false",
            "customer_video_reason": "the phone offers no video",
        }
        assert offer.expires_at - offer.offered_at == 20.0


async def test_a_hang_up_removes_leg_and_room_and_stops_the_ringing() -> None:
    async with theatre() as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        await stage.call()
        await stage.board.hung_up(LegId("leg_phone"), "BYE")
        await stage.board.settled()
        assert stage.plane.legs == {}
        assert stage.plane.rooms == {}
        assert stage.board.legs == 0
        assert stage.board.open_interactions == 0
        assert stage.doors.hung_up == []  # the phone knows already
        ended = [event for event in stage.doors.seen_by(ALICE) if isinstance(event, OfferEnded)]
        assert [event.offer.state for event in ended] == ["canceled"]


async def test_hanging_up_twice_or_an_unknown_leg_is_fine() -> None:
    async with theatre() as stage:
        await stage.call()
        await stage.board.hung_up(LegId("leg_phone"), "BYE")
        await stage.board.hung_up(LegId("leg_phone"), "BYE")
        await stage.board.hung_up(LegId("leg_other"), "BYE")


async def test_an_unusable_offer_is_refused_and_leaves_nothing() -> None:
    async with theatre() as stage:
        with pytest.raises(NegotiationError):
            await stage.call(offer=PHONE_OFFER.replace("RTP/AVP 0 101", "RTP/AVP 18"))
        assert stage.board.legs == 0
        assert stage.plane.commands == []


async def test_no_port_left_refuses_the_call_and_leaves_nothing() -> None:
    async with theatre() as stage:
        stage.plane.refuse[messages.DeclareRtpLeg] = CapacityError("no ports")
        with pytest.raises(CapacityError):
            await stage.call()
        assert stage.board.legs == 0
        assert stage.board.open_interactions == 0


async def test_a_full_waiting_list_refuses_the_call_and_gives_the_port_back() -> None:
    async with theatre(DeskPolicy(max_interactions=1)) as stage:
        await stage.call("leg_1")
        with pytest.raises(CapacityError):
            await stage.call("leg_2")
        assert set(stage.plane.legs) == {LegId("leg_1")}
        assert stage.board.legs == 1


async def test_hanging_up_while_the_call_is_set_up_leaves_nothing() -> None:
    async with theatre() as stage:
        arriving = asyncio.ensure_future(  # noqa: TID251 - two doors' calls crossing is the test
            stage.board.arrive(ArrivingCall(LegId("leg_phone"), "+49", "sip:desk", PHONE_OFFER))
        )
        await asyncio.sleep(0)
        await stage.board.hung_up(LegId("leg_phone"), "CANCEL")
        with pytest.raises(NotFoundError):
            await arriving
        await stage.board.settled()
        assert stage.board.legs == 0
        assert stage.plane.legs == {}
        assert stage.board.open_interactions == 0


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_a_cancelled_arrival_leaves_nothing_whenever_it_is_cancelled(turns: int) -> None:
    async with theatre() as stage:
        arriving = asyncio.ensure_future(  # noqa: TID251 - the SIP door's timeout cancels like this
            stage.board.arrive(ArrivingCall(LegId("leg_phone"), "+49", "sip:desk", PHONE_OFFER))
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        if arriving.done():
            await stage.board.hung_up(LegId("leg_phone"), "late")
        arriving.cancel()
        await asyncio.wait([arriving])
        await stage.board.settled()
        assert stage.board.legs == 0
        assert stage.plane.legs == {}
        assert stage.board.open_interactions == 0


async def test_a_re_invite_that_crosses_the_end_of_its_call_leaves_nothing() -> None:
    """It waits for the leg while the leg goes: no port stays taken, and nothing is kept for a restart."""
    async with theatre() as stage:
        id_ = await stage.answered_call()
        customer = await stage.participant(id_, "customer")
        stage.plane.answers.clear()
        async with asyncio.TaskGroup() as tasks:
            asked = len(stage.plane.commands)
            tasks.create_task(stage.board.prompts.play(ALICE, id_, customer.participant_id, "greeting"))
            await turns_until(lambda: len(stage.plane.commands) > asked)
            assert isinstance(stage.plane.commands[-1], messages.DeclareRtpLeg)
            tasks.create_task(stage.board.interactions.end(ALICE, id_))
            await turns_until(lambda: stage.board.open_interactions == 0)
            again = tasks.create_task(offered_again(stage))
            await stage.journal.settled()
            stage.plane.answers.set()
        assert isinstance(again.result(), NotFoundError)
        await stage.board.settled()
        assert (stage.board.legs, stage.plane.legs) == (0, {})
        await stage.journal.write()  # and with it what goes along
        assert await stage.journal.read_rows(select(LEG_MEMORIES)) == []


async def offered_again(stage: Theatre) -> BridgeError | None:
    try:
        await stage.board.reoffer(LegId("leg_phone"), PHONE_OFFER + "a=sendonly\n")
    except BridgeError as error:
        return error
    return None


async def turns_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


async def test_many_calls_at_once_and_all_gone_again() -> None:
    async with theatre() as stage:
        names = [f"leg_{number}" for number in range(100)]
        await asyncio.gather(*(stage.call(name) for name in names))
        assert stage.board.open_interactions == 100
        assert len({spec.room_id for spec in stage.plane.legs.values()}) == 100
        await asyncio.gather(*(stage.board.hung_up(LegId(name), "BYE") for name in names))
        await stage.board.settled()
        assert (stage.board.legs, stage.plane.legs, stage.plane.rooms) == (0, {}, {})


async def test_a_draining_bridge_takes_no_new_calls_and_keeps_the_old() -> None:
    async with theatre() as stage:
        await stage.call("leg_1")
        stage.board.drain()
        with pytest.raises(CapacityError):
            await stage.call("leg_2")
        assert stage.board.open_interactions == 1
        await stage.board.end_all("shutdown")
        assert stage.doors.hung_up == [(LegId("leg_1"), "shutdown")]
        assert stage.plane.legs == {}


async def test_the_phone_s_own_hold_changes_the_leg_and_is_told() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        answer = await stage.board.reoffer(LegId("leg_phone"), PHONE_OFFER + "a=sendonly\n")
        assert "a=recvonly" in answer
        await stage.board.settled()
        audio = stage.phone_leg().audio
        assert audio is not None
        assert not audio.sends
        assert (await stage.participant(id_, "customer")).held_by_remote
        answer = await stage.board.reoffer(LegId("leg_phone"), PHONE_OFFER)
        assert "a=sendrecv" in answer
        assert not (await stage.participant(id_, "customer")).held_by_remote


async def test_a_late_offer_is_made_by_the_bridge_and_answered_in_the_ack() -> None:
    async with theatre() as stage:
        offer = await stage.call(offer="")
        assert "m=audio 30000" in offer
        assert stage.phone_leg().audio is None
        await stage.board.late_answer(LegId("leg_phone"), PHONE_OFFER)
        audio = stage.phone_leg().audio
        assert audio is not None
        assert audio.remote_port == 40000


async def test_a_late_offer_in_a_call_lists_all_codecs_and_the_ack_may_take_another_one() -> None:
    async with theatre() as stage:
        await stage.answered_call()
        assert "opus/48000/2" in await stage.board.reoffer(LegId("leg_phone"), "")
        await stage.board.late_answer(LegId("leg_phone"), PHONE_OFFER.replace("RTP/AVP 0", "RTP/AVP 8"))
        audio = stage.phone_leg().audio
        assert audio is not None
        assert audio.codec.name == "PCMA"


async def test_an_offer_the_ack_does_not_answer_is_taken_back() -> None:
    async with theatre() as stage:
        await stage.answered_call()
        before = stage.phone_leg().audio
        assert "m=audio" in await stage.board.reoffer(LegId("leg_phone"), "")
        await stage.board.late_answer(LegId("leg_phone"), "")
        assert stage.phone_leg().audio == before
        assert "a=recvonly" in await stage.board.reoffer(LegId("leg_phone"), PHONE_OFFER + "a=sendonly\n")


UNUSABLE = "v=0\no=- 1 2 IN IP4 192.0.2.7\ns=-\nc=IN IP4 192.0.2.7\nt=0 0\nm=audio 40000 RTP/AVP 77\n"


@pytest.mark.parametrize(
    "answer",
    [UNUSABLE, UNUSABLE.replace("audio 40000", "audio 0"), "rubbish"],
    ids=["codec", "port 0", "rubbish"],
)
async def test_an_answer_in_the_ack_that_nobody_can_use_leaves_what_was_agreed_before(answer: str) -> None:
    """What the phone believes now is not known: it is offered the old session again, and nobody is hung up."""
    async with theatre() as stage:
        await stage.answered_call()
        before = stage.phone_leg().audio
        await stage.board.reoffer(LegId("leg_phone"), "")
        await stage.board.late_answer(LegId("leg_phone"), answer)
        await stage.board.settled()
        after = stage.phone_leg().audio
        assert after is not None
        assert before is not None
        assert after == msgspec.structs.replace(before, exchange=after.exchange)
        ((leg_id, offer),) = stage.doors.reoffers
        assert (leg_id, "m=audio 30000" in offer) == ("leg_phone", True)
        assert stage.doors.hung_up == []
        assert stage.board.open_interactions == 1


@pytest.mark.parametrize("answer", ["", UNUSABLE], ids=["none", "unusable"])
async def test_a_call_whose_only_offer_is_not_answered_is_of_no_use(answer: str) -> None:
    async with theatre() as stage:
        await stage.call(offer="")
        with pytest.raises(NegotiationError):
            await stage.board.late_answer(LegId("leg_phone"), answer)


async def test_a_phone_whose_media_fails_is_hung_up() -> None:
    async with theatre() as stage:
        await stage.call()
        stage.board.plane_event(messages.LegFailed(LegId("leg_phone"), "rtp_timeout", "silent for 30 s"))
        await stage.board.settled()
        assert stage.doors.hung_up == [(LegId("leg_phone"), "rtp_timeout: silent for 30 s")]
        assert stage.board.open_interactions == 0


async def test_digits_and_first_packets_are_told_to_those_inside() -> None:
    async with theatre() as stage:
        await stage.answered_call()
        stage.board.plane_event(messages.DtmfReceived(LegId("leg_phone"), "5", 120))
        stage.board.plane_event(messages.LegConnected(LegId("leg_phone")))
        seen = stage.doors.seen_by(ALICE)
        assert [event.digit for event in seen if isinstance(event, DigitReceived)] == ["5"]
        assert [event.leg_id for event in seen if isinstance(event, MediaConnected)][-1] == "leg_phone"


async def test_events_of_one_interaction_have_rising_numbers_and_one_id() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        updates = [event for event, _ in stage.doors.events if isinstance(event, InteractionUpdated)]
        numbers = [event.number for event in updates]
        assert numbers == sorted(numbers)
        assert len(set(numbers)) == len(numbers)
        assert {event.interaction_id for event in updates} == {id_}


async def test_a_lost_worker_gives_phones_a_new_port_by_re_invite() -> None:
    async with theatre() as stage:
        await stage.call()
        stage.plane.die(first_port=31_000)
        stage.board.plane_lost("killed")
        stage.board.plane_event(messages.WorkerReady(messages.Fingerprint("sha-256", "CD"), (), "test"))
        await stage.board.settled()
        assert [leg_id for leg_id, _ in stage.doors.reoffers] == ["leg_phone"]
        assert "m=audio 31000" in stage.doors.reoffers[0][1]
        assert stage.phone_leg().audio is not None
        assert stage.plane.rooms == {}, "who waits hears nobody: the room need not be declared"


async def test_the_next_worker_is_told_who_hears_whom() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        customer = await stage.participant(id_, "customer")
        assert customer.participant_id in stage.hears(id_)
        await lose_worker(stage)
        assert list(stage.hears(id_)) == [customer.participant_id]


async def lose_worker(stage: Theatre) -> None:
    stage.plane.die(first_port=31_000)
    stage.board.plane_lost("killed")
    stage.board.plane_event(messages.WorkerReady(messages.Fingerprint("sha-256", "CD"), (), "test"))
    await stage.board.settled()


async def test_a_re_invite_that_crosses_the_phone_s_own_is_sent_again() -> None:
    async with theatre() as stage:
        await stage.call()
        stage.doors.reoffer_outcomes = [GlareError("crossed"), PHONE_OFFER.replace("40000", "40010")]
        await lose_worker(stage)
        assert len(stage.doors.reoffers) == 2
        audio = stage.phone_leg().audio
        assert audio is not None
        assert audio.remote_port == 40010


@pytest.mark.parametrize(
    "outcomes",
    [[CallFailedError("refused", 488)], [PHONE_OFFER.replace("0 101", "18")]],
)
async def test_a_phone_that_will_not_follow_to_the_new_port_is_hung_up(
    outcomes: list[str | BridgeError],
) -> None:
    async with theatre() as stage:
        await stage.call()
        stage.doors.reoffer_outcomes = list(outcomes)
        await lose_worker(stage)
        assert [leg_id for leg_id, _ in stage.doors.hung_up] == ["leg_phone"]
        assert (stage.board.open_interactions, stage.board.legs, stage.plane.legs) == (0, 0, {})


async def test_a_worker_that_will_not_give_a_leg_up_does_not_keep_the_call() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.plane.refuse[messages.RemoveLeg] = BridgeError("a bug")
        await stage.board.interactions.end(ALICE, id_)
        assert (stage.board.open_interactions, stage.board.legs) == (0, 0)
        assert stage.doors.hung_up == [(LegId("leg_phone"), "ended")]


async def test_a_phone_leg_the_new_worker_has_no_room_for_is_hung_up() -> None:
    async with theatre() as stage:
        await stage.call()
        stage.plane.refuse[messages.DeclareRtpLeg] = CapacityError("no ports")
        await lose_worker(stage)
        assert stage.doors.hung_up == [(LegId("leg_phone"), "at_capacity: no ports")]
        assert stage.board.open_interactions == 0


async def test_a_mistake_of_ours_ends_one_interaction_and_no_other() -> None:
    async with theatre() as stage:
        await stage.call("leg_1")
        await stage.call("leg_2")
        stage.plane.crash_on = messages.DeclareRoom
        all_seeing = who("auditor", scopes=ALL_SCOPES | {"interaction:all"})
        (_, second) = await stage.board.interactions.list(all_seeing)
        await stage.board.prompts.play(all_seeing, second.interaction_id, None, "greeting")
        await stage.board.settled()
        assert stage.board.open_interactions == 1
        await stage.call("leg_3")
        assert set(stage.plane.legs) == {LegId("leg_1"), LegId("leg_3")}


async def test_the_ways_a_call_came_by_are_interaction_data_and_never_a_reason_to_refuse_it() -> None:
    ways = (("sip_diversion", "+49301 (user-busy)"),)
    for policy, kept in ((None, ways[0][1]), (DeskPolicy(attribute_value_max=3), None)):
        async with theatre(policy) as stage:
            call = ArrivingCall(LegId("leg_phone"), "+4930123", "sip:desk", PHONE_OFFER, ways=ways)
            assert "m=audio" in await stage.board.arrive(call)
            await stage.board.settled()
            (view,) = await stage.board.interactions.list(
                who("auditor", scopes=ALL_SCOPES | {"interaction:all"})
            )
            assert view.attributes.get("sip_diversion") == kept
