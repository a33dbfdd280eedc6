"""The half of the user agent that sends requests and hears their responses (RFC 3261 sections 8.1, 13.2, 14.1)."""

from enum import Enum, auto

from bridge.errors import CapacityError, ConflictError, NotAllowedError, ParseError
from signaling.sip.dialog import Dialog, established_dialog
from signaling.sip.event import (
    CallAnswered,
    CallKey,
    CallProgressed,
    CallRefused,
    ReofferAnswered,
    ReofferRefused,
)
from signaling.sip.flow import TRANSPORTS, Flow, flow_to
from signaling.sip.identity import LocalIdentity
from signaling.sip.inspection import ACCEPT, ALLOW, SDP_TYPE, read_sdp
from signaling.sip.invite_session import CallEvent, CallState, ExchangeEvent, InviteSession
from signaling.sip.message import (
    Essentials,
    Headers,
    Request,
    Response,
    quote,
    readable,
    serialize_message,
)
from signaling.sip.registry import CallRegistry
from signaling.sip.settings import AgentSettings
from signaling.sip.transaction_layer import (
    ResponseArrived,
    TransactionEnded,
    TransactionFailed,
    TransactionKey,
    TransactionLayer,
    make_cancel,
)
from signaling.sip.uri import parse_uri

MAX_BRANCHES = 8  # answers of one INVITE from different phones that are acknowledged; more are ignored
_DIALOG_GONE = (408, 481)  # section 12.2.1.2


class _Purpose(Enum):
    INVITE = auto()
    REINVITE = auto()
    CANCEL = auto()
    BYE = auto()
    STRAY_BYE = auto()  # to a phone that answered after another one had


class _Ours:
    """A request of ours while its transaction lives. `acks` are its 2xx's, by To tag."""

    __slots__ = ("acks", "purpose", "request", "session")

    def __init__(self, purpose: _Purpose, session: InviteSession, request: Request) -> None:
        self.purpose = purpose
        self.session = session
        self.request = request
        self.acks: dict[str, tuple[bytes, Flow]] = {}


