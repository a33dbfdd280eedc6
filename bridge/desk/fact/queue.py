"""What the events of queues, callbacks, wrap-up and readiness do to the state."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bridge.desk import events
from bridge.desk.centre.figures import QueueFigures
from bridge.desk.centre.role import MediaType
from bridge.desk.fact.account import note_change
from bridge.desk.interaction.callback import Callback
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.desk.interaction.seat import Seat, SeatState
from bridge.desk.state.state import DeskState
from bridge.desk.value import replace

if TYPE_CHECKING:
    from bridge.ids import QueueId


def add_to_figures(state: DeskState, queue_id: "QueueId | None", **more: float) -> None:
    """Adds to the figures of a queue, if it is one."""
    if queue_id is None:
        return
    was = state.figures.get(queue_id, QueueFigures())
    changes: dict[str, Any] = {name: getattr(was, name) + value for name, value in more.items()}
    state.figures[queue_id] = replace(was, **changes)


def count_seat_opened(state: DeskState, event: events.SeatOpened) -> None:
    interaction = state.interactions[event.interaction_id]
    if (
        interaction.live_callback is None or event.overflowed
    ):  # who is called back has entered before, or comes by it
        add_to_figures(state, event.queue_id, entered=1)
    if event.overflowed and event.asked_queue_id != event.queue_id:
        add_to_figures(state, event.asked_queue_id, overflowed=1)


def count_seat_moved(state: DeskState, seat: Seat, event: events.SeatMoved) -> None:
    """`seat` is as it was before."""
    if seat.queue_id is None or not seat.is_live:
        return
    callback = state.interactions[event.interaction_id].live_callback
    if event.state is SeatState.FILLED and callback is not None and callback.attempts and seat.is_customers:
        return  # one more attempt is the same wait
    if event.state is SeatState.FILLED:
        queue = state.queues.get(seat.queue_id)
        target_s = queue.answer_target_s if queue is not None else 0.0
        in_target = event.at - seat.entered_at <= target_s
        add_to_figures(state, seat.queue_id, answered=1, answered_in_target=int(in_target))
    elif event.state is SeatState.CLOSED and event.abandoned:
        add_to_figures(state, seat.queue_id, abandoned=1)


def count_participant_moved(state: DeskState, was: Participant, event: events.ParticipantMoved) -> None:
    """A conversation or the work after it is over. `was` is the participant before."""
    left = event.state in (ParticipantState.WRAP_UP, ParticipantState.DISCONNECTED)
    if left and was.is_live and was.session_since is not None:
        add_to_figures(state, was.queue_id, handled=1, handle_s=event.at - was.session_since)
    if was.state is ParticipantState.WRAP_UP and was.left_at is not None:
        add_to_figures(state, was.queue_id, wrapped_up=1, wrap_up_s=event.at - was.left_at)


# --- one function per event -------------------------------------------------------------------------------


def _participant_assigned(state: DeskState, event: events.ParticipantAssigned) -> None:
    state.put_participant(event, user_id=event.user_id, name=event.name)


def _wrap_up_completed(state: DeskState, event: events.WrapUpCompleted) -> None:
    state.put_participant(event, wrap_up_code=event.code, wrap_up_note=event.note)


def _seat_queued(state: DeskState, event: events.SeatQueued) -> None:
    interaction = state.interactions[event.interaction_id]
    was = interaction.seat(event.seat_id)
    seat = replace(
        was,
        queue_id=event.queue_id,
        head_start_s=event.head_start_s,
        entered_at=event.at,
        announced_at=event.at,
        overflowed=was.overflowed or event.overflowed,
        declined=(),
    )
    waits_in = event.queue_id if seat.is_customers else interaction.queue_id
    state.change(event.interaction_id, seats=interaction.seats_with(seat), queue_id=waits_in)
    if event.overflowed:
        add_to_figures(state, event.from_queue_id, overflowed=1)
    add_to_figures(state, event.queue_id, entered=1)


def _seat_ranked(state: DeskState, event: events.SeatRanked) -> None:
    interaction = state.interactions[event.interaction_id]
    seat = replace(
        interaction.seat(event.seat_id), head_start_s=event.head_start_s, not_before=event.not_before
    )
    state.change(event.interaction_id, seats=interaction.seats_with(seat))


def _video_downgraded(state: DeskState, event: events.VideoDowngraded) -> None:
    interaction = state.interactions[event.interaction_id]
    seat = interaction.seat(event.seat_id)
    seat = replace(seat, type=MediaType.VOICE, downgrade_reason=event.reason)
    state.change(event.interaction_id, seats=interaction.seats_with(seat))
    if event.participant_id is not None:
        state.put_participant(event, type=MediaType.VOICE, downgrade_reason=event.reason)


def _position_announced(state: DeskState, event: events.PositionAnnounced) -> None:
    interaction = state.interactions[event.interaction_id]
    seat = replace(interaction.seat(event.seat_id), announced_at=event.at)
    state.change(event.interaction_id, seats=interaction.seats_with(seat))


def _callback_requested(state: DeskState, event: events.CallbackRequested) -> None:
    callback = Callback(event.callback_id, event.number, event.at, event.by, not_before=event.not_before)
    state.change(event.interaction_id, callback=callback, queue_id=event.queue_id)


def _callback_moved(state: DeskState, event: events.CallbackMoved) -> None:
    interaction = state.interactions[event.interaction_id]
    assert interaction.callback is not None, "a callback moves after it was requested"
    callback = replace(
        interaction.callback,
        state=event.state,
        attempts=event.attempts,
        not_before=event.not_before,
        leg_id=event.leg_id,
        dial_by=event.dial_by,
        failure=event.failure or interaction.callback.failure,
    )
    state.change(event.interaction_id, callback=callback)


def _readiness_changed(state: DeskState, event: events.ReadinessChanged) -> None:
    expert = state.experts[event.user_id]
    state.put_expert(replace(expert, proved=event.proved, fault=event.reason))


def _profile_set(state: DeskState, event: events.ProfileSet) -> None:
    state.put_profile(event.profile)
    if event.user_id in state.directory.accounts:
        note_change(state, event.user_id)


def _queue_declared(state: DeskState, event: events.QueueDeclared) -> None:
    state.queues[event.queue_id] = event.queue
    state.declared[event.queue_id] = event.queue


def _queue_removed(state: DeskState, event: events.QueueRemoved) -> None:
    state.queues.pop(event.queue_id, None)  # the configuration may have dropped it since
    state.declared.pop(event.queue_id, None)


def _queue_depth_exceeded(state: DeskState, event: events.QueueDepthExceeded) -> None:
    state.notified_at[event.queue_id] = event.at


APPLY: dict[type, Callable[[DeskState, Any], None]] = {
    events.ParticipantAssigned: _participant_assigned,
    events.WrapUpCompleted: _wrap_up_completed,
    events.SeatQueued: _seat_queued,
    events.SeatRanked: _seat_ranked,
    events.VideoDowngraded: _video_downgraded,
    events.PositionAnnounced: _position_announced,
    events.CallbackRequested: _callback_requested,
    events.CallbackMoved: _callback_moved,
    events.ReadinessChanged: _readiness_changed,
    events.ProfileSet: _profile_set,
    events.QueueDeclared: _queue_declared,
    events.QueueRemoved: _queue_removed,
    events.QueueDepthExceeded: _queue_depth_exceeded,
}
