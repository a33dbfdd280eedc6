"""Queues, callbacks, wrap-up and readiness through the switchboard: what desktops and phones get to know."""

import asyncio

import pytest
from msgspec.structs import replace

from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Profile, Queue, default_queue
from bridge.errors import (
    BridgeError,
    CallFailedError,
    CapacityError,
    ForbiddenError,
    NotFoundError,
    PlaneLostError,
)
from bridge.ids import InteractionId, LegId, QueueId
from bridge.plane import messages
from bridge.switchboard.centre.users import Readiness
from bridge.switchboard.conversation.callbacks import CallbackWish
from bridge.switchboard.conversation.participants import AddFromQueue
from bridge.switchboard.view.event import (
    InteractionUpdated,
    PositionAnnounced,
    QueueDepthExceeded,
    UserUpdated,
)
from tests.unit.desk.test_desk_queues import DESK_QUEUE, DESKS, VIDEO, VIDEO_QUEUE, VOICE, VOICE_QUEUE
from tests.unit.switchboard.theatre import ALICE, ALL_SCOPES, EVE, PHONE_OFFER, Theatre, theatre, who

POLICY = DeskPolicy(queues=(default_queue(), VIDEO_QUEUE, VOICE_QUEUE, DESK_QUEUE))
ADMIN = who("admin", scopes=ALL_SCOPES | {"queue:write", "user:write", "interaction:all"})


async def eventually(stage: Theatre, what: str) -> None:
    """Lets the tasks of calls run until nothing more happens; `what` is for the reader."""
    for _ in range(20):
        await asyncio.sleep(0)
        await stage.board.settled()


async def expert(stage: Theatre) -> None:
    await stage.board.users.set_profile(ADMIN, Profile(EVE.user_id, {"Video_Escalation": 5}))
    await stage.board.users.set_presence(EVE, "ready", "sme")


async def called_back(stage: Theatre) -> InteractionId:
    """The caller asked for a callback; Alice took it; the phone is being dialed."""
    await stage.call()
    (live,) = await stage.board.interactions.list(ADMIN)
    await stage.board.callbacks.request(ADMIN, live.interaction_id, CallbackWish())
    await stage.board.settled()
    await stage.board.users.set_presence(ALICE, "ready", "agent")
    await stage.accept(ALICE)
    await stage.join(ALICE, live.interaction_id)
    await eventually(stage, "dialed")
    return live.interaction_id


async def test_an_expert_of_a_queue_joins_under_the_participant_that_was_answered() -> None:
    async with theatre(POLICY) as stage:
        id_ = await stage.answered_call()
        added = await stage.board.participants.add_from_queue(ALICE, id_, AddFromQueue(VIDEO))
        assert added.created
        assert (added.participant.state, added.participant.user_id) == ("queued", None)
        again = await stage.board.participants.add_from_queue(ALICE, id_, AddFromQueue(VIDEO))
        assert not again.created
        assert again.participant.participant_id == added.participant.participant_id
        await expert(stage)
        offer = stage.offer_to(EVE)
        assert (offer.participant_id, offer.queue_id) == (added.participant.participant_id, VIDEO)
        await stage.accept(EVE)
        await stage.join(EVE, id_)
        sme = await stage.participant(id_, "sme")
        assert (sme.participant_id, sme.user_id, sme.state) == (offer.participant_id, "eve", "in-session")


async def test_a_downgrade_is_told_in_view_event_offer_and_timeline() -> None:
    async with theatre(POLICY) as stage:
        id_ = await stage.answered_call()
        added = await stage.board.participants.add_from_queue(ALICE, id_, AddFromQueue(VOICE))
        assert (added.participant.type, "no video" in added.participant.downgrade_reason) == ("voice", True)
        changes = [e.change for e in stage.doors.seen_by(ALICE) if isinstance(e, InteractionUpdated)]
        assert "video_downgraded" in changes
        assert "video_downgraded" in [
            entry.event for entry in await stage.board.interactions.timeline(ALICE, id_)
        ]
        assert (await stage.view(id_)).waits_in[0].downgrade_reason == added.participant.downgrade_reason
        await expert(stage)
        assert stage.offer_to(EVE).type == "voice"
        assert stage.offer_to(EVE).downgrade_reason == added.participant.downgrade_reason


