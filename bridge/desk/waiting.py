"""The waiting list: who is called next, and which agent is rung."""

from bridge.desk import events
from bridge.desk.expert import Expert
from bridge.desk.interaction import Interaction
from bridge.desk.participant import ParticipantRole, ParticipantTrigger
from bridge.desk.seat import Seat, SeatState, SeatTrigger
from bridge.desk.step import Step
from bridge.ids import UserId


def match_waiting(step: Step) -> None:
    """Offers each open seat of the waiting list, oldest caller first, to the longest idle ready agent."""
    agents = [
        expert
        for expert in step.state.experts.values()
        if expert.takes_offers and expert.role is ParticipantRole.AGENT
    ]
    if not agents:
        return
    agents = [agent for agent in agents if not step.state.is_busy(agent.user_id)]
    agents.sort(key=lambda agent: (agent.idle_since, agent.user_id))
    for interaction, seat in _open_seats(step):
        chosen = next((agent for agent in agents if _may_ring(step, seat, agent)), None)
        if chosen is not None:
            agents.remove(chosen)
            make_offer(step, interaction, seat, chosen.user_id)
        if not agents:
            return


def make_offer(step: Step, interaction: Interaction, seat: Seat, user_id: UserId) -> None:
    """Rings `user_id` for `seat`."""
    id_ = interaction.interaction_id
    step.move_seat(id_, seat, SeatTrigger.OFFER, participant_id=seat.participant_id)
    if seat.participant_id is not None:
        step.move(id_, seat.participant_id, ParticipantTrigger.ALERT)
    expires_at = step.now + step.policy.offer_s
    step.record(events.OfferMade(step.now, id_, step.ids.offer(), seat.seat_id, user_id, expires_at))


def _open_seats(step: Step) -> list[tuple[Interaction, Seat]]:
    interactions = [step.interaction(id_) for id_ in step.state.seeking]
    open_seats = [
        (interaction, seat)
        for interaction in interactions
        for seat in interaction.seats
        if seat.state is SeatState.OPEN and seat.user_id is None
    ]
    # The interaction's age, not the seat's: who comes back to the list has the old place.
    return sorted(open_seats, key=lambda pair: (pair[0].created_at, pair[0].interaction_id))


def _may_ring(step: Step, seat: Seat, agent: Expert) -> bool:
    declined_at = seat.declined_at(agent.user_id)
    return declined_at is None or step.now >= declined_at + step.policy.decline_rest_s
