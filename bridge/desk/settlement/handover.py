"""What becomes of a transfer when people come and go: it goes on, is done, or all is as it was before."""

from bridge.desk import events
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.offer import OfferTrigger
from bridge.desk.interaction.participant import Participant, ParticipantState, ParticipantTrigger
from bridge.desk.interaction.transfer import Transfer, TransferState, TransferTrigger
from bridge.desk.step import Step
from bridge.ids import InteractionId, ParticipantId

AGENT_LEFT = "the one who asked has left"
_HERE = (ParticipantState.IN_SESSION, ParticipantState.HELD)


def keep_transfer(step: Step, interaction_id: InteractionId) -> None:
    """Called whenever somebody came or went. Nobody is left on hold for a transfer that is over."""
    interaction = step.interaction(interaction_id)
    transfer = interaction.transfer
    if transfer is None:
        return
    target = _find_target(step, interaction, transfer)
    if not target.is_live:
        reason = target.disconnect_reason or "nobody came"
        return_transfer(step, interaction_id, target.disconnected_by or SYSTEM, reason)
    elif target.state in _HERE and transfer.state is TransferState.SEEKING:
        expires_at = step.now + step.policy.consult_s
        move_transfer(step, interaction_id, TransferTrigger.ANSWER, expires_at=expires_at)
    elif target.state in _HERE and transfer.state is TransferState.TRANSFERRING:
        complete_transfer(step, interaction_id, TransferTrigger.ANSWER, SYSTEM)
    elif not interaction.participant(transfer.initiator_id).is_live:
        _go_on_without_initiator(step, interaction_id, transfer.state)


def complete_transfer(step: Step, interaction_id: InteractionId, trigger: TransferTrigger, by: str) -> None:
    """Whoever was sought has the customer; who began it is out."""
    transfer = live_transfer(step.interaction(interaction_id))
    target = step.interaction(interaction_id).participant(transfer.target_id)
    move_transfer(step, interaction_id, trigger, by)
    initiator = step.interaction(interaction_id).participant(transfer.initiator_id)
    if initiator.is_live:
        step.disconnect(interaction_id, initiator, by, f"transferred to {target.user_id or target.name}")
    resume_customers(step, interaction_id, by)


def return_transfer(step: Step, interaction_id: InteractionId, by: str, reason: str) -> None:
    """Back to the old place: whoever was sought goes, and the customers hear again whom they heard before."""
    transfer = live_transfer(step.interaction(interaction_id))
    move_transfer(step, interaction_id, TransferTrigger.RETURN, by, reason)
    interaction = step.interaction(interaction_id)
    target = interaction.participant(transfer.target_id)
    if target.is_live:
        seat = interaction.seat_of(target.participant_id)
        if seat is not None:
            step.close_seat(interaction_id, seat, OfferTrigger.RESCIND, reason)
        step.part(interaction_id, target, by, reason)
    _resume(step, interaction_id, transfer.held, by, reason)


def move_transfer(
    step: Step,
    interaction_id: InteractionId,
    trigger: TransferTrigger,
    by: str = SYSTEM,
    reason: str = "",
    expires_at: float | None = None,
) -> None:
    transfer = live_transfer(step.interaction(interaction_id))
    step.record(
        events.TransferMoved(
            step.now,
            interaction_id,
            transfer.target_id,
            transfer.next_state(trigger),
            reason,
            by,
            transfer.expires_at if expires_at is None else expires_at,
        )
    )


def live_transfer(interaction: Interaction) -> Transfer:
    """For those who know that there is one."""
    assert interaction.transfer is not None, "no transfer is under way"
    return interaction.transfer


def is_held_for_transfer(interaction: Interaction, participant_id: ParticipantId) -> bool:
    """On hold until the transfer is over, not by anybody's wish."""
    return interaction.transfer is not None and participant_id in interaction.transfer.held


def resume_customers(step: Step, interaction_id: InteractionId, by: str) -> None:
    """Whoever has the customer now talks with them, also if they were on hold before the transfer."""
    customers = tuple(customer.participant_id for customer in step.interaction(interaction_id).customers())
    _resume(step, interaction_id, customers, by, "")


def _go_on_without_initiator(step: Step, interaction_id: InteractionId, state: TransferState) -> None:
    """The customer is never stranded: a blind transfer rings on, and the customer waits in the queue."""
    if state is TransferState.CONSULTING:
        move_transfer(step, interaction_id, TransferTrigger.COMPLETE, reason=AGENT_LEFT)
        resume_customers(step, interaction_id, SYSTEM)
    elif state is TransferState.SEEKING:
        return_transfer(step, interaction_id, SYSTEM, AGENT_LEFT)


def _find_target(step: Step, interaction: Interaction, transfer: Transfer) -> Participant:
    """Whom the queue sent did not stay: it sends the next one, for the same seat."""
    target = interaction.participant(transfer.target_id)
    seat = next((seat for seat in interaction.seats if seat.seat_id == transfer.seat_id), None)
    if target.is_live or seat is None or seat.participant_id in (None, transfer.target_id):
        return target
    next_one = interaction.participant(seat.participant_id)
    step.record(
        events.TransferMoved(
            step.now,
            interaction.interaction_id,
            next_one.participant_id,
            transfer.state,
            "the next one is sought",
            SYSTEM,
            transfer.expires_at,
        )
    )
    return next_one


def _resume(
    step: Step, interaction_id: InteractionId, held: tuple[ParticipantId, ...], by: str, reason: str
) -> None:
    for participant_id in held:
        if step.interaction(interaction_id).participant(participant_id).state is ParticipantState.HELD:
            step.move(interaction_id, participant_id, ParticipantTrigger.RESUME, by, reason)
