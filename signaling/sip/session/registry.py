"""The calls of one user agent: found by number or dialog, their deadlines, and the events about them."""

from typing import TYPE_CHECKING

from bridge.errors import NotFoundError
from signaling.sip.session.early_dialog import EarlyDialog
from signaling.sip.session.event import AgentEvent, CallEnded, CallKey
from signaling.sip.session.invite_session import CallState, InviteSession
from signaling.sip.transaction.deadlines import Deadlines
from signaling.sip.transaction.transaction import Timing
from signaling.sip.trunk.trunk import Trunk
from signaling.sip.trunk.trunk_load import TrunkLoad
from signaling.sip.wire.message import Essentials

if TYPE_CHECKING:
    from signaling.sip.session.dialog import DialogKey


class CallRegistry:
    """Bounded by `max_calls`; whoever opens a call asks `full` first."""

    __slots__ = (
        "_by_dialog",
        "_calls",
        "_deadlines",
        "_events",
        "_max_calls",
        "_serial",
        "_timing",
        "_unanswered",
        "load",
    )

    def __init__(self, timing: Timing, max_calls: int) -> None:
        self._timing = timing
        self._max_calls = max_calls
        self._serial = 0
        self._calls: dict[CallKey, InviteSession] = {}
        self._by_dialog: dict[DialogKey, InviteSession] = {}
        self._deadlines: Deadlines[CallKey] = Deadlines()
        self._events: list[AgentEvent] = []
        self._unanswered: list[InviteSession] = []
        self.load = TrunkLoad()

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def full(self) -> bool:
        return len(self._calls) >= self._max_calls

    def keys(self) -> tuple[CallKey, ...]:
        return tuple(self._calls)

    def open(self, *, outbound: bool) -> InviteSession:
        self._serial += 1
        session = InviteSession(CallKey(self._serial), self._timing, outbound=outbound)
        self._calls[session.key] = session
        return session

    def assign(self, session: InviteSession, trunk: Trunk | None) -> None:
        """The trunk a call goes by, once, when it is opened or restored."""
        session.trunk = trunk
        if trunk is not None:
            self.load.enter(trunk.trunk_id)

    def get(self, call: CallKey) -> InviteSession:
        """Raises NotFoundError when the call is over."""
        session = self._calls.get(call)
        if session is None:
            raise NotFoundError("the SIP call is over")
        return session

    def by_dialog(self, essentials: Essentials) -> InviteSession | None:
        """The call a request within a dialog belongs to: its To tag is ours."""
        return self._by_dialog.get((essentials.call_id, essentials.to_tag, essentials.from_tag))

    def find(self, key: "DialogKey") -> InviteSession | None:
        """The call with this dialog."""
        return self._by_dialog.get(key)

    def by_response(self, essentials: Essentials) -> InviteSession | None:
        """The call a response within a dialog belongs to: its From tag is ours."""
        return self._by_dialog.get((essentials.call_id, essentials.from_tag, essentials.to_tag))

    def enter_dialog(self, session: InviteSession) -> None:
        if session.dialog is not None:
            self._by_dialog[session.dialog.key] = session

    def enter_early(self, session: InviteSession, early: EarlyDialog) -> None:
        """One more phone that our INVITE rings at."""
        session.early[early.dialog.remote_tag] = early
        self._by_dialog[early.dialog.key] = session

    def leave_early(self, session: InviteSession) -> None:
        """Nothing rings any more: a phone answered, the call went elsewhere or is over."""
        for early in session.early.values():
            if session.dialog is None or early.dialog.key != session.dialog.key:
                self._by_dialog.pop(early.dialog.key, None)
        session.early.clear()

    def settle(self, session: InviteSession) -> None:
        """To be called after each change: arms the call's timer, or forgets the call and says so."""
        if session.state is not CallState.ENDED:
            self._deadlines.set(session.key, session.timer())
            return
        if self._calls.pop(session.key, None) is None:
            return
        if session.trunk is not None:
            self.load.leave(session.trunk.trunk_id)
        self._deadlines.set(session.key, None)
        self.leave_early(session)
        if session.dialog is not None:
            self._by_dialog.pop(session.dialog.key, None)
        if session.pending is not None or session.update is not None or session.referral is not None:
            self._unanswered.append(session)
        self.tell_end(session)

    def tell_end(self, session: InviteSession) -> None:
        """Once, and nothing of a call of which nobody was told. A phone that is gone is told of before its BYE has
        no answer either."""
        by, reason = session.why
        if by and not session.end_told:
            session.end_told = True
            self.emit(CallEnded(session.key, by, reason))

    def take_unanswered(self) -> list[InviteSession]:
        """Calls that ended while a request of the phone waited for its answer."""
        sessions, self._unanswered = self._unanswered, []
        return sessions

    def timer(self) -> float | None:
        return self._deadlines.next()

    def take_due(self, now: float) -> list[InviteSession]:
        return [self._calls[key] for key in self._deadlines.take_due(now) if key in self._calls]

    def emit(self, event: AgentEvent) -> None:
        self._events.append(event)

    def take_events(self) -> list[AgentEvent]:
        events, self._events = self._events, []
        return events
