"""Every kind of step, by every outcome it can have."""

from collections.abc import Callable

import pytest

from bridge.desk import commands, events
from bridge.desk.centre.flow import (
    END,
    STEP_RULES,
    FlowKind,
    FlowResult,
    FlowStep,
    FlowTrigger,
    Outcome,
    StepKind,
)
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Overflow, OverflowTo, Queue
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.flow.action import DUE, ENTER
from bridge.desk.interaction.participant import ParticipantConflictError, ParticipantState
from bridge.errors import BridgeError, ConflictError, NotAllowedError, NotFoundError
from bridge.ids import FlowId, InteractionId, QueueId
from tests.unit.desk.flow_house import QUEUES, SALES, VIDEO_SME, VOICE_SME, FlowHouse, flow, step
from tests.unit.desk.house import ALICE, BOB, EVE

K, S, F, T = StepKind, Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT
ESCALATION = FlowId("escalation")


def start(house: FlowHouse, id_: InteractionId, **attributes: str) -> None:
    """The first flow that is not an inbound one."""
    flow_id = next(f.flow_id for f in house.policy.flows if f.kind is not FlowKind.INBOUND)
    house.step(commands.StartFlow(id_, flow_id, "alice", attributes))


def talking(*steps: object, digits: str = "") -> tuple[FlowHouse, InteractionId]:
    """The customer and Alice in session, and an escalation of these steps started."""
    house = FlowHouse(flow(*steps, digits=digits))  # type: ignore[arg-type]
    id_ = house.answered_call()
    if not digits:
        start(house, id_)
    return house, id_


def called(*steps: object) -> tuple[FlowHouse, InteractionId]:
    """A call that goes through an inbound flow of these steps."""
    house = FlowHouse(flow(*steps, kind=FlowKind.INBOUND))  # type: ignore[arg-type]
    return house, house.call()


# --- one story per outcome --------------------------------------------------------------------------------


def data_set() -> FlowHouse:
    house, id_ = talking(step("a", K.SET_DATA, data={"escalation_reason": "Complex Case", "who": "{by}"}))
    attributes = house.interaction(id_).attributes
    assert (attributes["escalation_reason"], attributes["who"]) == ("Complex Case", "alice")
    return house


def data_too_big() -> FlowHouse:
    house, id_ = talking(step("a", K.SET_DATA, data={"note": "x" * 20_000}))
    assert "note" not in house.interaction(id_).attributes
    return house


def variable_set() -> FlowHouse:
    house, id_ = talking(
        step("v", K.SET_VARIABLE, "w", variables={"greeting": "call from {caller}"}),
        step("w", K.WAIT, seconds=5.0),
    )
    assert house.run(id_).variables == {"greeting": "call from +49301"}
    house.pass_time(5)
    return house


def variable_too_big() -> FlowHouse:
    return talking(step("v", K.SET_VARIABLE, variables={"v": "x" * 20_000}))[0]


def participant_read() -> FlowHouse:
    house, id_ = talking(
        step("g", K.GET_PARTICIPANT, "w", participant=ParticipantRole.CUSTOMER),
        step("w", K.WAIT, seconds=5.0),
    )
    variables = house.run(id_).variables
    assert (variables["customer_state"], variables["customer_video"]) == ("in-session", "false")
    house.pass_time(5)
    return house


def participant_missing() -> FlowHouse:
    return talking(step("g", K.GET_PARTICIPANT, participant=ParticipantRole.SME))[0]


def decided(value: str) -> FlowHouse:
    house = FlowHouse(
        flow(step("d", K.DECISION, when={"priority": ("High", "Urgent"), "caller": ("+49301",)}))
    )
    id_ = house.answered_call()
    start(house, id_, priority=value)
    return house


SEEK = step("q", K.QUEUE, queue=VIDEO_SME, media=MediaType.VIDEO, timeout_s=40.0)


def expert_joins() -> FlowHouse:
    house, id_ = talking(SEEK)
    house.ready_expert(EVE)
    house.accept(EVE)
    assert house.at(id_) == "q"
    house.connect(id_, EVE)
    assert house.participant(id_, EVE).state is ParticipantState.IN_SESSION
    return house


