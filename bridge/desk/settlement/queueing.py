"""Into a queue: which one takes it, at which place, with or without video, and who is told of a long line."""

from collections.abc import Iterator

import msgspec

from bridge.desk import events
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.notice import depth_figures, filled_notice
from bridge.desk.centre.queue import DEFAULT_QUEUE, Overflow, OverflowTo, Queue
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.seat import Seat
from bridge.desk.settlement.callback import why_not_called
from bridge.desk.step import Step
from bridge.ids import InteractionId, ParticipantId, QueueId, SeatId


class Admission(msgspec.Struct, frozen=True, gc=False):
    """Where somebody goes who asked for a queue. `reason` says why it is another one, a callback or none."""

    queue: Queue
    overflowed: bool = False
    callback: bool = False
    refused: bool = False
    reason: str = ""


class Wish(msgspec.Struct, frozen=True, gc=False):
    """What a new seat of a queue is for."""

    type: MediaType
    role: ParticipantRole
    by: str
    participant_id: ParticipantId | None = None  # of an escalation: who stands for it until somebody comes
    asked_queue_id: QueueId | None = None  # the queue that was asked for, if another one takes it


def queue_or_default(step: Step, queue_id: QueueId) -> Queue:
    """A queue that was removed meanwhile gives its callers to the default one, which cannot be removed."""
    return step.state.queues.get(queue_id) or step.state.queues[DEFAULT_QUEUE]


def is_served(step: Step, queue: Queue) -> bool:
    """Somebody who serves the queue is at work, be it in another conversation."""
    return any(
        expert.presence is Presence.READY
        and expert.role is queue.role
        and queue.admits(step.state.profile(expert.user_id))
        for expert in step.state.experts.values()
    )


def was_served(step: Step, queue: Queue, since: float) -> bool:
    """Somebody who serves the queue was at work after `since`, and then no longer."""
    return any(
        expert.served_until.get(queue.role, since) > since
        and queue.admits(step.state.profile(expert.user_id))
        for expert in step.state.experts.values()
    )


def overflow_for(step: Step, queue: Queue, customer: Interaction | None) -> Overflow | None:
    """The way out of a line, if it leads anywhere: its queue may have been removed. A `customer` who cannot be called
    back is never hung up on for a callback.

    None stands for an escalation, whose customer is in a conversation and does not wait.
    """
    overflow = queue.overflow
    if (
        overflow is not None
        and overflow.to is OverflowTo.QUEUE
        and overflow.queue_id not in step.state.queues
    ):
        return None
    if overflow is None or overflow.to is not OverflowTo.CALLBACK or customer is None:
        return overflow
    return None if why_not_called(step.policy, customer.caller) else overflow


def admit(step: Step, queue: Queue, customer: Interaction | None = None) -> Admission:
    """Applies what is decided at the door: depth, a line that is full, a queue that nobody serves.

    `customer` is who is to wait there; None for an escalation.
    """
    overflow = overflow_for(step, queue, customer)
    reason = _refusal(step, queue, overflow)
    if not reason:
        return Admission(queue)
    if overflow is not None and overflow.to is OverflowTo.CALLBACK:
        return Admission(queue, overflowed=True, callback=True, reason=reason)
    if overflow is not None and overflow.queue_id in step.state.queues:
        return Admission(step.state.queues[overflow.queue_id], overflowed=True, reason=reason)
    return Admission(queue, refused=True, reason=reason)


