"""What the events of seats, and of the offers made for them, do to the state."""

from collections.abc import Callable
from typing import Any

from bridge.desk import events
from bridge.desk.fact.queue import add_to_figures, count_seat_moved, count_seat_opened
from bridge.desk.interaction.offer import Offer, OfferState
from bridge.desk.interaction.seat import Seat
from bridge.desk.state.state import DeskState
from bridge.desk.value import replace


def _seat_opened(state: DeskState, event: events.SeatOpened) -> None:
    seat = Seat(
        event.seat_id,
        event.role,
        event.type,
        opened_at=event.at,
        opened_by=event.by,
        user_id=event.user_id,
        participant_id=event.participant_id,
        queue_id=event.queue_id,
        escalation=event.escalation,
        queued_at=event.queued_at,
        head_start_s=event.head_start_s,
        entered_at=event.at,
        not_before=event.not_before,
        overflowed=event.overflowed,
        asked_queue_id=event.asked_queue_id,
        announced_at=event.at,
    )
    interaction = state.interactions[event.interaction_id]
    waits_in = event.queue_id if seat.is_customers else None
    state.change(
        event.interaction_id,
        seats=interaction.seats_with(seat),
        queue_id=interaction.queue_id if waits_in is None else waits_in,
    )
    count_seat_opened(state, event)


def _seat_moved(state: DeskState, event: events.SeatMoved) -> None:
    interaction = state.interactions[event.interaction_id]
    was = interaction.seat(event.seat_id)
    count_seat_moved(state, was, event)
    seat = replace(was, state=event.state, participant_id=event.participant_id)
    if event.declined_by is not None:
        others = tuple(entry for entry in seat.declined if entry[0] != event.declined_by)
        seat = replace(seat, declined=(*others, (event.declined_by, event.at)))
    state.change(event.interaction_id, seats=interaction.seats_with(seat))


def _offer_made(state: DeskState, event: events.OfferMade) -> None:
    offer = Offer(
        event.offer_id,
        event.interaction_id,
        event.seat_id,
        event.user_id,
        offered_at=event.at,
        expires_at=event.expires_at,
    )
    state.put_offer(offer)
    seat = state.interactions[event.interaction_id].seat(event.seat_id)
    add_to_figures(state, seat.queue_id, offered=1)


def _offer_ended(state: DeskState, event: events.OfferEnded) -> None:
    offer = state.take_offer(event.offer_id)
    expert = state.experts.get(offer.user_id)
    if expert is not None and (event.missed or event.state is OfferState.ACCEPTED):
        state.put_expert(replace(expert, missed=expert.missed + 1 if event.missed else 0))


APPLY: dict[type, Callable[[DeskState, Any], None]] = {
    events.SeatOpened: _seat_opened,
    events.SeatMoved: _seat_moved,
    events.OfferMade: _offer_made,
    events.OfferEnded: _offer_ended,
}
