"""Steps of seats and offers: seeking somebody, accepting, rejecting, letting it ring out."""

from bridge.desk import commands, events
from bridge.desk.centre.expert import Expert, Presence, PresenceTrigger
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.attributes import merged_attributes
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.offer import Offer, OfferTrigger
from bridge.desk.interaction.participant import ParticipantConflictError, ParticipantTrigger
from bridge.desk.interaction.seat import SeatTrigger
from bridge.desk.settlement.settlement import settle
from bridge.desk.step import Step
from bridge.desk.work.readiness import NO_PROOF_YET
from bridge.desk.work.waiting import make_offer
from bridge.errors import CapacityError, ForbiddenError, NotAllowedError, NotFoundError
from bridge.ids import OfferId, UserId

TIMED_OUT = "nobody answered in time"


def seek_participant(step: Step, command: commands.SeekParticipant) -> None:
    """Adds a user by name. The same user again changes nothing: the participant there is will do."""
    interaction = step.live_interaction(command.interaction_id)
    if interaction.participant_of(command.user_id) is not None:
        return
    expert = step.state.expert(command.user_id)
    role = _role_for(expert, command.role)
    check_room(step, interaction, role, second_expert=command.second_expert)
    _check_reachable(step, expert, command.type)
    attributes = merged_attributes(interaction.attributes, command.attributes, step.policy)
    id_, participant_id = command.interaction_id, step.ids.participant()
    changed = {name: value for name, value in attributes.items() if interaction.attributes.get(name) != value}
    if changed:
        step.record(events.AttributesSet(step.now, id_, changed, command.by))
    user_id, kind = command.user_id, command.type
    step.record(
        events.ParticipantAdded(
            step.now, id_, participant_id, role, kind, user_id, expert.name, "", command.by
        )
    )
    seat_id = step.ids.seat()
    step.record(events.SeatOpened(step.now, id_, seat_id, role, kind, user_id, participant_id, command.by))
    make_offer(step, step.interaction(id_), step.interaction(id_).seat(seat_id), user_id)


def accept_offer(step: Step, command: commands.AcceptOffer) -> None:
    offer = _own_offer(step, command.offer_id, command.user_id)
    id_ = offer.interaction_id
    seat = step.interaction(id_).seat(offer.seat_id)
    step.end_offer(offer, OfferTrigger.ACCEPT, "")
    participant_id = seat.participant_id
    if participant_id is None:
        participant_id = step.ids.participant()
        expert = step.state.expert(command.user_id)
        step.record(
            events.ParticipantAdded(
                step.now,
                id_,
                participant_id,
                _role_for(expert, seat.role),  # the seat may have come here from a queue of agents
                seat.type,
                command.user_id,
                expert.name,
                "",
                command.user_id,
                seat.queue_id,
            )
        )
    elif seat.escalation:
        name = step.state.expert(command.user_id).name
        step.record(events.ParticipantAssigned(step.now, id_, participant_id, command.user_id, name))
    step.move_seat(id_, seat, SeatTrigger.TAKE, participant_id=participant_id)
    step.move(id_, participant_id, ParticipantTrigger.ACCEPT, command.user_id, "accepted")


def reject_offer(step: Step, command: commands.RejectOffer) -> None:
    offer = _own_offer(step, command.offer_id, command.user_id)
    return_offer(step, offer, OfferTrigger.REJECT, command.user_id, command.reason or "rejected")


def return_offer(step: Step, offer: Offer, trigger: OfferTrigger, by: str, reason: str) -> None:
    """The offer came to nothing: a seat of a queue seeks the next, a named one is given up."""
    id_ = offer.interaction_id
    seat = step.interaction(id_).seat(offer.seat_id)
    step.end_offer(offer, trigger, reason, missed=trigger is OfferTrigger.TIME_OUT)
    if seat.user_id is None:
        declined = trigger in (OfferTrigger.REJECT, OfferTrigger.TIME_OUT)
        declined_by = offer.user_id if declined else None
        step.move_seat(id_, seat, SeatTrigger.RETURN, reason, seat.participant_id, declined_by)
        if seat.participant_id is not None:
            step.move(id_, seat.participant_id, ParticipantTrigger.QUEUE, reason=reason)
    elif seat.participant_id is not None:
        step.disconnect(id_, step.interaction(id_).participant(seat.participant_id), by, reason)
    settle(step, id_)


def expire_offers(step: Step) -> None:
    """Ends offers that rang out, and stops ringing those who let them."""
    for offer in tuple(step.state.offers.values()):
        if offer.expires_at <= step.now:
            return_offer(step, offer, OfferTrigger.TIME_OUT, SYSTEM, TIMED_OUT)
            expert = step.state.experts.get(offer.user_id)
            if expert is not None and expert.missed >= step.policy.missed_max:
                miss(step, offer.user_id, "did not answer an offer")


def miss(step: Step, user_id: UserId, reason: str) -> None:
    """Takes somebody who does not answer off the list until they say they are ready again."""
    expert = step.state.experts.get(user_id)
    if expert is None or expert.presence is not Presence.READY:
        return
    presence = expert.next_presence(PresenceTrigger.MISS)
    step.record(events.PresenceChanged(step.now, user_id, expert.name, expert.role, presence, reason))


def _own_offer(step: Step, offer_id: OfferId, user_id: UserId) -> Offer:
    offer = step.state.offers.get(offer_id)
    if offer is None or offer.expires_at <= step.now:
        raise NotFoundError(f"offer {offer_id} is over: answered, timed out or taken back")
    if offer.user_id != user_id:
        raise ForbiddenError(f"offer {offer_id} was made to somebody else")
    return offer


def _role_for(expert: Expert, wished: ParticipantRole) -> ParticipantRole:
    """An expert joins as one whatever the request calls it."""
    return ParticipantRole.SME if expert.role is ParticipantRole.SME else wished


def check_room(step: Step, interaction: Interaction, role: ParticipantRole, *, second_expert: bool) -> None:
    """Raises CapacityError when the room is full, ParticipantConflictError while another expert is sought."""
    if sum(p.is_live for p in interaction.participants) >= step.policy.max_participants:
        raise CapacityError(f"the interaction has {step.policy.max_participants} participants already")
    if role is ParticipantRole.SME and not second_expert:
        check_escalation(interaction)


def check_escalation(interaction: Interaction) -> None:
    """Raises ParticipantConflictError while an expert is sought."""
    sought = interaction.sought_expert
    if sought is None:
        return
    who = sought.user_id or sought.name
    raise ParticipantConflictError(f"an escalation is in progress: {who} is {sought.state}", sought)


def _check_reachable(step: Step, expert: Expert, kind: MediaType) -> None:
    if not step.state.takes_offers(expert, step.policy.proof_s, step.now):
        if expert.takes_offers:
            raise NotAllowedError(f"{expert.user_id} takes no offers now: {expert.fault or NO_PROOF_YET}")
        state = "reconnecting" if expert.presence is Presence.READY else expert.presence
        raise NotAllowedError(f"{expert.user_id} takes no offers now: {state}")
    if kind is MediaType.VIDEO and not step.state.can_show_video(expert.user_id, step.policy.proof_s):
        raise ForbiddenError(f"{expert.user_id} cannot join with video: no licence, or no camera that works")
    if step.state.is_busy(expert.user_id):
        raise NotAllowedError(f"{expert.user_id} is busy with another interaction or offer")
