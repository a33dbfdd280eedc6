"""The limits of a wait: when one is met first, it decides, once. And what is said to those who wait."""

import math

from bridge.desk import events
from bridge.desk.centre.queue import DEFAULT_QUEUE, OverflowTo, Queue
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.offer import OfferTrigger
from bridge.desk.interaction.seat import Seat, SeatState
from bridge.desk.settlement.callback import CallbackWish, begin_callback
from bridge.desk.settlement.queueing import Admission, is_served, move_to_queue, queue_or_default, was_served
from bridge.desk.settlement.settlement import end, settle
from bridge.desk.step import Step
from bridge.desk.work.waiting import limit_met, way_out
from bridge.ids import InteractionId, QueueId


def expire_waits(step: Step) -> None:
    """Every seat that waits in the open for too long goes where its queue says."""
    for queue_id in step.state.lines.open_queues():
        queue = step.state.queues.get(queue_id)
        if queue is None:
            _rehome(step, queue_id)
            continue
        if not (queue.longest_wait_s() or queue.leave_when_empty):
            continue
        empty = queue.leave_when_empty and not is_served(step, queue)
        for place in step.state.lines.open(queue_id):
            interaction = step.interaction(place.interaction_id)
            seat = next((s for s in interaction.seats if s.seat_id == place.seat_id), None)
            if seat is None or seat.state is not SeatState.OPEN:
                continue  # what was decided for another took this one along
            reason = limit_met(step, queue, interaction, seat)
            if not reason and empty and not (interaction.live_callback and seat.is_customers):
                reason = _left_alone(step, queue, seat)
            if reason:
                _decide(step, interaction, seat, queue, reason)


def _left_alone(step: Step, queue: Queue, seat: Seat) -> str:
    """In a queue that nobody serves, why who waits there goes on; "" for who came although nobody was there.

    Where one may join an empty line, one waits for somebody to come; only when the last of those has gone does
    the wait end. Where one may not, nobody stays, however they got in.
    """
    if queue.join_empty and not was_served(step, queue, seat.entered_at):
        return ""
    return f"nobody serves {queue.name!r} any more"


def announce_positions(step: Step) -> None:
    """Tells those who wait where they are, each at their own interval."""
    for queue_id in step.state.lines.waiting_queues():
        queue = step.state.queues.get(queue_id)
        if queue is None or queue.announce_every_s <= 0:
            continue
        turn_s: float | None = None
        for position, place in enumerate(step.state.lines.waiting(queue_id), start=1):
            interaction = step.interaction(place.interaction_id)
            seat = interaction.seat(place.seat_id)
            due = seat.announced_at + queue.announce_every_s <= step.now
            if due and seat.is_customers and interaction.live_callback is None:
                # Once for all who are due: a thousand who came together are told together.
                turn_s = _turn_s(step, queue) if turn_s is None else turn_s
                _announce(step, interaction, seat, queue, position, turn_s)


def _rehome(step: Step, queue_id: QueueId) -> None:
    """A queue that the configuration has no more, after a restart: nobody is left standing in its line."""
    reason = f"the queue {queue_id} is gone"
    for place in step.state.lines.open(queue_id):
        interaction = step.interaction(place.interaction_id)
        seat = interaction.seat(place.seat_id)
        if seat.escalation:
            give_up_escalation(step, place.interaction_id, seat, reason)
        else:
            default = queue_or_default(step, DEFAULT_QUEUE)
            move_to_queue(step, interaction, seat, Admission(default, reason=reason))


def _announce(
    step: Step, interaction: Interaction, seat: Seat, queue: Queue, position: int, turn_s: float
) -> None:
    for customer in interaction.customers():
        step.record(
            events.PositionAnnounced(
                step.now,
                interaction.interaction_id,
                customer.participant_id,
                seat.seat_id,
                queue.queue_id,
                position,
                round(turn_s * position, 1) if turn_s < math.inf else None,
                queue.announce_prompt,
            )
        )


def _turn_s(step: Step, queue: Queue) -> float:
    """How long each place of a line takes: the average conversation, shared by those who serve. Without end while
    there is nothing to go by."""
    figures = step.state.figures.get(queue.queue_id)
    average_s = figures.average_handle_s if figures is not None else None
    servers = sum(
        expert.takes_offers and expert.role is queue.role and queue.admits(step.state.profile(expert.user_id))
        for expert in step.state.experts.values()
    )
    return math.inf if average_s is None or not servers else average_s / servers


def _decide(step: Step, interaction: Interaction, seat: Seat, queue: Queue, reason: str) -> None:
    overflow = way_out(step, queue, interaction, seat)
    if overflow is not None and overflow.queue_id in step.state.queues and overflow.to is OverflowTo.QUEUE:
        target = step.state.queues[overflow.queue_id]
        move_to_queue(step, interaction, seat, Admission(target, overflowed=True, reason=reason))
    elif seat.escalation:
        give_up_escalation(step, interaction.interaction_id, seat, reason)
    elif overflow is not None and overflow.to is OverflowTo.CALLBACK:
        wish = CallbackWish(interaction.caller, step.now, queue.queue_id, SYSTEM, reason)
        begin_callback(step, interaction.interaction_id, wish)
    elif interaction.awaited_by_flow(seat.seat_id) is not None:  # the flow says what comes next
        step.close_seat(interaction.interaction_id, seat, OfferTrigger.RESCIND, reason, expired=True)
    elif queue.queue_id != DEFAULT_QUEUE:
        default = queue_or_default(step, DEFAULT_QUEUE)
        move_to_queue(step, interaction, seat, Admission(default, reason=reason))
    else:
        end(step, interaction.interaction_id, SYSTEM, reason)


def give_up_escalation(step: Step, interaction_id: InteractionId, seat: Seat, reason: str) -> None:
    """Nobody came: whoever asked reads why, and the conversation goes on without."""
    step.close_seat(interaction_id, seat, OfferTrigger.RESCIND, reason, abandoned=True, expired=True)
    if seat.participant_id is not None:
        participant = step.interaction(interaction_id).participant(seat.participant_id)
        if participant.is_live:
            step.part(interaction_id, participant, SYSTEM, reason)
    settle(step, interaction_id)
