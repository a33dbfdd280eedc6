"""What must hold of every interaction after a step, and how it is brought about."""

from bridge.desk import events
from bridge.desk.interaction import Interaction
from bridge.desk.offer import OfferTrigger
from bridge.desk.participant import (
    MediaType,
    Participant,
    ParticipantRole,
    ParticipantState,
    ParticipantTrigger,
)
from bridge.desk.seat import Seat, SeatState, SeatTrigger
from bridge.desk.step import SYSTEM, Step
from bridge.ids import InteractionId

_WITH_STAFF = (ParticipantState.IN_SESSION, ParticipantState.HELD)


def settle(step: Step, interaction_id: InteractionId) -> None:
    """Brings an interaction to where its participants leave it.

    - Without a customer it ends.
    - A customer whom nobody of ours is with waits, in the old place.
    - A customer who waits meets whoever of ours is in the session.
    - While a customer waits, one seat of the waiting list is alive; otherwise none that nobody took.
    """
    interaction = step.interaction(interaction_id)
    if interaction.ended_at is not None:
        return
    customers = tuple(interaction.customers())
    if not customers:
        last = next((p for p in reversed(interaction.participants) if p.is_customer), None)
        end(
            step,
            interaction_id,
            by=last.disconnected_by if last else SYSTEM,
            reason=last.disconnect_reason if last else "no customer",
        )
        return
    for customer in customers:
        _place_customer(step, interaction, customer)
    _keep_waiting_seat(step, step.interaction(interaction_id))


def end(step: Step, interaction_id: InteractionId, by: str, reason: str) -> None:
    """Ends the interaction for everybody in it."""
    for seat in step.interaction(interaction_id).seats:
        step.close_seat(interaction_id, seat, OfferTrigger.CANCEL, reason)
    for participant in step.interaction(interaction_id).participants:
        if participant.is_live:
            step.move(interaction_id, participant.participant_id, ParticipantTrigger.DISCONNECT, by, reason)
    step.record(events.InteractionEnded(step.now, interaction_id, reason, by))


def _place_customer(step: Step, interaction: Interaction, customer: Participant) -> None:
    here = any(p.state in _WITH_STAFF for p in interaction.staff())
    present = any(p.is_present for p in interaction.staff())
    id_, customer_id = interaction.interaction_id, customer.participant_id
    if customer.state is ParticipantState.QUEUED and here:
        step.move(id_, customer_id, ParticipantTrigger.JOIN, reason="answered")
    elif customer.state in _WITH_STAFF and not present:
        step.move(id_, customer_id, ParticipantTrigger.QUEUE, reason="nobody is left with the customer")
    elif customer.state is ParticipantState.NOT_IN_QUEUE:
        step.move(id_, customer_id, ParticipantTrigger.QUEUE, reason="waiting for an agent")


def _keep_waiting_seat(step: Step, interaction: Interaction) -> None:
    id_ = interaction.interaction_id
    waits = any(p.state is ParticipantState.QUEUED for p in interaction.customers())
    seats = tuple(seat for seat in interaction.seats if seat.user_id is None)
    if waits and not seats:
        role, kind = ParticipantRole.AGENT, MediaType.VOICE
        step.record(events.SeatOpened(step.now, id_, step.ids.seat(), role, kind, None, None, SYSTEM))
    if not waits:
        for seat in seats:
            if seat.state is not SeatState.TAKEN:
                step.close_seat(id_, seat, OfferTrigger.RESCIND, "somebody else is with the customer")


def fill_seat(step: Step, interaction_id: InteractionId, participant: Participant) -> None:
    """Media is there: whoever the seat was for sits."""
    seat: Seat | None = step.interaction(interaction_id).seat_of(participant.participant_id)
    if seat is not None and seat.state is SeatState.TAKEN:
        step.move_seat(interaction_id, seat, SeatTrigger.FILL, participant_id=participant.participant_id)
