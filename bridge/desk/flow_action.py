"""What each kind of a flow's step does, and what it waits for, as tables.

ENTER[kind]           what a step does; it has its outcome at once, or says what it waits for
RECEIVE[kind, event]  what an event means to a step that waits
DUE[kind]             the outcome when it has waited long enough, unless HOLDS_OUT[kind] says: not yet
RELEASE[kind]         what a step that is left before its time has to give back
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bridge.desk import commands, events
from bridge.desk.attributes import merged_attributes
from bridge.desk.calling_back import request_callback
from bridge.desk.dialing import CallbackWish, begin_callback
from bridge.desk.flow import FlowKind, FlowResult, FlowRun, FlowStep, Outcome, StepKind
from bridge.desk.flow_run import end_run
from bridge.desk.flow_text import all_filled, filled, value_of
from bridge.desk.interaction import Interaction
from bridge.desk.limit import give_up_escalation
from bridge.desk.notice import HOUR_S, SUBJECT_MAX, TEXT_MAX
from bridge.desk.offer import OfferTrigger
from bridge.desk.participant import Participant, ParticipantRole, ParticipantState, ParticipantTrigger
from bridge.desk.queue import Queue
from bridge.desk.queue_admin import queue_interaction, seek_from_queue
from bridge.desk.queueing import Wish, admit, open_seat, rank_again
from bridge.desk.seat import Seat, SeatState
from bridge.desk.settlement import end
from bridge.desk.step import SYSTEM, Step
from bridge.desk.transfer import TransferState
from bridge.desk.transferring import cancel_transfer, merge_consult, start_consult, transfer_blind
from bridge.errors import CapacityError, NotAllowedError
from bridge.ids import InteractionId, PromptId, QueueId

PROMPT_S = 60.0  # a prompt whose end nobody reports holds a flow up no longer
CONFERENCE_S = 15.0  # for somebody's media to come back, as `DeskPolicy.connect_s`


@dataclass(frozen=True)
class Entered:
    """What entering a step came to. Without an outcome it waits for `subject`, at most for `due_s`."""

    outcome: Outcome | None = None
    reason: str = ""
    subject: str = ""
    due_s: float | None = None


@dataclass(frozen=True)
class Came:
    """What an event brought: an outcome, or the end of the run because a user wants it no more."""

    outcome: Outcome | None = None
    reason: str = ""
    stopped_by: str = ""


@dataclass(frozen=True)
class Scene:
    """A run and where it runs, at this point of the desk's step."""

    step: Step
    interaction: Interaction
    run: FlowRun
    flow_step: FlowStep

    @property
    def id_(self) -> InteractionId:
        return self.interaction.interaction_id

    def again(self) -> Interaction:
        """The interaction as it has become meanwhile."""
        return self.step.interaction(self.id_)


DONE = Entered(Outcome.SUCCESS)

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
        scene.step.record(events.AttributesSet(scene.step.now, scene.id_, changed, _by(scene)))
        rank_again(scene.step, scene.id_)
    return DONE


def _set_variable(scene: Scene) -> Entered:
    _put_variables(scene, all_filled(scene.flow_step.variables, scene.run, scene.interaction))
    return DONE


def _get_participant(scene: Scene) -> Entered:
    """Reads one who is there into variables that begin with the role: `customer_state`, `customer_video` ..."""
    role = scene.flow_step.participant or ParticipantRole.CUSTOMER
    participant = _one(scene.interaction.participants, role)
    if participant is None:
        return Entered(Outcome.FAILURE, f"there is no {role}")
    portrait = {**_portrait(participant), "callable": "false" if _why_not_called(scene, "") else "true"}
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
    why_not = _why_not_called(scene, number)
    if why_not:
        return Entered(Outcome.FAILURE, why_not)
    not_before = scene.step.now + flow_step.delay_s
    reason = flow_step.reason or f"flow {scene.run.flow.flow_id}"
    command = commands.RequestCallback(scene.id_, _by(scene), number, not_before, flow_step.queue, reason)
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


# --- a queue ----------------------------------------------------------------------------------------------


def _queue(scene: Scene) -> Entered:
    """The caller's own place when the flow leads a caller, else one more participant from the queue."""
    if scene.interaction.live_callback is not None:
        return Entered(Outcome.FAILURE, "the customer is called back")
    queue = scene.step.state.queue(scene.flow_step.queue or QueueId(""))
    inbound = scene.run.flow.kind is FlowKind.INBOUND
    entered = _queue_caller(scene, queue) if inbound else _seek_from(scene, queue)
    if entered.outcome is None and scene.flow_step.prompt:
        _start_prompt(scene, _one(scene.again().participants, ParticipantRole.CUSTOMER))
    return entered


