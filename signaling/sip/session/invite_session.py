"""One call as its INVITE usage (RFC 5057): two small tables and their timers, without any message parsing.

`CallState` is the life of the call. `ExchangeState` is the offer/answer exchange within it, of which there
is at most one at a time (RFC 3261 section 14); the first INVITE is the first exchange.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING

from bridge.errors import ConflictError, NotAllowedError
from bridge.ids import NO_TRUNK, TrunkId
from signaling.sip.session.event import CallKey
from signaling.sip.session.session_timer import SessionTimer
from signaling.sip.transaction.deadlines import earliest
from signaling.sip.transaction.transaction import Timing
from signaling.sip.wire.flow import Flow

if TYPE_CHECKING:
    from signaling.sip.session.dialog import Dialog
    from signaling.sip.session.early_dialog import EarlyDialog
    from signaling.sip.transaction.outcome import RequestArrived, TransactionKey
    from signaling.sip.trunk.trunk import Trunk


# The tables are asked with each message: identity hashes faster than a name (see transaction.py).
class CallState(Enum):
    __hash__ = object.__hash__

    ARRIVING = auto()  # an INVITE waits for our answer
    ANSWERED = auto()  # our 200 waits for its ACK
    CALLING = auto()  # our INVITE waits for any response
    PROCEEDING = auto()  # ... for a final one
    ABANDONING = auto()  # to be cancelled as soon as a provisional response allows it (section 9.1)
    CANCELING = auto()  # CANCEL is out, the INVITE's final response is not in
    CONFIRMED = auto()
    PARTING = auto()  # to be ended as soon as the ACK allows BYE (section 15)
    LEAVING = auto()  # our BYE waits for its response
    ENDED = auto()


class CallEvent(Enum):
    __hash__ = object.__hash__

    ACCEPT = auto()
    REJECT = auto()
    HANG_UP = auto()
    PROVISIONAL = auto()
    REDIRECT = auto()  # the INVITE goes on to another target
    SUCCESS = auto()
    FAILURE = auto()
    REMOTE_ACK = auto()
    REMOTE_CANCEL = auto()
    REMOTE_BYE = auto()
    ACK_OVERDUE = auto()
    PRACK_OVERDUE = auto()
    SESSION_EXPIRED = auto()
    FINAL_OVERDUE = auto()
    DIALOG_LOST = auto()
    BYE_FINISHED = auto()


_S, _E = CallState, CallEvent
CALL_TRANSITIONS: Mapping[tuple[CallState, CallEvent], CallState] = {
    (_S.ARRIVING, _E.ACCEPT): _S.ANSWERED,
    (_S.ARRIVING, _E.REJECT): _S.ENDED,
    (_S.ARRIVING, _E.HANG_UP): _S.ENDED,
    (_S.ARRIVING, _E.REMOTE_CANCEL): _S.ENDED,
    (_S.ARRIVING, _E.REMOTE_BYE): _S.ENDED,
    (_S.ARRIVING, _E.PRACK_OVERDUE): _S.ENDED,  # RFC 3262 section 3
    (_S.ANSWERED, _E.REMOTE_ACK): _S.CONFIRMED,
    (_S.ANSWERED, _E.REMOTE_BYE): _S.ENDED,
    (_S.ANSWERED, _E.HANG_UP): _S.PARTING,
    (_S.ANSWERED, _E.ACK_OVERDUE): _S.LEAVING,
    (_S.CALLING, _E.PROVISIONAL): _S.PROCEEDING,
    (_S.CALLING, _E.SUCCESS): _S.CONFIRMED,
    (_S.CALLING, _E.FAILURE): _S.ENDED,
    (_S.CALLING, _E.HANG_UP): _S.ABANDONING,
    (_S.CALLING, _E.FINAL_OVERDUE): _S.ABANDONING,
    (_S.CALLING, _E.REDIRECT): _S.CALLING,
    (_S.PROCEEDING, _E.PROVISIONAL): _S.PROCEEDING,
    (_S.PROCEEDING, _E.REDIRECT): _S.CALLING,
    (_S.PROCEEDING, _E.SUCCESS): _S.CONFIRMED,
    (_S.PROCEEDING, _E.FAILURE): _S.ENDED,
    (_S.PROCEEDING, _E.HANG_UP): _S.CANCELING,
    (_S.PROCEEDING, _E.FINAL_OVERDUE): _S.CANCELING,
    (_S.ABANDONING, _E.PROVISIONAL): _S.CANCELING,
    (_S.ABANDONING, _E.SUCCESS): _S.LEAVING,
    (_S.ABANDONING, _E.FAILURE): _S.ENDED,
    (_S.ABANDONING, _E.FINAL_OVERDUE): _S.ENDED,
    (_S.ABANDONING, _E.HANG_UP): _S.ABANDONING,
    (_S.CANCELING, _E.PROVISIONAL): _S.CANCELING,
    (_S.CANCELING, _E.SUCCESS): _S.LEAVING,  # the 200 crossed our CANCEL
    (_S.CANCELING, _E.FAILURE): _S.ENDED,
    (_S.CANCELING, _E.FINAL_OVERDUE): _S.ENDED,  # section 9.1: 64*T1 after the CANCEL
    (_S.CANCELING, _E.HANG_UP): _S.CANCELING,
    (_S.CONFIRMED, _E.REMOTE_ACK): _S.CONFIRMED,
    (_S.CONFIRMED, _E.REMOTE_BYE): _S.ENDED,
    (_S.CONFIRMED, _E.HANG_UP): _S.LEAVING,
    (_S.CONFIRMED, _E.ACK_OVERDUE): _S.LEAVING,  # section 14.2: of a re-INVITE's 200
    (_S.CONFIRMED, _E.FINAL_OVERDUE): _S.CONFIRMED,  # of our re-INVITE, which is then taken back
    (_S.CONFIRMED, _E.SESSION_EXPIRED): _S.LEAVING,  # RFC 4028 section 10
    (_S.CONFIRMED, _E.DIALOG_LOST): _S.LEAVING,  # section 12.2.1.2: 481 to a re-INVITE
    (_S.PARTING, _E.REMOTE_ACK): _S.LEAVING,
    (_S.PARTING, _E.REMOTE_BYE): _S.ENDED,
    (_S.PARTING, _E.ACK_OVERDUE): _S.LEAVING,
    (_S.PARTING, _E.HANG_UP): _S.PARTING,
    (_S.LEAVING, _E.BYE_FINISHED): _S.ENDED,
    (_S.LEAVING, _E.REMOTE_BYE): _S.LEAVING,  # both hung up at once; ours ends by its own response
    (_S.LEAVING, _E.REMOTE_ACK): _S.LEAVING,
    (_S.LEAVING, _E.HANG_UP): _S.LEAVING,
}
OUR_CALL_EVENTS = frozenset({_E.ACCEPT, _E.REJECT, _E.HANG_UP})


class ExchangeState(Enum):
    __hash__ = object.__hash__

    IDLE = auto()
    OURS = auto()  # our (re-)INVITE waits for its final response
    THEIRS = auto()  # their (re-)INVITE waits for our final response
    UNACKNOWLEDGED = auto()  # our 2xx waits for its ACK


class ExchangeEvent(Enum):
    __hash__ = object.__hash__

    OFFER = auto()  # we send a re-INVITE
    REMOTE_OFFER = auto()
    ACCEPT = auto()
    REJECT = auto()
    FINISHED = auto()  # the final response to ours came
    REMOTE_ACK = auto()


_X, _F = ExchangeState, ExchangeEvent
EXCHANGE_TRANSITIONS: Mapping[tuple[ExchangeState, ExchangeEvent], ExchangeState] = {
    (_X.IDLE, _F.OFFER): _X.OURS,
    (_X.IDLE, _F.REMOTE_OFFER): _X.THEIRS,
    (_X.OURS, _F.FINISHED): _X.IDLE,
    (_X.THEIRS, _F.ACCEPT): _X.UNACKNOWLEDGED,
    (_X.THEIRS, _F.REJECT): _X.IDLE,
    (_X.UNACKNOWLEDGED, _F.REMOTE_ACK): _X.IDLE,
}


class Referral:
    """The REFER of a call. `request` waits for its answer; after that `status` is what NOTIFY said last.

    `number` is its CSeq, the id of its subscription; `silent` if there is to be none (RFC 4488).
    """

    __slots__ = ("ends_at", "number", "request", "silent", "status")

    def __init__(self, request: "RequestArrived", number: int, *, silent: bool) -> None:
        self.request: RequestArrived | None = request
        self.number = number
        self.silent = silent
        self.status = 0
        self.ends_at = 0.0  # of its subscription, once it is accepted


class InviteSession:
    """State, dialog and timers of one call. The agent's two halves fill the plain fields."""

    __slots__ = (
        "_final_overdue_at",
        "_resending",
        "_timing",
        "client_key",
        "deferred",
        "dialog",
        "early",
        "end_told",
        "exchange",
        "expiry",
        "ignored",
        "key",
        "keys",
        "late_offer",
        "outbound",
        "overdue",
        "pending",
        "prepared",
        "referral",
        "retracted",
        "rseq",
        "state",
        "success",
        "told",
        "trunk",
        "update",
        "updating",
        "why",
    )

    def __init__(self, key: CallKey, timing: Timing, *, outbound: bool) -> None:
        self.key = key
        self.outbound = outbound
        self.trunk: Trunk | None = None
        self.state = CallState.CALLING if outbound else CallState.ARRIVING
        self.exchange = ExchangeState.OURS if outbound else ExchangeState.THEIRS
        self.dialog: Dialog | None = None
        self.early: dict[str, EarlyDialog] = {}  # by To tag: where our INVITE rings
        self.told = ""  # To tag of the phone whose binding early answer was told last
        self.pending: RequestArrived | None = None  # their INVITE, until its ACK or its refusal
        self.prepared: tuple[RequestArrived, str, bytes] | None = (
            None  # our 200 to it with this SDP, on disk first
        )
        self.rseq = 0  # the number of our latest reliable 18x
        self.deferred: str | None = None  # the answer that waits for the PRACK of it
        self.update: RequestArrived | None = None  # their UPDATE with an offer, until its answer
        self.updating = False  # an UPDATE of ours with an offer waits for its answer
        self.late_offer = False  # it brought no SDP: our 2xx makes the offer and the ACK the answer
        self.success: tuple[bytes, Flow] | None = None  # our 2xx, sent again until its ACK
        self.client_key: TransactionKey = ()  # our latest INVITE
        self.overdue = False  # it rang too long, so that its end counts as 408
        self.retracted = False  # our re-INVITE was canceled
        self.why = ("", "")  # by whom and why the call ends, once that is decided
        self.end_told = False
        self.ignored = 0  # what the peer sent out of turn
        self.expiry = SessionTimer()
        self.referral: Referral | None = None
        self.keys = ""  # those that still go to the phone by INFO, the first one is on its way
        self._timing = timing
        self._resending: _Resending | None = None
        self._final_overdue_at: float | None = None

    @property
    def trunk_id(self) -> TrunkId:
        return self.trunk.trunk_id if self.trunk is not None else NO_TRUNK

    def step(self, event: CallEvent) -> bool:
        """Follows the table; True if the state is another now. A miss: our mistake raises, theirs counts."""
        state = CALL_TRANSITIONS.get((self.state, event))
        if state is None:
            if event in OUR_CALL_EVENTS:
                raise NotAllowedError(f"a call that is {self.state.name.lower()} cannot {event.name.lower()}")
            self.ignored += 1
            return False
        changed = state is not self.state
        self.state = state
        return changed

    def may(self, event: ExchangeEvent) -> bool:
        """Whether the table has it, and no UPDATE with an offer stands in the way of another one."""
        if event in (ExchangeEvent.OFFER, ExchangeEvent.REMOTE_OFFER) and (self.updating or self.update):
            return False
        return (self.exchange, event) in EXCHANGE_TRANSITIONS

    def step_exchange(self, event: ExchangeEvent) -> None:
        """Raises NotAllowedError on a miss; ask `may` before following the peer."""
        state = EXCHANGE_TRANSITIONS.get((self.exchange, event))
        if state is None:
            raise NotAllowedError(
                f"offer/answer is {self.exchange.name.lower()}: no {event.name.lower()} now"
            )
        self.exchange = state

    def dialog_for_offer(self) -> "Dialog":
        """Where an offer of ours within the call goes now.

        Raises ConflictError while another offer is on its way, NotAllowedError if the call is not up.
        """
        if self.dialog is None or self.state is not CallState.CONFIRMED:
            raise NotAllowedError(f"a call that is {self.state.name.lower()} cannot be changed")
        if not self.may(ExchangeEvent.OFFER):
            raise ConflictError("another offer is on its way in this call")
        return self.dialog

    def dialog_with(self, remote_tag: str) -> "Dialog | None":
        """The dialog with one phone: the only one, or an early one of several."""
        if self.dialog is not None and self.dialog.remote_tag == remote_tag:
            return self.dialog
        early = self.early.get(remote_tag)
        return early.dialog if early is not None else None

    # --- timers -------------------------------------------------------------------------------------------

    def await_ack(self, data: bytes, flow: Flow, now: float) -> None:
        """Our 2xx is out: section 13.3.1.4 sends it again until the ACK, over TCP as well."""
        self.success = (data, flow)
        timing = self._timing
        self._resending = _Resending(data, flow, CallEvent.ACK_OVERDUE, timing, timing.t2_s, now)

    def acknowledged(self) -> None:
        self._resending = None
        self.success = None

    def await_prack(self, data: bytes, flow: Flow, now: float) -> None:
        """Our reliable 18x is out; its intervals double without a bound (RFC 3262 section 3)."""
        timing = self._timing
        self._resending = _Resending(data, flow, CallEvent.PRACK_OVERDUE, timing, timing.patience_s, now)

    @property
    def unproven(self) -> bool:
        """A reliable 18x of ours waits for its PRACK."""
        return self._resending is not None and self._resending.overdue is CallEvent.PRACK_OVERDUE

    def prove(self) -> None:
        """The PRACK came, or the final response went before it."""
        if self.unproven:
            self._resending = None

    def await_final(self, deadline_at: float | None) -> None:
        """The final response to our INVITE or re-INVITE must be there by then; None: it is."""
        self._final_overdue_at = deadline_at

    def timer(self) -> float | None:
        resend_at = self._resending.timer() if self._resending is not None else None
        referral_at = self.referral.ends_at or None if self.referral is not None else None
        return earliest(resend_at, self._final_overdue_at, self.expiry.timer(), referral_at)

    def take_due(self, now: float) -> tuple[CallEvent | None, tuple[bytes, Flow] | None]:
        """What is overdue at `now`, and the response that is to be sent again."""
        if self._resending is not None and self._resending.overdue_at <= now:
            overdue = self._resending.overdue
            self.acknowledged()
            return overdue, None
        if self._final_overdue_at is not None and self._final_overdue_at <= now:
            self._final_overdue_at = None
            return CallEvent.FINAL_OVERDUE, None
        again = self._resending is not None and self._resending.take_due(now)
        return None, self._resending.message if again and self._resending is not None else None


class _Resending:
    """A response of ours that is sent again until the peer acknowledges it."""

    __slots__ = ("_at", "_interval_s", "_longest_s", "message", "overdue", "overdue_at")

    def __init__(
        self, data: bytes, flow: Flow, overdue: CallEvent, timing: Timing, longest_s: float, now: float
    ) -> None:
        self.message = (data, flow)
        self.overdue = overdue
        self.overdue_at = now + timing.patience_s
        self._interval_s = timing.t1_s
        self._longest_s = longest_s
        self._at = now + timing.t1_s

    def timer(self) -> float:
        return min(self._at, self.overdue_at)

    def take_due(self, now: float) -> bool:
        if self._at > now:
            return False
        self._interval_s = min(2 * self._interval_s, self._longest_s)
        self._at = now + self._interval_s
        return True


def wanted_s(session: InviteSession) -> int:
    """The session interval its trunk asks for, 0 if it asks for none."""
    return session.trunk.session_expires_s if session.trunk is not None else 0