def queue_unknown() -> FlowHouse:
    return talking(step("q", K.QUEUE, queue="gone", timeout_s=40.0))[0]


def nobody_available() -> FlowHouse:
    house, id_ = talking(SEEK)
    house.pass_time(39)
    assert house.at(id_) == "q"
    house.pass_time(1)
    assert not house.interaction(id_).seats
    assert house.interaction(id_).participant_of(ALICE) is not None
    return house


def prompt(error: str) -> FlowHouse:
    house, id_ = talking(step("p", K.PLAY_PROMPT, prompt="connecting"))
    assert (house.last_prompt().prompt, house.last_prompt().participant_id) == ("connecting", None)
    house.step(commands.FinishPrompt(id_, house.last_prompt().prompt_id, error))
    return house


def prompt_never_ends() -> FlowHouse:
    house, _ = talking(step("p", K.PLAY_PROMPT, prompt="connecting"))
    house.pass_time(60)
    assert any(isinstance(event, events.PromptStopped) for event in house.journal)
    return house


CONFER = step("c", K.CONFERENCE)


def all_together() -> FlowHouse:
    house, id_ = talking(
        SEEK.__class__("q", K.QUEUE, {S: "c", F: "end", T: "end"}, 40.0, queue=VIDEO_SME), CONFER
    )
    house.step(commands.HoldParticipant(id_, house.customer(id_).participant_id, "alice"))
    house.ready_expert(EVE)
    house.accept(EVE)
    house.connect(id_, EVE)
    assert house.customer(id_).state is ParticipantState.IN_SESSION
    return house


def nobody_to_confer_with() -> FlowHouse:
    return talking(CONFER)[0]


def second_agent(timeout_s: float) -> tuple[FlowHouse, InteractionId]:
    """Bob has accepted, and a conference waits for his media."""
    house = FlowHouse(flow(step("c", K.CONFERENCE, timeout_s=timeout_s)))
    id_ = house.answered_call()
    house.ready(BOB)
    role, kind = ParticipantRole.AGENT, MediaType.VOICE
    house.step(commands.SeekParticipant(id_, BOB, role, kind, "alice"))
    house.accept(BOB)
    house.step(commands.HoldParticipant(id_, house.customer(id_).participant_id, "alice"))
    house.leave(id_, ALICE)
    house.ready(ALICE)
    house.step(commands.SeekParticipant(id_, ALICE, role, kind, "bob"))
    house.accept(ALICE)
    start(house, id_)
    return house, id_


def media_slow() -> FlowHouse:
    house, _ = second_agent(timeout_s=5.0)
    house.pass_time(5)
    return house


def callback_arranged() -> FlowHouse:
    house, id_ = called(step("c", K.CALLBACK, queue=SALES))
    callback = house.interaction(id_).live_callback
    assert callback is not None
    assert callback.number == "+49301"
    (seat,) = house.interaction(id_).seats
    assert (seat.queue_id, seat.queued_at) == (SALES, house.interaction(id_).created_at)
    return house


def callback_refused() -> FlowHouse:
    return called(step("c", K.CALLBACK, queue="gone"))[0]


def handing_on(kind: StepKind, **fields: object) -> tuple[FlowHouse, InteractionId]:
    """Alice talks with the customer and has started a flow with one transfer."""
    house = FlowHouse(flow(step("t", kind, **fields), kind=FlowKind.TRANSFER))
    id_ = house.answered_call()
    house.ready_expert(EVE)
    start(house, id_)
    return house, id_


def consulting() -> tuple[FlowHouse, InteractionId]:
    house, id_ = handing_on(K.WARM_TRANSFER, user=EVE, timeout_s=30.0)
    house.accept(EVE)
    house.connect(id_, EVE)
    return house, id_


def handed_over_after_a_word() -> FlowHouse:
    house, id_ = consulting()
    house.pass_time(40)  # the flow's time is for finding somebody, not for talking
    assert house.at(id_) == "t"
    house.step(commands.CompleteTransfer(id_, "alice"))
    assert house.interaction(id_).participant_of(ALICE) is None
    assert house.customer(id_).state is ParticipantState.IN_SESSION
    return house


