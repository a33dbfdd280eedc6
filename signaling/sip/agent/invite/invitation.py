"""The calls we make, until somebody answers: who rings, who sends us elsewhere (RFC 3261 sections 8.1 and 13.2)."""

from collections.abc import Callable
from functools import partial

from bridge.errors import CapacityError, NotAllowedError, ParseError
from signaling.sip.agent.invite.inviter import Inviter, sdp_of
from signaling.sip.agent.invite.redirection import FOLLOWED, Redirection
from signaling.sip.agent.invite.replaces import replacing_headers
from signaling.sip.agent.request.requester import Asker, Reply, Requester, ignore
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.dialog import Dialog, established_dialog
from signaling.sip.session.early_dialog import EarlyDialog, reliable_number
from signaling.sip.session.event import CallAnswered, CallKey, CallProgressed, CallRefused
from signaling.sip.session.invite_session import CallEvent, CallState, ExchangeEvent, InviteSession, wanted_s
from signaling.sip.session.registry import CallRegistry
from signaling.sip.trunk.trunk import Trunk
from signaling.sip.wire.flow import Flow, flow_to, is_available
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Headers, Request, Response
from signaling.sip.wire.response import parse_retry_after
from signaling.sip.wire.uri import parse_uri

MAX_BRANCHES = 8  # answers of one INVITE from different phones that are acknowledged; more are ignored


class _Invitation:
    """An INVITE of ours while its transaction lives. `acks` are those of its 2xx's, by To tag."""

    __slots__ = ("acks", "redirection", "request", "session")

    def __init__(self, session: InviteSession, request: Request, redirection: Redirection) -> None:
        self.session = session
        self.request = request
        self.redirection = redirection
        self.acks: dict[str, tuple[Request, Flow]] = {}


class Invitations:
    """`follow` does what the state asks that a call of ours came to."""

    __slots__ = ("_follow", "_identity", "_inviter", "_registry", "_requester", "_settings", "ignored")

    def __init__(
        self,
        settings: AgentSettings,
        identity: LocalIdentity,
        registry: CallRegistry,
        requester: Requester,
        inviter: Inviter,
        follow: Callable[[InviteSession, float], None],
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._registry = registry
        self._requester = requester
        self._inviter = inviter
        self._follow = follow
        self.ignored = 0  # answers that could not be understood or were too many

    def send(
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
                *self._inviter.headers(flow.transport, request_uri, sdp),
                *session.expiry.request_headers(),
                *replacing_headers(target),
                *headers,
            ),
            body=sdp.encode(),
        )
        self._transmit(_Invitation(session, request, Redirection(request_uri)), branch, flow, now)
        session.await_final(now + self._settings.ring_timeout_s)
        self._registry.settle(session)
        return session.key

    def refuse(self, session: InviteSession, status: int, reason: str, retry_after_s: int = 0) -> None:
        """The call came to nothing, which is told unless we ended it ourselves."""
        if session.overdue:
            self._report_overdue(session)
        elif not session.why[0]:
            self._registry.emit(CallRefused(session.key, status, reason, retry_after_s))

    # --- responses ----------------------------------------------------------------------------------------

    def _receive(self, invitation: _Invitation, reply: Reply, now: float) -> None:
        if reply.status < 200:
            self._receive_provisional(invitation, reply, now)
        elif reply.status < 300:
            self._receive_success(invitation, reply, now)
        elif not self._try_again(invitation, reply, now) and invitation.session.step(CallEvent.FAILURE):
            self.refuse(invitation.session, reply.status, reply.reason, parse_retry_after(reply.response))
        self._registry.settle(invitation.session)

    def _receive_provisional(self, invitation: _Invitation, reply: Reply, now: float) -> None:
        session = invitation.session
        if session.step(CallEvent.PROVISIONAL):
            self._follow(session, now)
        if reply.status == 100 or session.state is not CallState.PROCEEDING or reply.response is None:
            return
        answer, binding = sdp_of(reply.response), False
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
        self._transmit(_Invitation(session, again, invitation.redirection), branch, flow, now)

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
                self.refuse(session, 500, "an answer that leads nowhere")
            return
        if len(invitation.acks) >= MAX_BRANCHES:
            self.ignored += 1
            return
        invitation.acks[tag] = self._inviter.make_ack(dialog, essentials.cseq_number, reply.key)
        self._requester.send_ack(*invitation.acks[tag])
        if session.dialog is not None or session.state is CallState.ENDED:
            # Another phone had answered before, or we had given up: this one is hung up at once.
            self._requester.send_within(dialog, "BYE", now, ignore)
            return
        self._establish(session, dialog, response, now)

    def _establish(self, session: InviteSession, dialog: Dialog, response: Response, now: float) -> None:
        answer = sdp_of(response)
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
            self._follow(session, now)

    def _report_overdue(self, session: InviteSession) -> None:
        """A call that rang too long fails as 408, whatever the phone says to our CANCEL."""
        if session.overdue and not session.why[0]:
            self._registry.emit(CallRefused(session.key, 408, "rang without an answer"))

    def _transmit(self, invitation: _Invitation, branch: str, flow: Flow, now: float) -> None:
        listener = partial(self._receive, invitation)
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


def _asker(session: InviteSession, flow: Flow) -> Asker | None:
    """Only the trunk itself may ask who we are, not where it sends the call on to."""
    trunk = session.trunk
    if trunk is None or (flow.name or flow.host).lower() != trunk.target_host:
        return None
    return Asker(trunk.trunk_id)
