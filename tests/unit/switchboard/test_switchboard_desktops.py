"""Desktops at the switchboard: conferences, who hears and sees whom, permissions, lost connections."""

import asyncio

import pytest

from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.interaction.participant import ParticipantConflictError
from bridge.errors import (
    CapacityError,
    ForbiddenError,
    GlareError,
    NegotiationError,
    NotAllowedError,
    NotFoundError,
    PlaneLostError,
)
from bridge.ids import InteractionId, LegId, OfferId, ParticipantId
from bridge.plane import messages
from bridge.switchboard.conversation.participants import AddParticipant
from bridge.switchboard.door.principal import Principal
from bridge.switchboard.view.event import (
    InteractionUpdated,
    MediaEnded,
    MediaOffered,
    OfferEnded,
    OfferMade,
    PromptEnded,
    UserUpdated,
    VideoPathChosen,
)
from bridge.switchboard.view.sidebar import Sidebar, SidebarField
from tests.unit.switchboard.theatre import (
    ALICE,
    BOB,
    EVE,
    READY,
    Theatre,
    browser_answer,
    browser_offer,
    theatre,
    until,
    who,
)

AUDIO_ONLY = "chromium_audio_only_offer.sdp"


def sources(stage: Theatre, leg_id: LegId) -> set[str]:
    """The videos the plane was told to send to a browser."""
    tracks = stage.browser_leg(leg_id).down_tracks
    return {track.source for track in tracks if track.source is not None}


async def leg_of(stage: Theatre, id_: InteractionId, role: str) -> LegId:
    return (await stage.participant(id_, role)).leg_ids[0]


def media_offers(stage: Theatre, principal: Principal) -> list[MediaOffered]:
    return [event for event in stage.doors.seen_by(principal) if isinstance(event, MediaOffered)]


# --- the conference ---------------------------------------------------------------------------------------


async def test_three_in_a_room_each_hear_the_two_others() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        view = await stage.view(id_)
        everybody = {p.participant_id for p in view.participants}
        assert {p.state for p in view.participants} == {"in-session"}
        assert stage.hears(id_) == {one: everybody - {one} for one in everybody}
        assert not view.escalation_in_progress


async def test_agent_and_expert_see_each_other() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        alice, eve = await leg_of(stage, id_, "agent"), await leg_of(stage, id_, "sme")
        assert sources(stage, alice) == {f"{eve}/1"}
        assert sources(stage, eve) == {f"{alice}/1"}


async def test_the_bridge_s_offer_goes_to_the_leg_s_connection_only_and_after_it_connected() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.users.set_presence(EVE, "ready", "sme")
        await stage.board.participants.add(ALICE, id_, AddParticipant(EVE.user_id))
        await stage.accept(EVE)
        await stage.board.media.offer(EVE, id_, browser_offer("eve"))
        await stage.board.settled()
        assert len(media_offers(stage, ALICE)) == 1  # Alice has been connected for long
        assert media_offers(stage, EVE) == []
        assert media_offers(stage, who("alice", "con_other_tab")) == []


async def test_the_customer_keeps_the_call_when_agent_and_expert_leave() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        await stage.board.participants.leave(EVE, id_)
        await stage.board.participants.leave(ALICE, id_)
        view = await stage.view(id_)
        assert view.state == "waiting"
        assert set(stage.plane.legs) == {LegId("leg_phone")}
        assert stage.phone_leg().playback is not None
        assert stage.doors.hung_up == []


async def test_ending_hangs_up_on_all() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        await stage.board.interactions.end(ALICE, id_)
        assert stage.doors.hung_up == [(LegId("leg_phone"), "ended")]
        assert stage.plane.legs == {}
        assert stage.plane.rooms == {}
        ended = [event for event in stage.doors.seen_by(EVE) if isinstance(event, MediaEnded)]
        assert [(event.code, event.rejoin) for event in ended] == [("left", False)]


async def test_kicking_takes_one_out_and_removes_the_video() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        eve = await stage.participant(id_, "sme")
        await stage.board.participants.remove(ALICE, id_, eve.participant_id)
        alice = await leg_of(stage, id_, "agent")
        assert sources(stage, alice) == set()
        assert (await stage.participant(id_, "sme")).disconnected_by == "alice"
        # The browser is told by an offer that the picture is gone.
        await stage.answer_offers(ALICE)
        assert (await stage.participant(id_, "customer")).state == "in-session"


