"""Steps of supervisors: listening in, whispering, changing between them."""

from bridge.desk import commands, events
from bridge.desk.centre.role import ParticipantRole
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import Participant, ParticipantTrigger
from bridge.desk.interaction.supervision import Supervision, SupervisionMode
from bridge.desk.step import Step
from bridge.errors import CapacityError, NotAllowedError
from bridge.ids import ParticipantId


def supervise(step: Step, command: commands.Supervise) -> None:
    """Joins as a supervisor, or changes how one supervises. Media is to follow as after an accepted offer."""
    interaction = step.live_interaction(command.interaction_id)
    there = interaction.participant_of(command.user_id)
    if there is not None and there.supervision is None:
        raise NotAllowedError(f"{command.user_id} takes part in the conversation: leave it first")
    wanted = Supervision(command.mode, _coached(interaction, command))
    if there is not None:
        if there.supervision != wanted:
            _set(step, command, there.participant_id, wanted)
        return
    if sum(p.is_live for p in interaction.participants) >= step.policy.max_participants:
        raise CapacityError(f"the interaction has {step.policy.max_participants} participants already")
    if step.state.is_busy(command.user_id):
        raise NotAllowedError(f"{command.user_id} is busy with another interaction or offer")
    id_, participant_id = command.interaction_id, step.ids.participant()
    role, user_id = ParticipantRole.SUPERVISOR, command.user_id
    step.record(
        events.ParticipantAdded(
            step.now, id_, participant_id, role, command.type, user_id, command.name, "", user_id
        )
    )
    _set(step, command, participant_id, wanted)
    step.move(id_, participant_id, ParticipantTrigger.ACCEPT, user_id, command.mode)


def _set(step: Step, command: commands.Supervise, participant_id: ParticipantId, wanted: Supervision) -> None:
    step.record(
        events.SupervisionSet(
            step.now, command.interaction_id, participant_id, wanted.mode, wanted.coached_id, command.user_id
        )
    )


def _coached(interaction: Interaction, command: commands.Supervise) -> ParticipantId | None:
    """Whom the supervisor speaks to: whoever is named, else the agent, else another one of ours."""
    if command.mode is SupervisionMode.MONITOR:
        return None
    present = [participant for participant in interaction.attendants() if participant.is_present]
    if command.coached_id is not None:
        return _named(interaction, command.coached_id).participant_id
    agents = [participant for participant in present if participant.role is ParticipantRole.AGENT]
    if not present:
        raise NotAllowedError("nobody of ours talks with the customer: there is nobody to speak to")
    return (agents or present)[0].participant_id


def _named(interaction: Interaction, participant_id: ParticipantId) -> Participant:
    participant = interaction.live_participant(participant_id)
    if participant.is_customer or participant.supervision is not None:
        raise NotAllowedError(f"participant {participant_id} is not one of ours in the conversation")
    return participant
