"""One command in progress: the state, the moment, and the events so far."""

from bridge.desk import events
from bridge.desk.interaction import Interaction
from bridge.desk.offer import Offer, OfferTrigger
from bridge.desk.participant import Participant, ParticipantTrigger
from bridge.desk.policy import DeskPolicy
from bridge.desk.seat import Seat, SeatTrigger
from bridge.desk.state import DeskState
from bridge.ids import IdSource, InteractionId, ParticipantId, SeatId, UserId

SYSTEM = "system"  # `by` of what no user asked for


class Step:
    """Each event is applied as it is recorded, so later parts of the step see earlier ones.

    A step first checks everything that may refuse it and only then records: a refusal changes nothing.
    """

    __slots__ = ("events", "ids", "now", "policy", "state")

    def __init__(self, state: DeskState, ids: IdSource, policy: DeskPolicy, now: float) -> None:
        self.state = state
        self.ids = ids
        self.policy = policy
        self.now = now
        self.events: list[events.DeskEvent] = []

    def record(self, event: events.DeskEvent) -> None:
        self.state.apply(event)
        self.events.append(event)

    def interaction(self, interaction_id: InteractionId) -> Interaction:
        """As it is at this point of the step."""
        return self.state.interaction(interaction_id)

    def move(
        self,
        interaction_id: InteractionId,
        participant_id: ParticipantId,
        trigger: ParticipantTrigger,
        by: str = SYSTEM,
        reason: str = "",
    ) -> None:
        """Takes a transition of the participant's table, if it changes anything."""
        was = self.interaction(interaction_id).participant(participant_id)
        state = was.next_state(trigger)
        waits_for_media = trigger in (ParticipantTrigger.ACCEPT, ParticipantTrigger.LOSE_MEDIA)
        connect_by = self.now + self.policy.connect_s if waits_for_media else None
        if trigger is ParticipantTrigger.HOLD or trigger is ParticipantTrigger.RESUME:
            connect_by = was.connect_by  # holding somebody does not bring missing media back
        if (state, connect_by) == (was.state, was.connect_by):
            return
        self.record(
            events.ParticipantMoved(self.now, interaction_id, participant_id, state, reason, by, connect_by)
        )

    def move_seat(
        self,
        interaction_id: InteractionId,
        seat: Seat,
        trigger: SeatTrigger,
        reason: str = "",
        participant_id: ParticipantId | None = None,
        declined_by: UserId | None = None,
    ) -> None:
        """A seat of the waiting list that returns to open forgets who was on the way to it."""
        state = seat.next_state(trigger)
        self.record(
            events.SeatMoved(
                self.now, interaction_id, seat.seat_id, state, reason, participant_id, declined_by
            )
        )

    def end_offer(self, offer: Offer, trigger: OfferTrigger, reason: str) -> None:
        state = offer.next_state(trigger)
        self.record(events.OfferEnded(self.now, offer.interaction_id, offer.offer_id, state, reason))

    def offer_for(self, seat_id: SeatId) -> Offer | None:
        """The live offer of a seat; there is at most one."""
        return next((offer for offer in self.state.offers.values() if offer.seat_id == seat_id), None)

    def close_seat(
        self, interaction_id: InteractionId, seat: Seat, trigger: OfferTrigger, reason: str
    ) -> None:
        """Gives the seat up, and with it the offer that rings for it."""
        offer = self.offer_for(seat.seat_id)
        if offer is not None:
            self.end_offer(offer, trigger, reason)
        self.move_seat(interaction_id, seat, SeatTrigger.CLOSE, reason, seat.participant_id)

    def disconnect(
        self, interaction_id: InteractionId, participant: Participant, by: str, reason: str
    ) -> None:
        """Takes a participant out; what follows for the others is `settle`'s to say."""
        seat = self.interaction(interaction_id).seat_of(participant.participant_id)
        if seat is not None and seat.user_id is not None:
            self.close_seat(interaction_id, seat, OfferTrigger.RESCIND, reason)
        elif seat is not None:
            self.move_seat(interaction_id, seat, SeatTrigger.RETURN, reason, declined_by=participant.user_id)
        self.move(interaction_id, participant.participant_id, ParticipantTrigger.DISCONNECT, by, reason)