async def test_who_left_is_told_the_end_of_it_and_nothing_later() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        await stage.board.participants.leave(EVE, id_)
        before = len(stage.doors.seen_by(EVE))
        last = [event for event in stage.doors.seen_by(EVE) if isinstance(event, InteractionUpdated)][-1]
        assert "disconnected" in {p.state for p in last.interaction.participants}
        await stage.board.interactions.set_attributes(ALICE, id_, {"secret": "x"})
        news = stage.doors.seen_by(EVE)[before:]
        assert not [event for event in news if isinstance(event, InteractionUpdated)]


async def test_the_expert_sees_the_context_before_answering() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.users.set_presence(EVE, "ready", "sme")
        wish = AddParticipant(EVE.user_id, properties={"escalation_reason": "Complex Case"})
        participant = (await stage.board.participants.add(ALICE, id_, wish)).participant
        assert (participant.state, participant.role) == ("alerting", "sme")
        offer = stage.offer_to(EVE)
        assert offer.attributes["escalation_reason"] == "Complex Case"
        assert offer.participant_id == participant.participant_id
        assert (await stage.view(id_)).escalation_in_progress


async def test_the_same_expert_twice_is_one_participant_and_another_conflicts() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.users.set_presence(EVE, "ready", "sme")
        await stage.board.users.set_presence(BOB, "ready", "sme")
        first = await stage.board.participants.add(ALICE, id_, AddParticipant(EVE.user_id))
        again = await stage.board.participants.add(ALICE, id_, AddParticipant(EVE.user_id))
        assert (again.created, again.participant.participant_id) == (False, first.participant.participant_id)
        assert len([event for event in stage.doors.seen_by(EVE) if isinstance(event, OfferMade)]) == 1
        with pytest.raises(ParticipantConflictError) as raised:
            await stage.board.participants.add(ALICE, id_, AddParticipant(BOB.user_id))
        assert raised.value.participant.participant_id == first.participant.participant_id


# --- mute, hold, prompts ----------------------------------------------------------------------------------


async def test_a_muted_participant_hears_and_is_not_heard() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        customer, agent = await stage.participant(id_, "customer"), await stage.participant(id_, "agent")
        await stage.board.participants.mute(ALICE, id_, customer.participant_id)
        assert stage.hears(id_) == {
            customer.participant_id: {agent.participant_id},
            agent.participant_id: set(),
        }
        await stage.board.participants.unmute(ALICE, id_, customer.participant_id)
        assert stage.hears(id_)[agent.participant_id] == {customer.participant_id}


async def test_the_held_customer_hears_music_and_nobody_hears_the_customer() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        customer = await stage.participant(id_, "customer")
        await stage.board.participants.hold(ALICE, id_, customer.participant_id)
        music = stage.phone_leg().playback
        assert music is not None
        assert (music.source, music.loop) == ("music.wav", True)
        assert customer.participant_id not in stage.hears(id_)
        assert all(customer.participant_id not in heard for heard in stage.hears(id_).values())
        await stage.board.participants.resume(ALICE, id_, customer.participant_id)
        assert stage.phone_leg().playback is None
        await stage.board.participants.hold(ALICE, id_, customer.participant_id)
        again = stage.phone_leg().playback
        assert again is not None
        assert again.playback_id != music.playback_id


async def test_the_held_expert_neither_sees_nor_is_seen() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        alice, eve = await leg_of(stage, id_, "agent"), await leg_of(stage, id_, "sme")
        await stage.board.participants.hold(ALICE, id_, (await stage.participant(id_, "sme")).participant_id)
        assert sources(stage, alice) == set()
        assert sources(stage, eve) == set()
        await stage.board.participants.resume(
            ALICE, id_, (await stage.participant(id_, "sme")).participant_id
        )
        assert sources(stage, alice) == {f"{eve}/1"}


async def test_a_prompt_plays_once_into_a_leg_and_its_end_is_told() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        customer = await stage.participant(id_, "customer")
        await stage.board.prompts.play(ALICE, id_, customer.participant_id, "greeting")
        playing = stage.phone_leg().playback
        assert playing is not None
        assert playing.source == "greeting.wav"
        stage.board.plane_event(messages.PlaybackEnded(playing.playback_id, LegId("leg_phone")))
        await stage.board.settled()
        assert stage.phone_leg().playback is None
        ended = [event for event in stage.doors.seen_by(ALICE) if isinstance(event, PromptEnded)]
        assert [(event.prompt, event.participant_id) for event in ended] == [
            ("greeting", customer.participant_id)
        ]


