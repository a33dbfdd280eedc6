"""A transfer: somebody of ours hands the customer on, or asks an expert first. A passing state with a deadline."""

from enum import StrEnum

import msgspec

from bridge.errors import NotAllowedError
from bridge.ids import ParticipantId, SeatId


class TransferKind(StrEnum):
    CONSULT = "consult"  # the two talk while the customer hears music; then one leaves, or all talk
    BLIND = "blind"  # whoever answers has the customer at once


class TransferState(StrEnum):
    SEEKING = "seeking"  # the one to consult is rung
    CONSULTING = "consulting"
    TRANSFERRING = "transferring"  # the one to hand over to is rung
    COMPLETED = "completed"  # who began it has left, who was sought has the customer
    MERGED = "merged"  # a conference
    RETURNED = "returned"  # back in the old place


class TransferTrigger(StrEnum):
    ANSWER = "answer"  # whoever is sought has media
    COMPLETE = "complete"
    MERGE = "merge"
    RETURN = "return"  # declined, canceled, gone or out of time


_S = TransferState
_T = TransferTrigger

TRANSITIONS: dict[tuple[TransferState, TransferTrigger], TransferState] = {
    (_S.SEEKING, _T.ANSWER): _S.CONSULTING,
    (_S.SEEKING, _T.RETURN): _S.RETURNED,
    (_S.CONSULTING, _T.COMPLETE): _S.COMPLETED,
    (_S.CONSULTING, _T.MERGE): _S.MERGED,
    (_S.CONSULTING, _T.RETURN): _S.RETURNED,
    (_S.TRANSFERRING, _T.ANSWER): _S.COMPLETED,
    (_S.TRANSFERRING, _T.RETURN): _S.RETURNED,
}

LIVE = frozenset({_S.SEEKING, _S.CONSULTING, _S.TRANSFERRING})


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """`initiator_id` hands over to `target_id`, or asks them. An interaction has at most one at a time.

    `held` are the customers whom the transfer put on hold: in the old place they are not. `seat_id` is what
    the target is sought for; a queue may send another one for it. At `expires_at` all is as it was before.
    """

    kind: TransferKind
    state: TransferState
    initiator_id: ParticipantId
    target_id: ParticipantId
    seat_id: SeatId
    held: tuple[ParticipantId, ...]
    started_at: float
    expires_at: float

    def next_state(self, trigger: TransferTrigger) -> TransferState:
        """Raises NotAllowedError when the table has no such transition."""
        try:
            return TRANSITIONS[self.state, trigger]
        except KeyError:
            raise NotAllowedError(f"cannot {trigger} the {self.kind} transfer: it is {self.state}") from None
