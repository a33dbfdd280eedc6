"""What each kind of a flow's step does, and what it waits for, as tables.

ENTER[kind]           what a step does; it has its outcome at once, or says what it waits for
RECEIVE[kind, event]  what an event means to a step that waits
DUE[kind]             the outcome when it has waited long enough, unless HOLDS_OUT[kind] says: not yet
RELEASE[kind]         what a step that is left before its time has to give back
"""

from collections.abc import Callable
from typing import Any

from bridge.desk import commands, events
from bridge.desk.centre.flow import FlowResult, Outcome, StepKind
from bridge.desk.centre.notice import HOUR_S, SUBJECT_MAX, TEXT_MAX
from bridge.desk.centre.role import ParticipantRole
from bridge.desk.commands import SYSTEM
from bridge.desk.conversation.calling_back import request_callback
from bridge.desk.conversation.transferring import merge_consult
from bridge.desk.flow.handing_over import (
    is_consulting,
    take_back_transfer,
    transfer_blindly,
    transfer_moved,
    transfer_warm,
)
from bridge.desk.flow.prompt import play_prompt, stop_prompt
from bridge.desk.flow.queue import give_back_seat, queue_for, rings, seat_moved
from bridge.desk.flow.scene import DONE, Came, Entered, Scene, one_of
from bridge.desk.flow.text import all_filled, filled, value_of
from bridge.desk.interaction.attributes import merged_attributes
from bridge.desk.interaction.participant import Participant, ParticipantState, ParticipantTrigger
from bridge.desk.settlement.callback import why_not_called
from bridge.desk.settlement.flow_end import end_run
from bridge.desk.settlement.queueing import rank_again
from bridge.desk.settlement.settlement import end
from bridge.errors import NotAllowedError

CONFERENCE_S = 15.0  # for somebody's media to come back, as `DeskPolicy.connect_s`


# --- at once ----------------------------------------------------------------------------------------------


def _set_data(scene: Scene) -> Entered:
    """Interaction data; with `keep` what is there already stays."""
    attributes = scene.interaction.attributes
    wanted = all_filled(scene.flow_step.data, scene.run, scene.interaction)
    if scene.flow_step.keep:
        wanted = {name: value for name, value in wanted.items() if not attributes.get(name)}
    merged_attributes(attributes, wanted, scene.step.policy)
    changed = {name: value for name, value in wanted.items() if attributes.get(name) != value}
    if changed:
        scene.step.record(events.AttributesSet(scene.step.now, scene.id_, changed, scene.by))
        rank_again(scene.step, scene.id_)
    return DONE


def _set_variable(scene: Scene) -> Entered:
    _put_variables(scene, all_filled(scene.flow_step.variables, scene.run, scene.interaction))
    return DONE


def _get_participant(scene: Scene) -> Entered:
    """Reads one who is there into variables that begin with the role: `customer_state`, `customer_video` ..."""
    role = scene.flow_step.participant or ParticipantRole.CUSTOMER
    participant = one_of(scene.interaction.participants, role)
    if participant is None:
        return Entered(Outcome.FAILURE, f"there is no {role}")
    why_not = why_not_called(scene.step.policy, scene.interaction.caller)
    portrait = {**_portrait(participant), "callable": "false" if why_not else "true"}
    _put_variables(scene, {f"{role}_{name}": value for name, value in portrait.items()})
    return DONE


def _decide(scene: Scene) -> Entered:
    """Success if every name has one of the values written behind it."""
    for name, values in scene.flow_step.when.items():
        value = value_of(name, scene.run, scene.interaction)
        if value not in values:
            return Entered(Outcome.FAILURE, f"{name} is {value!r}")
    return DONE


def _call_back(scene: Scene) -> Entered:
    flow_step = scene.flow_step
    number = filled(flow_step.number, scene.run, scene.interaction)
    not_before = scene.step.now + flow_step.delay_s
    reason = flow_step.reason or f"flow {scene.run.flow.flow_id}"
    command = commands.RequestCallback(scene.id_, scene.by, number, not_before, flow_step.queue, reason)
    request_callback(scene.step, command)
    return DONE


def _notify(scene: Scene) -> Entered:
    """Has somebody written to, in the commit of this step. What becomes of the letter is no business of the call."""
    step, flow_step = scene.step, scene.flow_step
    group, policy = flow_step.to, step.policy
    if group not in policy.notify_groups:
        return Entered(Outcome.FAILURE, f"nobody is in the group {group!r}")
    recent = [at for at in step.state.noticed_at.get(group, ()) if at > step.now - HOUR_S]
    if len(recent) >= policy.notices_per_hour:
        return Entered(Outcome.FAILURE, f"{policy.notices_per_hour} were written to {group!r} within an hour")
    text = filled(flow_step.text, scene.run, scene.interaction)[:TEXT_MAX]
    subject = filled(flow_step.subject, scene.run, scene.interaction)[:SUBJECT_MAX]
    subject = " ".join(subject.split()) or scene.run.flow.name
    step.record(events.NotificationAsked(step.now, scene.id_, scene.run.flow_run_id, group, subject, text))
    return DONE


def _disconnect(scene: Scene) -> Entered:
    """The interaction ends, and with it the run."""
    reason = scene.flow_step.reason or f"flow {scene.run.flow.flow_id}"
    end_run(scene.step, scene.id_, scene.run, FlowResult.COMPLETED, SYSTEM, reason)
    end(scene.step, scene.id_, SYSTEM, reason)
    return DONE


