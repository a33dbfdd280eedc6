"""What a new start makes of the old state: offers have expired, desktops are gone, some calls come back."""

from bridge.desk import commands, events
from bridge.desk.centre.expert import Presence
from bridge.desk.commands import RESTART
from bridge.desk.conversation.calling_back import fail_callback
from bridge.desk.conversation.dialing_out import restart_dials
from bridge.desk.conversation.equipment import keep_capabilities
from bridge.desk.flow.interpreter import resume_flows
from bridge.desk.interaction.offer import OfferTrigger
from bridge.desk.interaction.participant import Participant, ParticipantTrigger
from bridge.desk.interaction.seat import SeatTrigger
from bridge.desk.settlement.settlement import settle
from bridge.desk.state.deadline import limits_of
from bridge.desk.step import Step
from bridge.desk.work.presence import keep_to_roles
from bridge.ids import InteractionId, LegId


def restart(step: Step, command: commands.Restart) -> None:
    """Ends what cannot have outlived the process; places, clocks and presence stay as they were.

    Users have the grace period to bring their desktop back, and the connection time to bring media again.
    """
    step.wake_at(step.now)  # limits that were met meanwhile, queues that are no more
    _expire_offers(step)
    _lose_desktops(step)
    _look_at_limits(step)
    for interaction_id in tuple(step.state.live):
        callback = step.interaction(interaction_id).live_callback
        if callback is not None and callback.leg_id is not None:
            reason = "the bridge restarted while it dialed"
            # One more attempt than by rule, and not one for each restart: it may be this call that ends the bridge.
            fail_callback(step, commands.FailCallback(interaction_id, callback.leg_id, reason, 0), spared=1)
        restart_dials(step, interaction_id, RESTART)
        for participant in step.interaction(interaction_id).participants:
            if participant.is_live:
                _restart_participant(step, interaction_id, participant, command.legs)
        settle(step, interaction_id)
    resume_flows(step)


def _look_at_limits(step: Step) -> None:
    """The configuration may have given the queues other ones than those that were noted when somebody came."""
    lines = step.state.lines
    for place in (place for queue_id in lines.waiting_queues() for place in lines.waiting(queue_id)):
        for at in limits_of(step.state, step.interaction(place.interaction_id).seat(place.seat_id)):
            step.wake_at(at)


def _expire_offers(step: Step) -> None:
    """Nobody could answer: that is no miss of the user, who may be rung again at once."""
    for offer in tuple(step.state.offers.values()):
        id_ = offer.interaction_id
        seat = step.interaction(id_).seat(offer.seat_id)
        step.end_offer(offer, OfferTrigger.TIME_OUT, RESTART)
        if seat.user_id is None:
            step.move_seat(id_, seat, SeatTrigger.RETURN, RESTART, seat.participant_id)
            if seat.participant_id is not None:
                step.move(id_, seat.participant_id, ParticipantTrigger.QUEUE, reason=RESTART)
        elif seat.participant_id is not None:
            participant = step.interaction(id_).participant(seat.participant_id)
            step.disconnect(id_, participant, RESTART, "the bridge restarted while the offer rang")


def _lose_desktops(step: Step) -> None:
    for expert in tuple(step.state.experts.values()):
        if expert.presence is not Presence.OFFLINE:
            step.record(events.DesktopLost(step.now, expert.user_id))
            keep_to_roles(step, expert.user_id)  # the configuration may have given other ones


def _restart_participant(
    step: Step, interaction_id: InteractionId, participant: Participant, returning: frozenset[LegId]
) -> None:
    id_ = participant.participant_id
    lost = [leg_id for leg_id in participant.leg_ids if leg_id not in returning]
    for leg_id in lost:
        step.record(events.LegDetached(step.now, interaction_id, id_, leg_id, RESTART))
    keep_capabilities(step, interaction_id, id_)
    if len(lost) < len(participant.leg_ids):
        return  # a leg comes back by itself
    if participant.is_customer and step.interaction(interaction_id).live_callback is not None:
        return  # has no call to lose
    if participant.is_customer:
        reason = "the bridge restarted and the call could not be taken up again"
        step.disconnect(interaction_id, participant, RESTART, reason)
    elif participant.is_present:
        step.move(interaction_id, id_, ParticipantTrigger.LOSE_MEDIA, reason=RESTART)
