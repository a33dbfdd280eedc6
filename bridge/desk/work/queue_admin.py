"""Steps on queues and profiles, and of an interaction that is sent to a queue."""

from bridge.desk import commands, events
from bridge.desk.centre.notice import FIGURES, unknown_figures
from bridge.desk.centre.queue import DEFAULT_QUEUE, Profile
from bridge.desk.interaction.attributes import merged_attributes
from bridge.desk.interaction.offer import OfferTrigger
from bridge.desk.interaction.seat import SeatTrigger
from bridge.desk.settlement.queueing import Wish, admit, move_to_queue, open_seat
from bridge.desk.step import StandIn, Step
from bridge.desk.work.seating import check_room
from bridge.errors import CapacityError, ConflictError, NotAllowedError


def declare_queue(step: Step, command: commands.DeclareQueue) -> None:
    """Makes the queue, or changes it for everybody who waits there."""
    queue = command.queue
    overflow = queue.overflow
    if overflow is not None and overflow.queue_id is not None:
        if overflow.queue_id == queue.queue_id:
            raise NotAllowedError(f"queue {queue.queue_id} cannot overflow into itself")
        step.state.queue(overflow.queue_id)
    for group in queue.notify_groups:
        if group not in step.policy.notify_groups:
            raise NotAllowedError(f"nobody is in the group {group!r}: see notifications.groups")
    for template in (queue.notify_subject, queue.notify_text):
        if unknown := unknown_figures(template):
            raise NotAllowedError(f"no figure {', '.join(unknown)}; there are {', '.join(FIGURES)}")
    if step.state.queues.get(queue.queue_id) != queue:
        step.record(events.QueueDeclared(step.now, queue.queue_id, queue, command.by))


def remove_queue(step: Step, command: commands.RemoveQueue) -> None:
    """Only an empty one; who was in a conversation through it comes back to the default queue."""
    step.state.queue(command.queue_id)
    if command.queue_id == DEFAULT_QUEUE:
        raise NotAllowedError("the default queue takes whoever has no other and cannot be removed")
    if any(
        seat.queue_id == command.queue_id
        for id_ in step.state.seeking
        for seat in step.interaction(id_).seats
    ):
        raise NotAllowedError(f"somebody waits in queue {command.queue_id}")
    step.record(events.QueueRemoved(step.now, command.queue_id, command.by))


def set_profile(step: Step, command: commands.SetProfile) -> None:
    profile = command.profile
    if profile.user_id in step.state.directory.configured:
        raise NotAllowedError(f"{profile.user_id} stands in the configuration: change it there")
    check_profile(step, profile)
    if step.state.profiles.get(profile.user_id) != profile:
        step.record(events.ProfileSet(step.now, profile.user_id, profile, command.by))


def check_profile(step: Step, profile: Profile) -> None:
    if profile.capacity < 1:
        raise NotAllowedError("a capacity below 1 would take nothing: disable the user instead")
    for other in step.state.all_profiles():
        taken = set(profile.external_ids) & {*other.external_ids, other.user_id}
        if taken and other.user_id != profile.user_id:
            raise ConflictError(f"{other.user_id} has the external id {min(taken)} already")


def queue_interaction(step: Step, command: commands.QueueInteraction) -> None:
    """Sends a waiting customer to another queue, with the clock the customer has."""
    id_ = command.interaction_id
    interaction = step.live_interaction(command.interaction_id)
    queue = step.state.queue(command.queue_id)
    seat = next((s for s in interaction.seats if s.is_customers), None)
    if seat is None or not seat.waits:
        raise NotAllowedError(f"nobody waits in interaction {id_}")
    if seat.queue_id == queue.queue_id:
        return
    admission = admit(step, queue, interaction)
    if admission.refused or admission.callback:
        raise CapacityError(admission.reason)
    offer = step.offer_for(seat.seat_id)
    if offer is not None:
        step.end_offer(offer, OfferTrigger.RESCIND, "the caller went on to another queue")
        step.move_seat(id_, seat, SeatTrigger.RETURN)
    interaction = step.interaction(id_)
    move_to_queue(step, interaction, interaction.seat(seat.seat_id), admission)


def seek_from_queue(step: Step, command: commands.SeekFromQueue) -> None:
    """One more participant, whoever serves the queue. The same queue again changes nothing while it is sought."""
    interaction = step.live_interaction(command.interaction_id)
    queue = step.state.queue(command.queue_id)
    if interaction.sought_in(command.queue_id) is not None:
        return
    check_room(step, interaction, queue.role, second_expert=command.second_expert)
    admission = admit(step, queue)
    if admission.refused or admission.callback:
        what = "; offer the customer a callback" if admission.callback else ""
        raise CapacityError(f"{admission.reason}{what}")
    merged = merged_attributes(interaction.attributes, command.attributes, step.policy)
    changed = {name: value for name, value in merged.items() if interaction.attributes.get(name) != value}
    id_ = command.interaction_id
    if changed:
        step.record(events.AttributesSet(step.now, id_, changed, command.by))
    stand_in = StandIn(queue.role, command.type, command.by)
    participant_id = step.stand_in(id_, admission.queue.queue_id, stand_in)
    wish = Wish(command.type, queue.role, command.by, participant_id, command.queue_id)
    open_seat(step, step.interaction(id_), admission, wish)