def taken_back_after_a_word() -> FlowHouse:
    house, id_ = consulting()
    house.step(commands.CancelTransfer(id_, "alice"))
    assert house.customer(id_).state is ParticipantState.IN_SESSION
    return house


def nobody_to_consult() -> FlowHouse:
    house, id_ = handing_on(K.WARM_TRANSFER, queue=VOICE_SME, timeout_s=10.0)
    house.pass_time(10)
    assert house.interaction(id_).transfer is None
    assert house.customer(id_).state is ParticipantState.IN_SESSION
    assert house.desk.offers() == ()
    return house


def handed_over() -> FlowHouse:
    house, id_ = handing_on(K.BLIND_TRANSFER, user=EVE)
    house.accept(EVE)
    house.connect(id_, EVE)
    assert house.interaction(id_).participant_of(ALICE) is None
    return house


def handed_to_a_queue() -> FlowHouse:
    house, id_ = handing_on(K.BLIND_TRANSFER, queue=SALES)
    assert [seat.queue_id for seat in house.interaction(id_).seats] == [SALES]
    return house


def handed_to_nobody() -> FlowHouse:
    house, id_ = handing_on(K.BLIND_TRANSFER, user=EVE)
    offer = house.offer_to(EVE)
    assert offer is not None
    house.step(commands.RejectOffer(offer.offer_id, EVE, "busy"))
    assert house.interaction(id_).participant_of(ALICE) is not None
    return house


def handed_over_too_slowly() -> FlowHouse:
    house, _ = handing_on(K.BLIND_TRANSFER, user=EVE, timeout_s=5.0)
    house.pass_time(5)
    assert house.desk.offers() == ()
    return house


def waited() -> FlowHouse:
    house, id_ = talking(step("w", K.WAIT, seconds=7.5))
    house.pass_time(7)
    assert house.at(id_) == "w"
    house.pass_time(0.5)
    return house


def letter(groups: frozenset[str] = frozenset({"experts"}), per_hour: int = 60) -> FlowHouse:
    """A caller whose flow writes to the experts."""
    told = step("tell", K.NOTIFY, to="experts", subject="Call of\n{caller}", text="{caller} called {called}")
    inbound = flow(told, kind=FlowKind.INBOUND)
    return FlowHouse(
        policy=DeskPolicy(
            queues=QUEUES,
            flows=(inbound,),
            inbound_flow=inbound.flow_id,
            notify_groups=groups,
            notices_per_hour=per_hour,
        )
    )


def written_to_experts() -> FlowHouse:
    house = letter()
    house.call()
    return house


def written_to_nobody() -> FlowHouse:
    house = letter(frozenset())
    house.call()
    return house


STORIES: dict[tuple[StepKind, Outcome], Callable[[], FlowHouse]] = {
    (K.SET_DATA, S): data_set,
    (K.SET_DATA, F): data_too_big,
    (K.SET_VARIABLE, S): variable_set,
    (K.SET_VARIABLE, F): variable_too_big,
    (K.GET_PARTICIPANT, S): participant_read,
    (K.GET_PARTICIPANT, F): participant_missing,
    (K.DECISION, S): lambda: decided("Urgent"),
    (K.DECISION, F): lambda: decided("Low"),
    (K.QUEUE, S): expert_joins,
    (K.QUEUE, F): queue_unknown,
    (K.QUEUE, T): nobody_available,
    (K.PLAY_PROMPT, S): lambda: prompt(""),
    (K.PLAY_PROMPT, F): lambda: prompt("no such file"),
    (K.PLAY_PROMPT, T): prompt_never_ends,
    (K.CONFERENCE, S): all_together,
    (K.CONFERENCE, F): nobody_to_confer_with,
    (K.CONFERENCE, T): media_slow,
    (K.WARM_TRANSFER, S): handed_over_after_a_word,
    (K.WARM_TRANSFER, F): taken_back_after_a_word,
    (K.WARM_TRANSFER, T): nobody_to_consult,
    (K.BLIND_TRANSFER, S): handed_over,
    (K.BLIND_TRANSFER, F): handed_to_nobody,
    (K.BLIND_TRANSFER, T): handed_over_too_slowly,
    (K.CALLBACK, S): callback_arranged,
    (K.CALLBACK, F): callback_refused,
    (K.WAIT, S): waited,
    (K.NOTIFY, S): written_to_experts,
    (K.NOTIFY, F): written_to_nobody,
}