async def test_ready_is_shown_of_nobody_who_could_not_be_rung() -> None:
    async def status() -> str:
        return (await stage.board.users.get(EVE, ALICE.user_id)).status

    proof, mute = Readiness(True, True, True), Readiness(False, True, True, "denied")
    async with theatre(DeskPolicy(proof_s=30.0)) as stage:
        for action, shown in (
            (lambda: stage.board.users.set_presence(ALICE, "ready", "agent"), "checking"),
            (lambda: stage.board.users.prove_ready(ALICE, mute), "unable"),
            (lambda: stage.board.users.prove_ready(ALICE, proof), "ready"),
            (lambda: stage.pass_time(31.0), "unable"),
            (lambda: stage.board.users.set_presence(ALICE, "away", "agent"), "away"),
            (lambda: stage.board.users.set_presence(ALICE, "ready", "agent"), "checking"),
        ):
            await action()
            assert await status() == shown
        told = [e.user.status for e in stage.doors.seen_by(EVE) if isinstance(e, UserUpdated)]
        assert told[:3] == ["checking", "unable", "ready"]


async def test_where_no_proofs_are_asked_for_ready_is_ready() -> None:
    async with theatre() as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        assert (await stage.board.users.get(EVE, ALICE.user_id)).status == "ready"


async def test_the_user_is_told_wrapping_up_and_idle_again() -> None:
    async with theatre(POLICY) as stage:
        id_ = await stage.answered_call()
        await expert(stage)
        await stage.board.participants.add_from_queue(ALICE, id_, AddFromQueue(VIDEO))
        await stage.accept(EVE)
        await stage.join(EVE, id_)
        await stage.board.participants.leave(EVE, id_)
        assert [u.status for u in await stage.board.users.list(EVE) if u.user_id == "eve"] == ["wrap-up"]
        assert (await stage.participant(id_, "sme")).state == "wrap-up"
        user = await stage.board.users.complete_wrap_up(EVE, id_, "Video Session Closed", "done")
        assert user.status == "ready"
        assert (await stage.participant(id_, "sme")).wrap_up_code == "Video Session Closed"


async def test_queues_show_their_figures() -> None:
    async with theatre(POLICY) as stage:
        await stage.call()
        stage.clock.advance(7.0)
        queues = {queue.queue_id: queue for queue in await stage.board.queues.list(ALICE)}
        default = queues[default_queue().queue_id]
        assert (default.waiting, default.longest_wait_s, default.entered) == (1, 7.0, 1)
        assert (await stage.board.queues.get(ALICE, VIDEO)).wrap_up_codes == ("Video Session Closed",)
        with pytest.raises(NotFoundError):
            await stage.board.queues.get(ALICE, QueueId("none"))


async def test_queues_are_administered_with_their_own_scope() -> None:
    async with theatre(POLICY) as stage:
        night = Queue(QueueId("night"), "Night")
        with pytest.raises(ForbiddenError, match="queue:write"):
            await stage.board.queues.declare(ALICE, night)
        assert (await stage.board.queues.declare(ADMIN, night)).name == "Night"
        await stage.board.queues.remove(ADMIN, night.queue_id)
        with pytest.raises(ForbiddenError, match="user:write"):
            await stage.board.users.set_profile(ALICE, Profile(EVE.user_id))


async def test_a_long_line_is_told_to_desktops() -> None:
    async with theatre(replace(POLICY, queues=(replace(default_queue(), notify_depth=2),))) as stage:
        for number in range(4):
            await stage.call(f"leg_{number}")
        told = [e for e in stage.doors.seen_by(ALICE) if isinstance(e, QueueDepthExceeded)]
        assert [(event.depth, event.threshold) for event in told] == [(3, 2)]


async def test_a_waiting_caller_is_told_the_place_and_hears_the_prompt() -> None:
    queue = replace(DESK_QUEUE, announce_prompt="greeting")
    async with theatre(replace(POLICY, queues=(default_queue(), queue))) as stage:
        await stage.call()
        (live,) = await stage.board.interactions.list(ADMIN)
        view = await stage.board.interactions.queue(ADMIN, live.interaction_id, DESKS)
        assert view.waits_in[0].queue_id == DESKS
        await stage.pass_time(31)
        told = [e for e in stage.doors.seen_by(ADMIN) if isinstance(e, PositionAnnounced)]
        assert [event.position for event in told] == [1]
        playback = stage.phone_leg().playback
        assert playback is not None
        assert playback.source == "greeting.wav"


async def test_each_who_waits_hears_the_own_place_and_beyond_the_numbers_the_general_word() -> None:
    queue = replace(DESK_QUEUE, announce_prompt="place")
    async with theatre(replace(POLICY, queues=(default_queue(), queue))) as stage:
        for number in range(3):
            await stage.call(f"leg_{number}")
        for live in reversed(await stage.board.interactions.list(ADMIN)):
            await stage.board.interactions.queue(ADMIN, live.interaction_id, DESKS)
        await stage.pass_time(31)
        heard = [leg.playback.source for leg in stage.plane.legs.values() if leg.playback is not None]
        assert sorted(heard) == ["place-1.wav", "place-2.wav", "place.wav"]


