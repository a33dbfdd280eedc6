"""One object over all legs, from the first ring to the end. Its id never changes, whoever comes and goes."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from bridge.desk.centre.flow import FlowKind, FlowRun
from bridge.desk.centre.queue import DEFAULT_QUEUE
from bridge.desk.centre.role import ParticipantRole
from bridge.desk.interaction.callback import Callback
from bridge.desk.interaction.companion import LinkState
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.desk.interaction.seat import Seat
from bridge.desk.interaction.transfer import Transfer
from bridge.errors import NotAllowedError, NotFoundError
from bridge.ids import FlowRunId, InteractionId, ParticipantId, QueueId, RoomId, SeatId, UserId


class InteractionState(StrEnum):
    """Derived from the participants, never stored, so that the two cannot disagree."""

    WAITING = "waiting"
    IN_PROGRESS = "in-progress"
    ENDED = "ended"


class Interaction(msgspec.Struct, frozen=True, gc=False):
    """`created_at` is also the queue clock: whoever returns to the waiting list gets the old place back.

    `seats` holds the live ones only; the journal keeps the rest.
    """

    interaction_id: InteractionId
    room_id: RoomId
    caller: str
    called: str
    created_at: float
    attributes: Mapping[str, str] = {}
    participants: tuple[Participant, ...] = ()
    seats: tuple[Seat, ...] = ()
    ended_at: float | None = None
    end_reason: str = ""
    ended_by: str = ""
    version: int = 0  # grows with every event of the interaction
    queue_id: QueueId = DEFAULT_QUEUE  # where the customer waits, or waited last
    callback: Callback | None = None
    flows: tuple[FlowRun, ...] = ()  # those that run
    transfer: Transfer | None = None  # the one under way

    @property
    def state(self) -> InteractionState:
        if self.ended_at is not None:
            return InteractionState.ENDED
        waiting = any(p.state is ParticipantState.QUEUED for p in self.customers())
        return InteractionState.WAITING if waiting else InteractionState.IN_PROGRESS

    @property
    def escalation_in_progress(self) -> bool:
        return self.sought_expert is not None or any(s.role is ParticipantRole.SME for s in self.seats)

    @property
    def sought_expert(self) -> Participant | None:
        """Who is on the way as an expert: at a desktop, out of a queue, or at a phone that rings."""
        for seat in self.seats:
            if seat.role is ParticipantRole.SME and seat.participant_id is not None:
                return self.participant(seat.participant_id)
        rings = (p for p in self.attendants() if p.dialed_leg_id and p.state is ParticipantState.ALERTING)
        return next((p for p in rings if p.role is ParticipantRole.SME), None)

    @property
    def live_callback(self) -> Callback | None:
        return self.callback if self.callback is not None and self.callback.is_live else None

    @property
    def is_promise(self) -> bool:
        """The customer is called back and not on the line: whoever takes over from this process keeps it."""
        return self.live_callback is not None and not any(p.leg_ids for p in self.customers())

    @property
    def is_led(self) -> bool:
        """A flow leads the caller, whom nobody has met yet: it says which queue, and when."""
        inbound = any(run.flow.kind is FlowKind.INBOUND for run in self.flows)
        met = any(customer.session_since is not None for customer in self.customers())
        return inbound and not met and self.live_callback is None

    def flow_run(self, flow_run_id: FlowRunId) -> FlowRun | None:
        """None when it is over."""
        for run in self.flows:
            if run.flow_run_id == flow_run_id:
                return run
        return None

    def awaited_by_flow(self, subject: str) -> FlowRun | None:
        """The run whose step waits for this seat or prompt."""
        return next((run for run in self.flows if run.subject == subject), None)

    def flows_with(self, run: FlowRun) -> tuple[FlowRun, ...]:
        """`run` in the place of its former self, or at the end."""
        return (*[r for r in self.flows if r.flow_run_id != run.flow_run_id], run)

    def customers(self) -> list[Participant]:
        return [p for p in self.participants if p.is_customer and p.is_live]

    def staff(self) -> list[Participant]:
        """Live participants who are users of ours."""
        return [p for p in self.participants if not p.is_customer and p.is_live]

    def attendants(self) -> list[Participant]:
        """Live participants of ours whom a customer can talk with: those who supervise are not."""
        return [p for p in self.staff() if p.supervision is None]

    def check_live(self) -> None:
        """Raises NotAllowedError when it has ended."""
        if self.ended_at is not None:
            raise NotAllowedError(f"interaction {self.interaction_id} has ended")

    def participant(self, participant_id: ParticipantId) -> Participant:
        """Raises NotFoundError."""
        for participant in self.participants:
            if participant.participant_id == participant_id:
                return participant
        raise NotFoundError(f"interaction {self.interaction_id} has no participant {participant_id}")

    def live_participant(self, participant_id: ParticipantId) -> Participant:
        """Raises NotFoundError or, when the participant has left, NotAllowedError."""
        participant = self.participant(participant_id)
        if not participant.is_live:
            raise NotAllowedError(f"participant {participant_id} is disconnected")
        return participant

    def participant_of(self, user_id: UserId) -> Participant | None:
        """The live participant that is `user_id`."""
        return next((p for p in self.staff() if p.user_id == user_id), None)

    def customer_bound_to(self, link_id: str) -> Participant | None:
        """The customer whose companion browser used this link."""
        for customer in self.customers():
            if any(link.link_id == link_id and link.state is LinkState.BOUND for link in customer.companions):
                return customer
        return None

    def seat(self, seat_id: SeatId) -> Seat:
        """Raises NotFoundError."""
        for seat in self.seats:
            if seat.seat_id == seat_id:
                return seat
        raise NotFoundError(f"interaction {self.interaction_id} has no live seat {seat_id}")

    def seat_of(self, participant_id: ParticipantId) -> Seat | None:
        return next((s for s in self.seats if s.participant_id == participant_id), None)

    def sought_in(self, queue_id: QueueId) -> Participant | None:
        """Who stands for the live seat for which that queue was asked."""
        for seat in self.seats:
            asked = queue_id in (seat.queue_id, seat.asked_queue_id)
            if seat.escalation and asked and seat.participant_id is not None:
                return self.participant(seat.participant_id)
        return None

    def participants_with(self, participant: Participant) -> tuple[Participant, ...]:
        """`participant` in the place of its former self, or at the end."""
        id_ = participant.participant_id
        kept = [participant if p.participant_id == id_ else p for p in self.participants]
        return tuple(kept) if participant in kept else (*kept, participant)

    def seats_with(self, seat: Seat) -> tuple[Seat, ...]:
        """`seat` in the place of its former self or at the end; without it once it is not live."""
        others = tuple(s for s in self.seats if s.seat_id != seat.seat_id)
        return (*others, seat) if seat.is_live else others