def test_there_is_a_story_for_every_outcome_of_every_kind() -> None:
    assert STORIES.keys() == {
        (kind, outcome) for kind, rule in STEP_RULES.items() for outcome in rule.outcomes
    }
    assert ENTER.keys() == STEP_RULES.keys()
    assert {kind for kind, outcome in DUE.items() if outcome is T} == {
        kind for kind, rule in STEP_RULES.items() if T in rule.outcomes
    }


@pytest.mark.parametrize(("kind", "outcome"), STORIES, ids=str)
def test_each_outcome_leads_by_its_branch(kind: StepKind, outcome: Outcome) -> None:
    house = STORIES[kind, outcome]()
    assert house.path()[-1][1] == outcome
    assert house.ended().result is FlowResult.COMPLETED
    house.check_replay()


def test_a_conference_fails_when_whoever_was_sought_leaves() -> None:
    house, id_ = second_agent(timeout_s=60.0)
    house.leave(id_, BOB)
    assert house.path() == [("c", F)]


def test_a_blind_transfer_to_a_queue_is_done_at_once() -> None:
    assert handed_to_a_queue().path() == [("t", S)]


def test_a_conference_ends_a_consultation() -> None:
    house = FlowHouse(flow(CONFER))
    id_ = house.answered_call()
    house.ready_expert(EVE)
    house.step(commands.StartConsult(id_, "alice", EVE))
    house.accept(EVE)
    house.connect(id_, EVE)
    assert house.customer(id_).state is ParticipantState.HELD
    start(house, id_)
    assert house.path() == [("c", S)]
    assert house.customer(id_).state is ParticipantState.IN_SESSION


# --- disconnect, and the ends that no branch leads to -----------------------------------------------------


def test_disconnect_ends_the_call_and_the_run() -> None:
    house, id_ = called(step("w", K.WAIT, "d", seconds=3.0), step("d", K.DISCONNECT, reason="closed today"))
    house.pass_time(3)
    assert house.interaction(id_).end_reason == "closed today"
    assert house.ended().result is FlowResult.COMPLETED


WAITING_STEPS = [
    SEEK,
    step("p", K.PLAY_PROMPT, prompt="connecting"),
    step("w", K.WAIT, seconds=30.0),
]


@pytest.mark.parametrize("waiting", WAITING_STEPS, ids=lambda s: str(s.kind))
def test_a_customer_who_hangs_up_ends_the_run_in_each_step(waiting: object) -> None:
    house, id_ = talking(waiting)
    house.ready_expert(EVE)
    house.step(commands.DisconnectParticipant(id_, house.customer(id_).participant_id, "customer", "hung up"))
    assert house.ended().result is FlowResult.OVERTAKEN
    assert house.ended().reason == "hung up"
    assert house.interaction(id_).flows == ()
    assert house.desk.offers() == ()
    house.pass_time(100)
    house.check_replay()


@pytest.mark.parametrize("waiting", WAITING_STEPS, ids=lambda s: str(s.kind))
def test_an_agent_who_leaves_does_not_end_the_run(waiting: object) -> None:
    """The customer waits for the next agent, and for the expert: whoever comes first."""
    house, id_ = talking(waiting)
    house.leave(id_, ALICE)
    assert house.at(id_) == waiting.name  # type: ignore[attr-defined]
    assert house.customer(id_).state is ParticipantState.QUEUED
    assert [seat.is_customers for seat in house.interaction(id_).seats].count(True) == 1
    house.pass_time(60)
    assert house.interaction(id_).flows == ()


