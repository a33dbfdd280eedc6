"""What the transaction layer tells the transaction user: frozen values, in order (RFC 3261 section 17).

They speak of messages; what the user agent makes of them for the one above it is in `event.py`, and speaks of calls.
"""

import msgspec

from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import Essentials, Request, Response

TransactionKey = tuple[str, ...]

NO_ROOM = 500  # the status of a request of ours that MAX_CLIENTS left out


class RequestArrived(msgspec.Struct, frozen=True, gc=False):
    """A new server transaction waits for `respond`."""

    key: TransactionKey
    request: Request
    essentials: Essentials
    flow: Flow


class AckArrived(msgspec.Struct, frozen=True, gc=False):
    """The ACK of a 2xx: it belongs to no transaction."""

    request: Request
    essentials: Essentials


class ResponseArrived(msgspec.Struct, frozen=True, gc=False):
    key: TransactionKey
    response: Response
    essentials: Essentials
    flow: Flow


class SuccessUnmatched(msgspec.Struct, frozen=True, gc=False):
    """A 2xx to an INVITE that no transaction here waits for: maybe one of an earlier process."""

    essentials: Essentials


class TransactionFailed(msgspec.Struct, frozen=True, gc=False):
    """A client transaction is over without a final response: 408 nobody answered, 503 cannot be sent, NO_ROOM."""

    key: TransactionKey
    status: int


class TransactionEnded(msgspec.Struct, frozen=True, gc=False):
    """A client transaction delivers nothing any more."""

    key: TransactionKey


Outcome = (
    RequestArrived | AckArrived | ResponseArrived | SuccessUnmatched | TransactionFailed | TransactionEnded
)
