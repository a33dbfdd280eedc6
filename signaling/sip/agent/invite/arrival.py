"""What an INVITE from outside tells of its call: who calls whom, with which offer, on which trunk."""

from bridge.ids import NO_TRUNK
from signaling.sip.agent.inspection.inspection import claims_video, display_user
from signaling.sip.agent.inspection.provenance import ASSERTIONS, caller_of, ways_of
from signaling.sip.agent.invite.replaces import Replaced
from signaling.sip.session.event import CallArrived, CallKey
from signaling.sip.transaction.outcome import RequestArrived
from signaling.sip.trunk.trunk import Trunk
from signaling.sip.wire.message import readable

# Headers about the message and its way, not about the call.
_ROUTING = frozenset(
    {"Via", "Call-ID", "CSeq", "Max-Forwards", "Contact", "Route", "Record-Route", "Content-Length"}
    | {"Content-Type", "Allow", "Supported", "Require", "Accept", "Authorization", "Proxy-Authorization"}
)
_UNTOLD = _ROUTING | ASSERTIONS
MAX_TOLD_HEADERS = 32


def arrival(
    call: CallKey, arrived: RequestArrived, trunk: Trunk | None, replaced: Replaced | None, offer: str
) -> CallArrived:
    request, essentials = arrived.request, arrived.essentials
    told = [(readable(name), readable(value)) for name, value in request.headers if name not in _UNTOLD]
    return CallArrived(
        call,
        readable(essentials.call_id),
        caller_of(request, essentials, trusted=trunk is not None and trunk.trusted),
        display_user(request.uri),
        offer,
        tuple(told[:MAX_TOLD_HEADERS]),
        NO_TRUNK if trunk is None else trunk.trunk_id,
        ways_of(request),
        None if replaced is None else replaced.session.key,
        early_only=replaced is not None and replaced.early_only,
        claims_video=claims_video(request),
    )
