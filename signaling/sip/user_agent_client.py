"""The half of the user agent that calls, ends calls and offers anew (RFC 3261 sections 8.1, 9.1, 13.2, 14.1)."""

from functools import partial

import msgspec

from bridge.errors import CapacityError, ConflictError, NotAllowedError, ParseError
from signaling.sip.dialog import Dialog, established_dialog
from signaling.sip.early_dialog import EarlyDialog, reliable_number
from signaling.sip.event import (
    CallAnswered,
    CallKey,
    CallProgressed,
    CallRefused,
    ReofferAnswered,
    ReofferRefused,
)
from signaling.sip.flow import Flow, flow_to, is_available
from signaling.sip.identity import LocalIdentity
from signaling.sip.inspection import ACCEPT, ALLOW, SDP_TYPE, SUPPORTED, read_sdp
from signaling.sip.invite_session import CallEvent, CallState, ExchangeEvent, InviteSession, wanted_s
from signaling.sip.message import Essentials, Headers, Request, Response, quote
from signaling.sip.redirection import FOLLOWED, Redirection
from signaling.sip.registry import CallRegistry
from signaling.sip.replaces import replacing_headers
from signaling.sip.requester import Asker, Reply, Requester, ignore
from signaling.sip.response import parse_retry_after
from signaling.sip.settings import AgentSettings
from signaling.sip.transaction_layer import CREDENTIALS, TransactionKey, TransactionLayer, make_cancel
from signaling.sip.trunk import Trunk
from signaling.sip.uri import parse_uri
from signaling.sip.via import parse_via

MAX_BRANCHES = 8  # answers of one INVITE from different phones that are acknowledged; more are ignored
# Section 12.2.1.2 counts 408 and silence among the ends of a dialog as well. Here they end the change only: a
# customer whose phone is slow to answer a re-INVITE must not lose the call for it.
NOT_REFRESHED = "the session timer ran out: nobody refreshed the call"
DIALOG_GONE = (481,)


class _Invitation:
    """An INVITE of ours while its transaction lives. `acks` are those of its 2xx's, by To tag."""

    __slots__ = ("acks", "redirection", "request", "session")

    def __init__(self, session: InviteSession, request: Request, redirection: Redirection) -> None:
        self.session = session
        self.request = request
        self.redirection = redirection
        self.acks: dict[str, tuple[Request, Flow]] = {}


class _Reinvitation:
    """A re-INVITE of ours while its transaction lives, and the ACK of its 2xx once that came."""

    __slots__ = ("ack", "session")

    def __init__(self, session: InviteSession) -> None:
        self.session = session
        self.ack: tuple[Request, Flow] | None = None


