"""Runs flows: from step to step by their branches, as far as it goes at once.

What a step does and waits for is in the tables of `action`. A flow's own table, the branches of its steps,
leads from a step and its outcome to the next step.
"""

from typing import Any

from bridge.desk import events
from bridge.desk.centre.flow import (
    END,
    Flow,
    FlowKind,
    FlowResult,
    FlowRun,
    FlowStep,
    FlowTrigger,
    Outcome,
    StepKind,
)
from bridge.desk.commands import SYSTEM
from bridge.desk.flow.action import DUE, ENTER, HOLDS_OUT, RECEIVE, RELEASE
from bridge.desk.flow.scene import Entered, Scene
from bridge.desk.interaction.participant import ParticipantState
from bridge.desk.settlement.flow_end import end_run
from bridge.desk.settlement.settlement import settle
from bridge.desk.step import Step
from bridge.errors import BridgeError
from bridge.ids import FlowRunId, InteractionId, PromptId

MOVES_MAX = 100  # steps of one run at one instant; the check at load makes sure of fewer
CALLED_BACK = "the customer is called back"
MET = "somebody is with the caller"

# What can mean something to a run as it is; a callback ends it at whatever is told next.
_HEARD = frozenset({events.ParticipantMoved, *(event_type for _, event_type in RECEIVE)})


def begin_run(
    step: Step, interaction_id: InteractionId, flow: Flow, by: str, trigger: FlowTrigger
) -> FlowRunId:
    """Starts a flow and takes it as far as it goes at once."""
    run_id = step.ids.flow_run()
    step.record(events.FlowStarted(step.now, interaction_id, run_id, flow, by, trigger))
    settle(step, interaction_id)  # a caller waits from now on, in the place the flow will say
    step.record(events.FlowMoved(step.now, interaction_id, run_id, flow.start))
    _run_on(step, interaction_id, run_id)
    return run_id


def run_flows(step: Step) -> None:
    """Tells every run what this step of the desk has brought about; what that causes is told as well."""
    told = 0
    while told < len(step.events):
        event: Any = step.events[told]
        told += 1
        interaction_id = getattr(event, "interaction_id", None)
        if interaction_id not in step.state.flowing:
            continue
        interaction = step.interaction(event.interaction_id)
        if type(event) in _HEARD or interaction.live_callback is not None:
            for run in interaction.flows:
                _receive(step, event.interaction_id, run, event)


def expire_flows(step: Step) -> None:
    """Ends the waits that are due."""
    for interaction_id in tuple(step.state.flowing):
        for run in step.interaction(interaction_id).flows:
            flow_step = run.current
            if run.due_at is None or run.due_at > step.now or flow_step is None:
                continue
            scene = Scene(step, step.interaction(interaction_id), run, flow_step)
            holds_out = HOLDS_OUT.get(flow_step.kind)
            if holds_out is not None and holds_out(scene):
                continue  # somebody is on the way; if they do not come, an event says so
            _time_out(scene)


def finish_prompt(step: Step, prompt_id: PromptId, interaction_id: InteractionId, error: str) -> None:
    """A prompt is through, or could not be played."""
    run = step.interaction(interaction_id).awaited_by_flow(prompt_id)
    if run is None or run.current is None:
        return
    scene = Scene(step, step.interaction(interaction_id), run, run.current)
    _leave(scene, Outcome.FAILURE if error else Outcome.SUCCESS, error)


def press_key(step: Step, interaction_id: InteractionId, key: str) -> bool:
    """A caller who waits chose a way on; False if the key means nothing now.

    While it rings for the caller, or somebody who accepted is connecting, it does not: an answer is near.
    """
    for run in step.interaction(interaction_id).flows:
        flow_step = run.current
        target = flow_step.keys.get(key) if flow_step is not None else None
        if flow_step is None or target is None:
            continue
        scene = Scene(step, step.interaction(interaction_id), run, flow_step)
        holds_out = HOLDS_OUT.get(flow_step.kind)
        if holds_out is not None and holds_out(scene):
            continue
        reason = f"the caller pressed {key}"
        _release(scene, reason)
        if _move_to(scene, target, Outcome.KEY, reason):
            _run_on(step, interaction_id, run.flow_run_id)
        return True
    return False


def stop_run(step: Step, interaction_id: InteractionId, run: FlowRun, by: str, reason: str) -> None:
    """Gives back what its step holds, and ends it."""
    if run.current is not None:
        _release(Scene(step, step.interaction(interaction_id), run, run.current), reason)
    if step.interaction(interaction_id).flow_run(run.flow_run_id) is not None:
        end_run(step, interaction_id, run, FlowResult.STOPPED, by, reason)
    settle(step, interaction_id)


def resume_flows(step: Step) -> None:
    """After a restart: seats and clocks are as they were, but nothing plays any more."""
    for interaction_id in tuple(step.state.flowing):
        for run in step.interaction(interaction_id).flows:
            if run.current is not None and run.current.kind is StepKind.PLAY_PROMPT:
                _run_on(step, interaction_id, run.flow_run_id)