async def test_who_is_answered_hears_no_more_of_the_announcement() -> None:
    queue = replace(DESK_QUEUE, announce_prompt="greeting")
    async with theatre(replace(POLICY, queues=(default_queue(), queue))) as stage:
        await stage.call()
        (live,) = await stage.board.interactions.list(ADMIN)
        await stage.board.interactions.queue(ADMIN, live.interaction_id, DESKS)
        await stage.pass_time(31)
        assert stage.phone_leg().playback is not None
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        await stage.accept(ALICE)
        await stage.join(ALICE, live.interaction_id)
        assert stage.phone_leg().playback is None


async def test_a_proof_that_is_missing_keeps_offers_away() -> None:
    async with theatre(replace(POLICY, proof_s=30.0)) as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        await stage.call()
        user = await stage.board.users.prove_ready(ALICE, Readiness(False, True, True, "denied"))
        assert (user.proved, user.fault) == (False, "no microphone: denied")
        with pytest.raises(IndexError):
            stage.offer_to(ALICE)
        assert (await stage.board.users.prove_ready(ALICE, Readiness(True, True, True))).proved
        assert stage.offer_to(ALICE).state == "pending"


async def test_a_callback_ends_the_call_dials_and_brings_both_together() -> None:
    async with theatre(POLICY) as stage:
        stage.doors.dial_outcomes = [PHONE_OFFER]
        id_ = await called_back(stage)
        assert [leg_id for leg_id, _ in stage.doors.hung_up] == ["leg_phone"]
        ((leg_id, target),) = stage.doors.dialed
        assert target == "sip:+4930123@trunk.example"
        customer = await stage.participant(id_, "customer")
        assert (customer.state, customer.leg_ids) == ("in-session", (leg_id,))
        view = await stage.view(id_)
        assert view.callback is not None
        assert (view.callback.state, view.callback.attempts) == ("answered", 1)
        agent = await stage.participant(id_, "agent")
        assert stage.hears(id_)[customer.participant_id] == {agent.participant_id}
        await stage.board.hung_up(leg_id, "hung up")
        assert (await stage.view(id_)).state == "ended"


async def test_a_mistake_of_ours_while_a_callback_is_made_is_one_failed_attempt() -> None:
    async with theatre(POLICY) as stage:
        await stage.call("leg_another")
        await stage.call()
        _, live = await stage.board.interactions.list(ADMIN)
        await stage.board.callbacks.request(ADMIN, live.interaction_id, CallbackWish())
        await stage.board.hung_up(LegId("leg_another"), "hung up")
        await stage.call("leg_another")
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        interaction = await stage.accept(ALICE)
        assert interaction.interaction_id == live.interaction_id
        stage.plane.crash_on = messages.DeclareRtpLeg
        await stage.join(ALICE, live.interaction_id)
        await eventually(stage, "given up")
        callback = (await stage.view(live.interaction_id)).callback
        assert callback is not None
        assert (callback.state, callback.attempts) == ("waiting", 1)
        assert set(stage.plane.legs) == {LegId("leg_another")}
        assert stage.board.open_interactions == 2


async def test_the_bye_of_the_call_that_gave_way_ends_nothing() -> None:
    async with theatre(POLICY) as stage:
        await stage.call()
        (live,) = await stage.board.interactions.list(ADMIN)
        await stage.board.callbacks.request(ADMIN, live.interaction_id, CallbackWish())
        await stage.board.hung_up(LegId("leg_phone"), "hung up")
        assert (await stage.view(live.interaction_id)).state == "waiting"
        assert [c.state for c in await stage.board.callbacks.list(ADMIN)] == ["waiting"]
        assert not stage.plane.legs


async def test_a_busy_callback_frees_the_agent_and_leaves_no_leg() -> None:
    async with theatre(POLICY) as stage:
        stage.doors.dial_outcomes = [CallFailedError("486 Busy Here", 486)]
        id_ = await called_back(stage)
        assert (await stage.view(id_)).state == "waiting"
        assert not stage.plane.legs
        assert stage.board.legs == 0
        assert not (await stage.board.users.list(ALICE))[0].busy


@pytest.mark.parametrize(
    "refusal",
    [
        CallFailedError("503 down", 503, unreached=True),
        CapacityError("the trunk has all the calls it may have"),
    ],
)
async def test_a_trunk_that_cannot_take_a_callback_is_passed_over(refusal: BridgeError) -> None:
    async with theatre(POLICY) as stage:
        stage.doors.ways_out = ("first", "second", "third")
        stage.doors.dial_outcomes = [refusal, PHONE_OFFER]
        id_ = await called_back(stage)
        await eventually(stage, "answered")
        assert stage.doors.dialed_by == ["first", "second"]
        assert (await stage.participant(id_, "customer")).state == "in-session"
        assert len({leg_id for leg_id, _ in stage.doors.dialed}) == 1