@pytest.mark.parametrize("waiting", WAITING_STEPS, ids=lambda s: str(s.kind))
def test_a_run_can_be_stopped_and_gives_back_what_it_holds(waiting: object) -> None:
    house, id_ = talking(waiting)
    house.ready_expert(EVE)
    house.step(commands.StopFlow(id_, house.run(id_).flow_run_id, "alice"))
    assert (house.ended().result, house.ended().by) == (FlowResult.STOPPED, "alice")
    assert house.interaction(id_).seats == ()
    assert house.desk.offers() == ()
    assert house.customer(id_).state is ParticipantState.IN_SESSION
    house.check_replay()


def test_who_takes_back_the_expert_stops_the_run() -> None:
    house, id_ = talking(
        SEEK.__class__("q", K.QUEUE, {S: "end", F: "x", T: "x"}, 40.0, queue=VIDEO_SME),
        step("x", K.QUEUE, queue=VOICE_SME, timeout_s=40.0),
    )
    (seat,) = house.interaction(id_).seats
    assert seat.participant_id is not None
    house.step(commands.DisconnectParticipant(id_, seat.participant_id, "alice", "removed"))
    assert house.ended().result is FlowResult.STOPPED
    assert house.path() == [("q", "")]


def test_an_expert_who_declines_is_followed_by_the_next() -> None:
    house, id_ = talking(SEEK)
    house.ready_expert(EVE)
    house.ready_expert(BOB)
    offer = house.offer_to(EVE)
    assert offer is not None
    house.step(commands.RejectOffer(offer.offer_id, EVE, "busy"))
    assert house.offer_to(BOB) is not None
    assert house.at(id_) == "q"


def test_the_time_is_not_up_while_it_rings() -> None:
    house, id_ = talking(SEEK)
    house.pass_time(30)
    house.ready_expert(EVE)
    house.pass_time(15)
    assert house.at(id_) == "q"
    house.accept(EVE)
    house.connect(id_, EVE)
    assert house.path() == [("q", S)]


def test_the_time_is_up_when_it_has_rung_out() -> None:
    house, _ = talking(SEEK)
    house.pass_time(30)
    house.ready_expert(EVE)
    house.pass_time(20)
    assert house.path() == [("q", T)]
    assert house.desk.offers() == ()


# --- starting ---------------------------------------------------------------------------------------------


def test_the_same_flow_again_changes_nothing_another_one_is_refused() -> None:
    house, id_ = talking(SEEK)
    assert house.step(commands.StartFlow(id_, ESCALATION, "bob")) == ()
    with pytest.raises(NotFoundError, match="there are escalation"):
        house.step(commands.StartFlow(id_, FlowId("other"), "bob"))


def test_one_escalation_at_a_time() -> None:
    first, second = flow(SEEK), flow(SEEK)
    second = second.__class__(FlowId("second"), "Second", second.kind, second.start, second.steps)
    house = FlowHouse(first, second)
    id_ = house.answered_call()
    start(house, id_)
    with pytest.raises(ConflictError, match="escalation is running"):
        house.step(commands.StartFlow(id_, FlowId("second"), "alice"))


def test_a_flow_does_not_compete_with_an_expert_who_is_sought_by_name() -> None:
    house = FlowHouse(flow(SEEK))
    id_ = house.answered_call()
    house.ready_expert(EVE)
    house.seek(id_, EVE)
    with pytest.raises(ParticipantConflictError):
        start(house, id_)


def test_a_refused_start_changes_nothing() -> None:
    house = FlowHouse(flow(SEEK))
    id_ = house.answered_call()
    before = house.interaction(id_)
    with pytest.raises(BridgeError):
        start(house, id_, note="x" * 20_000)
    assert house.interaction(id_) == before
    house.step(commands.EndInteraction(id_, "alice", "done"))
    with pytest.raises(NotAllowedError):
        start(house, id_)


def test_an_inbound_flow_is_not_started_by_anybody() -> None:
    house, id_ = called(step("w", K.WAIT, seconds=5.0))
    with pytest.raises(NotAllowedError, match="begins with the call"):
        house.step(commands.StartFlow(id_, FlowId("inbound"), "alice"))
    with pytest.raises(NotAllowedError, match="ends by itself"):
        house.step(commands.StopFlow(id_, house.run(id_).flow_run_id, "alice"))