async def test_keys_go_to_the_phone_and_to_nobody_else() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        customer = await stage.participant(id_, "customer")
        await stage.board.participants.send_digits(ALICE, id_, customer.participant_id, "4711#")
        (command,) = [found for found in stage.plane.commands if isinstance(found, messages.SendDigits)]
        assert (command.leg_id, command.digits) == (LegId("leg_phone"), "4711#")
        assert "4711" not in repr(command)
        agent = await stage.participant(id_, "agent")
        with pytest.raises(NotAllowedError, match="no phone"):
            await stage.board.participants.send_digits(ALICE, id_, agent.participant_id, "1")


async def test_a_prompt_into_the_room_is_heard_by_all() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.prompts.play(ALICE, id_, None, "greeting")
        (room,) = stage.plane.rooms.values()
        assert room.playback is not None
        stage.board.plane_event(messages.PlaybackEnded(room.playback.playback_id, room_id=room.room_id))
        await stage.board.settled()
        (room,) = stage.plane.rooms.values()
        assert room.playback is None
        with pytest.raises(NotFoundError, match="greeting"):
            await stage.board.prompts.play(ALICE, id_, None, "nonsense")


# --- who may ----------------------------------------------------------------------------------------------


async def test_scopes_are_asked_for() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        nobody = who("alice", scopes=frozenset())
        with pytest.raises(ForbiddenError, match="routing:write"):
            await stage.board.users.set_presence(nobody, "ready", "agent")
        with pytest.raises(ForbiddenError, match="interaction:read"):
            await stage.board.interactions.get(nobody, id_)
        with pytest.raises(ForbiddenError, match="interaction:write"):
            await stage.board.interactions.end(nobody, id_)
        with pytest.raises(ForbiddenError, match="routing:write"):
            await stage.board.offers.accept(nobody, OfferId("off_1"))
        voice_only = who("alice", scopes=ALICE.scopes - {"telephony:video:use"})
        with pytest.raises(ForbiddenError, match="telephony:video:use"):
            await stage.board.participants.add(voice_only, id_, AddParticipant(EVE.user_id))


async def test_strangers_do_not_learn_that_an_interaction_exists() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        for attempt in (
            stage.board.interactions.get(BOB, id_),
            stage.board.interactions.end(BOB, id_),
            stage.board.interactions.timeline(BOB, id_),
            stage.board.interactions.set_attributes(BOB, id_, {"a": "b"}),
        ):
            with pytest.raises(NotFoundError):
                await attempt
        with pytest.raises(ForbiddenError):
            await stage.board.media.offer(BOB, id_, browser_offer("bob"))
        assert await stage.board.interactions.list(BOB) == ()
        assert [view.interaction_id for view in await stage.board.interactions.list(ALICE)] == [id_]


async def test_who_is_only_offered_may_read_and_not_act() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.users.set_presence(EVE, "ready", "sme")
        await stage.board.participants.add(ALICE, id_, AddParticipant(EVE.user_id))
        assert (await stage.board.interactions.get(EVE, id_)).interaction_id == id_
        with pytest.raises(ForbiddenError):
            await stage.board.interactions.end(EVE, id_)
        with pytest.raises(NotAllowedError):
            await stage.board.media.offer(EVE, id_, browser_offer("eve"))


async def test_an_integration_with_the_wide_scope_acts_from_outside() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        crm = who("crm", scopes=ALICE.scopes | {"interaction:all"})
        view = await stage.board.interactions.set_attributes(crm, id_, {"case_number": "12345"})
        assert view.attributes["case_number"] == "12345"
        changes = [event for event in stage.doors.seen_by(crm) if isinstance(event, InteractionUpdated)]
        assert changes[-1].change == "attributes_set"


async def test_another_connection_of_the_user_cannot_answer_for_the_leg() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        leg_id = await leg_of(stage, id_, "agent")
        with pytest.raises(ForbiddenError):
            await stage.board.media.answer(who("alice", "con_2"), leg_id, "v=0")
        with pytest.raises(NotFoundError):
            await stage.board.media.trickle(BOB, leg_id, "")
        await stage.board.media.trickle(ALICE, leg_id, "candidate:1 1 udp 1 127.0.0.1 9 typ host")


