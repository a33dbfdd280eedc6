"""Our requests: how they are built, and who waits for their responses (RFC 3261 sections 8.1 and 12.2.1)."""

from collections.abc import Callable

import msgspec

from signaling.sip.dialog import Dialog
from signaling.sip.flow import Flow
from signaling.sip.identity import LocalIdentity
from signaling.sip.message import Essentials, Headers, Request, Response, readable
from signaling.sip.transaction_layer import (
    ResponseArrived,
    TransactionEnded,
    TransactionFailed,
    TransactionKey,
    TransactionLayer,
)


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A response to a request of ours, or that there is none: 408 nobody answered, 503 it cannot be sent."""

    key: TransactionKey
    status: int
    reason: str
    response: Response | None = None
    essentials: Essentials | None = None
    flow: Flow | None = None

    def first(self, name: str) -> str:
        """The first value of a header, "" without one."""
        return self.response.first(name) if self.response is not None else ""


Listener = Callable[[Reply, float], None]


def ignore(reply: Reply, now: float) -> None:
    """For requests whose answer changes nothing."""


class Requester:
    """Sends requests; each response goes to the listener that was given with its request."""

    __slots__ = ("_identity", "_layer", "_listeners")

    def __init__(self, identity: LocalIdentity, layer: TransactionLayer) -> None:
        self._identity = identity
        self._layer = layer
        self._listeners: dict[TransactionKey, Listener] = {}

    def send(
        self, request: Request, branch: str, flow: Flow, now: float, listener: Listener
    ) -> TransactionKey:
        """`branch` is that of the request's topmost Via."""
        key = self._layer.request(request, branch, flow, now)
        self._listeners[key] = listener
        return key

    def send_within(
        self,
        dialog: Dialog,
        method: str,
        now: float,
        listener: Listener,
        headers: Headers = (),
        body: bytes = b"",
    ) -> TransactionKey:
        """A request within a dialog, with its next number."""
        branch = self._identity.new_branch()
        flow = dialog.next_hop()
        plain = self.make_within(dialog, method, dialog.take_cseq(), branch, flow)
        request = Request(method=method, uri=plain.uri, headers=(*plain.headers, *headers), body=body)
        return self.send(request, branch, flow, now, listener)

    def make_within(self, dialog: Dialog, method: str, number: int, branch: str, flow: Flow) -> Request:
        """The bare request: what every one within a dialog has."""
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

    def receive_response(self, outcome: ResponseArrived, now: float) -> None:
        listener = self._listeners.get(outcome.key)
        if listener is not None:
            response = outcome.response
            reason = readable(response.reason)
            reply = Reply(outcome.key, response.status, reason, response, outcome.essentials, outcome.flow)
            listener(reply, now)

    def receive_failure(self, outcome: TransactionFailed, now: float) -> None:
        """No response at all: the same as a 408 or 503 (section 8.1.3.1)."""
        listener = self._listeners.get(outcome.key)
        if listener is not None:
            reason = "no answer" if outcome.status == 408 else "cannot be reached"
            listener(Reply(outcome.key, outcome.status, reason), now)

    def abandon(self, key: TransactionKey) -> None:
        """Waits no longer for the final response; one that comes late belongs to nothing."""
        self._layer.abandon(key)
        self._listeners.pop(key, None)

    def forget(self, outcome: TransactionEnded) -> None:
        self._listeners.pop(outcome.key, None)
