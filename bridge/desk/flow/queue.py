"""The step that seeks somebody in a queue: its seat, and what becomes of it."""

from bridge.desk import commands, events
from bridge.desk.centre.flow import FlowKind, Outcome
from bridge.desk.centre.queue import Queue
from bridge.desk.centre.role import ParticipantRole
from bridge.desk.commands import SYSTEM
from bridge.desk.flow.check import SECONDS_MIN
from bridge.desk.flow.prompt import start_prompt
from bridge.desk.flow.scene import Came, Entered, Scene, is_met, one_of
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.offer import OfferTrigger
from bridge.desk.interaction.seat import Seat, SeatState
from bridge.desk.settlement.callback import CallbackWish, begin_callback
from bridge.desk.settlement.queueing import Wish, admit, open_seat
from bridge.desk.work.limit import give_up_escalation
from bridge.desk.work.queue_admin import queue_interaction, seek_from_queue
from bridge.errors import CapacityError, NotAllowedError
from bridge.ids import QueueId


def queue_for(scene: Scene) -> Entered:
    """The caller's own place when the flow leads a caller, else one more participant from the queue."""
    if scene.interaction.live_callback is not None:
        return Entered(Outcome.FAILURE, "the customer is called back")
    queue = scene.step.state.queue(scene.flow_step.queue or QueueId(""))
    inbound = scene.run.flow.kind is FlowKind.INBOUND
    entered = _queue_caller(scene, queue) if inbound else _seek_from(scene, queue)
    if entered.outcome is None and scene.flow_step.prompt:
        start_prompt(scene, one_of(scene.again().participants, ParticipantRole.CUSTOMER))
    return entered


def _queue_caller(scene: Scene, queue: Queue) -> Entered:
    step, id_ = scene.step, scene.id_
    if is_met(scene.interaction):
        return Entered(Outcome.SUCCESS, "somebody is with the customer already")
    seat = _callers_seat(scene.interaction)
    if seat is None:
        admission = admit(step, queue, scene.interaction)
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
    command = commands.SeekFromQueue(scene.id_, queue.queue_id, scene.flow_step.media, scene.by)
    seek_from_queue(scene.step, command)
    opened = [seat for seat in scene.again().seats if seat.seat_id not in before]
    if not opened:
        raise NotAllowedError(f"somebody is sought in {queue.name!r} already")
    return Entered(subject=opened[0].seat_id, due_s=scene.flow_step.timeout_s)


def seat_moved(scene: Scene, event: events.SeatMoved) -> Came | None:
    if event.seat_id != scene.run.subject:
        return None
    if event.state is SeatState.FILLED:
        return Came(Outcome.SUCCESS)
    if event.state is SeatState.OPEN and _is_overdue(scene):
        return _no_one_came(scene)
    if event.state is not SeatState.CLOSED:
        return None
    if event.expired:
        # Where nobody can stay it is over at once: no time has passed, as loops of flows count on after a timeout.
        waited = scene.step.now - scene.run.entered_at >= SECONDS_MIN
        return Came(Outcome.TIMEOUT if waited else Outcome.FAILURE, event.reason)
    if scene.run.flow.kind is FlowKind.INBOUND and is_met(scene.interaction):
        return Came(Outcome.SUCCESS, event.reason)
    by = _taken_back_by(scene.interaction, event)
    return Came(reason=event.reason, stopped_by=by) if by else Came(Outcome.FAILURE, event.reason)


def _no_one_came(scene: Scene) -> Came:
    """The time was up while it rang, and now it rings no more."""
    reason = f"not within {scene.flow_step.timeout_s:g} s"
    give_back_seat(scene, reason)
    return Came(Outcome.TIMEOUT, reason)


def _is_overdue(scene: Scene) -> bool:
    return scene.run.due_at is not None and scene.run.due_at <= scene.step.now


def rings(scene: Scene) -> bool:
    """An offer rings for the seat, or somebody who accepted is connecting: not the moment to give up."""
    seat = _seat(scene)
    return seat is not None and seat.state is not SeatState.OPEN


def give_back_seat(scene: Scene, reason: str) -> None:
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