# --- together ---------------------------------------------------------------------------------------------


def _confer(scene: Scene) -> Entered:
    """Ends a consultation and takes everybody off hold, until the customer and who was sought are together."""
    if is_consulting(scene):
        merge_consult(scene.step, commands.MergeConsult(scene.id_, scene.by))
    elif scene.interaction.transfer is not None:
        raise NotAllowedError("a transfer is under way")
    for participant in scene.again().participants:
        if participant.state is ParticipantState.HELD:
            id_, by = participant.participant_id, scene.by
            scene.step.move(scene.id_, id_, ParticipantTrigger.RESUME, by, "conference")
    came = _together(scene)
    due_s = scene.flow_step.timeout_s or CONFERENCE_S
    return Entered(came.outcome, came.reason, due_s=due_s) if came else Entered(due_s=due_s)


def _together(scene: Scene, _event: object = None) -> Came | None:
    interaction = scene.again()
    inside = [p for p in interaction.participants if p.state is ParticipantState.IN_SESSION]
    staff = [p for p in interaction.staff() if p.is_present]
    if not any(p.is_customer for p in interaction.participants if p.is_live):
        return Came(Outcome.FAILURE, "there is no customer")
    if not staff:
        return Came(Outcome.FAILURE, "nobody is with the customer")
    # The agent may have left while the expert was sought: then the expert is who is wanted here.
    wanted = [p for p in staff if p.role is ParticipantRole.SME] or (staff if len(staff) > 1 else [])
    if not wanted:
        return Came(Outcome.FAILURE, "whoever was sought has left again")
    here = any(p.is_customer for p in inside) and any(p in inside for p in wanted)
    return Came(Outcome.SUCCESS) if here else None


def _wait(scene: Scene) -> Entered:
    return Entered(due_s=scene.flow_step.seconds)


# --- inside -----------------------------------------------------------------------------------------------


def _portrait(participant: Participant) -> dict[str, str]:
    """What a decision may be about."""
    can = participant.capabilities
    flags = {
        "video": can.video.send,
        "sees": can.video.receive,
        "audio": can.audio.send,
        "screen": can.screen.receive,
        "muted": participant.muted,
        "held": participant.state is ParticipantState.HELD,
        "on_hold_by_phone": participant.held_by_remote,
        "present": participant.is_present,
    }
    words = {name: "true" if flag else "false" for name, flag in flags.items()}
    return {
        **words,
        "state": participant.state,
        "type": participant.type,
        "name": participant.name,
        "user": participant.user_id or "",
        "address": participant.address,
        "no_video": can.no_video,
        "id": participant.participant_id,
    }


def _put_variables(scene: Scene, variables: dict[str, str]) -> None:
    """Raises CapacityError beyond what attributes may take."""
    merged_attributes(scene.run.variables, variables, scene.step.policy)
    changed = {
        name: str(value) for name, value in variables.items() if scene.run.variables.get(name) != value
    }
    if changed:
        scene.step.record(events.FlowVariablesSet(scene.step.now, scene.id_, scene.run.flow_run_id, changed))


ENTER: dict[StepKind, Callable[[Scene], Entered]] = {
    StepKind.SET_DATA: _set_data,
    StepKind.SET_VARIABLE: _set_variable,
    StepKind.GET_PARTICIPANT: _get_participant,
    StepKind.DECISION: _decide,
    StepKind.QUEUE: queue_for,
    StepKind.PLAY_PROMPT: play_prompt,
    StepKind.CONFERENCE: _confer,
    StepKind.WARM_TRANSFER: transfer_warm,
    StepKind.BLIND_TRANSFER: transfer_blindly,
    StepKind.CALLBACK: _call_back,
    StepKind.NOTIFY: _notify,
    StepKind.WAIT: _wait,
    StepKind.DISCONNECT: _disconnect,
}
RECEIVE: dict[tuple[StepKind, type], Callable[[Scene, Any], Came | None]] = {
    (StepKind.QUEUE, events.SeatMoved): seat_moved,
    (StepKind.WARM_TRANSFER, events.TransferMoved): transfer_moved,
    (StepKind.BLIND_TRANSFER, events.TransferMoved): transfer_moved,
    (StepKind.CONFERENCE, events.ParticipantMoved): _together,
}
DUE: dict[StepKind, Outcome] = {
    StepKind.QUEUE: Outcome.TIMEOUT,
    StepKind.PLAY_PROMPT: Outcome.TIMEOUT,
    StepKind.WARM_TRANSFER: Outcome.TIMEOUT,
    StepKind.BLIND_TRANSFER: Outcome.TIMEOUT,
    StepKind.CONFERENCE: Outcome.TIMEOUT,
    StepKind.WAIT: Outcome.SUCCESS,
}
HOLDS_OUT: dict[StepKind, Callable[[Scene], bool]] = {
    StepKind.QUEUE: rings,
    StepKind.WARM_TRANSFER: is_consulting,
}
RELEASE: dict[StepKind, Callable[[Scene, str], None]] = {
    StepKind.QUEUE: give_back_seat,
    StepKind.PLAY_PROMPT: stop_prompt,
    StepKind.WARM_TRANSFER: take_back_transfer,
    StepKind.BLIND_TRANSFER: take_back_transfer,
}