class UserAgentClient:
    """Sends INVITE, re-INVITE, CANCEL, ACK and BYE."""

    __slots__ = ("_identity", "_layer", "_ours", "_registry", "_settings", "ignored")

    def __init__(
        self,
        settings: AgentSettings,
        identity: LocalIdentity,
        layer: TransactionLayer,
        registry: CallRegistry,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._layer = layer
        self._registry = registry
        self._ours: dict[TransactionKey, _Ours] = {}
        self.ignored = 0  # answers that could not be understood or were too many

    # --- commands -----------------------------------------------------------------------------------------

    def invite(self, target: str, sdp: str, now: float, from_address: str, headers: Headers) -> CallKey:
        """Raises ParseError for a target that is no SIP URI, CapacityError at the bound."""
        uri = parse_uri(target)
        flow = flow_to(uri)
        if flow.transport not in TRANSPORTS:
            raise NotAllowedError(f"SIP over {flow.transport} is not available: use udp or tcp")
        if self._registry.full:
            raise CapacityError("all SIP calls are taken")
        request_uri = target.partition("?")[0]
        session = self._registry.open(outbound=True)
        sender = from_address or self._identity.from_address()
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
                *self._invite_headers(flow.transport, sdp),
                *headers,
            ),
            body=sdp.encode(),
        )
        session.client_key = self._send(_Purpose.INVITE, session, request, branch, flow, now)
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
        headers = self._invite_headers(dialog.flow.transport, sdp)
        session.client_key = self._send_in_dialog(_Purpose.REINVITE, session, dialog, headers, now, sdp)
        session.await_final(now + self._settings.timing.patience_s)
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
            self._send_in_dialog(_Purpose.BYE, session, session.dialog, _reason(session), now)
        elif session.state is CallState.CANCELING:
            self._cancel(session, now)
            session.await_final(now + self._settings.timing.patience_s)  # section 9.1
        elif session.state is CallState.ABANDONING:
            session.await_final(None)  # timer B of the INVITE ends it

    def overdue(self, session: InviteSession, event: CallEvent, now: float) -> None:
        """A deadline of the call passed."""
        was = session.state
        if not session.step(event):
            return
        if was in (CallState.CALLING, CallState.PROCEEDING):
            session.overdue = True
        elif session.why == ("", ""):
            session.why = ("timeout", "the phone stopped answering")
        if was is CallState.CANCELING:
            self._refuse(session, 408, "no final response to CANCEL")
        self.follow(session, now)

    # --- responses ----------------------------------------------------------------------------------------

    def receive_response(self, outcome: ResponseArrived, now: float) -> None:
        ours = self._ours.get(outcome.key)
        if ours is None:
            return
        status = outcome.response.status
        if ours.purpose in (_Purpose.INVITE, _Purpose.REINVITE):
            if status < 200:
                self._receive_provisional(ours, status, now)
            elif status < 300:
                self._receive_success(ours, outcome, now)
            else:
                self._receive_failure(ours, status, readable(outcome.response.reason), now)
        elif ours.purpose is _Purpose.BYE and status >= 200:
            ours.session.step(CallEvent.BYE_FINISHED)
        self._registry.settle(ours.session)

    def receive_unmatched(self, essentials: Essentials) -> None:
        """A 2xx to a re-INVITE of the process before this one: without its ACK the phone would hang up."""
        session = self._registry.by_response(essentials)
        if session is None or session.dialog is None:
            return
        flow = session.dialog.next_hop()
        number, branch = essentials.cseq_number, self._identity.new_branch()
        request = self._dialog_request(session.dialog, "ACK", number, branch, flow)
        self._layer.send(serialize_message(request), flow)

    def receive_failure(self, outcome: TransactionFailed, now: float) -> None:
        """No response at all: the same as a 408 or 503 (section 8.1.3.1)."""
        ours = self._ours.get(outcome.key)
        if ours is None:
            return
        if ours.purpose in (_Purpose.INVITE, _Purpose.REINVITE):
            reason = "no answer" if outcome.status == 408 else "cannot be reached"
            self._receive_failure(ours, outcome.status, reason, now)
        elif ours.purpose is _Purpose.BYE:
            ours.session.step(CallEvent.BYE_FINISHED)
        self._registry.settle(ours.session)

    def forget(self, outcome: TransactionEnded) -> None:
        self._ours.pop(outcome.key, None)

    def _receive_provisional(self, ours: _Ours, status: int, now: float) -> None:
        session = ours.session
        if ours.purpose is _Purpose.REINVITE:
            return
        if session.step(CallEvent.PROVISIONAL):
            self.follow(session, now)
        if status > 100 and session.state is CallState.PROCEEDING:
            self._registry.emit(CallProgressed(session.key, status))

    def _receive_success(self, ours: _Ours, outcome: ResponseArrived, now: float) -> None:
        tag = outcome.essentials.to_tag
        if tag in ours.acks:  # our ACK was lost (section 13.2.2.4)
            self._layer.send(*ours.acks[tag])
            return
        if ours.purpose is _Purpose.REINVITE:
            self._receive_reinvite_success(ours, outcome)
            return
        try:
            dialog = established_dialog(ours.request, outcome.response, outcome.essentials, outcome.flow)
        except ParseError:
            self.ignored += 1
            if ours.session.step(CallEvent.FAILURE):
                self._refuse(ours.session, 500, "an answer that leads nowhere")
            return
        if len(ours.acks) >= MAX_BRANCHES:
            self.ignored += 1
            return
        self._acknowledge(ours, dialog, outcome)
        session = ours.session
        if session.dialog is not None or session.state is CallState.ENDED:
            # Another phone had answered before, or we had given up: this one is hung up at once.
            self._send_in_dialog(_Purpose.STRAY_BYE, session, dialog, (), now)
            return
        session.dialog = dialog
        self._registry.enter_dialog(session)
        session.step(CallEvent.SUCCESS)
        session.step_exchange(ExchangeEvent.FINISHED)
        session.await_final(None)
        if session.state is CallState.CONFIRMED:
            self._registry.emit(CallAnswered(session.key, _sdp_of(outcome.response)))
        else:
            self._report_overdue(session)
            self.follow(session, now)

    def _receive_reinvite_success(self, ours: _Ours, outcome: ResponseArrived) -> None:
        session, dialog = ours.session, ours.session.dialog
        if dialog is None:
            return
        dialog.refresh_target(outcome.response)
        self._acknowledge(ours, dialog, outcome)
        if session.client_key != outcome.key or session.may(ExchangeEvent.OFFER):
            return
        session.step_exchange(ExchangeEvent.FINISHED)
        if session.state is CallState.CONFIRMED:
            session.await_final(None)
            self._registry.emit(ReofferAnswered(session.key, _sdp_of(outcome.response)))

    def _receive_failure(self, ours: _Ours, status: int, reason: str, now: float) -> None:
        session = ours.session
        if ours.purpose is _Purpose.INVITE:
            if session.step(CallEvent.FAILURE):
                self._refuse(session, status, reason)
            return
        session.step_exchange(ExchangeEvent.FINISHED)
        if session.state is not CallState.CONFIRMED:
            return
        session.await_final(None)
        # Section 14.1: who made the Call-ID waits longer, so that the two do not meet again.
        wait = self._identity.new_delay_s(*((2.1, 4.0) if session.outbound else (0.0, 2.0)))
        self._registry.emit(ReofferRefused(session.key, status, reason, wait if status == 491 else 0.0))
        if status in _DIALOG_GONE:
            session.why = ("timeout", "the phone does not know the call any more")
            session.step(CallEvent.DIALOG_LOST)
            self.follow(session, now)

    def _refuse(self, session: InviteSession, status: int, reason: str) -> None:
        if session.overdue:
            self._report_overdue(session)
        elif not session.why[0]:
            self._registry.emit(CallRefused(session.key, status, reason))

    def _report_overdue(self, session: InviteSession) -> None:
        """A call that rang too long fails as 408, whatever the phone says to our CANCEL."""
        if session.overdue and not session.why[0]:
            self._registry.emit(CallRefused(session.key, 408, "rang without an answer"))

    # --- requests -----------------------------------------------------------------------------------------

    def _invite_headers(self, transport: str, sdp: str) -> Headers:
        contact = ("Contact", self._identity.contact(transport))
        headers = (contact, ALLOW, ACCEPT, ("User-Agent", self._identity.product))
        return (*headers, ("Content-Type", SDP_TYPE)) if sdp else headers

    def _acknowledge(self, ours: _Ours, dialog: Dialog, outcome: ResponseArrived) -> None:
        """The ACK of a 2xx is a request of its own, with the INVITE's number (section 13.2.2.4)."""
        branch = self._identity.new_branch()
        flow = dialog.next_hop()
        request = self._dialog_request(dialog, "ACK", outcome.essentials.cseq_number, branch, flow)
        ours.acks[outcome.essentials.to_tag] = (serialize_message(request), flow)
        self._layer.send(*ours.acks[outcome.essentials.to_tag])

    def _cancel(self, session: InviteSession, now: float) -> None:
        sent = self._layer.sent_request(session.client_key)
        if sent is None:
            return
        invite, flow = sent
        request = make_cancel(invite, _reason(session))
        self._send(_Purpose.CANCEL, session, request, session.client_key[0], flow, now)

    def _send_in_dialog(
        self,
        purpose: _Purpose,
        session: InviteSession,
        dialog: Dialog,
        headers: Headers,
        now: float,
        sdp: str = "",
    ) -> TransactionKey:
        method = "INVITE" if purpose is _Purpose.REINVITE else "BYE"
        branch = self._identity.new_branch()
        flow = dialog.next_hop()
        plain = self._dialog_request(dialog, method, dialog.take_cseq(), branch, flow)
        request = Request(method=method, uri=plain.uri, headers=(*plain.headers, *headers), body=sdp.encode())
        return self._send(purpose, session, request, branch, flow, now)

    def _dialog_request(self, dialog: Dialog, method: str, number: int, branch: str, flow: Flow) -> Request:
        uri, routes = dialog.target()
        headers = (
            ("Via", self._identity.via(flow.transport, branch)),
            *routes,
            ("Max-Forwards", "70"),
            ("From", dialog.local_address),
            ("To", dialog.remote_address),
            ("Call-ID", dialog.call_id),
            ("CSeq", f"{number} {method}"),
        )
        return Request(method=method, uri=uri, headers=headers)

    def _send(
        self,
        purpose: _Purpose,
        session: InviteSession,
        request: Request,
        branch: str,
        flow: Flow,
        now: float,
    ) -> TransactionKey:
        key = self._layer.request(request, branch, flow, now)
        self._ours[key] = _Ours(purpose, session, request)
        return key


def _reason(session: InviteSession) -> Headers:
    """Why we end the call, for people (RFC 3326)."""
    text = session.why[1]
    return (("Reason", f"SIP;cause=200;text={quote(text)}"),) if text else ()


def _sdp_of(response: Response) -> str:
    return read_sdp(response.body, response.first("Content-Type"))
