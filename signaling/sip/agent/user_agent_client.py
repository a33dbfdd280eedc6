"""The half of the user agent that calls and ends calls (RFC 3261 sections 8.1, 9.1, 15.1)."""

from functools import partial

from signaling.sip.agent.invite.invitation import Invitations
from signaling.sip.agent.invite.inviter import Inviter, reason_headers
from signaling.sip.agent.invite.reinvitation import Reinvitations
from signaling.sip.agent.request.requester import Reply, Requester
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallKey
from signaling.sip.session.invite_session import CallEvent, CallState, InviteSession
from signaling.sip.session.registry import CallRegistry
from signaling.sip.trunk.trunk import Trunk
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Essentials, Headers

NOT_REFRESHED = "the session timer ran out: nobody refreshed the call"


class UserAgentClient:
    """Sends INVITE, re-INVITE, CANCEL, ACK and BYE."""

    __slots__ = ("_invitations", "_inviter", "_registry", "_reinvitations", "_requester", "_timing")

    def __init__(
        self, settings: AgentSettings, identity: LocalIdentity, registry: CallRegistry, requester: Requester
    ) -> None:
        self._timing = settings.timing
        self._registry = registry
        self._requester = requester
        self._inviter = Inviter(identity, requester)
        self._invitations = Invitations(settings, identity, registry, requester, self._inviter, self.follow)
        self._reinvitations = Reinvitations(
            settings.timing, identity, registry, requester, self._inviter, self.lose
        )

    @property
    def ignored(self) -> int:
        """Answers to calls of ours that could not be understood or were too many."""
        return self._invitations.ignored

    def invite(
        self,
        target: str,
        sdp: str,
        now: float,
        from_address: str,
        headers: Headers,
        trunk: Trunk | None = None,
    ) -> CallKey:
        """Raises ParseError for a target that is no SIP URI, CapacityError at the bound."""
        return self._invitations.send(target, sdp, now, from_address, headers, trunk)

    def reinvite(self, session: InviteSession, sdp: str, now: float) -> None:
        """Raises ConflictError while another offer is on its way, NotAllowedError if the call is not up."""
        self._reinvitations.send(session, sdp, now)

    def hang_up(self, session: InviteSession, reason: str, now: float) -> None:
        """Ends an answered or outbound call in the way its state allows."""
        changed = session.step(CallEvent.HANG_UP)
        if changed:
            session.why = ("local", reason)
            self.follow(session, now)
        self._registry.settle(session)

    def follow(self, session: InviteSession, now: float) -> None:
        """Sends what the state just entered asks for."""
        if session.state is CallState.LEAVING and session.dialog is not None:
            session.acknowledged()
            session.await_final(None)
            self.let_go(session, now)
            listener = partial(self._receive_bye_reply, session)
            self._requester.send_within(session.dialog, "BYE", now, listener, reason_headers(session))
        elif session.state is CallState.CANCELING:
            self._inviter.cancel(session, now)
            session.await_final(now + self._timing.patience_s)  # section 9.1
        elif session.state is CallState.ABANDONING:
            self._requester.give_up(session.client_key)
            session.await_final(None)  # timer B of the INVITE ends it

    def let_go(self, session: InviteSession, now: float) -> None:
        """Whether our INVITE or re-INVITE is ever answered matters no more."""
        self._requester.let_go(session.client_key, now)

    def overdue(self, session: InviteSession, event: CallEvent, now: float) -> None:
        """A deadline of the call passed."""
        was = session.state
        if was is CallState.CONFIRMED and event is CallEvent.FINAL_OVERDUE:
            self._reinvitations.retract(session, now)
            return
        if not session.step(event):
            return
        if was in (CallState.CALLING, CallState.PROCEEDING):
            session.overdue = True
        elif session.why == ("", ""):
            expired = event is CallEvent.SESSION_EXPIRED
            session.why = ("timeout", NOT_REFRESHED if expired else "the phone stopped answering")
            self._registry.tell_end(session)
        if was is CallState.CANCELING:
            self._invitations.refuse(session, 408, "no final response to CANCEL")
        self.follow(session, now)

    def lose(self, session: InviteSession, now: float) -> None:
        """The phone does not know the call any more (section 12.2.1.2)."""
        if session.step(CallEvent.DIALOG_LOST):
            session.why = ("timeout", "the phone does not know the call any more")
            self._registry.tell_end(session)
            self.follow(session, now)
        self._registry.settle(session)

    def receive_unmatched(self, essentials: Essentials) -> None:
        """A 2xx to a re-INVITE of the process before this one: without its ACK the phone would hang up."""
        session = self._registry.by_response(essentials)
        if session is None or session.dialog is None:
            return
        self._requester.send_ack(*self._inviter.make_ack(session.dialog, essentials.cseq_number, None))

    def _receive_bye_reply(self, session: InviteSession, reply: Reply, _now: float) -> None:
        if reply.status >= 200:
            session.step(CallEvent.BYE_FINISHED)
        self._registry.settle(session)
