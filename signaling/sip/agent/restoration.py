"""Calls of an earlier process, taken up where it was killed."""

import msgspec

from bridge.errors import CapacityError, ParseError
from signaling.sip.session.dialog import Dialog
from signaling.sip.session.event import CallKey
from signaling.sip.session.invite_session import CallState, ExchangeState
from signaling.sip.session.memory import CallMemory, Phase, continued
from signaling.sip.session.registry import CallRegistry
from signaling.sip.session.session_timer import Interval, agreed_in
from signaling.sip.transaction.outcome import RequestArrived
from signaling.sip.transaction.transaction_layer import TransactionLayer, make_cancel
from signaling.sip.trunk.trunk import Trunks
from signaling.sip.wire.flow import DEFAULT_PORT, UDP, Flow
from signaling.sip.wire.message import Request, Response, parse_essentials, parse_message


class Restoration:
    """Puts remembered calls back into the registry and the transaction layer of a new agent."""

    __slots__ = ("_layer", "_registry", "_trunks")

    def __init__(self, layer: TransactionLayer, registry: CallRegistry, trunks: Trunks) -> None:
        self._trunks = trunks
        self._layer = layer
        self._registry = registry

    def restore(self, memory: CallMemory, now: float) -> CallKey:
        """Raises ParseError for a memory without sense, CapacityError at the bound."""
        if memory.dialog is None:
            raise ParseError("a SIP call was remembered without its dialog")
        if self._registry.full:
            raise CapacityError("all SIP calls are taken")
        dialog = continued(memory.dialog)
        if memory.phase is Phase.ANSWERED:
            return self._restore_answered(memory, dialog, now)
        session = self._registry.open(outbound=memory.outbound)
        self._registry.assign(session, self._trunks.get(dialog.trunk_id))
        session.dialog = dialog
        session.state, session.exchange = CallState.CONFIRMED, ExchangeState.IDLE
        session.expiry.start(memory.interval, now)
        self._registry.enter_dialog(session)
        self._registry.settle(session)
        return session.key

    def cancel(self, memory: CallMemory, now: float) -> None:
        """Nobody waits any more for whom our INVITE rings (section 9.1). Raises ParseError.

        If it was answered meanwhile, no ACK comes, and the phone ends the call itself (section 13.3.1.4).
        """
        invite, flow = invite_again(memory)
        branch = parse_essentials(invite).via.branch
        self._layer.request(make_cancel(invite), branch, flow, now)

    def _restore_answered(self, memory: CallMemory, dialog: Dialog, now: float) -> CallKey:
        """The phone gets its 200 again, until its ACK; a retransmitted INVITE is none the wiser."""
        arrived = self._arrive_again(memory, now)
        session = self._registry.open(outbound=False)
        self._registry.assign(session, self._trunks.get(dialog.trunk_id))
        session.dialog = dialog
        session.state, session.exchange = CallState.ANSWERED, ExchangeState.UNACKNOWLEDGED
        session.pending, session.late_offer = arrived, memory.late_offer
        session.expiry.start(_agreed(memory), now)
        self._registry.enter_dialog(session)
        flow = self._layer.respond(arrived.key, 200, memory.success, now)
        session.await_ack(memory.success, flow, now)
        self._registry.settle(session)
        return session.key

    def _arrive_again(self, memory: CallMemory, now: float) -> RequestArrived:
        message, flow = invite_again(memory)
        outcomes = self._layer.receive_request(message, parse_essentials(message), flow, now)
        arrived = outcomes[0] if outcomes else None
        if not isinstance(arrived, RequestArrived):
            raise ParseError("the remembered INVITE is there twice")
        return arrived


def _agreed(memory: CallMemory) -> Interval | None:
    """The session timer that our 200 promised, whatever the trunk asks for by now. Raises ParseError."""
    success = parse_message(memory.success)
    return agreed_in(success) if isinstance(success, Response) else None


def invite_again(memory: CallMemory) -> tuple[Request, Flow]:
    """The INVITE that waits for its end and where its responses go now. Raises ParseError."""
    message = parse_message(memory.invite)
    if not isinstance(message, Request) or memory.flow is None:
        raise ParseError("a SIP call was remembered without its INVITE")
    flow = memory.flow
    if flow.transport == UDP:
        return message, Flow(UDP, flow.host, flow.port)
    if memory.phase is Phase.CALLING:
        return message, msgspec.structs.replace(flow, connection=0)
    # The connection is gone, and its port with it: the one in Via is the fallback (section 18.2.2).
    port = parse_essentials(message).via.port or DEFAULT_PORT
    return message, Flow(flow.transport, flow.host, port, name=flow.name)