def test_digits_of_the_customer_start_the_flow_they_are_bound_to() -> None:
    house, id_ = talking(SEEK, digits="*9")
    customer_id = house.customer(id_).participant_id
    agent_id = house.participant(id_, ALICE).participant_id
    house.step(commands.DialDigits(id_, customer_id, "12*"))
    house.step(commands.DialDigits(id_, agent_id, "*9"))
    assert house.at(id_) == ""
    house.step(commands.DialDigits(id_, customer_id, "12*9"))
    assert (house.at(id_), house.run(id_).trigger) == ("q", FlowTrigger.DIGITS)
    house.step(commands.DialDigits(id_, customer_id, "*9"))
    assert len(house.interaction(id_).flows) == 1
    assert all("*9" not in str(getattr(event, "reason", "")) for event in house.journal)


def test_digits_mean_nothing_to_a_caller_who_waits() -> None:
    house = FlowHouse(flow(SEEK, digits="*9"))
    id_ = house.call()
    house.step(commands.DialDigits(id_, house.customer(id_).participant_id, "*9"))
    assert house.interaction(id_).flows == ()


# --- leading a caller -------------------------------------------------------------------------------------

LEAD = step("q", K.QUEUE, queue=SALES, timeout_s=90.0)


def test_a_caller_stands_in_no_line_before_the_flow_says_which() -> None:
    house, id_ = called(step("w", K.WAIT, "q", seconds=5.0), LEAD)
    house.ready(ALICE)
    assert house.customer(id_).state is ParticipantState.QUEUED
    assert house.interaction(id_).seats == ()
    assert house.offer_to(ALICE) is None
    house.pass_time(5)
    (seat,) = house.interaction(id_).seats
    assert (seat.queue_id, seat.queued_at) == (SALES, house.interaction(id_).created_at)
    house.accept(ALICE)
    house.connect(id_, ALICE)
    assert house.path() == [("w", S), ("q", S)]


def test_whom_a_flow_leaves_waiting_waits_like_everybody() -> None:
    house, id_ = called(step("w", K.WAIT, seconds=5.0))
    house.pass_time(5)
    assert [seat.queue_id for seat in house.interaction(id_).seats] == ["default"]


def test_the_queue_s_own_limit_is_the_step_s_timeout_if_it_is_met_first() -> None:
    house, id_ = called(
        LEAD.__class__("q", K.QUEUE, {S: "end", F: "end", T: "w"}, 90.0, queue=SALES),
        step("w", K.WAIT, seconds=10.0),
    )
    house.pass_time(60)
    assert house.path() == [("q", T)]
    assert house.interaction(id_).seats == ()
    assert house.interaction(id_).state == "waiting"


def test_somebody_else_with_the_customer_is_a_success_of_the_queue() -> None:
    house, id_ = called(LEAD)
    house.ready_expert(EVE)
    house.seek(id_, EVE)
    house.accept(EVE)
    house.connect(id_, EVE)
    assert house.path() == [("q", S)]


def test_a_callback_takes_the_flow_s_place() -> None:
    house, id_ = called(LEAD)
    house.step(commands.RequestCallback(id_, "bob"))
    assert house.ended().result is FlowResult.OVERTAKEN
    (seat,) = house.interaction(id_).seats
    assert seat.queue_id == SALES
    house.check_replay()


def test_a_caller_who_comes_back_after_the_first_agent_waits_as_ever() -> None:
    house, id_ = called(
        LEAD.__class__("q", K.QUEUE, {S: "w", F: "w", T: "w"}, 90.0, queue=SALES),
        step("w", K.WAIT, seconds=100.0),
    )
    house.ready(ALICE)
    house.accept(ALICE)
    house.connect(id_, ALICE)
    assert house.at(id_) == "w"
    house.leave(id_, ALICE)
    assert len(house.interaction(id_).seats) == 1


# --- memory -----------------------------------------------------------------------------------------------


