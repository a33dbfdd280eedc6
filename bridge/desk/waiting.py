"""The waiting lists: who is served next, and who is rung for it."""

import heapq

from bridge.desk import events
from bridge.desk.expert import Expert
from bridge.desk.interaction import Interaction
from bridge.desk.line import Place
from bridge.desk.participant import MediaType, ParticipantTrigger
from bridge.desk.queue import Queue
from bridge.desk.seat import Seat, SeatTrigger
from bridge.desk.step import Step
from bridge.ids import QueueId, UserId


def match_waiting(step: Step) -> None:
    """Offers each open seat, the first of all lines first, to the longest idle of those who serve its queue."""
    lines = step.state.lines
    if not lines.open_queues():
        return
    idle = idle_experts(step)
    if not idle:
        return
    serving = {id_: line for id_ in lines.open_queues() if (line := _serving(step, id_, idle))}
    tagged = [[(place, id_) for place in lines.open(id_)] for id_ in serving]
    free = {expert.user_id for expert in idle}
    for place, queue_id in heapq.merge(*tagged):
        candidates = [expert for expert in serving[queue_id] if expert.user_id in free]
        chosen = _choose(step, place, step.state.queues[queue_id], candidates)
        if chosen is not None:
            free.discard(chosen)
        if not free:
            return


def idle_experts(step: Step) -> list[Expert]:
    """Who can be rung now."""
    state = step.state
    return [
        expert
        for expert in state.experts.values()
        if state.takes_offers(expert, step.policy.proof_s, step.now) and not state.is_busy(expert.user_id)
    ]


def limit_met(queue: Queue, interaction: Interaction, seat: Seat, now: float) -> str:
    """Why the wait of this seat is over, or "". Who is called back does not wait at the phone."""
    if interaction.live_callback is not None and seat.is_customers:
        return ""
    waited_s = now - seat.entered_at
    overflow = None if seat.overflowed else queue.overflow
    if overflow is not None and overflow.wait_s is not None and waited_s >= overflow.wait_s:
        return f"waited {overflow.wait_s:g} s in {queue.name!r}"
    if queue.timeout_s is not None and waited_s >= queue.timeout_s:
        return f"nobody of {queue.name!r} was available within {queue.timeout_s:g} s"
    return ""


def make_offer(step: Step, interaction: Interaction, seat: Seat, user_id: UserId) -> None:
    """Rings `user_id` for `seat`."""
    id_ = interaction.interaction_id
    step.move_seat(id_, seat, SeatTrigger.OFFER, participant_id=seat.participant_id)
    if seat.participant_id is not None:
        step.move(id_, seat.participant_id, ParticipantTrigger.ALERT)
    queue = step.state.queues.get(seat.queue_id) if seat.queue_id is not None else None
    offer_s = queue.offer_s if queue is not None and queue.offer_s is not None else step.policy.offer_s
    expires_at = step.now + offer_s
    step.record(events.OfferMade(step.now, id_, step.ids.offer(), seat.seat_id, user_id, expires_at))


def _serving(step: Step, queue_id: QueueId, idle: list[Expert]) -> list[Expert]:
    """Those of `idle` who serve the queue, in the order in which they are rung."""
    queue, state = step.state.queues.get(queue_id), step.state
    if queue is None:
        return []
    profiles = {expert.user_id: state.profile(expert.user_id) for expert in idle}
    serving = [
        expert for expert in idle if expert.role is queue.role and queue.admits(profiles[expert.user_id])
    ]
    serving.sort(
        key=lambda expert: (
            queue.key_of(profiles[expert.user_id], expert.handled),
            expert.idle_since,
            expert.user_id,
        )
    )
    return serving


def _choose(step: Step, place: Place, queue: Queue, candidates: list[Expert]) -> UserId | None:
    """Rings the first who may be rung for this very seat."""
    interaction = step.interaction(place.interaction_id)
    seat = interaction.seat(place.seat_id)
    if seat.not_before > step.now or limit_met(queue, interaction, seat, step.now):
        return None
    for expert in candidates:
        if _may_ring(step, interaction, seat, expert):
            make_offer(step, interaction, seat, expert.user_id)
            return expert.user_id
    return None


def _may_ring(step: Step, interaction: Interaction, seat: Seat, expert: Expert) -> bool:
    declined_at = seat.declined_at(expert.user_id)
    if declined_at is not None and step.now < declined_at + step.policy.decline_rest_s:
        return False
    if interaction.participant_of(expert.user_id) is not None:
        return False
    return seat.type is not MediaType.VIDEO or step.state.can_show_video(expert.user_id, step.policy.proof_s)