async def test_without_the_video_scope_one_joins_with_voice_and_is_told_why() -> None:
    async with theatre() as stage:
        voice_only = who("alice", scopes=ALICE.scopes - {"telephony:video:use"})
        await stage.board.users.set_presence(voice_only, "ready", "agent")
        await stage.call()
        id_ = (await stage.accept(voice_only)).interaction_id
        answer = await stage.join(voice_only, id_)
        assert "m=video 0 " in answer.sdp
        told = [event for event in stage.doors.seen_by(voice_only) if isinstance(event, VideoPathChosen)]
        assert "telephony:video:use" in told[0].reason
        assert [track.kind for track in stage.browser_leg(answer.leg_id).up_tracks] == ["audio"]


async def test_users_and_presence_are_told_to_those_who_may_read() -> None:
    async with theatre() as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        await stage.call()
        users = {user.user_id: user for user in await stage.board.users.list(BOB)}
        assert users[ALICE.user_id].busy
        updates = [event.user for event in stage.doors.seen_by(BOB) if isinstance(event, UserUpdated)]
        assert [(user.presence, user.busy) for user in updates] == [("ready", False), ("ready", True)]
        with pytest.raises(NotAllowedError):
            await stage.board.users.set_presence(ALICE, "asleep", "agent")


async def test_the_timeline_tells_the_whole_story_in_order() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        entries = await stage.board.interactions.timeline(ALICE, id_)
        assert [entry.number for entry in entries] == sorted(entry.number for entry in entries)
        names = [entry.event for entry in entries]
        assert names[0] == "interaction_opened"
        assert "offer_made" in names
        assert entries[0].facts["caller"] == "+4930123"


# --- offers that cross, get lost or fail ------------------------------------------------------------------


async def test_an_offer_of_the_browser_that_crosses_ours_is_glare_and_works_after_the_answer() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.users.set_presence(EVE, "ready", "sme")
        await stage.board.participants.add(ALICE, id_, AddParticipant(EVE.user_id))
        await stage.accept(EVE)
        await stage.join(EVE, id_)
        with pytest.raises(GlareError):
            await stage.board.media.offer(ALICE, id_, browser_offer("alice"))
        await stage.answer_offers(ALICE)
        alice = await leg_of(stage, id_, "agent")
        assert len(sources(stage, alice)) == 1


async def test_an_unanswered_offer_ends_the_leg_and_the_browser_may_rejoin() -> None:
    async with theatre(answer_s=10.0) as stage:
        id_ = await stage.answered_call()
        await stage.board.users.set_presence(EVE, "ready", "sme")
        await stage.board.participants.add(ALICE, id_, AddParticipant(EVE.user_id))
        await stage.accept(EVE)
        await stage.join(EVE, id_)
        await stage.answer_offers(EVE)
        await stage.pass_time(10)
        ended = [event for event in stage.doors.seen_by(ALICE) if isinstance(event, MediaEnded)]
        assert [(event.code, event.rejoin) for event in ended] == [("no_answer", True)]
        assert (await stage.participant(id_, "agent")).state == "connecting"
        await stage.join(ALICE, id_, browser_offer("alice2"))
        assert (await stage.participant(id_, "agent")).state == "in-session"
        assert len(stage.plane.legs) == 3


async def test_a_broken_answer_is_refused_and_the_leg_lives_on() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.users.set_presence(EVE, "ready", "sme")
        await stage.board.participants.add(ALICE, id_, AddParticipant(EVE.user_id))
        await stage.accept(EVE)
        await stage.join(EVE, id_)
        offered = media_offers(stage, ALICE)[-1]
        with pytest.raises(NegotiationError):
            await stage.board.media.answer(ALICE, offered.leg_id, browser_offer("alice", AUDIO_ONLY))
        await stage.board.media.answer(ALICE, offered.leg_id, browser_answer(offered.sdp, "alice"))


async def test_a_refused_browser_leg_leaves_nothing() -> None:
    async with theatre() as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        await stage.call()
        id_ = (await stage.accept(ALICE)).interaction_id
        stage.plane.refuse[messages.DeclareWebRtcLeg] = CapacityError("too many legs")
        with pytest.raises(CapacityError):
            await stage.board.media.offer(ALICE, id_, browser_offer("alice"))
        assert stage.board.legs == 1
        stage.plane.refuse.clear()
        await stage.join(ALICE, id_)
        assert (await stage.participant(id_, "agent")).state == "in-session"


