"""Flows behind the doors: who may start one, what is played for it, and how it hears that it was."""

import pytest

from bridge.desk.centre.flow import FlowKind, FlowTrigger, Outcome, StepKind
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.errors import ForbiddenError, NotFoundError
from bridge.ids import FlowId, InteractionId, LegId, RoomId
from bridge.plane import messages
from bridge.switchboard.view.event import PromptEnded
from bridge.switchboard.view.view import FlowRunView
from tests.unit.desk.flow_house import QUEUES, VIDEO_SME, flow, step
from tests.unit.switchboard.theatre import ALICE, ALL_SCOPES, BOB, Theatre, theatre, who

K = StepKind
ESCALATION = FlowId("escalation")
SEEK = step("seek", K.QUEUE, queue=VIDEO_SME, media=MediaType.VIDEO, timeout_s=60.0, prompt="greeting")


def policy(*steps: object, kind: FlowKind = FlowKind.ESCALATION, digits: str = "") -> DeskPolicy:
    made = flow(*steps, kind=kind, digits=digits)  # type: ignore[arg-type]
    inbound = made.flow_id if kind is FlowKind.INBOUND else None
    return DeskPolicy(queues=QUEUES, flows=(made,), inbound_flow=inbound)


def play(**fields: object) -> DeskPolicy:
    asks = step("say", K.PLAY_PROMPT, "wait", prompt="greeting", **fields)
    return policy(asks, step("wait", K.WAIT, seconds=500.0))


async def runs(stage: Theatre, id_: InteractionId) -> tuple[FlowRunView, ...]:
    return (await stage.view(id_)).flows


async def moves(stage: Theatre, id_: InteractionId) -> list[dict[str, str]]:
    auditor = who("auditor", scopes=ALL_SCOPES | {"interaction:all"})
    timeline = await stage.board.interactions.timeline(auditor, id_)
    return [dict(entry.facts) for entry in timeline if entry.event in ("flow_moved", "flow_ended")]


async def test_an_agent_starts_and_stops_an_escalation() -> None:
    async with theatre(policy(SEEK)) as stage:
        id_ = await stage.answered_call()
        started = await stage.board.flows.start(ALICE, id_, ESCALATION, {"case_number": "12345"})
        assert started.created
        assert (started.run.step, started.run.started_by, started.run.trigger) == ("seek", "alice", "user")
        assert (await stage.view(id_)).attributes["case_number"] == "12345"
        again = await stage.board.flows.start(ALICE, id_, ESCALATION, {})
        assert (again.created, again.run) == (False, started.run)
        assert stage.phone_leg().playback is not None
        await stage.board.flows.stop(ALICE, id_, started.run.flow_run_id, "not needed")
        assert await runs(stage, id_) == ()
        assert (await moves(stage, id_))[-1]["reason"] == "not needed"


async def test_only_who_takes_part_and_may_ask_for_video_starts_a_flow() -> None:
    async with theatre(policy(SEEK)) as stage:
        id_ = await stage.answered_call()
        with pytest.raises(NotFoundError):
            await stage.board.flows.start(BOB, id_, ESCALATION, {})
        without = who("alice", scopes=ALL_SCOPES - {"telephony:video:use"})
        with pytest.raises(ForbiddenError, match="telephony:video:use"):
            await stage.board.flows.start(without, id_, ESCALATION, {})
        with pytest.raises(NotFoundError, match="there are escalation"):
            await stage.board.flows.start(ALICE, id_, FlowId("other"), {})
        assert await runs(stage, id_) == ()


async def test_the_flows_there_are_can_be_listed() -> None:
    async with theatre(policy(SEEK, digits="*9")) as stage:
        (one,) = await stage.board.flows.list(ALICE)
        assert (one.flow_id, one.kind, one.digits, one.asks_for_video) == (
            "escalation",
            "escalation",
            "*9",
            True,
        )


async def test_a_prompt_for_everybody_is_played_into_the_room_and_its_end_moves_the_flow_on() -> None:
    async with theatre(play()) as stage:
        id_ = await stage.answered_call()
        await stage.board.flows.start(ALICE, id_, ESCALATION, {})
        ((room_id, room),) = stage.plane.rooms.items()
        assert room.playback is not None
        assert room.playback.source == "greeting.wav"
        ended = messages.PlaybackEnded(room.playback.playback_id, None, RoomId(room_id))
        stage.board.plane_event(ended)
        await stage.board.settled()
        assert [run.step for run in await runs(stage, id_)] == ["wait"]
        assert any(isinstance(event, PromptEnded) for event in stage.doors.seen_by(ALICE))
        ((_, room),) = stage.plane.rooms.items()
        assert room.playback is None