def open_seat(step: Step, interaction: Interaction, admission: Admission, wish: Wish) -> SeatId:
    """A place in the line of `admission`'s queue, by the interaction's own clock."""
    queue, seat_id, id_ = admission.queue, step.ids.seat(), interaction.interaction_id
    # Who is called back waits for the scheduled time; an escalation waits for nobody at a phone.
    callback = interaction.live_callback if wish.participant_id is None else None
    step.record(
        events.SeatOpened(
            step.now,
            id_,
            seat_id,
            wish.role,
            wish.type,
            None,
            wish.participant_id,
            wish.by,
            queue.queue_id,
            escalation=wish.participant_id is not None,
            queued_at=interaction.created_at,
            head_start_s=queue.head_start_s(interaction.attributes),
            not_before=callback.not_before if callback is not None else 0.0,
            overflowed=admission.overflowed,
            asked_queue_id=wish.asked_queue_id,
            reason=admission.reason,
        )
    )
    downgrade(step, id_, seat_id)
    tell_depth(step, queue)
    return seat_id


def move_to_queue(step: Step, interaction: Interaction, seat: Seat, admission: Admission) -> None:
    """Another line, the same clock."""
    queue, id_ = admission.queue, interaction.interaction_id
    step.record(
        events.SeatQueued(
            step.now,
            id_,
            seat.seat_id,
            queue.queue_id,
            seat.queue_id,
            queue.head_start_s(interaction.attributes),
            admission.overflowed,
            admission.reason,
        )
    )
    downgrade(step, id_, seat.seat_id)
    tell_depth(step, queue)


def rank_again(step: Step, interaction_id: InteractionId) -> None:
    """After the attributes changed: priority may have become another."""
    interaction = step.interaction(interaction_id)
    for seat in interaction.seats:
        if seat.waits and seat.queue_id is not None:
            head_start_s = queue_or_default(step, seat.queue_id).head_start_s(interaction.attributes)
            if head_start_s != seat.head_start_s:
                step.record(
                    events.SeatRanked(step.now, interaction_id, seat.seat_id, head_start_s, seat.not_before)
                )


def downgrade(step: Step, interaction_id: InteractionId, seat_id: SeatId) -> None:
    """A queue without video makes voice of it, and says so."""
    seat = step.interaction(interaction_id).seat(seat_id)
    queue = step.state.queues.get(seat.queue_id) if seat.queue_id is not None else None
    if queue is None or queue.video_enabled or seat.type is MediaType.VOICE:
        return
    reason = f"the queue {queue.name!r} takes no video: the request goes on as voice"
    step.record(
        events.VideoDowngraded(step.now, interaction_id, seat_id, seat.participant_id, queue.queue_id, reason)
    )


def tell_depth(step: Step, queue: Queue) -> None:
    """Says that the line is long, but not at every caller."""
    depth = step.state.lines.depth(queue.queue_id)
    if queue.notify_depth is None or depth <= queue.notify_depth:
        return
    last = step.state.notified_at.get(queue.queue_id)
    if last is None or step.now >= last + queue.notify_every_s:
        longest_wait_s = max((step.now - since for since in _waiting_since(step, queue)), default=0.0)
        figures = depth_figures(queue.name, queue.queue_id, depth, queue.notify_depth, longest_wait_s)
        groups = tuple(group for group in queue.notify_groups if group in step.policy.notify_groups)
        step.record(
            events.QueueDepthExceeded(
                step.now,
                queue.queue_id,
                depth,
                queue.notify_depth,
                groups,
                filled_notice(queue.notify_subject, figures) if groups else "",
                filled_notice(queue.notify_text, figures) if groups else "",
            )
        )


def _waiting_since(step: Step, queue: Queue) -> Iterator[float]:
    for id_ in step.state.seeking:
        for seat in step.interaction(id_).seats:
            if seat.waits and seat.queue_id == queue.queue_id:
                yield seat.entered_at


def _refusal(step: Step, queue: Queue, overflow: Overflow | None) -> str:
    depth = step.state.lines.depth(queue.queue_id)
    if overflow is not None and overflow.depth is not None and depth >= overflow.depth:
        return f"{depth} wait in {queue.name!r} already"
    if queue.max_depth is not None and depth >= queue.max_depth:
        return f"{queue.name!r} is full: {depth} wait"
    if not queue.join_empty and not is_served(step, queue):
        return f"nobody serves {queue.name!r} now"
    return ""
