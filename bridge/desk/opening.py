"""A call comes in: its interaction opens with the customer in it, and a flow or the default queue takes over."""

from bridge.desk import commands, events
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.commands import SYSTEM
from bridge.desk.conversation.equipment import keep_capabilities
from bridge.desk.flow.flowing import lead_call
from bridge.desk.interaction.attributes import merged_attributes
from bridge.desk.settlement.settlement import settle
from bridge.desk.step import Step
from bridge.errors import CapacityError


def open_interaction(step: Step, command: commands.OpenInteraction) -> None:
    if len(step.state.live) >= step.policy.max_interactions:
        raise CapacityError(f"{step.policy.max_interactions} interactions are open, more are not allowed")
    attributes = merged_attributes({}, command.attributes, step.policy)
    id_, customer_id = command.interaction_id, command.participant_id
    caller, called = command.caller, command.called
    step.record(events.InteractionOpened(step.now, id_, command.room_id, caller, called, attributes))
    role, kind = ParticipantRole.CUSTOMER, MediaType.VOICE
    step.record(events.ParticipantAdded(step.now, id_, customer_id, role, kind, None, caller, caller, SYSTEM))
    step.record(events.LegAttached(step.now, id_, customer_id, command.leg_id))
    if command.capabilities is not None:
        can = command.capabilities
        step.record(events.CapabilitiesChanged(step.now, id_, customer_id, command.leg_id, can))
        keep_capabilities(step, id_, customer_id)
    lead_call(step, id_)
    settle(step, id_)
