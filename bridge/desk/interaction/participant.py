"""One party of an interaction: its role, its state, its legs."""

from enum import StrEnum

import msgspec

from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction.capability import Capabilities
from bridge.desk.interaction.companion import Companion
from bridge.desk.interaction.supervision import Supervision
from bridge.errors import ConflictError, NotAllowedError
from bridge.ids import LegId, ParticipantId, QueueId, UserId


class ParticipantState(StrEnum):
    NOT_IN_QUEUE = "not-in-queue"
    QUEUED = "queued"
    ALERTING = "alerting"
    CONNECTING = "connecting"
    IN_SESSION = "in-session"
    HELD = "held"
    WRAP_UP = "wrap-up"
    DISCONNECTED = "disconnected"


class ParticipantTrigger(StrEnum):
    QUEUE = "queue"  # a customer waits for an agent, at first or again
    ALERT = "alert"  # an offer for this participant rings
    ACCEPT = "accept"  # the offer was accepted; media is to come
    JOIN = "join"  # media is there, or for a customer: somebody is there
    LOSE_MEDIA = "lose media"
    HOLD = "hold"
    RESUME = "resume"
    WRAP_UP = "wrap up"
    DISCONNECT = "disconnect"


_S = ParticipantState
_T = ParticipantTrigger

TRANSITIONS: dict[tuple[ParticipantState, ParticipantTrigger], ParticipantState] = {
    (_S.NOT_IN_QUEUE, _T.QUEUE): _S.QUEUED,
    (_S.NOT_IN_QUEUE, _T.ALERT): _S.ALERTING,
    (_S.NOT_IN_QUEUE, _T.ACCEPT): _S.CONNECTING,
    (_S.NOT_IN_QUEUE, _T.DISCONNECT): _S.DISCONNECTED,
    (_S.QUEUED, _T.JOIN): _S.IN_SESSION,
    (_S.QUEUED, _T.ALERT): _S.ALERTING,  # an expert is rung for the queue, or a caller for the callback
    (_S.QUEUED, _T.DISCONNECT): _S.DISCONNECTED,
    (_S.ALERTING, _T.ACCEPT): _S.CONNECTING,
    (_S.ALERTING, _T.QUEUE): _S.QUEUED,
    (_S.ALERTING, _T.JOIN): _S.IN_SESSION,  # the caller answered the callback
    (_S.ALERTING, _T.DISCONNECT): _S.DISCONNECTED,
    (_S.CONNECTING, _T.JOIN): _S.IN_SESSION,
    (_S.CONNECTING, _T.LOSE_MEDIA): _S.CONNECTING,
    (_S.CONNECTING, _T.WRAP_UP): _S.WRAP_UP,  # had been in session before the media went
    (_S.CONNECTING, _T.DISCONNECT): _S.DISCONNECTED,
    (_S.IN_SESSION, _T.JOIN): _S.IN_SESSION,  # a second leg, or the first one connected anew
    (_S.IN_SESSION, _T.LOSE_MEDIA): _S.CONNECTING,
    (_S.IN_SESSION, _T.HOLD): _S.HELD,
    (_S.IN_SESSION, _T.QUEUE): _S.QUEUED,
    (_S.IN_SESSION, _T.WRAP_UP): _S.WRAP_UP,
    (_S.IN_SESSION, _T.DISCONNECT): _S.DISCONNECTED,
    # Whoever is on hold stays on hold while the network comes and goes; only `resume` ends it.
    (_S.HELD, _T.JOIN): _S.HELD,
    (_S.HELD, _T.LOSE_MEDIA): _S.HELD,
    (_S.HELD, _T.RESUME): _S.IN_SESSION,
    (_S.HELD, _T.QUEUE): _S.QUEUED,
    (_S.HELD, _T.WRAP_UP): _S.WRAP_UP,
    (_S.HELD, _T.DISCONNECT): _S.DISCONNECTED,
    (_S.WRAP_UP, _T.DISCONNECT): _S.DISCONNECTED,
}

GONE = frozenset({_S.DISCONNECTED, _S.WRAP_UP})
# Present in the room, with media or with a deadline to bring it.
PRESENT = frozenset({_S.CONNECTING, _S.IN_SESSION, _S.HELD})


class Participant(msgspec.Struct, frozen=True, gc=False):
    """`user_id` is None for a customer, and for whoever is still sought in a queue.

    `connect_by` is the deadline for media that is missing, `wrap_up_by` the one for the work after the call.
    `session_since` is when the participant was first in session; `queue_id` the queue it came through.
    """

    participant_id: ParticipantId
    role: ParticipantRole
    type: MediaType
    joined_at: float
    state: ParticipantState = ParticipantState.NOT_IN_QUEUE
    user_id: UserId | None = None
    name: str = ""
    address: str = ""
    muted: bool = False
    held_by_remote: bool = False
    sends_video: bool = False
    leg_ids: tuple[LegId, ...] = ()
    connect_by: float | None = None
    disconnect_reason: str = ""
    disconnected_by: str = ""
    queue_id: QueueId | None = None
    session_since: float | None = None
    left_at: float | None = None
    downgrade_reason: str = ""  # why there is no video although it was asked for
    wrap_up_by: float | None = None
    wrap_up_code: str = ""
    wrap_up_note: str = ""
    leg_capabilities: tuple[tuple[LegId, Capabilities], ...] = ()
    supervision: Supervision | None = None  # of a supervisor
    companions: tuple[Companion, ...] = ()  # a customer's links, open or bound
    dialed_leg_id: LegId | None = None  # the call of ours that brings this one in

    @property
    def is_live(self) -> bool:
        """In the interaction or on the way to it. Who is wrapping up has left it."""
        return self.state not in GONE

    @property
    def is_present(self) -> bool:
        return self.state in PRESENT

    @property
    def capabilities(self) -> Capabilities:
        """Of all legs together, now: what one leg cannot, another may."""
        if len(self.leg_capabilities) == 1:  # as of almost everybody
            return self.leg_capabilities[0][1]
        together = Capabilities()
        for _, capabilities in self.leg_capabilities:
            together |= capabilities
        return together

    @property
    def is_customer(self) -> bool:
        return self.role is ParticipantRole.CUSTOMER

    def next_state(self, trigger: ParticipantTrigger) -> ParticipantState:
        """Raises NotAllowedError when the table has no such transition."""
        try:
            return TRANSITIONS[self.state, trigger]
        except KeyError:
            raise NotAllowedError(
                f"cannot {trigger} participant {self.participant_id}: it is {self.state}"
            ) from None


class ParticipantConflictError(ConflictError):
    """Somebody else is already being sought; `participant` is who."""

    def __init__(self, reason: str, participant: Participant) -> None:
        super().__init__(reason)
        self.participant = participant
