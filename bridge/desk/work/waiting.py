"""The waiting lists: who is served next, and who is rung for it."""

import heapq
from collections.abc import Iterator

from bridge.desk import events
from bridge.desk.centre.expert import Expert
from bridge.desk.centre.queue import Overflow, Queue
from bridge.desk.centre.role import MediaType
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import ParticipantTrigger
from bridge.desk.interaction.seat import Seat, SeatTrigger
from bridge.desk.settlement.queueing import overflow_for
from bridge.desk.state.line import Place
from bridge.desk.step import Step
from bridge.ids import QueueId, UserId

_Head = tuple[Place, QueueId, Iterator[Place]]  # who is first in a line, and the others behind


def match_waiting(step: Step) -> None:
    """Offers each open seat, the first of all lines first, to the longest idle of those who serve its queue."""
    lines = step.state.lines
    serving = {id_: line for id_ in lines.open_queues() if (line := _serving(step, id_))}
    heads = [head for id_ in serving if (head := _head(id_, iter(lines.open(id_))))]
    heapq.heapify(heads)
    while heads:
        place, queue_id, behind = heads[0]
        if not serving[queue_id]:
            heapq.heappop(heads)  # nobody is left to ring for those behind either
            continue
        chosen = _choose(step, place, step.state.queues[queue_id], serving[queue_id])
        if chosen is not None:
            serving = {
                id_: [expert for expert in line if expert is not chosen] for id_, line in serving.items()
            }
        head = _head(queue_id, behind)
        if head is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, head)


def limit_met(step: Step, queue: Queue, interaction: Interaction, seat: Seat) -> str:
    """Why the wait of this seat is over, or "". Who is called back does not wait at the phone."""
    if interaction.live_callback is not None and seat.is_customers:
        return ""
    since = seat.entered_at  # added to as the deadline is: a difference may be less by the last digit
    overflow = way_out(step, queue, interaction, seat)
    if overflow is not None and overflow.wait_s is not None and step.now >= since + overflow.wait_s:
        return f"waited {overflow.wait_s:g} s in {queue.name!r}"
    if queue.timeout_s is not None and step.now >= since + queue.timeout_s:
        return f"nobody of {queue.name!r} was available within {queue.timeout_s:g} s"
    return ""


def way_out(step: Step, queue: Queue, interaction: Interaction, seat: Seat) -> Overflow | None:
    """Where this seat goes when a limit is met; it overflows once."""
    if seat.overflowed:
        return None
    return overflow_for(step, queue, interaction if seat.is_customers else None)


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


def _head(queue_id: QueueId, line: Iterator[Place]) -> _Head | None:
    place = next(line, None)
    return None if place is None else (place, queue_id, line)


def _serving(step: Step, queue_id: QueueId) -> list[Expert]:
    """Those who are idle and serve the queue, in the order in which they are rung."""
    queue, profile = step.state.queues.get(queue_id), step.state.profile
    if queue is None:
        return []
    keyed = [
        (queue.key_of(known, expert.handled), expert.idle_since, expert.user_id, expert)
        for expert in step.state.idle_experts(queue.role, step.policy.proof_s, step.now)
        if queue.admits(known := profile(expert.user_id))
    ]
    keyed.sort()
    return [expert for *_, expert in keyed]


def _choose(step: Step, place: Place, queue: Queue, candidates: list[Expert]) -> Expert | None:
    """Rings the first who may be rung for this very seat."""
    interaction = step.interaction(place.interaction_id)
    seat = interaction.seat(place.seat_id)
    if seat.not_before > step.now or limit_met(step, queue, interaction, seat):
        return None
    for expert in candidates:
        if _may_ring(step, interaction, seat, expert):
            make_offer(step, interaction, seat, expert.user_id)
            return expert
    return None


def _may_ring(step: Step, interaction: Interaction, seat: Seat, expert: Expert) -> bool:
    declined_at = seat.declined_at(expert.user_id)
    if declined_at is not None and step.now < declined_at + step.policy.decline_rest_s:
        return False
    if interaction.participant_of(expert.user_id) is not None:
        return False
    return seat.type is not MediaType.VIDEO or step.state.can_show_video(expert.user_id, step.policy.proof_s)