class UserAgentClient:
    """Sends INVITE, re-INVITE, CANCEL, ACK and BYE."""

    __slots__ = ("_identity", "_layer", "_registry", "_requester", "_settings", "ignored")

    def __init__(
        self,
        settings: AgentSettings,
        identity: LocalIdentity,
        layer: TransactionLayer,
        registry: CallRegistry,
        requester: Requester,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._layer = layer
        self._registry = registry
        self._requester = requester
        self.ignored = 0  # answers that could not be understood or were too many

    # --- commands -----------------------------------------------------------------------------------------

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
        uri = parse_uri(target)
        flow = flow_to(uri)
        if not is_available(uri):
            raise NotAllowedError(f"{uri.scheme} over {flow.transport} is not available: use udp, tcp or tls")
        if self._registry.full:
            raise CapacityError("all SIP calls are taken")
        if self._registry.load.refuses(trunk, now):
            raise CapacityError("the trunk has all the calls it may have")
        request_uri = target.partition("?")[0]
        session = self._registry.open(outbound=True)
        self._registry.assign(session, trunk)
        session.expiry.wanted_s = wanted_s(session)
        sender = from_address or self._identity.from_address(trunk.account if trunk is not None else "")
        branch = self._identity.new_branch()
        request = Request(
            method="INVITE",
            uri=request_uri,
            headers=(
                ("Via", self._identity.via(flow.transport, branch)),
                ("Max-Forwards", "70"),
                ("From", f"{sender};tag={self._identity.new_tag()}"),
                ("To", f"<{request_uri}>"),
                ("Call-ID", self._identity.new_call_id()),
                ("CSeq", "1 INVITE"),
                *self._invite_headers(flow.transport, request_uri, sdp),
                *session.expiry.request_headers(),
                *replacing_headers(target),
                *headers,
            ),
            body=sdp.encode(),
        )
        self._send_invite(_Invitation(session, request, Redirection(request_uri)), branch, flow, now)
        session.await_final(now + self._settings.ring_timeout_s)
        self._registry.settle(session)
        return session.key

    def reinvite(self, session: InviteSession, sdp: str, now: float) -> None:
        """Raises ConflictError while another offer is on its way, NotAllowedError if the call is not up."""
        dialog = session.dialog
        if dialog is None or session.state is not CallState.CONFIRMED:
            raise NotAllowedError(f"a call that is {session.state.name.lower()} cannot be changed")
        if not session.may(ExchangeEvent.OFFER):
            raise ConflictError("another offer is on its way in this call")
        session.step_exchange(ExchangeEvent.OFFER)
        headers = self._invite_headers(dialog.next_hop().transport, dialog.remote_target, sdp)
        headers = (*headers, *session.expiry.request_headers())
        listener = partial(self._receive_reinvite, _Reinvitation(session))
        session.client_key = self._requester.send_within(
            dialog, "INVITE", now, listener, headers, sdp.encode()
        )
        session.await_final(now + self._settings.timing.patience_s)
        session.retracted = False
        self._registry.settle(session)

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
            self._requester.send_within(session.dialog, "BYE", now, listener, _reason(session))
        elif session.state is CallState.CANCELING:
            self._cancel(session, now)
            session.await_final(now + self._settings.timing.patience_s)  # section 9.1
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
            self._retract_reinvite(session, now)
            return
        if not session.step(event):
            return
        if was in (CallState.CALLING, CallState.PROCEEDING):
            session.overdue = True
        elif session.why == ("", ""):
            expired = event is CallEvent.SESSION_EXPIRED
            session.why = ("timeout", NOT_REFRESHED if expired else "the phone stopped answering")
        if was is CallState.CANCELING:
            self._refuse(session, 408, "no final response to CANCEL")
        self.follow(session, now)

    def lose(self, session: InviteSession, now: float) -> None:
        """The phone does not know the call any more (section 12.2.1.2)."""
        if session.step(CallEvent.DIALOG_LOST):
            session.why = ("timeout", "the phone does not know the call any more")
            self.follow(session, now)
        self._registry.settle(session)

    def receive_unmatched(self, essentials: Essentials) -> None:
        """A 2xx to a re-INVITE of the process before this one: without its ACK the phone would hang up."""
        session = self._registry.by_response(essentials)
        if session is None or session.dialog is None:
            return
        self._requester.send_ack(*self._make_ack(session.dialog, essentials.cseq_number, None))

    # --- responses to a first INVITE ----------------------------------------------------------------------

    def _receive_invite(self, invitation: _Invitation, reply: Reply, now: float) -> None:
        if reply.status < 200:
            self._receive_provisional(invitation, reply, now)
        elif reply.status < 300:
            self._receive_success(invitation, reply, now)
        elif not self._try_again(invitation, reply, now) and invitation.session.step(CallEvent.FAILURE):
            self._refuse(invitation.session, reply.status, reply.reason, parse_retry_after(reply.response))
        self._registry.settle(invitation.session)

    def _receive_provisional(self, invitation: _Invitation, reply: Reply, now: float) -> None:
        session = invitation.session
        if session.step(CallEvent.PROVISIONAL):
            self.follow(session, now)
        if reply.status == 100 or session.state is not CallState.PROCEEDING or reply.response is None:
            return
        answer, binding = _sdp_of(reply.response), False
        rseq, early = reliable_number(reply.response), self._early_dialog(invitation, reply)
        if rseq is not None:
            if early is None or not early.takes(rseq):
                return  # again, out of order, or without a dialog to say so in
            self._prove(early, rseq, reply, now)
            binding = bool(answer) and not early.answer
            early.answer = early.answer or answer
            session.told = early.dialog.remote_tag if binding else session.told
        self._registry.emit(CallProgressed(session.key, reply.status, answer, binding))

    def _early_dialog(self, invitation: _Invitation, reply: Reply) -> EarlyDialog | None:
        """The dialog a provisional response belongs to, made by its first (section 12.1.2)."""
        session, response, essentials = invitation.session, reply.response, reply.essentials
        if response is None or essentials is None or reply.flow is None or not essentials.to_tag:
            return None
        early = session.early.get(essentials.to_tag)
        if early is not None:
            return early
        if len(session.early) >= MAX_BRANCHES:
            self.ignored += 1
            return None
        try:
            dialog = established_dialog(invitation.request, response, essentials, reply.flow)
            dialog.trunk_id = session.trunk_id
        except ParseError:
            self.ignored += 1
            return None
        early = EarlyDialog(dialog)
        self._registry.enter_early(session, early)
        return early

    def _prove(self, early: EarlyDialog, rseq: int, reply: Reply, now: float) -> None:
        """PRACK: the reliable response came (RFC 3262 section 4)."""
        number = reply.first("CSeq").partition(" ")[0]
        self._requester.send_within(
            early.dialog, "PRACK", now, ignore, (("RAck", f"{rseq} {number} INVITE"),)
        )

    def _try_again(self, invitation: _Invitation, reply: Reply, now: float) -> bool:
        """Follows a 3xx, and goes on to its next contact if one came to nothing; 6xx speaks for all.

        After a 422 the same target gets a longer session interval (RFC 4028 section 7.3).
        """
        session, redirection, response = invitation.session, invitation.redirection, reply.response
        if session.state not in (CallState.CALLING, CallState.PROCEEDING) or reply.status >= 600:
            return False
        if reply.status == 422 and response is not None and session.expiry.raise_to(response):
            self._invite_again(invitation, invitation.request.uri, now)
            return True
        if reply.status in FOLLOWED and response is not None:
            redirection.take(response)
        target = redirection.next_target()
        if target is None:
            return False
        self._invite_again(invitation, target, now)
        self._registry.emit(CallProgressed(session.key, 181))
        return True

    def _invite_again(self, invitation: _Invitation, target: str, now: float) -> None:
        """To, From and Call-ID as they were, the next number (section 8.1.3.4)."""
        session, request = invitation.session, invitation.request
        session.step(CallEvent.REDIRECT)
        self._registry.leave_early(session)
        session.told = ""
        flow, branch = flow_to(parse_uri(target)), self._identity.new_branch()
        latest = self._requester.latest_request(session.client_key) or request
        number = int(latest.first("CSeq").partition(" ")[0]) + 1
        fresh = {
            "Via": self._identity.via(flow.transport, branch),
            "Contact": self._identity.contact(flow.transport, target),
            "CSeq": f"{number} INVITE",
            **dict(session.expiry.request_headers()),
        }
        headers = tuple((name, fresh.get(name, value)) for name, value in request.headers)
        again = Request(method="INVITE", uri=target, headers=headers, body=request.body)
        self._send_invite(_Invitation(session, again, invitation.redirection), branch, flow, now)

    def _receive_success(self, invitation: _Invitation, reply: Reply, now: float) -> None:
        response, essentials, flow = reply.response, reply.essentials, reply.flow
        if response is None or essentials is None or flow is None:
            return
        tag = essentials.to_tag
        if tag in invitation.acks:  # our ACK was lost (section 13.2.2.4)
            self._requester.send_ack(*invitation.acks[tag])
            return
        session = invitation.session
        try:
            dialog = established_dialog(invitation.request, response, essentials, flow)
            dialog.trunk_id = session.trunk_id
        except ParseError:
            self.ignored += 1
            if session.step(CallEvent.FAILURE):
                self._refuse(session, 500, "an answer that leads nowhere")
            return
        if len(invitation.acks) >= MAX_BRANCHES:
            self.ignored += 1
            return
        invitation.acks[tag] = self._make_ack(dialog, essentials.cseq_number, reply.key)
        self._requester.send_ack(*invitation.acks[tag])
        if session.dialog is not None or session.state is CallState.ENDED:
            # Another phone had answered before, or we had given up: this one is hung up at once.
            self._requester.send_within(dialog, "BYE", now, ignore)
            return
        self._establish(session, dialog, response, now)

    def _establish(self, session: InviteSession, dialog: Dialog, response: Response, now: float) -> None:
        answer = _sdp_of(response)
        early = session.early.get(dialog.remote_tag)
        if early is not None:
            dialog.local_cseq, dialog.remote_cseq = early.dialog.local_cseq, early.dialog.remote_cseq
            answer = early.answer or answer  # RFC 3261 section 13.2.1: what a 200 repeats is ignored
            answer = "" if early.answer and session.told == dialog.remote_tag else answer
        session.dialog = dialog
        self._registry.leave_early(session)
        self._registry.enter_dialog(session)
        session.step(CallEvent.SUCCESS)
        session.step_exchange(ExchangeEvent.FINISHED)
        session.await_final(None)
        if session.state is CallState.CONFIRMED:
            session.expiry.learn(response, now)
            self._registry.emit(CallAnswered(session.key, answer))
        else:
            self._report_overdue(session)
            self.follow(session, now)

    def _refuse(self, session: InviteSession, status: int, reason: str, retry_after_s: int = 0) -> None:
        if session.overdue:
            self._report_overdue(session)
        elif not session.why[0]:
            self._registry.emit(CallRefused(session.key, status, reason, retry_after_s))

    def _report_overdue(self, session: InviteSession) -> None:
        """A call that rang too long fails as 408, whatever the phone says to our CANCEL."""
        if session.overdue and not session.why[0]:
            self._registry.emit(CallRefused(session.key, 408, "rang without an answer"))

    # --- responses within a dialog ------------------------------------------------------------------------

    def _receive_reinvite(self, ours: _Reinvitation, reply: Reply, now: float) -> None:
        if reply.status < 200:
            return
        if reply.status < 300:
            self._receive_reinvite_success(ours, reply, now)
        else:
            self._receive_reinvite_failure(ours.session, reply, now)
        self._registry.settle(ours.session)

    def _receive_reinvite_success(self, ours: _Reinvitation, reply: Reply, now: float) -> None:
        session, dialog = ours.session, ours.session.dialog
        response, essentials = reply.response, reply.essentials
        if dialog is None or response is None or essentials is None:
            return
        if ours.ack is not None:  # it was lost
            self._requester.send_ack(*ours.ack)
            return
        dialog.refresh_target(response)
        ours.ack = self._make_ack(dialog, essentials.cseq_number, reply.key)
        self._requester.send_ack(*ours.ack)
        if session.client_key != reply.key or session.may(ExchangeEvent.OFFER):
            return
        session.step_exchange(ExchangeEvent.FINISHED)
        if session.state is CallState.CONFIRMED:
            session.await_final(None)
            session.expiry.learn(response, now)
            self._registry.emit(ReofferAnswered(session.key, _sdp_of(response)))

    def _retract_reinvite(self, session: InviteSession, now: float) -> None:
        """The phone is busy with our offer for too long: it is taken back (RFC 6141 section 2.5), once."""
        if session.retracted:
            self._requester.abandon(session.client_key)
            given_up = Reply(session.client_key, 408, "no final response to CANCEL")
            self._receive_reinvite_failure(session, given_up, now)
            return
        session.retracted = True
        self._cancel(session, now)
        session.await_final(now + self._settings.timing.patience_s)

    def _receive_reinvite_failure(self, session: InviteSession, reply: Reply, now: float) -> None:
        session.step_exchange(ExchangeEvent.FINISHED)
        if session.state is not CallState.CONFIRMED:
            return
        session.await_final(None)
        self._registry.emit(
            ReofferRefused(session.key, reply.status, reply.reason, self._pause_s(session, reply))
        )
        if reply.status in DIALOG_GONE:
            self.lose(session, now)

    def _pause_s(self, session: InviteSession, reply: Reply) -> float:
        """Section 14.1: after a 491 who made the Call-ID waits longer, so that the two do not meet again."""
        if reply.status == 491:
            return self._identity.new_delay_s(*((2.1, 4.0) if session.outbound else (0.0, 2.0)))
        return float(parse_retry_after(reply.response))

    def _receive_bye_reply(self, session: InviteSession, reply: Reply, _now: float) -> None:
        if reply.status >= 200:
            session.step(CallEvent.BYE_FINISHED)
        self._registry.settle(session)

    # --- requests -----------------------------------------------------------------------------------------

    def _send_invite(self, invitation: _Invitation, branch: str, flow: Flow, now: float) -> None:
        listener = partial(self._receive_invite, invitation)
        session = invitation.session
        session.client_key = self._requester.send(
            invitation.request,
            branch,
            flow,
            now,
            listener,
            _asker(session, flow),
            partial(session.step, CallEvent.REDIRECT),
        )

    def _invite_headers(self, transport: str, towards: str, sdp: str) -> Headers:
        contact = ("Contact", self._identity.contact(transport, towards))
        headers = (contact, ALLOW, SUPPORTED, ACCEPT, ("User-Agent", self._identity.product))
        return (*headers, ("Content-Type", SDP_TYPE)) if sdp else headers

    def _make_ack(self, dialog: Dialog, number: int, key: TransactionKey | None) -> tuple[Request, Flow]:
        """The ACK of a 2xx is a request of its own, with number and credentials of its INVITE, which is known
        by `key` (sections 13.2.2.4 and 22.1)."""
        flow = dialog.next_hop()
        ack = self._requester.make_within(dialog, "ACK", number, self._identity.new_branch(), flow)
        sent = self._requester.sent_request(key) if key is not None else None
        proof = [header for header in sent[0].headers if header[0] in CREDENTIALS] if sent is not None else []
        return msgspec.structs.replace(ack, headers=(*ack.headers, *proof)), flow

    def _cancel(self, session: InviteSession, now: float) -> None:
        sent = self._requester.sent_request(session.client_key)
        if sent is None:
            return
        self._requester.give_up(session.client_key)
        self.let_go(session, now)
        invite, flow = sent
        request = make_cancel(invite, _reason(session))
        branch = parse_via(invite.every("Via")[0]).branch
        self._requester.send(request, branch, flow, now, ignore)


def _asker(session: InviteSession, flow: Flow) -> Asker | None:
    """Only the trunk itself may ask who we are, not where it sends the call on to."""
    trunk = session.trunk
    if trunk is None or (flow.name or flow.host).lower() != trunk.target_host:
        return None
    return Asker(trunk.trunk_id)


def _reason(session: InviteSession) -> Headers:
    """Why we end the call, for people (RFC 3326)."""
    text = session.why[1]
    return (("Reason", f"SIP;cause=200;text={quote(text)}"),) if text else ()


def _sdp_of(response: Response) -> str:
    return read_sdp(response.body, response.first("Content-Type"))
