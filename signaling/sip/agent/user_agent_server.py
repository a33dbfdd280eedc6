"""The half of the user agent that answers requests (RFC 3261 sections 8.2, 9.2, 12.2.2, 13.3, 14.2, 15.1.2)."""

from typing import NamedTuple

from bridge.errors import NotAllowedError, ParseError
from signaling.sip.agent.inspection.inspection import (
    ACCEPT,
    ALLOW,
    SUPPORTED,
    inspect,
    read_sdp,
)
from signaling.sip.agent.invite.arrival import arrival
from signaling.sip.agent.invite.reliable_provisional import ReliableProvisionals, wants_reliable
from signaling.sip.agent.invite.replaces import find_replaced
from signaling.sip.agent.request.information import Information
from signaling.sip.agent.request.reference import References
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.agent.update import Updates
from signaling.sip.agent.user_agent_client import UserAgentClient
from signaling.sip.session.dialog import Dialog, accept_dialog
from signaling.sip.session.event import CallAcknowledged, CallReoffered
from signaling.sip.session.invite_session import (
    CallEvent,
    CallState,
    ExchangeEvent,
    ExchangeState,
    InviteSession,
    wanted_s,
)
from signaling.sip.session.registry import CallRegistry
from signaling.sip.session.session_timer import agree, response_headers
from signaling.sip.transaction.outcome import AckArrived, RequestArrived, TransactionKey
from signaling.sip.transaction.transaction_layer import TransactionLayer, invite_key
from signaling.sip.trunk.gate import trunk_of
from signaling.sip.trunk.refusal import Refusals
from signaling.sip.wire.body import SDP_TYPE
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Headers, Request, readable, to_tag_of
from signaling.sip.wire.response import make_response, retry_after

# Calls are made for who is in a call, and nobody can subscribe to anything else (RFC 3515, RFC 6665).
_OUTSIDE = {"REFER": 603, "SUBSCRIBE": 489}
RETRY_AFTER_S = 5
# INVITEs that wait for their answer. A call takes 2 to 4 ms (measured): three hundred at once are still answered
# within seconds, a few of them being set up at a time (`call.SET_UP_AT_ONCE`). With 100, two thirds of
# them were refused.
MAX_UNANSWERED = 400


class Extensions(NamedTuple):
    """Who takes the methods that came after RFC 3261."""

    updates: Updates
    information: Information
    references: References