async def test_a_reloaded_page_takes_over_from_its_former_self() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        old = await leg_of(stage, id_, "agent")
        reloaded = who("alice", "con_reloaded")
        answer = await stage.join(reloaded, id_, browser_offer("alice3"))
        assert answer.leg_id != old
        assert set(stage.plane.legs) == {LegId("leg_phone"), answer.leg_id}
        ended = [event for event in stage.doors.seen_by(ALICE) if isinstance(event, MediaEnded)]
        assert [(event.code, event.rejoin) for event in ended] == [("replaced", False)]
        assert (await stage.participant(id_, "agent")).state == "in-session"


async def test_a_websocket_that_comes_back_in_time_keeps_leg_and_part_and_gets_the_offer_again() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.desktops.closed(ALICE)
        await stage.board.users.set_presence(EVE, "ready", "sme")
        crm = who("crm", scopes=ALICE.scopes | {"interaction:all"})
        await stage.board.participants.add(crm, id_, AddParticipant(EVE.user_id))
        await stage.accept(EVE)
        await stage.join(EVE, id_)
        await stage.answer_offers(EVE)
        back = who("alice", "con_back")
        assert media_offers(stage, back) == []
        await stage.board.interactions.get(back, id_)
        (offered,) = media_offers(stage, back)
        await stage.board.media.answer(back, offered.leg_id, browser_answer(offered.sdp, "alice"))
        await stage.pass_time(60)
        assert (await stage.participant(id_, "agent")).state == "in-session"


@pytest.mark.parametrize("lost_before", [True, False])
async def test_an_offer_of_ours_waits_for_a_websocket_that_is_away_as_long_as_its_user_has(
    *, lost_before: bool
) -> None:
    """The media go on meanwhile: an end of them would be told to nobody."""
    async with theatre(DeskPolicy(reconnect_grace_s=30.0)) as stage:
        id_ = await stage.answered_call()
        crm = who("crm", scopes=ALICE.scopes | {"interaction:all"})
        await stage.board.users.set_presence(EVE, "ready", "sme")
        if lost_before:
            await stage.board.desktops.closed(ALICE)
        await stage.board.participants.add(crm, id_, AddParticipant(EVE.user_id))
        await stage.accept(EVE)
        await stage.join(EVE, id_)
        await stage.answer_offers(EVE)
        if not lost_before:
            await stage.board.desktops.closed(ALICE)
        await stage.pass_time(20)
        assert not any("" in audience.connections for _, audience in stage.doors.events), (
            "no name is no connection"
        )
        back = who("alice", "con_back")
        await stage.board.interactions.get(back, id_)
        (offered,) = media_offers(stage, back)
        await stage.board.media.answer(back, offered.leg_id, browser_answer(offered.sdp, "alice"))
        await stage.pass_time(60)
        assert (await stage.participant(id_, "agent")).state == "in-session"
        assert await leg_of(stage, id_, "agent") == offered.leg_id


async def test_an_offer_rings_on_at_a_new_connection() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.users.set_presence(EVE, "ready", "sme")
        await stage.board.participants.add(ALICE, id_, AddParticipant(EVE.user_id))
        made = [event for event in stage.doors.seen_by(EVE) if isinstance(event, OfferMade)]
        assert len(made) == 1
        await stage.board.desktops.closed(EVE)
        back = who("eve", "con_back")
        for _ in range(2):
            await stage.board.interactions.list(back)
        again = [
            event
            for event, audience in stage.doors.events
            if isinstance(event, OfferMade) and audience.connections == {"con_back"}
        ]
        assert [event.offer for event in again] == [event.offer for event in made], "once, as it was"
        await stage.board.offers.accept(back, made[0].offer.offer_id)
        await stage.board.interactions.list(who("eve", "con_third"))
        assert not any(audience.connections == {"con_third"} for _, audience in stage.doors.events)


async def test_what_rings_on_is_told_in_order_so_that_whoever_resumes_misses_nothing() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.users.set_presence(EVE, "ready", "sme")
        await stage.board.participants.add(ALICE, id_, AddParticipant(EVE.user_id))
        for value in ("one", "two"):
            await stage.board.interactions.set_attributes(ALICE, id_, {"note": value})
        await stage.board.interactions.list(who("eve", "con_back"))
        await stage.board.interactions.set_attributes(ALICE, id_, {"note": "three"})
        numbers = [number for event, _ in stage.doors.events if (number := getattr(event, "number", None))]
        assert numbers == sorted(numbers)


async def test_a_websocket_that_stays_away_takes_its_user_out_and_the_customer_waits() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.desktops.closed(ALICE)
        await stage.pass_time(11)
        await stage.board.settled()
        assert (await stage.view(id_)).state == "waiting"
        assert set(stage.plane.legs) == {LegId("leg_phone")}
        assert stage.phone_leg().playback is not None


