"""The SIP user agent without I/O: messages and time in, messages and events out (RFC 3261).

The shell calls `receive_message` for each datagram or framed stream message, `handle_timer` when `timer`
says so, and after each of these and each command takes `messages_to_send` and `events`.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import assert_never

from bridge.errors import NotFoundError, ParseError
from bridge.ids import NO_TRUNK, TrunkId
from signaling.sip.agent.inspection.porter import Porter
from signaling.sip.agent.request.information import Information, ask_for_picture
from signaling.sip.agent.request.key_sender import KeySender
from signaling.sip.agent.request.location import Location
from signaling.sip.agent.request.pinger import Pinger
from signaling.sip.agent.request.reference import References
from signaling.sip.agent.request.requester import Requester
from signaling.sip.agent.restoration import Restoration, invite_again
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.agent.update import Updates
from signaling.sip.agent.user_agent_client import UserAgentClient
from signaling.sip.agent.user_agent_server import Extensions, UserAgentServer
from signaling.sip.session.event import AgentEvent, CallKey, RefreshDue
from signaling.sip.session.invite_session import (
    CallEvent,
    CallState,
    ExchangeEvent,
    ExchangeState,
    InviteSession,
)
from signaling.sip.session.memory import (
    Phase,
    parse_memory,
    remember,
    remember_answer,
    remember_calling,
    serialize_memory,
)
from signaling.sip.session.registry import CallRegistry
from signaling.sip.session.session_timer import Due
from signaling.sip.transaction.deadlines import earliest
from signaling.sip.transaction.outcome import (
    AckArrived,
    Outcome,
    RequestArrived,
    ResponseArrived,
    SuccessUnmatched,
    TransactionEnded,
    TransactionFailed,
)
from signaling.sip.transaction.transaction_layer import TransactionLayer
from signaling.sip.trunk.authorizer import Authorizer
from signaling.sip.trunk.gate import Gate
from signaling.sip.trunk.trunk import Trunk
from signaling.sip.trunk.trunk_state import TrunkState
from signaling.sip.wire.flow import UDP, Flow
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import (
    Headers,
    Request,
    parse_essentials,
    parse_message,
    readable,
)
from signaling.sip.wire.response import retry_after, warning


class UserAgent:
    """All calls of one SIP address. Commands about a call that is over raise NotFoundError."""

    __slots__ = (
        "_authorizer",
        "_client",
        "_key_sender",
        "_layer",
        "_pinger",
        "_porter",
        "_references",
        "_registry",
        "_requester",
        "_restoration",
        "_server",
        "_trunks",
        "_updates",
    )

    def __init__(
        self, settings: AgentSettings, identity: LocalIdentity, transports: Sequence[str] = (UDP,)
    ) -> None:
        """`transports` are those that are open."""
        self._layer = TransactionLayer(settings.timing)
        self._registry = CallRegistry(settings.timing, settings.max_calls)
        self._authorizer = Authorizer(identity, settings.trunks)
        self._requester = Requester(identity, self._layer, self._authorizer, transports)
        self._pinger = Pinger(identity, self._requester, settings.trunks, self._registry.emit)
        gate = Gate(settings.trunks, identity.token_hex)
        self._porter = Porter(settings, gate, self._layer, self._registry)
        self._client = UserAgentClient(settings, identity, self._registry, self._requester)
        self._key_sender = KeySender(self._requester)
        self._references = References(identity, self._layer, self._registry, self._requester)
        self._updates = Updates(identity, self._layer, self._registry, self._requester, self._client)
        extensions = Extensions(self._updates, Information(self._layer, self._registry), self._references)
        self._server = UserAgentServer(
            settings, identity, self._layer, self._registry, self._client, extensions
        )
        self._trunks = settings.trunks
        self._restoration = Restoration(self._layer, self._registry, settings.trunks)

    # --- the five verbs -----------------------------------------------------------------------------------

    def receive_message(self, data: bytes, flow: Flow, now: float) -> None:
        """One datagram or one framed message of a stream. Never raises for what is in it."""
        try:
            message = parse_message(data)
            essentials = parse_essentials(message)
        except ParseError as error:
            self.refuse_malformed(data, flow, error)
            return
        if isinstance(message, Request):
            if not self._porter.turns_away(message, essentials, data, flow, now):
                self._take(self._layer.receive_request(message, essentials, flow, now), now)
        else:
            self._take(self._layer.receive_response(message, essentials, flow, now), now)

    def refuse_malformed(self, data: bytes, flow: Flow, error: ParseError) -> None:
        """What the shell could not even cut out of a stream: counted, and refused if it can be."""
        self._porter.refuse_malformed(data, flow, error)

    def refuse_stranger(self, data: bytes, flow: Flow) -> None:
        """403 to a request from where none may come from, if it is not longer; nothing to anything else."""
        self._porter.refuse_stranger(data, flow)

    def ignore_stranger(self) -> None:
        """The same where strangers hear nothing."""
        self._porter.strangers += 1

    def timer(self) -> float | None:
        """When `handle_timer` must be called next."""
        return earliest(self._layer.timer(), self._registry.timer(), self._pinger.timer())

    def handle_timer(self, now: float) -> None:
        self._take(self._layer.handle_timer(now), now)
        self._pinger.handle_timer(now)
        for session in self._registry.take_due(now):
            self._keep_session(session, now)
            self._references.expire(session, now)
            event, again = session.take_due(now)
            if event is CallEvent.PRACK_OVERDUE:
                self._server.give_up(session, now)
            elif event is not None:
                self._client.overdue(session, event, now)
            elif again is not None:
                self._layer.send(*again)
            self._registry.settle(session)
        self._answer_what_is_left(now)

    def messages_to_send(self) -> list[tuple[bytes, Flow]]:
        return self._layer.take_messages()

    def events(self) -> list[AgentEvent]:
        return self._registry.take_events()

    def fail_flow(self, flow: Flow, now: float) -> None:
        """The shell could not send to `flow`: our requests there fail with 503."""
        self._take(self._layer.fail_flow(flow, now), now)

    def lose_connection(self, flow: Flow, now: float) -> None:
        """A connection has ended that could carry messages: what it carried last may be lost."""
        self._take(self._layer.lose_connection(flow, now), now)

    def lookups(self) -> list[Flow]:
        """Names to be looked up, each once. Requests to them wait for `receive_location`."""
        return self._requester.take_lookups()

    def receive_location(self, flow: Flow, location: Location, now: float) -> None:
        self._requester.receive_location(flow, location, now)

    # --- commands -----------------------------------------------------------------------------------------

    def ring(self, call: CallKey, now: float) -> None:
        """180 to an INVITE that is not answered yet."""
        self._server.ring(self._registry.get(call), now)

    def accept(self, call: CallKey, sdp: str, now: float) -> None:
        """200 to an INVITE: `sdp` is the answer, or the offer if the INVITE brought none."""
        self._server.accept(self._registry.get(call), sdp, now)

    def reject(
        self, call: CallKey, status: int, now: float, reason: str = "", retry_after_s: int | None = None
    ) -> None:
        """A final refusal of an INVITE. The call is over; no event follows."""
        self._server.reject(self._registry.get(call), status, _why(reason, retry_after_s), now)

    def invite(
        self,
        target: str,
        sdp: str,
        now: float,
        from_address: str = "",
        headers: Headers = (),
        trunk_id: TrunkId = NO_TRUNK,
    ) -> CallKey:
        """Calls `target`, a SIP URI. `from_address` is a name-addr without tag, "" for our own.

        Ends in CallAnswered or CallRefused, whichever comes first, unless it is hung up before.
        """
        return self._client.invite(target, sdp, now, from_address, headers, self._trunks.get(trunk_id))

    def reinvite(self, call: CallKey, sdp: str, now: float) -> None:
        """Offers anew. Raises ConflictError while another offer is on its way (RFC 3261 section 14.1)."""
        self._client.reinvite(self._registry.get(call), sdp, now)

    def update(self, call: CallKey, sdp: str, now: float) -> None:
        """Offers anew by UPDATE, which nobody needs to be asked about (RFC 3311). Raises as `reinvite` does."""
        self._updates.send(self._registry.get(call), sdp, now)

    def ask_for_picture(self, call: CallKey, now: float) -> None:
        """Asks for a key frame by INFO, for a phone that knows no RTCP feedback."""
        ask_for_picture(self._registry.get(call), self._requester, now)

    def press(self, call: CallKey, keys: str, now: float) -> None:
        """Keys by INFO, behind those on their way. Raises NotAllowedError and CapacityError."""
        self._key_sender.send(self._registry.get(call), keys, now)

    def answer_reinvite(self, call: CallKey, sdp: str, now: float) -> None:
        self._server.answer_reinvite(self._registry.get(call), sdp, now)

    def reject_reinvite(self, call: CallKey, status: int, now: float, reason: str = "") -> None:
        self._server.reject_reinvite(self._registry.get(call), status, _why(reason, None), now)

    def accept_referral(self, call: CallKey, now: float) -> int:
        """202 to a REFER; `finish_referral` tells later how the call went, with the number that this returns."""
        return self._references.accept(self._registry.get(call), now)

    def reject_referral(self, call: CallKey, status: int, now: float, reason: str = "") -> None:
        self._references.reject(self._registry.get(call), status, _why(reason, None), now)

    def finish_referral(self, call: CallKey, number: int, status: int, now: float) -> None:
        """`status` is that of the call that was made, 200 if it was answered. Twice is fine."""
        self._references.finish(self._registry.get(call), number, status, now)

    def hang_up(self, call: CallKey, reason: str, now: float) -> None:
        """Ends the call by BYE, CANCEL or 480, as its state asks. CallEnded follows. Twice is fine."""
        session = self._registry.get(call)
        self._references.forget(session, now)
        self._server.refuse_pending(session, now, 480 if session.state is CallState.ARRIVING else 487)
        self._client.hang_up(session, reason, now)

    def cancel(self, call: CallKey, now: float) -> None:
        """Takes an outbound call back. If the callee answers meanwhile, it is hung up (section 9.1)."""
        self.hang_up(call, "", now)

    def drain(self) -> None:
        """From now on no new call is taken: 503 with Retry-After."""
        self._server.draining = True

    # --- over a restart -----------------------------------------------------------------------------------

    def remember(self, call: CallKey) -> bytes:
        """What `restore` needs; b"" if nothing of the call is worth keeping."""
        session = self._registry.get(call)
        memory = remember(session) or remember_calling(
            session, self._requester.sent_request(session.client_key)
        )
        return b"" if memory is None else serialize_memory(memory)

    def remember_answer(self, call: CallKey, sdp: str) -> bytes:
        """The same for the moment after `accept` with this `sdp`, which is still to be called."""
        session = self._registry.get(call)
        pending = session.pending
        success = b"" if pending is None else self._server.make_success(session, pending, sdp)
        memory = remember_answer(session, success)
        return b"" if memory is None else serialize_memory(memory)

    def restore(self, body: bytes, now: float) -> CallKey | None:
        """Takes up a call of an earlier process. An INVITE that it had not answered arrives once more, with
        the Call-ID that `arriving_call_id` tells, and one of its own that still rang is canceled: None.

        Raises ParseError for what is no memory, CapacityError at the bound.
        """
        memory = parse_memory(body)
        if memory.phase is Phase.CALLING:
            self._restoration.cancel(memory, now)
            return None
        if memory.phase is Phase.ARRIVING:
            request, flow = invite_again(memory)  # past the porter, who has let it in once
            self._take(self._layer.receive_request(request, parse_essentials(request), flow, now), now)
            return None
        return self._restoration.restore(memory, now)

    def ways_out(self) -> tuple[Trunk, ...]:
        """The trunks that calls can go to, in the order in which they are tried: those that are away last."""
        return tuple(
            sorted(self._trunks.ways_out(), key=lambda trunk: self._pinger.state(trunk) is TrunkState.DOWN)
        )

    # --- looks inside -------------------------------------------------------------------------------------

    def is_arriving(self, call: CallKey) -> bool:
        """There, and not answered yet."""
        with suppress(NotFoundError):
            return self._registry.get(call).state is CallState.ARRIVING
        return False

    def is_confirmed(self, call: CallKey) -> bool:
        """Answered, acknowledged, and not about to end."""
        return self._registry.get(call).state is CallState.CONFIRMED

    def awaits_ack(self, call: CallKey) -> bool:
        """A 200 of ours to an INVITE is not acknowledged yet."""
        return self._registry.get(call).exchange is ExchangeState.UNACKNOWLEDGED

    def call_id(self, call: CallKey) -> str:
        """Of its dialog or, before there is one, of our INVITE; readable, as in `CallArrived`."""
        session = self._registry.get(call)
        if session.dialog is not None:
            return readable(session.dialog.call_id)
        sent = self._requester.latest_request(session.client_key)
        return "" if sent is None else sent.first("Call-ID")

    def trunk_state(self, trunk: Trunk) -> tuple[TrunkState, int]:
        """Whether it answers, and how many calls it has."""
        return self._pinger.state(trunk), self._registry.load.calls(trunk.trunk_id)

    def calls(self) -> tuple[CallKey, ...]:
        """Those that have not ended."""
        return self._registry.keys()

    def counters(self) -> dict[str, int]:
        return {
            "sip_calls": len(self._registry),
            "sip_transactions": len(self._layer),
            "sip_unmatched_responses": self._layer.unmatched,
            "sip_refused_transactions": self._layer.overflowed,
            "sip_unopened_transactions": self._layer.unopened,
            "sip_requests_too_large_for_udp": self._requester.switched,
            "sip_failovers": self._requester.failovers,
            **self._pinger.counters(),
            **self._porter.counters(),
            **self._server.refused.counters(),
            **self._registry.load.refused.counters(),
            "sip_refused_credentials": self._authorizer.refused,
            "sip_stray_acks": self._server.stray_acks,
            "sip_ignored_answers": self._client.ignored,
            "sip_refused_keys": self._key_sender.refused,
        }

    # --- inside -------------------------------------------------------------------------------------------

    def _keep_session(self, session: InviteSession, now: float) -> None:
        due = session.expiry.take_due(now)
        dialog = session.dialog
        if due is Due.EXPIRED:
            self._client.overdue(session, CallEvent.SESSION_EXPIRED, now)
        elif due is Due.REFRESH and dialog is not None and session.state is CallState.CONFIRMED:
            if dialog.allows("UPDATE"):
                self._updates.refresh(session, now)
            elif session.may(ExchangeEvent.OFFER):
                self._registry.emit(RefreshDue(session.key))

    def _take(self, outcomes: list[Outcome], now: float) -> None:
        for outcome in outcomes:
            match outcome:
                case RequestArrived():
                    self._server.receive_request(outcome, now)
                case AckArrived():
                    self._server.receive_ack(outcome, now)
                case ResponseArrived():
                    self._requester.receive_response(outcome, now)
                case SuccessUnmatched():
                    self._client.receive_unmatched(outcome.essentials)
                case TransactionFailed():
                    self._requester.receive_failure(outcome, now)
                case TransactionEnded():
                    self._requester.forget(outcome)
                case _:
                    assert_never(outcome)
        self._answer_what_is_left(now)

    def _answer_what_is_left(self, now: float) -> None:
        """However a call ended: each request of the phone gets an answer, or it would wait here for ever."""
        for session in self._registry.take_unanswered():
            self._references.forget(session, now)
            self._server.refuse_pending(session, now)


def _why(reason: str, retry_after_s: int | None) -> Headers:
    headers = warning(reason) if reason else ()
    return headers if retry_after_s is None else (*headers, *retry_after(retry_after_s))