async def test_a_prompt_for_the_customer_that_cannot_be_played_is_a_failure() -> None:
    async with theatre(play(participant=ParticipantRole.CUSTOMER)) as stage:
        id_ = await stage.answered_call()
        await stage.board.flows.start(ALICE, id_, ESCALATION, {})
        playback = stage.phone_leg().playback
        assert playback is not None
        ended = messages.PlaybackEnded(playback.playback_id, LegId("leg_phone"), None, "no such file")
        stage.board.plane_event(ended)
        await stage.board.settled()
        moved = (await moves(stage, id_))[-1]
        assert (moved["outcome"], moved["reason"]) == (Outcome.FAILURE, "no such file")


async def test_a_prompt_that_gives_way_to_another_does_not_hold_the_flow_up() -> None:
    async with theatre(play(participant=ParticipantRole.CUSTOMER)) as stage:
        id_ = await stage.answered_call()
        await stage.board.flows.start(ALICE, id_, ESCALATION, {})
        customer = await stage.participant(id_, "customer")
        await stage.board.prompts.play(ALICE, id_, customer.participant_id, "greeting")
        await stage.board.settled()
        assert (await moves(stage, id_))[-1]["reason"] == "another prompt took its place"


async def test_a_prompt_nobody_knows_is_a_failure_and_not_a_standstill() -> None:
    unknown = step("say", K.PLAY_PROMPT, "wait", prompt="missing")
    async with theatre(policy(unknown, step("wait", K.WAIT, seconds=9.0))) as stage:
        id_ = await stage.answered_call()
        await stage.board.flows.start(ALICE, id_, ESCALATION, {})
        await stage.board.settled()
        assert [run.step for run in await runs(stage, id_)] == ["wait"]
        assert (await moves(stage, id_))[-1]["reason"] == "no prompt 'missing'"


async def test_a_prompt_that_is_given_up_ceases() -> None:
    async with theatre(play(participant=ParticipantRole.CUSTOMER)) as stage:
        id_ = await stage.answered_call()
        started = await stage.board.flows.start(ALICE, id_, ESCALATION, {})
        await stage.board.flows.stop(ALICE, id_, started.run.flow_run_id)
        await stage.board.settled()
        assert stage.phone_leg().playback is None


async def test_an_inbound_flow_speaks_to_the_caller_from_the_first_second() -> None:
    greets = step("say", K.PLAY_PROMPT, "q", prompt="greeting", participant=ParticipantRole.CUSTOMER)
    lines = step("q", K.QUEUE, queue="sales", timeout_s=60.0)
    async with theatre(policy(greets, lines, kind=FlowKind.INBOUND)) as stage:
        await stage.call()
        playback = stage.phone_leg().playback
        assert playback is not None
        assert playback.source == "greeting.wav"
        stage.board.plane_event(messages.PlaybackEnded(playback.playback_id, LegId("leg_phone"), None))
        await stage.board.settled()
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        assert stage.offer_to(ALICE).state == "pending"


async def test_digits_dialed_in_one_go_start_the_flow_and_are_told_to_nobody_else() -> None:
    async with theatre(policy(SEEK, digits="*9")) as stage:
        id_ = await stage.answered_call()
        leg_id = LegId("leg_phone")
        stage.board.plane_event(messages.DtmfReceived(leg_id, "*", 80))
        stage.clock.advance(4.0)
        stage.board.plane_event(messages.DtmfReceived(leg_id, "9", 80))
        await stage.board.settled()
        assert await runs(stage, id_) == ()
        stage.board.plane_event(messages.DtmfReceived(leg_id, "*", 80))
        stage.clock.advance(0.5)
        stage.board.plane_event(messages.DtmfReceived(leg_id, "9", 80))
        await stage.board.settled()
        assert [run.trigger for run in await runs(stage, id_)] == [FlowTrigger.DIGITS]
        stage.board.plane_event(messages.DtmfReceived(leg_id, "*", 80))
        stage.board.plane_event(messages.DtmfReceived(leg_id, "9", 80))
        await stage.board.settled()
        assert len(await runs(stage, id_)) == 1


async def test_the_timeline_names_the_flow_and_not_its_whole_text() -> None:
    async with theatre(policy(SEEK)) as stage:
        id_ = await stage.answered_call()
        await stage.board.flows.start(ALICE, id_, ESCALATION, {})
        auditor = who("auditor", scopes=ALL_SCOPES | {"interaction:all"})
        timeline = await stage.board.interactions.timeline(auditor, id_)
        (started,) = (entry for entry in timeline if entry.event == "flow_started")
        assert started.facts["flow"] == "escalation"