def _queue_caller(scene: Scene, queue: Queue) -> Entered:
    step, id_ = scene.step, scene.id_
    if _is_met(scene.interaction):
        return Entered(Outcome.SUCCESS, "somebody is with the customer already")
    seat = _callers_seat(scene.interaction)
    if seat is None:
        admission = admit(step, queue)
        if admission.refused:
            raise CapacityError(admission.reason)
        if admission.callback:
            number, reason = scene.interaction.caller, admission.reason
            begin_callback(step, id_, CallbackWish(number, step.now, queue.queue_id, SYSTEM, reason))
        wish = Wish(scene.flow_step.media, admission.queue.role, SYSTEM, asked_queue_id=queue.queue_id)
        seat_id = open_seat(step, scene.again(), admission, wish)
    else:
        queue_interaction(step, commands.QueueInteraction(id_, queue.queue_id, SYSTEM))
        seat_id = seat.seat_id
    return Entered(subject=seat_id, due_s=scene.flow_step.timeout_s)


def _seek_from(scene: Scene, queue: Queue) -> Entered:
    before = {seat.seat_id for seat in scene.interaction.seats}
    command = commands.SeekFromQueue(scene.id_, queue.queue_id, scene.flow_step.media, _by(scene))
    seek_from_queue(scene.step, command)
    opened = [seat for seat in scene.again().seats if seat.seat_id not in before]
    if not opened:
        raise NotAllowedError(f"somebody is sought in {queue.name!r} already")
    return Entered(subject=opened[0].seat_id, due_s=scene.flow_step.timeout_s)


def _seat_moved(scene: Scene, event: events.SeatMoved) -> Came | None:
    if event.seat_id != scene.run.subject:
        return None
    if event.state is SeatState.FILLED:
        return Came(Outcome.SUCCESS)
    if event.state is SeatState.OPEN and _is_overdue(scene):
        return _no_one_came(scene)
    if event.state is not SeatState.CLOSED:
        return None
    if event.expired:
        return Came(Outcome.TIMEOUT, event.reason)
    if scene.run.flow.kind is FlowKind.INBOUND and _is_met(scene.interaction):
        return Came(Outcome.SUCCESS, event.reason)
    by = _taken_back_by(scene.interaction, event)
    return Came(reason=event.reason, stopped_by=by) if by else Came(Outcome.FAILURE, event.reason)


def _no_one_came(scene: Scene) -> Came:
    """The time was up while it rang, and now it rings no more."""
    reason = f"not within {scene.flow_step.timeout_s:g} s"
    _give_back_seat(scene, reason)
    return Came(Outcome.TIMEOUT, reason)


def _is_overdue(scene: Scene) -> bool:
    return scene.run.due_at is not None and scene.run.due_at <= scene.step.now


def _rings(scene: Scene) -> bool:
    """An offer rings for the seat, or somebody who accepted is connecting: not the moment to give up."""
    seat = _seat(scene)
    return seat is not None and seat.state is not SeatState.OPEN


def _give_back_seat(scene: Scene, reason: str) -> None:
    seat = _seat(scene)
    if seat is None:
        return
    if seat.escalation:
        give_up_escalation(scene.step, scene.id_, seat, reason)
    else:
        scene.step.close_seat(scene.id_, seat, OfferTrigger.RESCIND, reason, expired=True)


def _seat(scene: Scene) -> Seat | None:
    return next((s for s in scene.again().seats if s.seat_id == scene.run.subject), None)


def _callers_seat(interaction: Interaction) -> Seat | None:
    return next((seat for seat in interaction.seats if seat.is_customers), None)


def _taken_back_by(interaction: Interaction, event: events.SeatMoved) -> str:
    """The user who took out whoever was sought; "" if it was somebody's own doing, or the desk's."""
    for participant in interaction.participants:
        if participant.participant_id == event.participant_id:
            by = participant.disconnected_by
            return "" if by in (SYSTEM, participant.user_id) else by
    return ""


# --- a transfer -------------------------------------------------------------------------------------------


def _transfer_warm(scene: Scene) -> Entered:
    """Seeks somebody to consult; whoever asked then hands over, makes a conference of it, or takes it back."""
    flow_step = scene.flow_step
    command = commands.StartConsult(
        scene.id_, _by(scene), flow_step.user, flow_step.queue, type=flow_step.media
    )
    start_consult(scene.step, command)
    return Entered(subject=_seat_of_transfer(scene), due_s=flow_step.timeout_s)


def _transfer_blind(scene: Scene) -> Entered:
    """To a queue it is done at once: the customer waits there. To a user, when that one has answered."""
    flow_step = scene.flow_step
    command = commands.TransferBlind(
        scene.id_, _by(scene), flow_step.user, flow_step.queue, type=flow_step.media
    )
    transfer_blind(scene.step, command)
    seat_id = _seat_of_transfer(scene)
    return Entered(subject=seat_id, due_s=flow_step.timeout_s) if seat_id else DONE


