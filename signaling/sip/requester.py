"""Our requests: how they are built, and who waits for their responses (RFC 3261 sections 8.1 and 12.2.1)."""

from collections.abc import Callable

import msgspec

from bridge.ids import TrunkId
from signaling.sip.authorizer import Authorizer
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

NO_ANSWER = "no answer"


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


class Asker(msgspec.Struct, frozen=True):
    """Who may ask who we are: the trunk a request goes to, and the dialog it belongs to, if any."""

    trunk_id: TrunkId
    dialog: Dialog | None = None


class _Sent:
    """A request of ours until its last transaction is over. `first_key` is what its sender calls it."""

    __slots__ = ("asker", "attempts", "first_key", "flow", "listener", "request")

    def __init__(
        self, first_key: TransactionKey, request: Request, flow: Flow, listener: Listener, asker: Asker | None
    ) -> None:
        self.first_key = first_key
        self.request = request
        self.flow = flow
        self.listener = listener
        self.asker = asker
        self.attempts = 0  # how often it went with credentials


class Requester:
    """Sends requests; each response goes to the listener that was given with its request."""

    __slots__ = ("_authorizer", "_identity", "_latest", "_layer", "_sent")

    def __init__(self, identity: LocalIdentity, layer: TransactionLayer, authorizer: Authorizer) -> None:
        self._identity = identity
        self._layer = layer
        self._authorizer = authorizer
        self._sent: dict[TransactionKey, _Sent] = {}
        self._latest: dict[TransactionKey, TransactionKey] = {}  # of those that went once more

    def send(
        self,
        request: Request,
        branch: str,
        flow: Flow,
        now: float,
        listener: Listener,
        asker: Asker | None = None,
    ) -> TransactionKey:
        """`branch` is that of the request's topmost Via. A request to an `asker` goes once more if it is
        challenged; for whoever sent it its key stays the same."""
        sent = _Sent((branch, request.method), request, flow, listener, asker)
        self._transmit(sent, request, branch, now)
        return sent.first_key

    def sent_request(self, key: TransactionKey) -> tuple[Request, Flow] | None:
        """What is on its way under the key that `send` gave, to cancel it."""
        return self._layer.sent_request(self._latest.get(key, key))

    def latest_request(self, key: TransactionKey) -> Request | None:
        """What went last under the key that `send` gave, while its transaction lives."""
        sent = self._sent.get(self._latest.get(key, key))
        return sent.request if sent is not None else None

    def give_up(self, key: TransactionKey) -> None:
        """Whatever the answer, the request does not go once more."""
        sent = self._sent.get(self._latest.get(key, key))
        if sent is not None:
            sent.asker = None

    def let_go(self, key: TransactionKey, now: float) -> None:
        """The call of an INVITE ends: what never answers it is not waited for without end."""
        self._layer.let_go(self._latest.get(key, key), now)

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
        return self.send(request, branch, flow, now, listener, Asker(dialog.trunk_id, dialog))

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
        sent, response = self._sent.get(outcome.key), outcome.response
        if sent is None or (response.status in (401, 407) and self._identify(sent, response, now)):
            return
        reason = readable(response.reason)
        reply = Reply(sent.first_key, response.status, reason, response, outcome.essentials, outcome.flow)
        sent.listener(reply, now)

    def receive_failure(self, outcome: TransactionFailed, now: float) -> None:
        """No response at all: the same as a 408 or 503 (section 8.1.3.1)."""
        sent = self._sent.get(outcome.key)
        if sent is not None:
            reason = NO_ANSWER if outcome.status == 408 else "cannot be reached"
            sent.listener(Reply(sent.first_key, outcome.status, reason), now)

    def abandon(self, key: TransactionKey) -> None:
        """Waits no longer for the final response; one that comes late belongs to nothing."""
        latest = self._latest.pop(key, key)
        self._layer.abandon(latest)
        self._sent.pop(latest, None)

    def forget(self, outcome: TransactionEnded) -> None:
        sent = self._sent.pop(outcome.key, None)
        if sent is not None and self._latest.get(sent.first_key) == outcome.key:
            del self._latest[sent.first_key]

    def _identify(self, sent: _Sent, response: Response, now: float) -> bool:
        """Sends a request that was challenged once more, as a new one (RFC 3261 section 22.2)."""
        asker = sent.asker
        if asker is None or not self._authorizer.take(asker.trunk_id, response, sent.attempts):
            return False
        branch = self._identity.new_branch()
        if asker.dialog is not None:
            number = asker.dialog.take_cseq()
        else:
            number = int(sent.request.first("CSeq").partition(" ")[0]) + 1
        sent.request = _renewed(sent.request, number, self._identity.via(sent.flow.transport, branch))
        self._transmit(sent, sent.request, branch, now)
        return True

    def _transmit(self, sent: _Sent, request: Request, branch: str, now: float) -> None:
        if sent.asker is not None:
            proof = self._authorizer.headers(sent.asker.trunk_id, request.method, request.uri)
            request = msgspec.structs.replace(request, headers=(*request.headers, *proof))
            sent.attempts += bool(proof)
        key = self._layer.request(request, branch, sent.flow, now)
        self._sent[key] = sent
        if key != sent.first_key:
            self._latest[sent.first_key] = key


def _renewed(request: Request, number: int, via: str) -> Request:
    """The same request with a new number and branch."""
    changed = {"Via": via, "CSeq": f"{number} {request.method}"}
    headers = tuple((name, changed.get(name, value)) for name, value in request.headers)
    return msgspec.structs.replace(request, headers=headers)
