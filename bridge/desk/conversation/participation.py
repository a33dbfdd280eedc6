"""Steps of taking part: people mute, hold, leave; legs and media come and go; the whole of it ends."""

from bridge.desk import commands, events
from bridge.desk.commands import SYSTEM
from bridge.desk.conversation.calling_back import answer_callback
from bridge.desk.conversation.dialing_out import answer_dial
from bridge.desk.conversation.equipment import keep_capabilities
from bridge.desk.interaction.attributes import merged_attributes
from bridge.desk.interaction.call_failure import RANG_OUT
from bridge.desk.interaction.participant import Participant, ParticipantState, ParticipantTrigger
from bridge.desk.settlement.handover import is_held_for_transfer
from bridge.desk.settlement.queueing import rank_again
from bridge.desk.settlement.settlement import end, fill_seat, settle
from bridge.desk.step import Step
from bridge.desk.work.seating import miss
from bridge.errors import NotAllowedError
from bridge.ids import InteractionId, ParticipantId

MEDIA_MISSING = "no media connection in time"


def end_interaction(step: Step, command: commands.EndInteraction) -> None:
    step.live_interaction(command.interaction_id)
    end(step, command.interaction_id, command.by, command.reason)


def disconnect_participant(step: Step, command: commands.DisconnectParticipant) -> None:
    participant = _live_participant(step, command.interaction_id, command.participant_id)
    step.disconnect(command.interaction_id, participant, command.by, command.reason)
    settle(step, command.interaction_id)


def replace_leg(step: Step, command: commands.ReplaceLeg) -> None:
    """The participant stays who and where it is; of one that was called, somebody is on the line by it."""
    id_, participant_id = command.interaction_id, command.participant_id
    participant = _live_participant(step, id_, participant_id)
    if participant.state is ParticipantState.ALERTING:
        if participant.is_customer:
            answer_callback(step, commands.AnswerCallback(id_, command.leg_id), by=command.by_leg_id)
        else:
            answer_dial(step, commands.AnswerDial(id_, command.leg_id), by=command.by_leg_id)
        return
    if command.leg_id not in participant.leg_ids:
        raise NotAllowedError(f"leg {command.leg_id} is no call of participant {participant_id}")
    step.record(events.LegAttached(step.now, id_, participant_id, command.by_leg_id))
    step.record(events.LegDetached(step.now, id_, participant_id, command.leg_id, "replaced"))


def mute_participant(step: Step, command: commands.MuteParticipant) -> None:
    participant = _live_participant(step, command.interaction_id, command.participant_id)
    if not participant.muted:
        step.record(
            events.ParticipantMuted(step.now, command.interaction_id, command.participant_id, command.by)
        )


def unmute_participant(step: Step, command: commands.UnmuteParticipant) -> None:
    participant = _live_participant(step, command.interaction_id, command.participant_id)
    if participant.muted:
        step.record(
            events.ParticipantUnmuted(step.now, command.interaction_id, command.participant_id, command.by)
        )


def hold_participant(step: Step, command: commands.HoldParticipant) -> None:
    _live_participant(step, command.interaction_id, command.participant_id)
    step.move(command.interaction_id, command.participant_id, ParticipantTrigger.HOLD, command.by)


def resume_participant(step: Step, command: commands.ResumeParticipant) -> None:
    _live_participant(step, command.interaction_id, command.participant_id)
    if is_held_for_transfer(step.interaction(command.interaction_id), command.participant_id):
        raise NotAllowedError("on hold for a transfer: complete it, merge, or cancel it")
    step.move(command.interaction_id, command.participant_id, ParticipantTrigger.RESUME, command.by)


def set_attributes(step: Step, command: commands.SetAttributes) -> None:
    interaction = step.live_interaction(command.interaction_id)
    merged = merged_attributes(interaction.attributes, command.attributes, step.policy)
    changed = {name: value for name, value in merged.items() if interaction.attributes.get(name) != value}
    if changed:
        step.record(events.AttributesSet(step.now, command.interaction_id, changed, command.by))
        rank_again(step, command.interaction_id)


def set_remote_hold(step: Step, command: commands.SetRemoteHold) -> None:
    participant = _live_participant(step, command.interaction_id, command.participant_id)
    if participant.held_by_remote != command.held:
        step.record(
            events.RemoteHoldChanged(step.now, command.interaction_id, command.participant_id, command.held)
        )


def attach_leg(step: Step, command: commands.AttachLeg) -> None:
    participant = _live_participant(step, command.interaction_id, command.participant_id)
    if not participant.is_present and not participant.is_customer:
        raise NotAllowedError(f"participant {participant.participant_id} has not accepted the offer yet")
    if command.leg_id not in participant.leg_ids:
        step.record(
            events.LegAttached(step.now, command.interaction_id, command.participant_id, command.leg_id)
        )


def detach_leg(step: Step, command: commands.DetachLeg) -> None:
    id_, participant_id = command.interaction_id, command.participant_id
    participant = _live_participant(step, id_, participant_id)
    if command.leg_id not in participant.leg_ids:
        return
    step.record(events.LegDetached(step.now, id_, participant_id, command.leg_id, command.reason))
    keep_capabilities(step, id_, participant_id)
    if len(participant.leg_ids) == 1 and participant.is_present and not participant.is_customer:
        step.move(id_, participant_id, ParticipantTrigger.LOSE_MEDIA, reason=command.reason)
        settle(step, id_)


def connect_media(step: Step, command: commands.ConnectMedia) -> None:
    """A customer's own media changes nothing at the desk: only the meeting with somebody of ours does."""
    id_, participant_id = command.interaction_id, command.participant_id
    participant = _live_participant(step, id_, participant_id)
    if participant.is_customer:
        return
    if not participant.is_present:
        raise NotAllowedError(f"participant {participant_id} has not accepted the offer yet")
    step.move(id_, participant_id, ParticipantTrigger.JOIN, reason="media connected")
    fill_seat(step, id_, participant)
    settle(step, id_)


def expire_connections(step: Step) -> None:
    """Whoever accepted, or lost the media, and did not bring it in time is out."""
    for interaction_id in tuple(step.state.connecting):
        overdue = [
            participant
            for participant in step.interaction(interaction_id).staff()
            if participant.connect_by is not None and participant.connect_by <= step.now
        ]
        for participant in overdue:
            rings = participant.state is ParticipantState.ALERTING
            step.disconnect(interaction_id, participant, SYSTEM, RANG_OUT if rings else MEDIA_MISSING)
            if participant.user_id is not None:
                miss(step, participant.user_id, MEDIA_MISSING)
        if overdue:
            settle(step, interaction_id)


def _live_participant(
    step: Step, interaction_id: InteractionId, participant_id: ParticipantId
) -> Participant:
    return step.live_interaction(interaction_id).live_participant(participant_id)