def _transfer_moved(_scene: Scene, event: events.TransferMoved) -> Came | None:
    """An interaction has one transfer at a time: it is the one that is waited for."""
    if event.state in (TransferState.COMPLETED, TransferState.MERGED):
        return Came(Outcome.SUCCESS, event.state)
    return Came(Outcome.FAILURE, event.reason) if event.state is TransferState.RETURNED else None


def _is_consulting(scene: Scene) -> bool:
    transfer = scene.again().transfer
    return transfer is not None and transfer.state is TransferState.CONSULTING


def _take_back_transfer(scene: Scene, reason: str) -> None:
    transfer = scene.again().transfer
    if transfer is not None and transfer.seat_id == scene.run.subject:
        cancel_transfer(scene.step, commands.CancelTransfer(scene.id_, SYSTEM, reason))


def _seat_of_transfer(scene: Scene) -> str:
    transfer = scene.again().transfer
    return transfer.seat_id if transfer is not None else ""


# --- a prompt ---------------------------------------------------------------------------------------------


def _play_prompt(scene: Scene) -> Entered:
    role = scene.flow_step.participant
    participant = None if role is None else _one(scene.interaction.participants, role)
    if role is not None and participant is None:
        return Entered(Outcome.FAILURE, f"there is no {role}")
    prompt_id = _start_prompt(scene, participant)
    return Entered(subject=prompt_id, due_s=scene.flow_step.timeout_s or PROMPT_S)


def _start_prompt(scene: Scene, participant: Participant | None) -> PromptId:
    prompt_id = scene.step.ids.prompt()
    listener = participant.participant_id if participant is not None else None
    scene.step.record(
        events.PromptStarted(scene.step.now, scene.id_, prompt_id, listener, scene.flow_step.prompt)
    )
    return prompt_id


def _stop_prompt(scene: Scene, _reason: str) -> None:
    role = scene.flow_step.participant
    participant = None if role is None else _one(scene.interaction.participants, role)
    listener = participant.participant_id if participant is not None else None
    prompt_id = PromptId(scene.run.subject)
    scene.step.record(events.PromptStopped(scene.step.now, scene.id_, prompt_id, listener))


# --- together ---------------------------------------------------------------------------------------------


def _confer(scene: Scene) -> Entered:
    """Ends a consultation and takes everybody off hold, until the customer and who was sought are together."""
    if _is_consulting(scene):
        merge_consult(scene.step, commands.MergeConsult(scene.id_, _by(scene)))
    elif scene.interaction.transfer is not None:
        raise NotAllowedError("a transfer is under way")
    for participant in scene.again().participants:
        if participant.state is ParticipantState.HELD:
            id_, by = participant.participant_id, _by(scene)
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


def _by(scene: Scene) -> str:
    return scene.run.by


def _one(participants: Iterable[Participant], role: ParticipantRole) -> Participant | None:
    return next((p for p in participants if p.role is role and p.is_live), None)


def _is_met(interaction: Interaction) -> bool:
    states = (ParticipantState.IN_SESSION, ParticipantState.HELD)
    return any(customer.state in states for customer in interaction.customers())


def _why_not_called(scene: Scene, number: str) -> str:
    """ "" if the customer can be called at `number`, or at where the call came from."""
    target = number or scene.interaction.caller
    if not target or "anonymous" in target.lower():  # RFC 3323 section 4.1.1.3
        return "the caller withheld the number"
    if not scene.step.policy.dials_numbers and not target.startswith(("sip:", "sips:")):
        return "the bridge knows no way out for numbers: set sip.dial_target or the target of a trunk"
    return ""


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
    StepKind.QUEUE: _queue,
    StepKind.PLAY_PROMPT: _play_prompt,
    StepKind.CONFERENCE: _confer,
    StepKind.WARM_TRANSFER: _transfer_warm,
    StepKind.BLIND_TRANSFER: _transfer_blind,
    StepKind.CALLBACK: _call_back,
    StepKind.NOTIFY: _notify,
    StepKind.WAIT: _wait,
    StepKind.DISCONNECT: _disconnect,
}
RECEIVE: dict[tuple[StepKind, type], Callable[[Scene, Any], Came | None]] = {
    (StepKind.QUEUE, events.SeatMoved): _seat_moved,
    (StepKind.WARM_TRANSFER, events.TransferMoved): _transfer_moved,
    (StepKind.BLIND_TRANSFER, events.TransferMoved): _transfer_moved,
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
    StepKind.QUEUE: _rings,
    StepKind.WARM_TRANSFER: _is_consulting,
}
RELEASE: dict[StepKind, Callable[[Scene, str], None]] = {
    StepKind.QUEUE: _give_back_seat,
    StepKind.PLAY_PROMPT: _stop_prompt,
    StepKind.WARM_TRANSFER: _take_back_transfer,
    StepKind.BLIND_TRANSFER: _take_back_transfer,
}
