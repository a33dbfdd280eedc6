"""Steps of transfers: consult somebody, then hand over, talk all together or go back; or hand over unasked."""

from bridge.desk import commands, events
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import (
    Participant,
    ParticipantConflictError,
    ParticipantState,
    ParticipantTrigger,
)
from bridge.desk.interaction.transfer import Transfer, TransferKind, TransferState, TransferTrigger
from bridge.desk.settlement.handover import (
    complete_transfer,
    move_transfer,
    resume_customers,
    return_transfer,
)
from bridge.desk.settlement.queueing import Wish, admit, open_seat
from bridge.desk.settlement.settlement import settle
from bridge.desk.step import Step
from bridge.desk.work.queue_admin import seek_from_queue
from bridge.desk.work.seating import seek_participant
from bridge.errors import ConflictError, NotAllowedError
from bridge.ids import InteractionId, UserId

OUT_OF_TIME = "nothing was decided in time"


def start_consult(step: Step, command: commands.StartConsult) -> None:
    """Seeks somebody to talk with while the customers hear music. The same one again changes nothing."""
    interaction = _check_start(step, command.interaction_id, command.user_id, TransferKind.CONSULT)
    if interaction.transfer is None:
        _start(step, interaction, command, TransferKind.CONSULT, step.policy.consult_s)


def transfer_blind(step: Step, command: commands.TransferBlind) -> None:
    """Seeks somebody to have the customer. To a queue: who began it leaves at once, the place is kept."""
    interaction = _check_start(step, command.interaction_id, command.user_id, TransferKind.BLIND)
    if interaction.transfer is not None:
        return
    if command.user_id is None:
        _transfer_to_queue(step, interaction, command)
    else:
        _start(step, interaction, command, TransferKind.BLIND, step.policy.transfer_s)


def complete_consult(step: Step, command: commands.CompleteTransfer) -> None:
    """The warm end of a consultation: who asked leaves, the expert has the customer."""
    transfer = _transfer(step, command.interaction_id)
    transfer.next_state(TransferTrigger.COMPLETE)
    target = step.interaction(command.interaction_id).participant(transfer.target_id)
    if target.state is not ParticipantState.IN_SESSION:
        raise NotAllowedError(f"participant {target.participant_id} is {target.state}, not in session")
    complete_transfer(step, command.interaction_id, TransferTrigger.COMPLETE, command.by)
    settle(step, command.interaction_id)


def merge_consult(step: Step, command: commands.MergeConsult) -> None:
    """Makes a conference of it: the customers hear everybody, and everybody them."""
    _transfer(step, command.interaction_id).next_state(TransferTrigger.MERGE)
    move_transfer(step, command.interaction_id, TransferTrigger.MERGE, command.by)
    resume_customers(step, command.interaction_id, command.by)
    settle(step, command.interaction_id)


def cancel_transfer(step: Step, command: commands.CancelTransfer) -> None:
    _transfer(step, command.interaction_id)
    return_transfer(step, command.interaction_id, command.by, command.reason or "canceled")
    settle(step, command.interaction_id)


def expire_transfers(step: Step) -> None:
    """What was not decided in time is as it was before."""
    for interaction_id in tuple(step.state.transferring):
        transfer = step.interaction(interaction_id).transfer
        if transfer is not None and transfer.expires_at <= step.now:
            return_transfer(step, interaction_id, SYSTEM, OUT_OF_TIME)
            settle(step, interaction_id)


def _check_start(
    step: Step, interaction_id: InteractionId, user_id: UserId | None, kind: TransferKind
) -> Interaction:
    interaction = step.live_interaction(interaction_id)
    transfer = interaction.transfer
    if transfer is not None:
        target = interaction.participant(transfer.target_id)
        if transfer.kind is kind and user_id is not None and target.user_id == user_id:
            return interaction
        raise ParticipantConflictError(
            f"a {transfer.kind} transfer is under way: {target.user_id or target.name} is {target.state}",
            target,
        )
    if user_id is not None and interaction.participant_of(user_id) is not None:
        raise ConflictError(f"{user_id} is in the interaction or sought for it already")
    return interaction


