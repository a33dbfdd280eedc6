"""Our 18x, sent again until its PRACK (RFC 3262 section 3)."""

from signaling.sip.session.invite_session import CallState, InviteSession
from signaling.sip.session.registry import CallRegistry
from signaling.sip.transaction.outcome import RequestArrived
from signaling.sip.transaction.transaction_layer import TransactionLayer
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Headers, Request
from signaling.sip.wire.response import make_response

TAG = "100rel"


def wants_reliable(session: InviteSession, invite: Request) -> bool:
    """The caller insists, or can and the trunk's setting asks for it."""
    if TAG in invite.every("Require"):
        return True
    asked = session.trunk is not None and session.trunk.reliable_provisional
    return asked and TAG in invite.every("Supported")


class ReliableProvisionals:
    """Sends reliable provisional responses, one at a time in each call, and takes their PRACK."""

    __slots__ = ("_identity", "_layer", "_registry")

    def __init__(self, identity: LocalIdentity, layer: TransactionLayer, registry: CallRegistry) -> None:
        self._identity = identity
        self._layer = layer
        self._registry = registry

    def send(self, session: InviteSession, status: int, headers: Headers, tag: str, now: float) -> None:
        """Sends `status`, unless an earlier one still waits for its PRACK."""
        pending = session.pending
        if pending is None or session.unproven:
            return
        # Section 3: the first number is drawn, so that it tells one call from the next.
        session.rseq = session.rseq + 1 if session.rseq else self._identity.new_number()
        named = (*headers, ("Require", TAG), ("RSeq", str(session.rseq)))
        data = make_response(pending.request, status, to_tag=tag, headers=named)
        flow = self._layer.respond(pending.key, status, data, now)
        session.await_prack(data, flow, now)
        self._registry.settle(session)

    def receive_prack(self, session: InviteSession, arrived: RequestArrived, now: float) -> bool:
        """True if it is the one that was waited for; 481 for any other."""
        pending = session.pending
        parts = arrived.request.first("RAck").split()
        expected = (
            [str(session.rseq), str(pending.essentials.cseq_number), "INVITE"] if pending is not None else []
        )
        awaited = session.unproven and session.state is CallState.ARRIVING and parts == expected
        data = make_response(arrived.request, 200 if awaited else 481)
        self._layer.respond(arrived.key, 200 if awaited else 481, data, now)
        if awaited:
            session.prove()
            self._registry.settle(session)
        return awaited