# --- from step to step ------------------------------------------------------------------------------------


def _run_on(step: Step, interaction_id: InteractionId, run_id: FlowRunId) -> None:
    """Enters the step the run has come to, and the next, until one has to wait or the run is over."""
    for _ in range(MOVES_MAX):
        scene = _scene(step, interaction_id, run_id)
        if scene is None:
            return
        entered = _enter(scene)
        if step.interaction(interaction_id).flow_run(run_id) is None:
            return  # the step ended the interaction, and with it the run
        if entered.outcome is None:
            due_at = None if entered.due_s is None else step.now + entered.due_s
            step.record(events.FlowWaits(step.now, interaction_id, run_id, entered.subject, due_at))
            return
        if not _move(scene, entered.outcome, entered.reason):
            return
    scene = _scene(step, interaction_id, run_id)
    if scene is not None:
        end_run(step, interaction_id, scene.run, FlowResult.STOPPED, SYSTEM, "it goes round in circles")
        settle(step, interaction_id)


def _scene(step: Step, interaction_id: InteractionId, run_id: FlowRunId) -> Scene | None:
    interaction = step.interaction(interaction_id)
    run = interaction.flow_run(run_id)
    flow_step = run.current if run is not None else None
    return None if run is None or flow_step is None else Scene(step, interaction, run, flow_step)


def _enter(scene: Scene) -> Entered:
    """What is refused has changed nothing, and is a failure of the step."""
    try:
        return ENTER[scene.flow_step.kind](scene)
    except BridgeError as error:
        return Entered(Outcome.FAILURE, error.reason)


def _leave(scene: Scene, outcome: Outcome, reason: str) -> None:
    """By the branch of `outcome`, and on from there."""
    if _scene(scene.step, scene.id_, scene.run.flow_run_id) is None:
        return
    if _move(scene, outcome, reason):
        _run_on(scene.step, scene.id_, scene.run.flow_run_id)


def _move(scene: Scene, outcome: Outcome, reason: str) -> bool:
    """Takes a branch; False when it led out of the flow."""
    return _move_to(scene, scene.flow_step.branches.get(outcome, END), outcome, reason)


def _move_to(scene: Scene, target: str, outcome: Outcome, reason: str) -> bool:
    step, run = scene.step, scene.run
    if target != END and run.flow.step(target) is not None:
        name = scene.flow_step.name
        step.record(events.FlowMoved(step.now, scene.id_, run.flow_run_id, target, name, outcome, reason))
        return True
    end_run(step, scene.id_, run, FlowResult.COMPLETED, SYSTEM, reason, outcome=outcome)
    settle(step, scene.id_)  # whom the flow leaves waiting waits like everybody
    return False


def _receive(step: Step, interaction_id: InteractionId, run: FlowRun, event: Any) -> None:
    scene = _scene(step, interaction_id, run.flow_run_id)
    if scene is None:
        return
    if scene.interaction.live_callback is not None:  # the place in the line is the callback's from now on
        end_run(step, interaction_id, scene.run, FlowResult.OVERTAKEN, SYSTEM, CALLED_BACK)
        settle(step, interaction_id)
        return
    if _meets_led_caller(scene, event):  # whatever it had in mind for a caller who waits is done with
        _release(scene, MET)
        end_run(step, interaction_id, scene.run, FlowResult.OVERTAKEN, SYSTEM, MET)
        settle(step, interaction_id)
        return
    means = RECEIVE.get((scene.flow_step.kind, type(event)))
    came = means(scene, event) if means is not None else None
    if came is None:
        return
    if came.outcome is not None:
        _leave(scene, came.outcome, came.reason)
    elif came.stopped_by:
        end_run(step, interaction_id, scene.run, FlowResult.STOPPED, came.stopped_by, came.reason)
        settle(step, interaction_id)


def _meets_led_caller(scene: Scene, event: Any) -> bool:
    """The first time that somebody is with a caller whom an inbound flow leads, other than out of its queue."""
    if not isinstance(event, events.ParticipantMoved) or event.state is not ParticipantState.IN_SESSION:
        return False
    if scene.run.flow.kind is not FlowKind.INBOUND or scene.flow_step.kind is StepKind.QUEUE:
        return False
    if scene.run.entered_at == event.at:  # its queue has just sent somebody: this step is meant for that
        return False
    participant = scene.interaction.participant(event.participant_id)
    return participant.is_customer and participant.session_since == event.at


def _time_out(scene: Scene) -> None:
    reason = _overdue(scene.flow_step)
    _release(scene, reason)
    _leave(scene, DUE[scene.flow_step.kind], reason)


def _release(scene: Scene, reason: str) -> None:
    release = RELEASE.get(scene.flow_step.kind)
    if release is not None and scene.run.subject:
        release(scene, reason)


def _overdue(flow_step: FlowStep) -> str:
    if flow_step.kind is StepKind.WAIT:
        return ""
    return f"not within {flow_step.timeout_s:g} s" if flow_step.timeout_s is not None else "not in time"