async def test_one_of_two_connections_closing_changes_nothing() -> None:
    async with theatre() as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        second = who("alice", "con_2")
        await stage.board.users.list(second)
        await stage.board.desktops.closed(second)
        await stage.pass_time(60)
        (user,) = await stage.board.users.list(ALICE)
        assert user.presence == "ready"


async def test_a_lost_worker_asks_browsers_to_rejoin_and_offers_wait_for_the_next() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        stage.plane.die(first_port=31_000)
        stage.board.plane_lost("killed")
        await stage.board.settled()
        ended = [event for event in stage.doors.seen_by(ALICE) if isinstance(event, MediaEnded)]
        assert [(event.code, event.rejoin) for event in ended] == [("plane_lost", True)]
        with pytest.raises(PlaneLostError):
            await stage.board.media.offer(ALICE, id_, browser_offer("alice4"))
        stage.board.plane_event(messages.WorkerReady(messages.Fingerprint("sha-256", "CD"), (), "test"))
        await stage.board.settled()
        await stage.join(ALICE, id_, browser_offer("alice4"))
        await stage.join(EVE, id_, browser_offer("eve4"))
        await stage.answer_offers(ALICE, "alice4")
        view = await stage.view(id_)
        assert {p.state for p in view.participants} == {"in-session"}
        assert len(stage.plane.legs) == 3


async def test_a_browser_whose_leg_ended_while_it_was_set_up_is_asked_to_offer_again() -> None:
    async with theatre() as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        await stage.call()
        id_ = (await stage.accept(ALICE)).interaction_id

        async def lose_worker() -> None:
            await until(lambda: stage.board.participants.peek(id_, ALICE.user_id).leg_ids)
            stage.plane.die(31_000)
            stage.board.plane_lost("killed")
            stage.board.plane_event(READY)

        offering = stage.board.media.offer(ALICE, id_, browser_offer("alice"))
        outcome, _ = await asyncio.gather(offering, lose_worker(), return_exceptions=True)
        assert isinstance(outcome, GlareError)
        await stage.join(ALICE, id_)
        assert (await stage.participant(id_, "agent")).state == "in-session"


async def test_media_that_fails_for_good_asks_for_another_and_then_gives_up() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.board.plane_event(
            messages.LegFailed(await leg_of(stage, id_, "agent"), "consent_lost", "silent for 30 s")
        )
        await stage.board.settled()
        assert (await stage.participant(id_, "agent")).state == "connecting"
        await stage.pass_time(16)
        await stage.board.settled()
        assert (await stage.view(id_)).state == "waiting"


# --- offers from the waiting list -------------------------------------------------------------------------


async def test_rejecting_stops_the_ringing_and_the_next_agent_is_rung() -> None:
    async with theatre() as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        stage.clock.advance(1)
        await stage.board.users.set_presence(BOB, "ready", "agent")
        await stage.call()
        await stage.board.offers.reject(ALICE, stage.offer_to(ALICE).offer_id, "lunch")
        ended = [event for event in stage.doors.seen_by(ALICE) if isinstance(event, OfferEnded)]
        assert [(event.offer.state, event.reason) for event in ended] == [("rejected", "lunch")]
        await stage.accept(BOB)


async def test_an_agent_who_accepts_and_brings_no_media_gives_the_caller_back() -> None:
    async with theatre() as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        await stage.call()
        id_ = (await stage.accept(ALICE)).interaction_id
        await stage.pass_time(16)
        view = await stage.view(id_)
        assert view.state == "waiting"
        assert [p.disconnect_reason for p in view.participants if p.role == "agent"] == [
            "no media connection in time"
        ]


async def test_unknown_participants_are_not_found() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        with pytest.raises(NotFoundError):
            await stage.board.participants.mute(ALICE, id_, ParticipantId("prt_x"))
        with pytest.raises(NotFoundError):
            await stage.board.interactions.end(ALICE, InteractionId("int_x"))


async def test_the_sidebar_is_told_to_whoever_may_read() -> None:
    sidebar = Sidebar((SidebarField("case_number", "Case"),), others=False)
    async with theatre(sidebar=sidebar) as stage:
        assert stage.board.interactions.sidebar(ALICE) == sidebar
        with pytest.raises(ForbiddenError, match="interaction:read"):
            stage.board.interactions.sidebar(who("nobody", scopes=frozenset()))
