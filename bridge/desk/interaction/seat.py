"""A seat: the wish for one more participant, alive until somebody sits or it is given up."""

from enum import StrEnum

import msgspec

from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.errors import NotAllowedError
from bridge.ids import ParticipantId, QueueId, SeatId, UserId


class SeatState(StrEnum):
    OPEN = "open"
    OFFERED = "offered"
    TAKEN = "taken"  # the offer was accepted, the media is not there yet
    FILLED = "filled"
    CLOSED = "closed"


class SeatTrigger(StrEnum):
    OFFER = "offer"
    RETURN = "return"  # the offer or the connection came to nothing: seek the next one
    TAKE = "take"
    FILL = "fill"
    CLOSE = "close"


_S = SeatState
_T = SeatTrigger

TRANSITIONS: dict[tuple[SeatState, SeatTrigger], SeatState] = {
    (_S.OPEN, _T.OFFER): _S.OFFERED,
    (_S.OPEN, _T.CLOSE): _S.CLOSED,
    (_S.OFFERED, _T.RETURN): _S.OPEN,
    (_S.OFFERED, _T.TAKE): _S.TAKEN,
    (_S.OFFERED, _T.CLOSE): _S.CLOSED,
    (_S.TAKEN, _T.RETURN): _S.OPEN,
    (_S.TAKEN, _T.FILL): _S.FILLED,
    (_S.TAKEN, _T.CLOSE): _S.CLOSED,
}


class Seat(msgspec.Struct, frozen=True, gc=False):
    """`user_id` names the one it is for; None means a queue: the longest idle of those who serve it.

    A seat of a queue is either the one a waiting customer waits for, or an `escalation`: one more participant
    beside those who are there. `participant_id` is known at once for a named seat and an escalation, and from
    acceptance on for a customer's. `declined` holds who turned it down and when.
    `queued_at` is the clock that orders the queue, `head_start_s` what priority adds to it; `entered_at` is
    when it came into this very queue; before `not_before` it is offered to nobody.
    """

    seat_id: SeatId
    role: ParticipantRole
    type: MediaType
    opened_at: float
    opened_by: str = ""
    state: SeatState = SeatState.OPEN
    user_id: UserId | None = None
    participant_id: ParticipantId | None = None
    declined: tuple[tuple[UserId, float], ...] = ()
    queue_id: QueueId | None = None
    escalation: bool = False
    asked_queue_id: QueueId | None = None  # of the wish, before any overflow
    queued_at: float = 0.0
    head_start_s: float = 0.0
    entered_at: float = 0.0
    not_before: float = 0.0
    overflowed: bool = False
    announced_at: float = 0.0
    downgrade_reason: str = ""

    @property
    def is_live(self) -> bool:
        return self.state not in (SeatState.FILLED, SeatState.CLOSED)

    @property
    def is_customers(self) -> bool:
        """The seat a customer waits for."""
        return self.user_id is None and not self.escalation

    @property
    def waits(self) -> bool:
        """In its queue: nobody has accepted it yet."""
        return self.queue_id is not None and self.state in (SeatState.OPEN, SeatState.OFFERED)

    @property
    def rank(self) -> float:
        """Smaller is served first."""
        return self.queued_at - self.head_start_s

    def next_state(self, trigger: SeatTrigger) -> SeatState:
        """Raises NotAllowedError when the table has no such transition."""
        try:
            return TRANSITIONS[self.state, trigger]
        except KeyError:
            raise NotAllowedError(f"cannot {trigger} seat {self.seat_id}: it is {self.state}") from None

    def declined_at(self, user_id: UserId) -> float | None:
        """When `user_id` last turned it down."""
        return dict(self.declined).get(user_id)