def test_a_restart_plays_the_prompt_again_and_keeps_the_clocks() -> None:
    house, id_ = talking(step("p", K.PLAY_PROMPT, "q", prompt="connecting"), SEEK)
    first = house.last_prompt().prompt_id
    legs = frozenset(house.customer(id_).leg_ids)
    house.step(commands.Restart(legs))
    again = house.last_prompt().prompt_id
    assert again != first
    house.step(commands.FinishPrompt(id_, first))
    assert house.at(id_) == "p"
    house.step(commands.FinishPrompt(id_, again))
    assert house.at(id_) == "q"
    due_at = house.run(id_).due_at
    house.step(commands.Restart(legs))
    assert house.run(id_).due_at == due_at
    house.check_replay()


def test_a_run_keeps_to_the_definition_it_began_with() -> None:
    house, id_ = talking(SEEK)
    changed = FlowHouse(flow(step("w", K.WAIT, seconds=5.0)))
    changed.desk.replay(house.journal)
    assert changed.run(id_).flow == house.run(id_).flow
    assert changed.run(id_).step == "q"


def test_a_value_is_not_read_as_a_name_again() -> None:
    house = FlowHouse(flow(step("a", K.SET_DATA, data={"copy": "{note}", "none": "{nothing}"})))
    id_ = house.answered_call()
    start(house, id_, note="{by}")
    attributes = house.interaction(id_).attributes
    assert (attributes["copy"], attributes["none"]) == ("{by}", "")


def test_data_that_is_there_can_be_kept() -> None:
    house = FlowHouse(flow(step("a", K.SET_DATA, data={"escalation_reason": "Complex Case"}, keep=True)))
    id_ = house.answered_call()
    start(house, id_, escalation_reason="Fraud")
    assert house.interaction(id_).attributes["escalation_reason"] == "Fraud"


def test_going_round_without_a_wait_is_stopped() -> None:
    """The check at load refuses such a flow; whoever brings it in by another way does not stop the desk."""
    house, id_ = talking(step("d", K.DECISION, "d", when={"x": ("1",)}))
    assert house.ended().reason == "it goes round in circles"
    assert house.interaction(id_).flows == ()


def asked(house: FlowHouse) -> list[events.NotificationAsked]:
    return [event for event in house.journal if isinstance(event, events.NotificationAsked)]


def test_what_is_written_tells_of_the_call_and_its_subject_is_one_line() -> None:
    (told,) = asked(written_to_experts())
    assert (told.group, told.subject, told.text) == ("experts", "Call of +49301", "+49301 called sip:desk")


def test_a_group_without_addresses_is_a_failure_that_says_so() -> None:
    house = written_to_nobody()
    assert asked(house) == []
    assert "nobody is in the group 'experts'" in house.ended().reason


def test_flows_write_no_more_than_so_often_in_an_hour_and_again_in_the_next() -> None:
    house = letter(per_hour=2)
    for _ in range(3):
        house.call()
    assert len(asked(house)) == 2
    assert "2 were written to 'experts' within an hour" in house.ended().reason
    house.pass_time(3601)
    house.call()
    assert len(asked(house)) == 3


def led() -> tuple[FlowHouse, InteractionId]:
    """A caller who waits and may press 1 to be called back."""
    waits = step("q", K.QUEUE, queue=SALES, timeout_s=60.0, keys={"1": "back"})
    house = FlowHouse(flow(waits, step("back", K.CALLBACK), kind=FlowKind.INBOUND))
    return house, house.call()


def press(house: FlowHouse, id_: InteractionId, key: str) -> None:
    house.step(commands.DialDigits(id_, house.customer(id_).participant_id, key))


def test_a_key_of_the_caller_leads_on_and_the_place_is_kept() -> None:
    house, id_ = led()
    later = house.call()
    house.pass_time(20)
    press(house, id_, "2")
    assert house.at(id_) == "q"
    press(house, id_, "1")
    assert ("q", "key") in house.path()
    assert house.interaction(id_).live_callback is not None
    assert [place.interaction_id for place in house.desk.waiting(SALES)] == [id_, later]
    (seat,) = house.interaction(id_).seats
    assert seat.queued_at == house.interaction(id_).created_at
    house.check_replay()


