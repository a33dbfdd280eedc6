"""Steps of flows: started by a user, by a call or by digits; stopped; told that a prompt is through."""

from bridge.desk import commands, events
from bridge.desk.centre.flow import Flow, FlowKind, FlowRun, FlowTrigger
from bridge.desk.commands import SYSTEM
from bridge.desk.flow.interpreter import begin_run, finish_prompt, press_key, stop_run
from bridge.desk.interaction.attributes import merged_attributes
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import ParticipantState
from bridge.desk.settlement.queueing import rank_again
from bridge.desk.step import Step
from bridge.desk.work.seating import check_escalation
from bridge.errors import ConflictError, NotAllowedError, NotFoundError
from bridge.ids import FlowId, InteractionId


def start_flow(step: Step, command: commands.StartFlow) -> None:
    """An escalation leaves the conversation as it is until somebody joins it."""
    flow = _flow(step, command.flow_id)
    interaction = step.live_interaction(command.interaction_id)
    if flow.kind is FlowKind.INBOUND:
        raise NotAllowedError(f"{flow.flow_id} is an inbound flow: it begins with the call")
    if any(run.flow.flow_id == flow.flow_id for run in interaction.flows):
        return
    _check_start(interaction)
    merged = merged_attributes(interaction.attributes, command.attributes, step.policy)
    changed = {name: value for name, value in merged.items() if interaction.attributes.get(name) != value}
    if changed:
        step.record(events.AttributesSet(step.now, command.interaction_id, changed, command.by))
        rank_again(step, command.interaction_id)
    begin_run(step, command.interaction_id, flow, command.by, FlowTrigger.USER)


def lead_call(step: Step, interaction_id: InteractionId) -> None:
    """A call goes through the inbound flow, if there is one."""
    if step.policy.inbound_flow is None:
        return
    flow = _flow(step, step.policy.inbound_flow)
    begin_run(step, interaction_id, flow, SYSTEM, FlowTrigger.CALL)


def stop_flow(step: Step, command: commands.StopFlow) -> None:
    """What it seeks is given up. The flow that leads a caller is not stopped by anybody."""
    run = step.live_interaction(command.interaction_id).flow_run(command.flow_run_id)
    if run is None:
        raise NotFoundError(f"flow run {command.flow_run_id} is over")
    if run.flow.kind is FlowKind.INBOUND:
        raise NotAllowedError(f"{run.flow.flow_id} leads the caller and ends by itself")
    stop_run(step, command.interaction_id, run, command.by, command.reason or "stopped")


def dial_digits(step: Step, command: commands.DialDigits) -> None:
    """A customer who waits takes the way on that the flow offers for the key; one in a conversation starts the
    flow that is bound to the digits. Other digits mean nothing."""
    interaction = step.interaction(command.interaction_id)
    if interaction.ended_at is not None:
        return
    participant = interaction.participant(command.participant_id)
    if participant.is_customer and participant.state is ParticipantState.QUEUED:
        press_key(step, command.interaction_id, command.digits[-1:])
        return
    flow = next((f for f in step.policy.flows if f.digits and command.digits.endswith(f.digits)), None)
    if flow is None:
        return
    talks = participant.state in (ParticipantState.IN_SESSION, ParticipantState.HELD)
    if not (participant.is_customer and talks) or _running(interaction) is not None:
        return
    _check_start(interaction)
    begin_run(step, command.interaction_id, flow, SYSTEM, FlowTrigger.DIGITS)


def report_prompt(step: Step, command: commands.FinishPrompt) -> None:
    """Late is fine: a flow that does not wait for it any more takes no notice."""
    finish_prompt(step, command.prompt_id, command.interaction_id, command.error)


def _flow(step: Step, flow_id: FlowId) -> Flow:
    for flow in step.policy.flows:
        if flow.flow_id == flow_id:
            return flow
    known = ", ".join(sorted(flow.flow_id for flow in step.policy.flows)) or "none"
    raise NotFoundError(f"no flow {flow_id!r}; there are {known}")


def _running(interaction: Interaction) -> FlowRun | None:
    """What somebody started. The inbound flow, which may go on beside it, is the caller's own."""
    return next((run for run in interaction.flows if run.flow.kind is not FlowKind.INBOUND), None)


def _check_start(interaction: Interaction) -> None:
    running = _running(interaction)
    if running is not None:
        raise ConflictError(f"the flow {running.flow.flow_id} is running: stop it first")
    if interaction.live_callback is not None:
        raise NotAllowedError("the customer is called back: nothing can be escalated before")
    check_escalation(interaction)