async def test_a_phone_that_is_busy_is_not_called_by_another_trunk() -> None:
    async with theatre(POLICY) as stage:
        stage.doors.ways_out = ("first", "second")
        stage.doors.dial_outcomes = [CallFailedError("486 Busy Here", 486)]
        await called_back(stage)
        assert stage.doors.dialed_by == ["first"]


async def test_a_phone_that_rang_is_not_called_again_by_another_trunk() -> None:
    async with theatre(POLICY) as stage:
        stage.doors.ways_out = ("first", "second")
        id_ = await called_back(stage)
        leg_id = stage.doors.dialed[0][0]
        await stage.board.progressed(leg_id, 180, "")
        stage.doors.ringing[leg_id].set_exception(CallFailedError("504 timeout", 504, unreached=True))
        await eventually(stage, "failed")
        assert stage.doors.dialed_by == ["first"]
        view = await stage.view(id_)
        assert view.callback is not None
        assert (view.callback.state, stage.board.legs) == ("waiting", 0)


async def test_a_trunk_that_only_spoke_itself_before_it_refused_is_passed_over() -> None:
    async with theatre(POLICY) as stage:
        stage.doors.ways_out = ("first", "second")
        await called_back(stage)
        leg_id = stage.doors.dialed[0][0]
        await stage.board.progressed(leg_id, 183, PHONE_OFFER)
        stage.doors.ringing[leg_id].set_exception(CallFailedError("503 full", 503, unreached=True))
        await eventually(stage, "dialed again")
        assert stage.doors.dialed_by == ["first", "second"]


async def test_the_last_trunk_that_fails_fails_the_callback() -> None:
    async with theatre(POLICY) as stage:
        stage.doors.ways_out = ("first", "second")
        down = CallFailedError("503 down", 503, unreached=True)
        stage.doors.dial_outcomes = [down, down]
        await called_back(stage)
        assert stage.doors.dialed_by == ["first", "second"]
        assert stage.board.legs == 0


async def test_a_callback_that_is_canceled_between_two_trunks_rings_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with theatre(POLICY) as stage:
        stage.doors.ways_out = ("first", "second")
        stage.doors.dial_outcomes = [CallFailedError("503 down", 503, unreached=True)]
        let_go = stage.doors.hang_up

        async def cancel_meanwhile(leg_id: LegId, reason: str) -> None:
            await let_go(leg_id, reason)
            if stage.doors.dialed_by == ["first"]:
                (callback,) = await stage.board.callbacks.list(ADMIN)
                await stage.board.callbacks.cancel(ADMIN, callback.interaction_id, "changed my mind")

        monkeypatch.setattr(stage.doors, "hang_up", cancel_meanwhile)
        id_ = await called_back(stage)
        assert stage.doors.dialed_by == ["first"]
        assert (await stage.view(id_)).state == "ended"
        assert stage.board.legs == 0


async def test_a_callback_that_rings_too_long_is_taken_back() -> None:
    async with theatre(POLICY) as stage:
        id_ = await called_back(stage)
        assert (await stage.view(id_)).callback is not None
        await stage.pass_time(POLICY.dial_s)
        await eventually(stage, "canceled")
        view = await stage.view(id_)
        assert view.callback is not None
        assert (view.callback.state, stage.board.legs) == ("waiting", 0)


async def test_canceling_while_it_rings_hangs_up() -> None:
    async with theatre(POLICY) as stage:
        id_ = await called_back(stage)
        (leg_id, _) = stage.doors.dialed[0]
        await stage.board.callbacks.cancel(ADMIN, id_, "changed my mind")
        await eventually(stage, "canceled")
        assert leg_id in [hung for hung, _ in stage.doors.hung_up]
        assert (await stage.view(id_)).state == "ended"
        assert stage.board.legs == 0


async def test_a_desktop_is_told_what_to_check_its_media_path_with() -> None:
    async with theatre() as stage:
        credentials = messages.IceCredentials("probe", "p" * 22)
        fingerprint = messages.Fingerprint("sha-256", "AB:CD")
        stage.board.plane_event(
            messages.WorkerReady(fingerprint, ("1 1 udp 1 127.0.0.1 9 typ host",), "", credentials)
        )
        probe = stage.board.media.probe(ALICE)
        assert (probe.ice_ufrag, probe.ice_pwd, probe.fingerprint) == ("probe", "p" * 22, "sha-256 AB:CD")
        assert probe.candidates == ("1 1 udp 1 127.0.0.1 9 typ host",)
        stage.board.plane_lost("gone")
        with pytest.raises(PlaneLostError):
            stage.board.media.probe(ALICE)
