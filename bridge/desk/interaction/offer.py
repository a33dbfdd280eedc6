"""An offer: the lease on one expert for one seat. It expires by itself, so nobody stays reserved."""

from enum import StrEnum

import msgspec

from bridge.errors import NotAllowedError
from bridge.ids import InteractionId, OfferId, SeatId, UserId


class OfferState(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TIMED_OUT = "timed-out"
    RESCINDED = "rescinded"  # the seat is no longer wanted: somebody else sat, or an agent took it back
    CANCELED = "canceled"  # the customer hung up or the interaction ended


class OfferTrigger(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"
    TIME_OUT = "time out"
    RESCIND = "rescind"
    CANCEL = "cancel"


_S = OfferState
_T = OfferTrigger

TRANSITIONS: dict[tuple[OfferState, OfferTrigger], OfferState] = {
    (_S.PENDING, _T.ACCEPT): _S.ACCEPTED,
    (_S.PENDING, _T.REJECT): _S.REJECTED,
    (_S.PENDING, _T.TIME_OUT): _S.TIMED_OUT,
    (_S.PENDING, _T.RESCIND): _S.RESCINDED,
    (_S.PENDING, _T.CANCEL): _S.CANCELED,
}


class Offer(msgspec.Struct, frozen=True, gc=False):
    offer_id: OfferId
    interaction_id: InteractionId
    seat_id: SeatId
    user_id: UserId
    offered_at: float
    expires_at: float
    state: OfferState = OfferState.PENDING

    @property
    def is_live(self) -> bool:
        return self.state is OfferState.PENDING

    def next_state(self, trigger: OfferTrigger) -> OfferState:
        """Raises NotAllowedError when the table has no such transition."""
        try:
            return TRANSITIONS[self.state, trigger]
        except KeyError:
            raise NotAllowedError(f"cannot {trigger} offer {self.offer_id}: it is {self.state}") from None
