"""Steps of what legs can: capabilities are found out, and what others are told of them is kept current."""

from bridge.desk import commands, events
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.attributes import CUSTOMER_VIDEO_CAPABLE, CUSTOMER_VIDEO_REASON
from bridge.desk.step import Step
from bridge.errors import NotAllowedError
from bridge.ids import InteractionId, ParticipantId

NO_LEG = "no call is connected"


def set_capabilities(step: Step, command: commands.SetCapabilities) -> None:
    """What one leg can from now on. A leg that is gone meanwhile can nothing, and nothing is noted."""
    interaction = step.live_interaction(command.interaction_id)
    participant = interaction.live_participant(command.participant_id)
    if command.leg_id not in participant.leg_ids:
        raise NotAllowedError(f"leg {command.leg_id} is not one of participant {command.participant_id}")
    if dict(participant.leg_capabilities).get(command.leg_id) == command.capabilities:
        return
    step.record(
        events.CapabilitiesChanged(
            step.now,
            command.interaction_id,
            command.participant_id,
            command.leg_id,
            command.capabilities,
        )
    )
    keep_capabilities(step, command.interaction_id, command.participant_id)


def keep_capabilities(step: Step, interaction_id: InteractionId, participant_id: ParticipantId) -> None:
    """After a leg changed, came or went: who shows video, and what the expert reads of the customer."""
    participant = step.interaction(interaction_id).participant(participant_id)
    capabilities = participant.capabilities
    sends_video = capabilities.video.send or capabilities.screen.send
    if participant.sends_video != sends_video:
        step.record(events.VideoChanged(step.now, interaction_id, participant_id, sends_video))
    if participant.is_customer:
        _note_customer_video(step, interaction_id)


def _note_customer_video(step: Step, interaction_id: InteractionId) -> None:
    """True while a picture of the customer can be had: the leg sends it and the path carries it, now."""
    interaction = step.interaction(interaction_id)
    able = [customer.capabilities for customer in interaction.customers()]
    capable = any(capabilities.video.send for capabilities in able)
    reasons = dict.fromkeys(capabilities.no_video or NO_LEG for capabilities in able)
    wanted = {
        CUSTOMER_VIDEO_CAPABLE: "true" if capable else "false",
        CUSTOMER_VIDEO_REASON: "" if capable else "; ".join(reasons),
    }
    changed = {name: text for name, text in wanted.items() if interaction.attributes.get(name) != text}
    if changed:
        step.record(events.AttributesSet(step.now, interaction_id, changed, SYSTEM))
