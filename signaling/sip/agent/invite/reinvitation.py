"""Offers of ours within a call, by re-INVITE (RFC 3261 section 14.1)."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from signaling.sip.agent.invite.inviter import Inviter, sdp_of
from signaling.sip.agent.request.requester import Reply, Requester
from signaling.sip.session.event import ReofferAnswered, ReofferRefused
from signaling.sip.session.invite_session import CallState, ExchangeEvent, InviteSession
from signaling.sip.session.registry import CallRegistry
from signaling.sip.transaction.transaction import Timing
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.response import parse_retry_after

if TYPE_CHECKING:
    from signaling.sip.wire.flow import Flow
    from signaling.sip.wire.message import Request

# Section 12.2.1.2 counts 408 and silence among the ends of a dialog as well. Here they end the change only: a
# customer whose phone is slow to answer a re-INVITE must not lose the call for it.
DIALOG_GONE = (481,)


class _Reinvitation:
    """A re-INVITE of ours while its transaction lives, and the ACK of its 2xx once that came."""

    __slots__ = ("ack", "session")

    def __init__(self, session: InviteSession) -> None:
        self.session = session
        self.ack: tuple[Request, Flow] | None = None


class Reinvitations:
    """`lose` ends a call that the phone does not know any more."""

    __slots__ = ("_identity", "_inviter", "_lose", "_registry", "_requester", "_timing")

    def __init__(
        self,
        timing: Timing,
        identity: LocalIdentity,
        registry: CallRegistry,
        requester: Requester,
        inviter: Inviter,
        lose: Callable[[InviteSession, float], None],
    ) -> None:
        self._timing = timing
        self._identity = identity
        self._registry = registry
        self._requester = requester
        self._inviter = inviter
        self._lose = lose

    def send(self, session: InviteSession, sdp: str, now: float) -> None:
        """Raises ConflictError while another offer is on its way, NotAllowedError if the call is not up."""
        dialog = session.dialog_for_offer()
        session.step_exchange(ExchangeEvent.OFFER)
        headers = self._inviter.headers(dialog.next_hop().transport, dialog.remote_target, sdp)
        headers = (*headers, *session.expiry.request_headers())
        listener = partial(self._receive, _Reinvitation(session))
        session.client_key = self._requester.send_within(
            dialog, "INVITE", now, listener, headers, sdp.encode()
        )
        session.await_final(now + self._timing.patience_s)
        session.retracted = False
        self._registry.settle(session)

    # --- responses ----------------------------------------------------------------------------------------

    def _receive(self, ours: _Reinvitation, reply: Reply, now: float) -> None:
        if reply.status < 200:
            return
        if reply.status < 300:
            self._receive_success(ours, reply, now)
        else:
            self._receive_failure(ours.session, reply, now)
        self._registry.settle(ours.session)

    def _receive_success(self, ours: _Reinvitation, reply: Reply, now: float) -> None:
        session, dialog = ours.session, ours.session.dialog
        response, essentials = reply.response, reply.essentials
        if dialog is None or response is None or essentials is None:
            return
        if ours.ack is not None:  # it was lost
            self._requester.send_ack(*ours.ack)
            return
        dialog.refresh_target(response)
        ours.ack = self._inviter.make_ack(dialog, essentials.cseq_number, reply.key)
        self._requester.send_ack(*ours.ack)
        if session.client_key != reply.key or session.may(ExchangeEvent.OFFER):
            return
        session.step_exchange(ExchangeEvent.FINISHED)
        if session.state is CallState.CONFIRMED:
            session.await_final(None)
            session.expiry.learn(response, now)
            self._registry.emit(ReofferAnswered(session.key, sdp_of(response)))

    def retract(self, session: InviteSession, now: float) -> None:
        """The phone is busy with our offer for too long: it is taken back (RFC 6141 section 2.5), once."""
        if session.retracted:
            self._requester.abandon(session.client_key)
            given_up = Reply(session.client_key, 408, "no final response to CANCEL")
            self._receive_failure(session, given_up, now)
            return
        session.retracted = True
        self._inviter.cancel(session, now)
        session.await_final(now + self._timing.patience_s)

    def _receive_failure(self, session: InviteSession, reply: Reply, now: float) -> None:
        session.step_exchange(ExchangeEvent.FINISHED)
        if session.state is not CallState.CONFIRMED:
            return
        session.await_final(None)
        session.expiry.learn_refusal(reply.status, now)
        if reply.status == 422 and reply.response is not None:
            session.expiry.raise_to(reply.response)  # for the next one (RFC 4028 section 7.4)
        self._registry.emit(
            ReofferRefused(session.key, reply.status, reply.reason, self._pause_s(session, reply))
        )
        if reply.status in DIALOG_GONE:
            self._lose(session, now)

    def _pause_s(self, session: InviteSession, reply: Reply) -> float:
        """Section 14.1: after a 491 who made the Call-ID waits longer, so that the two do not meet again."""
        if reply.status == 491:
            return self._identity.new_delay_s(*((2.1, 4.0) if session.outbound else (0.0, 2.0)))
        return float(parse_retry_after(reply.response))
