"""What must hold of every interaction after a step, and how it is brought about."""

from bridge.desk import events
from bridge.desk.centre.queue import DEFAULT_QUEUE
from bridge.desk.centre.role import MediaType
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.callback import CallbackTrigger
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.offer import OfferTrigger
from bridge.desk.interaction.participant import Participant, ParticipantState, ParticipantTrigger
from bridge.desk.interaction.seat import Seat, SeatState, SeatTrigger
from bridge.desk.interaction.transfer import TransferTrigger
from bridge.desk.settlement.callback import CallbackWish, begin_callback, dial_callback, move_callback
from bridge.desk.settlement.flow_end import overtake_flows
from bridge.desk.settlement.handover import keep_transfer, move_transfer
from bridge.desk.settlement.queueing import Admission, Wish, admit, open_seat, queue_or_default
from bridge.desk.step import Step
from bridge.ids import InteractionId

NOBODY_TO_RESUME = "whoever could have ended the hold has left"
_WITH_STAFF = (ParticipantState.IN_SESSION, ParticipantState.HELD)


def settle(step: Step, interaction_id: InteractionId) -> None:
    """Brings an interaction to where its participants leave it.

    - Without a customer it ends.
    - A customer whom nobody of ours is with waits, in the old place.
    - Nobody at a phone stays on hold or muted when the last of ours with a desktop has left: none is left to end it.
    - A customer who waits meets whoever of ours is in the session.
    - While a customer waits, one seat of the waiting list is alive; otherwise none that nobody took.
      Before anybody met the customer, an inbound flow says when.
    """
    interaction = step.interaction(interaction_id)
    if interaction.ended_at is not None:
        return
    if not interaction.customers():
        last = next((p for p in reversed(interaction.participants) if p.is_customer), None)
        end(
            step,
            interaction_id,
            by=last.disconnected_by if last else SYSTEM,
            reason=last.disconnect_reason if last else "no customer",
        )
        return
    keep_transfer(step, interaction_id)
    _release(step, step.interaction(interaction_id))
    for customer in step.interaction(interaction_id).customers():
        _place_customer(step, interaction, customer)
    _keep_waiting_seat(step, step.interaction(interaction_id))


def end(step: Step, interaction_id: InteractionId, by: str, reason: str) -> None:
    """Ends the interaction for everybody in it."""
    if step.interaction(interaction_id).transfer is not None:
        move_transfer(step, interaction_id, TransferTrigger.RETURN, by, reason)
    overtake_flows(step, interaction_id, by, reason)
    for seat in step.interaction(interaction_id).seats:
        gave_up = seat.waits or seat.is_customers  # also while somebody who accepted connects
        step.close_seat(interaction_id, seat, OfferTrigger.CANCEL, reason, abandoned=gave_up)
    for participant in step.interaction(interaction_id).participants:
        if participant.is_live:
            step.part(interaction_id, participant, by, reason)
    callback = step.interaction(interaction_id).live_callback
    if callback is not None:
        trigger = CallbackTrigger.CANCEL
        move_callback(step, interaction_id, trigger, by, reason)
    step.record(events.InteractionEnded(step.now, interaction_id, reason, by))


def _release(step: Step, interaction: Interaction) -> None:
    desktops = [p for p in interaction.participants if p.user_id is not None and p.supervision is None]
    if not desktops or interaction.transfer is not None or any(p.is_live for p in desktops):
        return
    id_ = interaction.interaction_id
    for phone in interaction.participants:
        if not phone.is_live or phone.user_id is not None:
            continue
        if phone.muted:
            step.record(events.ParticipantUnmuted(step.now, id_, phone.participant_id, SYSTEM))
        if phone.state is ParticipantState.HELD:
            step.move(id_, phone.participant_id, ParticipantTrigger.RESUME, reason=NOBODY_TO_RESUME)


def _place_customer(step: Step, interaction: Interaction, customer: Participant) -> None:
    attendants = interaction.attendants()
    here = any(p.state in _WITH_STAFF for p in attendants)
    present = any(p.is_present for p in attendants)
    id_, customer_id = interaction.interaction_id, customer.participant_id
    if customer.state is ParticipantState.QUEUED and interaction.live_callback is not None:
        if here:
            dial_callback(step, id_, customer_id)
    elif customer.state is ParticipantState.QUEUED and here:
        step.move(id_, customer_id, ParticipantTrigger.JOIN, reason="answered")
    elif customer.state in _WITH_STAFF and not present:
        step.move(id_, customer_id, ParticipantTrigger.QUEUE, reason="nobody is left with the customer")
    elif customer.state is ParticipantState.NOT_IN_QUEUE:
        step.move(id_, customer_id, ParticipantTrigger.QUEUE, reason="waiting for an agent")


def _keep_waiting_seat(step: Step, interaction: Interaction) -> None:
    id_ = interaction.interaction_id
    waits = any(p.state is ParticipantState.QUEUED for p in interaction.customers())
    seats = tuple(seat for seat in interaction.seats if seat.is_customers)
    if waits and not seats and not interaction.is_led:
        open_customers_seat(step, id_)
    if not waits:
        for seat in seats:
            if seat.state is not SeatState.TAKEN:
                step.close_seat(id_, seat, OfferTrigger.RESCIND, "somebody else is with the customer")


def open_customers_seat(step: Step, interaction_id: InteractionId) -> None:
    """The place of a customer who waits. A caller on the line is never turned away for the queue's sake."""
    interaction = step.interaction(interaction_id)
    queue = queue_or_default(step, interaction.queue_id)
    called_back = interaction.live_callback is not None  # in the line already, and not at the phone
    admission = Admission(queue) if called_back else admit(step, queue, interaction)
    if admission.refused and queue.queue_id != DEFAULT_QUEUE:
        admission = Admission(queue_or_default(step, DEFAULT_QUEUE), reason=admission.reason)
    if admission.callback:
        callback = CallbackWish(interaction.caller, step.now, queue.queue_id, SYSTEM, admission.reason)
        begin_callback(step, interaction_id, callback)
    wish = Wish(MediaType.VOICE, admission.queue.role, SYSTEM, asked_queue_id=queue.queue_id)
    open_seat(step, step.interaction(interaction_id), admission, wish)


def fill_seat(step: Step, interaction_id: InteractionId, participant: Participant) -> None:
    """Media is there: whoever the seat was for sits."""
    seat: Seat | None = step.interaction(interaction_id).seat_of(participant.participant_id)
    if seat is not None and seat.state is SeatState.TAKEN:
        step.move_seat(interaction_id, seat, SeatTrigger.FILL, participant_id=participant.participant_id)