def _start(
    step: Step,
    interaction: Interaction,
    command: commands.Handover,
    kind: TransferKind,
    lasts_s: float,
) -> None:
    """The customers hear music from now on, not from the answer on: nobody comes into a sentence."""
    id_ = interaction.interaction_id
    initiator = _initiator(interaction, command.by)
    customers = _customers(interaction)
    known = {participant.participant_id for participant in interaction.participants}
    _seek(step, command)
    target = next(p for p in step.interaction(id_).participants if p.participant_id not in known)
    seat = step.interaction(id_).seat_of(target.participant_id)
    assert seat is not None, "whoever is sought has a seat"
    held = tuple(c.participant_id for c in customers if c.state is ParticipantState.IN_SESSION)
    for participant_id in held:
        step.move(id_, participant_id, ParticipantTrigger.HOLD, command.by, f"{kind} transfer")
    consults = kind is TransferKind.CONSULT
    step.record(
        events.TransferStarted(
            step.now,
            id_,
            target.participant_id,
            kind,
            TransferState.SEEKING if consults else TransferState.TRANSFERRING,
            initiator.participant_id,
            seat.seat_id,
            held,
            command.by,
            step.now + lasts_s,
        )
    )


def _seek(step: Step, command: commands.Handover) -> None:
    """As any other participant is sought, by name or in a queue."""
    id_, kind, by = command.interaction_id, command.type, command.by
    attributes, second = command.attributes, command.second_expert
    if command.user_id is not None:
        wish = commands.SeekParticipant(id_, command.user_id, command.role, kind, by, attributes, second)
        seek_participant(step, wish)
    elif command.queue_id is not None:
        seek_from_queue(step, commands.SeekFromQueue(id_, command.queue_id, kind, by, attributes, second))
    else:
        raise NotAllowedError("a transfer needs a user or a queue")


def _transfer_to_queue(step: Step, interaction: Interaction, command: commands.TransferBlind) -> None:
    """The customer waits there by the interaction's own clock."""
    id_ = interaction.interaction_id
    if command.queue_id is None:
        raise NotAllowedError("a transfer needs a user or a queue")
    queue = step.state.queue(command.queue_id)
    initiator = _initiator(interaction, command.by)
    customers = _customers(interaction)
    others = [p for p in interaction.attendants() if p.participant_id != initiator.participant_id]
    if others:
        raise NotAllowedError("others talk with the customer: leave instead, or ask them to leave first")
    admission = admit(step, queue, interaction)
    if admission.refused or admission.callback:
        raise NotAllowedError(f"the queue {queue.name!r} takes nobody now: {admission.reason}")
    step.disconnect(id_, initiator, command.by, f"transferred to {queue.name}")
    for customer in customers:
        reason = f"transferred to {queue.name}"
        step.move(id_, customer.participant_id, ParticipantTrigger.QUEUE, command.by, reason)
    wish = Wish(command.type, admission.queue.role, command.by, asked_queue_id=queue.queue_id)
    open_seat(step, step.interaction(id_), admission, wish)
    settle(step, id_)


def _initiator(interaction: Interaction, by: str) -> Participant:
    """Who asks, or on whose behalf an integration asks: the first who talks with the customer."""
    talking = [p for p in interaction.attendants() if p.state is ParticipantState.IN_SESSION]
    own = [p for p in talking if p.user_id == by]
    if not talking:
        raise NotAllowedError("nobody of ours talks with the customer: there is nothing to hand over")
    inside = interaction.participant_of(UserId(by))
    if inside is not None and not own:
        raise NotAllowedError(f"participant {inside.participant_id} is {inside.state} and hands over nothing")
    return (own or talking)[0]


def _customers(interaction: Interaction) -> tuple[Participant, ...]:
    customers = tuple(interaction.customers())
    if any(c.state not in (ParticipantState.IN_SESSION, ParticipantState.HELD) for c in customers):
        raise NotAllowedError("the customer is not in the conversation yet")
    return customers


def _transfer(step: Step, interaction_id: InteractionId) -> Transfer:
    transfer = step.interaction(interaction_id).transfer
    if transfer is None:
        raise NotAllowedError("no transfer is under way")
    return transfer