def test_a_key_means_nothing_while_somebody_is_about_to_answer_or_has() -> None:
    house, id_ = led()
    house.ready(ALICE)
    press(house, id_, "1")
    house.accept(ALICE)
    press(house, id_, "1")
    house.connect(id_, ALICE)
    press(house, id_, "1")
    assert house.interaction(id_).live_callback is None
    assert house.customer(id_).state is ParticipantState.IN_SESSION


def test_when_it_rang_for_nobody_the_key_counts_again() -> None:
    house, id_ = led()
    house.ready(ALICE)
    house.pass_time(house.policy.offer_s)
    press(house, id_, "1")
    assert house.interaction(id_).live_callback is not None


def test_nobody_but_the_caller_chooses() -> None:
    house, id_ = led()
    house.step(commands.DialDigits(id_, house.customer(id_).participant_id, ""))
    house.ready(ALICE)
    house.accept(ALICE)
    alice = house.participant(id_, ALICE).participant_id
    house.step(commands.DialDigits(id_, alice, "1"))
    assert house.interaction(id_).live_callback is None


@pytest.mark.parametrize("then", [step("then", K.DISCONNECT), step("then", K.CALLBACK)])
def test_an_inbound_flow_does_nothing_more_to_a_caller_whom_somebody_has_met(then: FlowStep) -> None:
    """A prompt that says goodbye must not end the conversation that began meanwhile."""
    says = step("say", K.PLAY_PROMPT, "then", prompt="goodbye", participant=ParticipantRole.CUSTOMER)
    house = FlowHouse(flow(says, then, kind=FlowKind.INBOUND))
    id_ = house.call()
    prompt_id = house.last_prompt().prompt_id
    house.pass_time(1)
    house.ready(ALICE)
    role, kind = ParticipantRole.AGENT, MediaType.VOICE
    house.step(commands.SeekParticipant(id_, ALICE, role, kind, by="crm"))
    house.accept(ALICE)
    house.connect(id_, ALICE)
    assert (house.ended().result, house.ended().reason) == (
        FlowResult.OVERTAKEN,
        "somebody is with the caller",
    )
    assert any(isinstance(event, events.PromptStopped) for event in house.journal)
    house.step(commands.FinishPrompt(id_, prompt_id, ""))
    house.pass_time(1000)
    assert house.customer(id_).state is ParticipantState.IN_SESSION
    assert house.interaction(id_).live_callback is None
    house.check_replay()


def test_what_an_inbound_flow_does_after_the_answer_goes_on() -> None:
    waits = step("q", K.QUEUE, "say", queue=SALES, timeout_s=60.0)
    says = step("say", K.PLAY_PROMPT, prompt="recorded")
    house = FlowHouse(flow(waits, says, kind=FlowKind.INBOUND))
    house.ready(ALICE)
    id_ = house.call()
    house.accept(ALICE)
    house.connect(id_, ALICE)
    assert house.at(id_) == "say"
    customer = house.customer(id_).participant_id
    house.pass_time(1)
    house.step(commands.HoldParticipant(id_, customer, ALICE))
    house.step(commands.ResumeParticipant(id_, customer, ALICE))
    assert house.at(id_) == "say"


def test_a_line_in_which_nobody_can_stay_for_a_moment_is_no_wait() -> None:
    """A timeout leads back to the same queue as often as one likes: then it must have taken time."""
    house = FlowHouse(
        flow(
            FlowStep("q", K.QUEUE, {S: END, F: END, T: "q"}, queue=SALES, timeout_s=30.0),
            kind=FlowKind.INBOUND,
        )
    )
    empty = Queue(QueueId("empty"), "Empty", join_empty=False, leave_when_empty=True)
    overflow = Overflow(OverflowTo.QUEUE, depth=1, queue_id=empty.queue_id)
    house.step(commands.DeclareQueue(empty, "admin"))
    house.step(commands.DeclareQueue(Queue(SALES, "Sales", overflow=overflow), "admin"))
    house.call()
    id_ = house.call()
    house.step(commands.ExpireDeadlines())
    ends = [event for event in house.journal if isinstance(event, events.FlowEnded)]
    assert [(event.interaction_id, event.outcome) for event in ends] == [(id_, F)]
    assert house.interaction(id_).ended_at is None
