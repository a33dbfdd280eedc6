"""Steps of callbacks: asked for, scheduled, answered, not answered, canceled."""

from bridge.desk import commands, events
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.call_failure import failure_of
from bridge.desk.interaction.callback import Callback, CallbackState, CallbackTrigger
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.offer import OfferTrigger
from bridge.desk.interaction.participant import ParticipantState, ParticipantTrigger
from bridge.desk.interaction.seat import Seat, SeatState, SeatTrigger
from bridge.desk.settlement.callback import CallbackWish, begin_callback, move_callback, why_not_called
from bridge.desk.settlement.queueing import queue_or_default
from bridge.desk.settlement.settlement import end, settle
from bridge.desk.step import Step
from bridge.errors import NotAllowedError, NotFoundError
from bridge.ids import InteractionId, LegId

NO_ANSWER = "nobody answered the callback"


def request_callback(step: Step, command: commands.RequestCallback) -> None:
    """The call ends and is made again later; asked for once more, it is scheduled anew."""
    id_ = command.interaction_id
    interaction = step.live_interaction(id_)
    callback = interaction.live_callback
    not_before = max(command.not_before, step.now)
    if callback is not None:
        _schedule(step, interaction, callback, command, not_before)
        return
    if not any(True for _ in interaction.customers()):
        raise NotAllowedError(f"interaction {id_} has no customer")
    if command.queue_id is not None:
        step.state.queue(command.queue_id)
    queue_id = command.queue_id or queue_or_default(step, interaction.queue_id).queue_id
    number = command.number or interaction.caller
    if why_not := why_not_called(step.policy, number):
        raise NotAllowedError(why_not)
    for seat in interaction.seats:
        step.close_seat(id_, seat, OfferTrigger.RESCIND, "the customer will be called back")
    begin_callback(step, id_, CallbackWish(number, not_before, queue_id, command.by, command.reason))
    for participant in tuple(step.interaction(id_).staff()):
        step.part(id_, participant, command.by, "the customer will be called back")
    settle(step, id_)


def cancel_callback(step: Step, command: commands.CancelCallback) -> None:
    _callback(step.live_interaction(command.interaction_id))
    end(step, command.interaction_id, command.by, command.reason or "callback canceled")


def answer_callback(step: Step, command: commands.AnswerCallback, by: LegId | None = None) -> None:
    """The customer is on the line: with whoever is there, or waiting for the next in the old place.

    `by` is the leg of another phone that took the call from the one that rang.
    """
    id_, leg_id = command.interaction_id, by or command.leg_id
    interaction = step.live_interaction(id_)
    _dialed(interaction, command.leg_id)
    move_callback(step, id_, CallbackTrigger.ANSWER, leg_id=leg_id)
    for customer in tuple(interaction.customers()):
        step.record(events.LegAttached(step.now, id_, customer.participant_id, leg_id))
        if customer.state is ParticipantState.ALERTING:
            step.move(id_, customer.participant_id, ParticipantTrigger.JOIN, reason="answered the callback")
    settle(step, id_)


def fail_callback(step: Step, command: commands.FailCallback, *, spared: int = 0) -> None:
    """Nobody answered: another attempt by rule, or the end. Whoever waited for it is free again.

    `spared` are attempts that the customer had no chance to answer.
    """
    id_ = command.interaction_id
    callback = _dialed(step.live_interaction(id_), command.leg_id)
    failure = failure_of(command.status)
    reason = command.reason or failure.text
    if callback.attempts - spared >= step.policy.callback_attempts or failure.hopeless:
        move_callback(step, id_, CallbackTrigger.GIVE_UP, reason=reason, failure=failure.code)
        end(step, id_, SYSTEM, f"callback failed after {callback.attempts} attempts: {reason}")
        return
    not_before = step.now + max(step.policy.callback_retry_s, command.retry_after_s)
    move_callback(
        step, id_, CallbackTrigger.RETRY, reason=reason, not_before=not_before, failure=failure.code
    )
    for seat in step.interaction(id_).seats:
        step.close_seat(id_, seat, OfferTrigger.RESCIND, NO_ANSWER)
    for participant in tuple(step.interaction(id_).staff()):
        step.part(id_, participant, SYSTEM, NO_ANSWER)
    for customer in tuple(step.interaction(id_).customers()):
        if customer.state is ParticipantState.ALERTING:
            step.move(id_, customer.participant_id, ParticipantTrigger.QUEUE, reason=reason)
    settle(step, id_)


def expire_callbacks(step: Step) -> None:
    """Ends what rang for too long."""
    for interaction_id in tuple(step.state.dialing):
        callback = step.interaction(interaction_id).live_callback
        if callback is None or callback.dial_by is None or callback.dial_by > step.now:
            continue
        if callback.leg_id is not None:
            fail_callback(step, commands.FailCallback(interaction_id, callback.leg_id, NO_ANSWER, 408))


def _schedule(
    step: Step,
    interaction: Interaction,
    callback: Callback,
    command: commands.RequestCallback,
    not_before: float,
) -> None:
    if callback.state is not CallbackState.WAITING:
        raise NotAllowedError(f"callback {callback.callback_id} is being made right now")
    if command.number and command.number != callback.number:
        raise NotAllowedError(f"callback {callback.callback_id} goes to another number: cancel it first")
    id_ = interaction.interaction_id
    seats = [seat for seat in interaction.seats if seat.is_customers]
    if not_before > step.now:
        if any(seat.state is SeatState.TAKEN for seat in seats):
            raise NotAllowedError(f"callback {callback.callback_id} is being made right now")
        for seat in seats:
            _stop_ringing(step, id_, seat)
    step.record(
        events.CallbackMoved(
            step.now,
            id_,
            callback.callback_id,
            callback.state,
            command.reason or "scheduled anew",
            command.by,
            callback.attempts,
            not_before,
        )
    )
    for seat in seats:
        if seat.waits:
            step.record(events.SeatRanked(step.now, id_, seat.seat_id, seat.head_start_s, not_before))


def _stop_ringing(step: Step, interaction_id: InteractionId, seat: Seat) -> None:
    """Whoever accepted now would call at once."""
    offer = step.offer_for(seat.seat_id)
    if offer is not None:
        step.end_offer(offer, OfferTrigger.RESCIND, "the callback was put off")
        step.move_seat(interaction_id, seat, SeatTrigger.RETURN, "the callback was put off")


def _callback(interaction: Interaction) -> Callback:
    callback = interaction.live_callback
    if callback is None:
        raise NotFoundError(f"no callback is arranged in interaction {interaction.interaction_id}")
    return callback


def _dialed(interaction: Interaction, leg_id: LegId) -> Callback:
    callback = _callback(interaction)
    if callback.leg_id != leg_id:
        raise NotAllowedError(f"callback {callback.callback_id} is not waiting for leg {leg_id}")
    return callback