class UserAgentServer:
    """Takes INVITE, ACK, BYE, CANCEL and OPTIONS; hands the rest to who knows it."""

    __slots__ = (
        "_client",
        "_identity",
        "_information",
        "_invites",
        "_layer",
        "_provisionals",
        "_references",
        "_registry",
        "_trunks",
        "_updates",
        "draining",
        "refused",
        "stray_acks",
    )

    def __init__(
        self,
        settings: AgentSettings,
        identity: LocalIdentity,
        layer: TransactionLayer,
        registry: CallRegistry,
        client: UserAgentClient,
        extensions: Extensions,
    ) -> None:
        self._trunks = settings.trunks
        self._updates, self._information, self._references = extensions
        self._provisionals = ReliableProvisionals(identity, layer, registry)
        self._identity = identity
        self._layer = layer
        self._registry = registry
        self._client = client
        self._invites: dict[TransactionKey, InviteSession] = {}  # those that wait for a final response
        self.draining = False
        self.refused = Refusals(("draining", "full", "behind"))  # the last because of MAX_UNANSWERED
        self.stray_acks = 0

    # --- requests -----------------------------------------------------------------------------------------

    def receive_request(self, arrived: RequestArrived, now: float) -> None:
        refusal = inspect(arrived.request, arrived.essentials)
        if refusal is not None:
            self._respond(arrived, refusal.status, now, refusal.headers)
        elif arrived.request.method == "CANCEL":
            self._receive_cancel(arrived, now)
        elif arrived.essentials.to_tag:
            self._receive_within_dialog(arrived, now)
        elif arrived.request.method == "INVITE":
            self._receive_call(arrived, now)
        elif arrived.request.method == "OPTIONS":
            self._answer_options(arrived, now)
        else:
            self._respond(arrived, _OUTSIDE.get(arrived.request.method, 481), now)

    def receive_ack(self, arrived: AckArrived, now: float) -> None:
        session = self._registry.by_dialog(arrived.essentials)
        if session is None or session.pending is None:
            self.stray_acks += 1
            return
        awaited = session.pending.essentials.cseq_number == arrived.essentials.cseq_number
        if not awaited or not session.may(ExchangeEvent.REMOTE_ACK):
            self.stray_acks += 1
            return
        session.acknowledged()
        session.pending = None
        session.step_exchange(ExchangeEvent.REMOTE_ACK)
        if session.step(CallEvent.REMOTE_ACK):
            self._client.follow(session, now)
        if session.state is CallState.CONFIRMED:
            request = arrived.request
            answer = read_sdp(request.body, request.first("Content-Type")) if session.late_offer else ""
            self._registry.emit(CallAcknowledged(session.key, answer, owed=session.late_offer))
        self._registry.settle(session)

    def _receive_call(self, arrived: RequestArrived, now: float) -> None:
        if why := self._why_refused():
            self.refused.count(why)
            self._respond(arrived, 503, now, retry_after(RETRY_AFTER_S))
            return
        request, essentials = arrived.request, arrived.essentials
        trunk = trunk_of(self._trunks, request, arrived.flow)
        wait_s = self._registry.load.refuses(trunk, now)
        if wait_s:
            self._respond(arrived, 503, now, retry_after(wait_s))
            return
        try:
            dialog = accept_dialog(request, essentials, arrived.flow, self._identity.new_tag())
        except ParseError:
            self._respond(arrived, 400, now)
            return
        replaced = find_replaced(request, trunk, self._registry, self._trunks)
        if isinstance(replaced, int):
            self._respond(arrived, replaced, now)
            return
        session = self._registry.open(outbound=False)
        self._registry.assign(session, trunk)
        dialog.trunk_id = session.trunk_id
        session.dialog = dialog
        self._registry.enter_dialog(session)
        offer = self._await_answer(session, arrived)
        self._registry.emit(arrival(session.key, arrived, trunk, replaced, offer))
        if wants_reliable(session, request):
            self.ring(session, now)  # a caller that insists is told at once, and reliably
        self._registry.settle(session)

    def _why_refused(self) -> str:
        """Why no call can be taken now, "" if one can."""
        if self.draining:
            return "draining"
        if self._registry.full:
            return "full"
        return "behind" if len(self._invites) >= MAX_UNANSWERED else ""

    def _receive_within_dialog(self, arrived: RequestArrived, now: float) -> None:
        session = self._registry.by_dialog(arrived.essentials)
        dialog = session.dialog_with(arrived.essentials.from_tag) if session is not None else None
        if session is None or dialog is None:
            self._respond(arrived, 481, now)
        elif not dialog.receive_cseq(arrived.essentials.cseq_number):
            self._respond(arrived, 500, now)
        elif arrived.request.method == "BYE":
            self._receive_bye(session, arrived, now)
        elif arrived.request.method == "INVITE":
            self._receive_reinvite(session, arrived, now)
        else:
            dialog.hear(arrived.flow)
            self._receive_extension(session, dialog, arrived, now)

    def _receive_extension(
        self, session: InviteSession, dialog: Dialog, arrived: RequestArrived, now: float
    ) -> None:
        match arrived.request.method:
            case "UPDATE":
                self._updates.receive(session, dialog, arrived, now)
            case "INFO":
                self._information.receive(session, arrived, now)
            case "PRACK":
                self._receive_prack(session, arrived, now)
            case "REFER":
                self._references.receive(session, arrived, now)
            case "SUBSCRIBE":
                self._references.receive_subscribe(session, arrived, now)
            case _:
                self._answer_options(arrived, now)

    def _receive_prack(self, session: InviteSession, arrived: RequestArrived, now: float) -> None:
        if self._provisionals.receive_prack(session, arrived, now) and session.deferred is not None:
            sdp, session.deferred = session.deferred, None
            self.accept(session, sdp, now)

    def give_up(self, session: InviteSession, now: float) -> None:
        """64*T1 without the PRACK of our 18x: the INVITE is refused (RFC 3262 section 3)."""
        self.refuse_pending(session, now, 504)
        if session.step(CallEvent.PRACK_OVERDUE):
            session.why = ("timeout", "the phone did not acknowledge that it rings")

    def _receive_bye(self, session: InviteSession, arrived: RequestArrived, now: float) -> None:
        self._respond(arrived, 200, now)
        if session.dialog is None:
            session.ignored += (
                1  # of one phone that rings, where it has no place (section 15): another may answer
            )
            return
        self._references.forget(session, now)
        self._client.let_go(session, now)
        self.refuse_pending(session, now)
        if session.step(CallEvent.REMOTE_BYE) and session.state is CallState.ENDED:
            session.why = ("remote", readable(arrived.request.first("Reason")) or "hung up")
        self._registry.settle(session)

    def _receive_reinvite(self, session: InviteSession, arrived: RequestArrived, now: float) -> None:
        if session.state in (CallState.LEAVING, CallState.PARTING):
            self._respond(arrived, 481, now)
        elif session.exchange is ExchangeState.THEIRS or session.update is not None:
            delay_s = round(self._identity.new_delay_s(0, 10))
            self._respond(arrived, 500, now, retry_after(delay_s))  # section 14.2
        elif not session.may(ExchangeEvent.REMOTE_OFFER):
            self._respond(arrived, 491, now)
        else:
            session.step_exchange(ExchangeEvent.REMOTE_OFFER)
            offer = self._await_answer(session, arrived)
            self._registry.emit(CallReoffered(session.key, offer))

    def _await_answer(self, session: InviteSession, arrived: RequestArrived) -> str:
        """Keeps the INVITE for its answer and returns its offer."""
        session.pending = arrived
        self._invites[arrived.key] = session
        offer = read_sdp(arrived.request.body, arrived.request.first("Content-Type"))
        session.late_offer = not offer
        return offer

    def _receive_cancel(self, arrived: RequestArrived, now: float) -> None:
        key = invite_key(arrived.request, arrived.essentials)
        if not self._layer.has_server(key):
            self._respond(arrived, 481, now)
            return
        session = self._invites.get(key)
        # Section 9.2: the same tag as the answer to the INVITE has, for phones that go on with the tag they read last.
        tag = self._tag(session) if session is not None else to_tag_of(self._layer.response_of(key))
        self._respond(arrived, 200, now, to_tag=tag)
        if session is None:  # it crossed our final response and means nothing any more
            return
        self.refuse_pending(session, now)
        if session.step(CallEvent.REMOTE_CANCEL):
            session.why = ("remote", readable(arrived.request.first("Reason")) or "canceled")
        self._registry.settle(session)

    def _answer_options(self, arrived: RequestArrived, now: float) -> None:
        """What an INVITE would get here (section 11.2)."""
        is_new = not arrived.essentials.to_tag  # within a call a re-INVITE would be taken
        status = 503 if self.draining and is_new else 200
        self._respond(arrived, status, now, (ALLOW, SUPPORTED, ACCEPT, ("Accept-Encoding", "identity")))

    # --- commands -----------------------------------------------------------------------------------------

    def ring(self, session: InviteSession, now: float) -> None:
        if session.state is not CallState.ARRIVING or session.pending is None:
            raise NotAllowedError(f"a call that is {session.state.name.lower()} cannot ring")
        headers = self._contact(session.pending.request, session)
        if wants_reliable(session, session.pending.request):
            self._provisionals.send(session, 180, headers, self._tag(session), now)
        else:
            self._respond(session.pending, 180, now, headers, self._tag(session))

    def accept(self, session: InviteSession, sdp: str, now: float) -> None:
        """Waits for the PRACK of a reliable 18x first: phones expect the two in order."""
        if session.unproven and session.state is CallState.ARRIVING:
            session.deferred = sdp
            return
        session.step(CallEvent.ACCEPT)
        self._send_success(session, sdp, now)

    def reject(self, session: InviteSession, status: int, headers: Headers, now: float) -> None:
        """Refuses a call that has not been answered; no event follows."""
        session.step(CallEvent.REJECT)
        self.refuse_pending(session, now, status, headers)
        self._registry.settle(session)

    def answer_reinvite(self, session: InviteSession, sdp: str, now: float) -> None:
        if session.update is not None:
            self._updates.answer(session, sdp, now)
            return
        self._check_reinvite(session)
        if session.dialog is not None and session.pending is not None:
            session.dialog.follow(session.pending.request, session.pending.essentials, session.pending.flow)
        self._send_success(session, sdp, now)

    def reject_reinvite(self, session: InviteSession, status: int, headers: Headers, now: float) -> None:
        """The call goes on as it was (section 14.2)."""
        if session.update is not None:
            self._updates.reject(session, status, headers, now)
            return
        self._check_reinvite(session)
        self.refuse_pending(session, now, status, headers)

    def refuse_pending(
        self, session: InviteSession, now: float, status: int = 487, headers: Headers = ()
    ) -> None:
        """Gives an INVITE or UPDATE that still waits its final response; nothing to do if none waits."""
        if session.update is not None:
            self._updates.reject(session, status, headers, now)
        if session.exchange is not ExchangeState.THEIRS or session.pending is None:
            return
        session.step_exchange(ExchangeEvent.REJECT)
        session.prove()
        self._respond(session.pending, status, now, headers, self._tag(session))
        self._invites.pop(session.pending.key, None)
        session.pending = None

    def _check_reinvite(self, session: InviteSession) -> None:
        if session.state is not CallState.CONFIRMED or session.exchange is not ExchangeState.THEIRS:
            raise NotAllowedError("no re-INVITE waits for an answer")

    def _send_success(self, session: InviteSession, sdp: str, now: float) -> None:
        pending = session.pending
        if pending is None:
            raise NotAllowedError("no INVITE waits for an answer")
        session.step_exchange(ExchangeEvent.ACCEPT)
        self._invites.pop(pending.key, None)
        data = self.make_success(session, pending, sdp)
        session.prepared = None
        flow = self._layer.respond(pending.key, 200, data, now)
        session.await_ack(data, flow, now)
        session.expiry.start(agree(pending.request, wanted_s(session)), now)
        self._registry.settle(session)

    def make_success(self, session: InviteSession, pending: RequestArrived, sdp: str) -> bytes:
        """Our 200 to an INVITE, always the same for the same call: it is on disk before it leaves."""
        prepared = session.prepared
        if prepared is None or prepared[0] is not pending or prepared[1] != sdp:
            prepared = session.prepared = (pending, sdp, self._make_success(session, pending.request, sdp))
        return prepared[2]

    def _make_success(self, session: InviteSession, invite: Request, sdp: str) -> bytes:
        headers = (
            *self._contact(invite, session),
            *response_headers(agree(invite, wanted_s(session))),
            ALLOW,
            SUPPORTED,
            ("User-Agent", self._identity.product),
            ("Content-Type", SDP_TYPE),
        )
        return make_response(invite, 200, to_tag=self._tag(session), headers=headers, body=sdp.encode())

    def _contact(self, request: Request, session: InviteSession) -> Headers:
        """What makes a dialog: the proxies that want to stay on its way, and where we are (section 12.1.1)."""
        routes = tuple(header for header in request.headers if header[0] == "Record-Route")
        transport = session.dialog.flow.transport if session.dialog is not None else "udp"
        secure = request.uri if session.dialog is None else session.dialog.remote_target
        return (*routes, ("Contact", self._identity.contact(transport, secure)))

    def _tag(self, session: InviteSession) -> str:
        return session.dialog.local_tag if session.dialog is not None else ""

    def _respond(
        self,
        arrived: RequestArrived,
        status: int,
        now: float,
        headers: Headers = (),
        to_tag: str = "",
    ) -> None:
        data = make_response(arrived.request, status, to_tag=to_tag, headers=headers)
        self._layer.respond(arrived.key, status, data, now)
