"""Steps of participants on phones: a number is dialed for an interaction, answers, or comes to nothing."""

from bridge.desk import commands, events
from bridge.desk.centre.role import MediaType
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.call_failure import failure_of
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import Participant, ParticipantState, ParticipantTrigger
from bridge.desk.settlement.settlement import settle
from bridge.desk.step import Step
from bridge.desk.work.seating import check_room
from bridge.errors import NotAllowedError, NotFoundError
from bridge.ids import InteractionId, LegId


def dial_participant(step: Step, command: commands.DialParticipant) -> None:
    """Rings `address`. The same again while it rings or talks changes nothing."""
    id_ = command.interaction_id
    interaction = step.live_interaction(id_)
    if dialed_to(interaction, command.address) is not None:
        return
    if not command.address.lower().startswith(("sip:", "sips:")) and not step.policy.dials_numbers:
        raise NotAllowedError("no way out for numbers: give a SIP URI, or a trunk its target")
    check_room(step, interaction, command.role, second_expert=command.second_expert)
    participant_id, name = step.ids.participant(), command.name or command.address
    address, kind = command.address, MediaType.VOICE
    step.record(
        events.ParticipantAdded(
            step.now, id_, participant_id, command.role, kind, None, name, address, command.by
        )
    )
    leg_id = step.ids.leg()
    step.record(events.ParticipantDialed(step.now, id_, participant_id, leg_id, command.by))
    ring_until = step.now + step.policy.dial_s
    alerting = ParticipantState.ALERTING
    step.record(
        events.ParticipantMoved(
            step.now, id_, participant_id, alerting, "being called", command.by, ring_until
        )
    )


def answer_dial(step: Step, command: commands.AnswerDial, by: LegId | None = None) -> None:
    """Whoever was called is on the line, `by` another phone that took the call from the one that rang."""
    id_ = command.interaction_id
    participant = _ringing(step, id_, command.leg_id)
    step.record(events.LegAttached(step.now, id_, participant.participant_id, by or command.leg_id))
    step.move(id_, participant.participant_id, ParticipantTrigger.JOIN, reason="answered")
    settle(step, id_)


def fail_dial(step: Step, command: commands.FailDial) -> None:
    """Nobody answered, or whoever did would not: `status` says why."""
    participant = _ringing(step, command.interaction_id, command.leg_id)
    failure = failure_of(command.status)
    reason = f"{failure.code}: {command.reason or failure.text}"
    step.disconnect(command.interaction_id, participant, SYSTEM, reason)
    settle(step, command.interaction_id)


def restart_dials(step: Step, interaction_id: InteractionId, by: str) -> None:
    """A call that rang when the process ended was taken back by the door."""
    for participant in step.interaction(interaction_id).participants:
        if participant.state is ParticipantState.ALERTING and participant.dialed_leg_id is not None:
            step.disconnect(interaction_id, participant, by, "the bridge restarted while it dialed")


def dialed_to(interaction: Interaction, address: str) -> Participant | None:
    """Who was called at `address` and is still there."""
    dialed = (p for p in interaction.attendants() if p.dialed_leg_id is not None)
    return next((p for p in dialed if p.address == address), None)


def _ringing(step: Step, interaction_id: InteractionId, leg_id: LegId) -> Participant:
    for participant in step.interaction(interaction_id).participants:
        if participant.dialed_leg_id == leg_id:
            if participant.state is not ParticipantState.ALERTING:
                raise NotAllowedError(f"participant {participant.participant_id} rings no more")
            return participant
    raise NotFoundError(f"nobody was called by leg {leg_id}")
