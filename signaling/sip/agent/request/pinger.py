"""Which trunks are there: each is asked by OPTIONS (RFC 3261 section 11), no I/O."""

from collections.abc import Callable
from functools import partial

from signaling.sip.agent.inspection.inspection import ACCEPT
from signaling.sip.agent.request.requester import Asker, Reply, Requester
from signaling.sip.session.event import AgentEvent, TrunkMoved
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.trunk.trunk_state import TRUNK_TRANSITIONS, TrunkEvent, TrunkState
from signaling.sip.wire.flow import flow_to
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Request
from signaling.sip.wire.uri import parse_uri

_AWAY = frozenset({408, 503})  # no answer, or none for now; any other answer is one
PING_WITHIN_S = 1.0  # of the start


class Pinger:
    """Asks each trunk that has a target, `ping_s` after its last answer; `emit` is told of each that moved."""

    __slots__ = ("_emit", "_identity", "_next_at", "_requester", "_states")

    def __init__(
        self,
        identity: LocalIdentity,
        requester: Requester,
        trunks: Trunks,
        emit: Callable[[AgentEvent], None],
    ) -> None:
        self._identity = identity
        self._requester = requester
        self._emit = emit
        pinged = [trunk for trunk in trunks.ways_out() if trunk.ping_s]
        self._next_at: dict[Trunk, float] = {
            trunk: PING_WITHIN_S * number / len(pinged) for number, trunk in enumerate(pinged)
        }
        self._states = dict.fromkeys(pinged, TrunkState.UNKNOWN)

    def state(self, trunk: Trunk) -> TrunkState:
        """UNKNOWN for one that is not asked."""
        return self._states.get(trunk, TrunkState.UNKNOWN)

    def counters(self) -> dict[str, int]:
        states = list(self._states.values())
        return {
            f"sip_trunks_{state.value}": states.count(state) for state in (TrunkState.UP, TrunkState.DOWN)
        }

    def timer(self) -> float | None:
        return min(self._next_at.values(), default=None)

    def handle_timer(self, now: float) -> None:
        for trunk in [trunk for trunk, at in self._next_at.items() if at <= now]:
            del self._next_at[trunk]  # until it has answered, or had time to
            self._ask(trunk, now)

    def _ask(self, trunk: Trunk, now: float) -> None:
        uri, branch = trunk.address, self._identity.new_branch()
        flow = flow_to(parse_uri(uri))
        request = Request(
            method="OPTIONS",
            uri=uri,
            headers=(
                ("Via", self._identity.via(flow.transport, branch)),
                ("Max-Forwards", "70"),
                ("From", f"{self._identity.from_address(trunk.account)};tag={self._identity.new_tag()}"),
                ("To", f"<{uri}>"),
                ("Call-ID", self._identity.new_call_id()),
                ("CSeq", "1 OPTIONS"),
                ("Contact", self._identity.contact(flow.transport, uri)),
                ACCEPT,
                ("User-Agent", self._identity.product),
            ),
        )
        listener = partial(self._hear, trunk)
        self._requester.send(request, branch, flow, now, listener, Asker(trunk.trunk_id))

    def _hear(self, trunk: Trunk, reply: Reply, now: float) -> None:
        if reply.status < 200:
            return
        self._next_at[trunk] = now + trunk.ping_s
        event = TrunkEvent.SILENT if reply.status in _AWAY else TrunkEvent.ANSWERED
        was = self._states[trunk]
        self._states[trunk] = TRUNK_TRANSITIONS[was, event]
        if self._states[trunk] is not was:
            self._emit(TrunkMoved(trunk.trunk_id, self._states[trunk], f"{reply.status} {reply.reason}"))
