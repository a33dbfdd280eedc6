"""UPDATE: a target or an offer that moves without a re-INVITE, before the answer as well (RFC 3311)."""

from functools import partial

from bridge.errors import NotAllowedError
from signaling.sip.agent.inspection.inspection import ALLOW, SUPPORTED, read_sdp
from signaling.sip.agent.invite.reinvitation import DIALOG_GONE
from signaling.sip.agent.request.requester import Reply, Requester
from signaling.sip.agent.user_agent_client import UserAgentClient
from signaling.sip.session.dialog import Dialog
from signaling.sip.session.event import CallReoffered, ReofferAnswered, ReofferRefused
from signaling.sip.session.invite_session import (
    CallState,
    ExchangeState,
    InviteSession,
    wanted_s,
)
from signaling.sip.session.registry import CallRegistry
from signaling.sip.session.session_timer import agree, response_headers
from signaling.sip.transaction.outcome import RequestArrived
from signaling.sip.transaction.transaction_layer import TransactionLayer
from signaling.sip.wire.body import SDP_TYPE
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Headers
from signaling.sip.wire.response import make_response, parse_retry_after, retry_after

_RETRY_S = (0.0, 10.0)  # section 5.2: a random number of seconds between these
_GLARE_S = {True: (2.1, 4.0), False: (0.0, 2.0)}  # RFC 3261 section 14.1, by who called


class Updates:
    """Takes and sends UPDATE."""

    __slots__ = ("_client", "_identity", "_layer", "_registry", "_requester")

    def __init__(
        self,
        identity: LocalIdentity,
        layer: TransactionLayer,
        registry: CallRegistry,
        requester: Requester,
        client: UserAgentClient,
    ) -> None:
        self._client = client
        self._identity = identity
        self._layer = layer
        self._registry = registry
        self._requester = requester

    # --- theirs -------------------------------------------------------------------------------------------

    def receive(self, session: InviteSession, dialog: Dialog, arrived: RequestArrived, now: float) -> None:
        """Without an offer it is answered at once; an offer waits for `answer` or `reject`."""
        request = arrived.request
        if session.state in (CallState.LEAVING, CallState.PARTING):
            self._respond(arrived, 481, now)
            return
        offer = read_sdp(request.body, request.first("Content-Type"))
        refusal = self._collision(session, dialog) if offer else 0
        if refusal:
            delay_s = round(self._identity.new_delay_s(*_RETRY_S))
            self._respond(arrived, refusal, now, retry_after(delay_s) if refusal == 500 else ())
            return
        dialog.follow(request, arrived.essentials, arrived.flow)
        if not offer:
            self._respond(arrived, 200, now, (*self._headers(dialog), *self._agree(session, arrived, now)))
            return
        session.update = arrived
        self._registry.emit(CallReoffered(session.key, offer))

    def answer(self, session: InviteSession, sdp: str, now: float) -> None:
        """Raises NotAllowedError if none waits."""
        update = self._take(session)
        dialog = session.dialog_with(update.essentials.from_tag)
        headers = self._headers(dialog) if dialog is not None else ()
        headers = (*headers, *self._agree(session, update, now))
        data = make_response(
            update.request, 200, headers=(*headers, ("Content-Type", SDP_TYPE)), body=sdp.encode()
        )
        self._layer.respond(update.key, 200, data, now)

    def reject(self, session: InviteSession, status: int, headers: Headers, now: float) -> None:
        """The call goes on as it was. Raises NotAllowedError if none waits."""
        self._respond(self._take(session), status, now, headers)

    def _agree(self, session: InviteSession, arrived: RequestArrived, now: float) -> Headers:
        """Each 2xx begins the session timer anew, once the call is up (RFC 4028 section 9)."""
        if session.state is not CallState.CONFIRMED:
            return ()
        interval = agree(arrived.request, wanted_s(session))
        session.expiry.start(interval, now)
        self._registry.settle(session)
        return response_headers(interval)

    def _collision(self, session: InviteSession, dialog: Dialog) -> int:
        """Section 5.2: 491 while an offer of ours waits for its answer, 500 while one of theirs does; else 0."""
        if session.update is not None or session.exchange is ExchangeState.THEIRS:
            return 500
        if session.updating:
            return 491
        if session.exchange is ExchangeState.OURS:
            early = session.early.get(dialog.remote_tag)
            return 0 if early is not None and early.answer else 491
        waits = session.exchange is ExchangeState.UNACKNOWLEDGED and session.late_offer
        return 491 if waits else 0

    def _take(self, session: InviteSession) -> RequestArrived:
        update, session.update = session.update, None
        if update is None:
            raise NotAllowedError("no UPDATE waits for an answer")
        return update

    # --- ours ---------------------------------------------------------------------------------------------

    def send(self, session: InviteSession, sdp: str, now: float) -> None:
        """Offers anew. Raises ConflictError while another offer is on its way (section 5.1)."""
        dialog = session.dialog_for_offer()
        session.updating = True
        headers = (*self._headers(dialog), *session.expiry.request_headers(), ("Content-Type", SDP_TYPE))
        listener = partial(self._receive_reply, session)
        self._requester.send_within(dialog, "UPDATE", now, listener, headers, sdp.encode())

    def refresh(self, session: InviteSession, now: float) -> None:
        """Keeps the session from expiring: without an offer, so nothing can collide (RFC 4028 section 7.4)."""
        dialog = session.dialog
        if dialog is None or session.state is not CallState.CONFIRMED:
            return
        session.expiry.refreshing = True
        headers = (*self._headers(dialog), *session.expiry.request_headers())
        self._requester.send_within(dialog, "UPDATE", now, partial(self._receive_refreshed, session), headers)

    def _receive_refreshed(self, session: InviteSession, reply: Reply, now: float) -> None:
        if reply.status < 200:
            return
        session.expiry.refreshing = False
        if session.state is not CallState.CONFIRMED:
            return
        if reply.status < 300 and reply.response is not None:
            session.expiry.learn(reply.response, now)
        elif reply.status == 422 and reply.response is not None and session.expiry.raise_to(reply.response):
            self.refresh(session, now)
        elif reply.status in DIALOG_GONE:
            self._client.lose(session, now)
        else:
            session.expiry.learn_refusal(reply.status, now)
        self._registry.settle(session)

    def _receive_reply(self, session: InviteSession, reply: Reply, now: float) -> None:
        if reply.status < 200:
            return
        session.updating = False
        if session.state is not CallState.CONFIRMED:
            return
        if reply.status < 300 and reply.response is not None and session.dialog is not None:
            session.dialog.refresh_target(reply.response)
            session.expiry.learn(reply.response, now)
            self._registry.settle(session)
            answer = read_sdp(reply.response.body, reply.first("Content-Type"))
            self._registry.emit(ReofferAnswered(session.key, answer))
            return
        pause_s = float(parse_retry_after(reply.response))
        if reply.status == 491:
            pause_s = self._identity.new_delay_s(*_GLARE_S[session.outbound])
        self._registry.emit(ReofferRefused(session.key, reply.status, reply.reason, pause_s))
        if reply.status in DIALOG_GONE:
            self._client.lose(session, now)

    def _headers(self, dialog: Dialog) -> Headers:
        contact = self._identity.contact(dialog.next_hop().transport, dialog.remote_target)
        return (("Contact", contact), ALLOW, SUPPORTED)

    def _respond(self, arrived: RequestArrived, status: int, now: float, headers: Headers = ()) -> None:
        self._layer.respond(arrived.key, status, make_response(arrived.request, status, headers=headers), now)
