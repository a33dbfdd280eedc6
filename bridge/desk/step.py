"""One command in progress: the state, the moment, and the events so far."""

from dataclasses import dataclass

from bridge.desk import events
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.commands import SYSTEM
from bridge.desk.fact.fact import apply
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.offer import Offer, OfferTrigger
from bridge.desk.interaction.participant import Participant, ParticipantTrigger
from bridge.desk.interaction.seat import Seat, SeatState, SeatTrigger
from bridge.desk.state.state import DeskState
from bridge.ids import IdSource, InteractionId, OfferId, ParticipantId, QueueId, SeatId, UserId


@dataclass(frozen=True)
class StandIn:
    """What whoever a queue sends will be."""

    role: ParticipantRole
    type: MediaType
    by: str


class Step:
    """Each event is applied as it is recorded, so later parts of the step see earlier ones.

    A step first checks everything that may refuse it and only then records: a refusal changes nothing.
    """

    __slots__ = ("events", "ids", "interaction", "now", "policy", "rang_for", "state", "wakes")

    def __init__(self, state: DeskState, ids: IdSource, policy: DeskPolicy, now: float) -> None:
        self.state = state
        self.interaction = state.interaction  # as it is at this point of the step
        self.ids = ids
        self.policy = policy
        self.now = now
        self.events: list[events.DeskEvent] = []
        self.wakes: list[float] = []
        self.rang_for: dict[OfferId, UserId] = {}  # the offers that ended

    def record(self, event: events.DeskEvent) -> None:
        apply(self.state, event)
        self.events.append(event)

    def wake_at(self, at: float) -> None:
        """Asks for `ExpireDeadlines` at an instant that no event tells."""
        self.wakes.append(at)

    def live_interaction(self, interaction_id: InteractionId) -> Interaction:
        """Raises NotFoundError or, when it has ended, NotAllowedError."""
        interaction = self.state.interaction(interaction_id)
        interaction.check_live()
        return interaction

    def move(
        self,
        interaction_id: InteractionId,
        participant_id: ParticipantId,
        trigger: ParticipantTrigger,
        by: str = SYSTEM,
        reason: str = "",
        wrap_up_by: float | None = None,
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
            events.ParticipantMoved(
                self.now, interaction_id, participant_id, state, reason, by, connect_by, wrap_up_by
            )
        )

    def move_seat(  # noqa: PLR0913 - what a seat may learn when it moves
        self,
        interaction_id: InteractionId,
        seat: Seat,
        trigger: SeatTrigger,
        reason: str = "",
        participant_id: ParticipantId | None = None,
        declined_by: UserId | None = None,
        *,
        abandoned: bool = False,
        expired: bool = False,
    ) -> None:
        """A customer's seat that returns to open forgets who was on the way to it."""
        state = seat.next_state(trigger)
        self.record(
            events.SeatMoved(
                self.now,
                interaction_id,
                seat.seat_id,
                state,
                reason,
                participant_id,
                declined_by,
                abandoned,
                expired,
            )
        )

    def end_offer(self, offer: Offer, trigger: OfferTrigger, reason: str, *, missed: bool = False) -> None:
        state = offer.next_state(trigger)
        self.rang_for[offer.offer_id] = offer.user_id
        self.record(events.OfferEnded(self.now, offer.interaction_id, offer.offer_id, state, reason, missed))

    def offer_for(self, seat_id: SeatId) -> Offer | None:
        """The live offer of a seat; there is at most one."""
        return self.state.offer_of(seat_id)

    def close_seat(
        self,
        interaction_id: InteractionId,
        seat: Seat,
        trigger: OfferTrigger,
        reason: str,
        *,
        abandoned: bool = False,
        expired: bool = False,
    ) -> None:
        """Gives the seat up, and with it the offer that rings for it."""
        offer = self.offer_for(seat.seat_id)
        if offer is not None:
            self.end_offer(offer, trigger, reason)
        self.move_seat(
            interaction_id,
            seat,
            SeatTrigger.CLOSE,
            reason,
            seat.participant_id,
            abandoned=abandoned,
            expired=expired,
        )

    def disconnect(
        self, interaction_id: InteractionId, participant: Participant, by: str, reason: str
    ) -> None:
        """Takes a participant out; what follows for the others is `settle`'s to say."""
        seat = self.interaction(interaction_id).seat_of(participant.participant_id)
        if seat is not None and (seat.user_id is not None or self._gives_up(seat, participant, by)):
            self.close_seat(interaction_id, seat, OfferTrigger.RESCIND, reason)
        elif seat is not None and seat.escalation:
            self._seek_next(interaction_id, seat, participant, reason)
        elif seat is not None:
            self.move_seat(interaction_id, seat, SeatTrigger.RETURN, reason, declined_by=participant.user_id)
        self.part(interaction_id, participant, by, reason)

    def part(self, interaction_id: InteractionId, participant: Participant, by: str, reason: str) -> None:
        """Out of the conversation: into the work after it, if there was one and its queue grants time for it."""
        queue = self.state.queues.get(participant.queue_id) if participant.queue_id is not None else None
        if queue is None or not queue.wrap_up_s or participant.session_since is None:
            self.move(interaction_id, participant.participant_id, ParticipantTrigger.DISCONNECT, by, reason)
            return
        wrap_up_by = self.now + queue.wrap_up_s
        trigger = ParticipantTrigger.WRAP_UP
        self.move(interaction_id, participant.participant_id, trigger, by, reason, wrap_up_by)

    def stand_in(self, interaction_id: InteractionId, queue_id: QueueId, wish: StandIn) -> ParticipantId:
        """Adds the participant that stands for whoever a queue will send."""
        participant_id, queue = self.ids.participant(), self.state.queue(queue_id)
        self.record(
            events.ParticipantAdded(
                self.now,
                interaction_id,
                participant_id,
                wish.role,
                wish.type,
                None,
                queue.name,
                "",
                wish.by,
                queue_id,
            )
        )
        self.move(interaction_id, participant_id, ParticipantTrigger.QUEUE, wish.by, "sought in a queue")
        return participant_id

    def _gives_up(self, seat: Seat, participant: Participant, by: str) -> bool:
        """Who is only sought, or removed by somebody else, is not sought any more; nor anybody where the queue is
        gone, as the configuration may have it at a restart."""
        return seat.escalation and (
            seat.state is not SeatState.TAKEN
            or by not in (SYSTEM, participant.user_id)
            or seat.queue_id not in self.state.queues
        )

    def _seek_next(
        self, interaction_id: InteractionId, seat: Seat, participant: Participant, reason: str
    ) -> None:
        """Somebody of the queue came and did not stay: the next one is sought, in the old place."""
        if seat.queue_id is None:
            return
        wish = StandIn(seat.role, seat.type, SYSTEM)
        participant_id = self.stand_in(interaction_id, seat.queue_id, wish)
        self.move_seat(interaction_id, seat, SeatTrigger.RETURN, reason, participant_id, participant.user_id)
