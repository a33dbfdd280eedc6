"""Our requests: how they are built, and who waits for their responses (RFC 3261 sections 8.1 and 12.2.1)."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from bridge.ids import TrunkId
from signaling.sip.agent.request.location import Location
from signaling.sip.session.dialog import Dialog
from signaling.sip.transaction.outcome import (
    NO_ROOM,
    ResponseArrived,
    TransactionEnded,
    TransactionFailed,
    TransactionKey,
)
from signaling.sip.transaction.transaction_layer import TransactionLayer
from signaling.sip.trunk.authorizer import Attempts, Authorizer
from signaling.sip.wire.flow import TCP, UDP, Flow, is_numeric
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Essentials, Headers, Request, Response, readable, serialize_message
from signaling.sip.wire.via import parse_via

NO_ANSWER = "no answer"
CANNOT_BE_REACHED = "cannot be reached"
_REASONS = {
    408: NO_ANSWER,
    503: CANNOT_BE_REACHED,
    NO_ROOM: "too many requests of ours wait for their answers",
}
AVOIDED_S = 60.0  # a way that led nowhere is tried after the others
LARGE_BYTES = 1300  # RFC 3261 section 18.1.1: above it a request does not go over UDP
MAX_AVOIDED = 1024  # the one avoided longest goes first


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A response to a request of ours, or that there is none: 408 nobody answered, 503 it cannot be sent, 500 there
    is no room for it."""

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
Again = Callable[[], object]


def ignore(reply: Reply, now: float) -> None:
    """For requests whose answer changes nothing."""


def _unmoved() -> None:
    """For requests of which it does not matter how often they go."""


class Asker(msgspec.Struct, frozen=True):
    """Who may ask who we are: the trunk a request goes to, and the dialog it belongs to, if any."""

    trunk_id: TrunkId
    dialog: Dialog | None = None


class _Sent:
    """A request of ours until its last transaction is over. `first_key` is what its sender calls it."""

    __slots__ = (
        "again",
        "asker",
        "attempts",
        "first_key",
        "flow",
        "given_up",
        "listener",
        "progressed",
        "request",
        "ways",
    )

    def __init__(
        self,
        first_key: TransactionKey,
        request: Request,
        flow: Flow,
        listener: Listener,
        asker: Asker | None,
        again: Again,
    ) -> None:
        self.first_key = first_key
        self.request = request
        self.flow = flow  # where it went last
        self.ways: list[Flow] = []  # where it still can go
        self.listener = listener
        self.asker = asker
        self.again = again
        self.attempts: Attempts = {}  # with credentials, at this address
        self.progressed = False  # somebody works on it
        self.given_up = False


class Requester:
    """Sends requests; each response goes to the listener that was given with its request."""

    __slots__ = (
        "_acks",
        "_authorizer",
        "_avoided",
        "_identity",
        "_latest",
        "_layer",
        "_lookups",
        "_sent",
        "_transports",
        "_waiting",
        "failovers",
        "switched",
    )

    def __init__(
        self,
        identity: LocalIdentity,
        layer: TransactionLayer,
        authorizer: Authorizer,
        transports: Sequence[str],
    ) -> None:
        self._transports = transports
        self._identity = identity
        self._layer = layer
        self._authorizer = authorizer
        self._sent: dict[TransactionKey, _Sent] = {}
        self._latest: dict[TransactionKey, TransactionKey] = {}  # of those that went once more
        self._waiting: dict[Flow, list[_Sent]] = {}  # for the addresses of a name
        self._acks: dict[Flow, list[Request]] = {}  # the same
        self._lookups: list[Flow] = []
        self._avoided: dict[Flow, float] = {}
        self.switched = 0  # requests that were too large for UDP
        self.failovers = 0  # requests that went on to another address of the same name

    def send(  # noqa: PLR0913, PLR0917 - what a request needs, and what it may have
        self,
        request: Request,
        branch: str,
        flow: Flow,
        now: float,
        listener: Listener,
        asker: Asker | None = None,
        again: Again = _unmoved,
    ) -> TransactionKey:
        """`branch` is that of the request's topmost Via. A request to an `asker` goes once more if it is
        challenged, one to a name if it comes to nothing at the first of its addresses, `again` is told of
        either; for whoever sent it its key stays the same."""
        sent = _Sent((branch, request.method), request, flow, listener, asker, again)
        if _is_located(flow):
            self._transmit(sent, request, branch, now)
        else:
            self._sent[sent.first_key] = sent
            self._seek(flow)
            self._waiting[flow].append(sent)
        return sent.first_key

    def send_ack(self, ack: Request, flow: Flow) -> None:
        """The ACK of a 2xx, which has no transaction."""
        if _is_located(flow):
            self._layer.send(serialize_message(ack), flow)
        else:
            self._seek(flow)
            self._acks[flow].append(ack)

    # --- names --------------------------------------------------------------------------------------------

    def take_lookups(self) -> list[Flow]:
        """Whose names are to be looked up; each is answered by `receive_location`."""
        lookups, self._lookups = self._lookups, []
        return lookups

    def receive_location(self, flow: Flow, location: Location, now: float) -> None:
        """Nothing came of it if there are no ways: 503 (RFC 3263 section 4.3)."""
        ways = sorted(location.ways, key=lambda way: self._avoided.get(way, 0.0) > now)
        for ack in self._acks.pop(flow, ()):
            if ways:
                via = self._identity.via(ways[0].transport, parse_via(ack.first("Via")).branch)
                self._layer.send(serialize_message(_changed(ack, {"Via": via})), ways[0])
        for sent in self._waiting.pop(flow, ()):
            if self._sent.get(sent.first_key) is not sent:
                continue
            sent.ways = list(ways)
            if ways and not sent.given_up:
                self._go_on(sent, now, sent.first_key[0])
            else:
                del self._sent[sent.first_key]
                sent.listener(Reply(sent.first_key, 503, location.reason or CANNOT_BE_REACHED), now)

    def _seek(self, flow: Flow) -> None:
        if flow not in self._waiting:
            self._waiting[flow], self._acks[flow] = [], []
            self._lookups.append(flow)

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
            sent.asker, sent.given_up = None, True

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
        if response.status == 503:
            # It heard us: another way to the same place is none.
            here = (sent.flow.host, sent.flow.port)
            sent.ways = [way for way in sent.ways if (way.host, way.port) != here]
            if self._fail_over(sent, now):
                return
        sent.progressed = sent.progressed or 100 < response.status < 200
        reason = readable(response.reason)
        reply = Reply(sent.first_key, response.status, reason, response, outcome.essentials, outcome.flow)
        sent.listener(reply, now)

    def receive_failure(self, outcome: TransactionFailed, now: float) -> None:
        """No response at all: the same as a 408 or 503 (section 8.1.3.1)."""
        sent = self._sent.get(outcome.key)
        if sent is None:
            return
        # By another way there is no more room either.
        if outcome.status == NO_ROOM or not self._fail_over(sent, now):
            reason = _REASONS[outcome.status]
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
        sent.again()
        return True

    def _fail_over(self, sent: _Sent, now: float) -> bool:
        """To the next address of the name, the same but for its branch (RFC 3263 section 4.3)."""
        if len(self._avoided) >= MAX_AVOIDED:
            del self._avoided[next(iter(self._avoided))]
        self._avoided.pop(sent.flow, None)
        self._avoided[sent.flow] = now + AVOIDED_S
        if sent.given_up or sent.progressed or not sent.ways:
            return False
        self.failovers += 1
        sent.attempts.clear()  # the next one has nonces of its own
        self._go_on(sent, now, self._identity.new_branch())
        sent.again()
        return True

    def _is_too_large(self, sent: _Sent, request: Request, now: float) -> bool:
        """For UDP, and TCP is open here and was not refused there a moment ago.

        A phone that calls from behind NAT cannot be reached but by the way it came.
        """
        if sent.flow.transport != UDP or TCP not in self._transports:
            return False
        if sent.asker is not None and sent.asker.dialog is not None and sent.asker.dialog.behind_nat:
            return False
        if self._avoided.get(_over_tcp(sent.flow), 0.0) > now:
            return False
        return len(serialize_message(request)) > LARGE_BYTES

    def _switch(self, sent: _Sent, branch: str) -> Mapping[str, str]:
        """To TCP; UDP is what remains if nobody listens there (section 18.1.1)."""
        self.switched += 1
        sent.ways.insert(0, sent.flow)
        sent.flow = _over_tcp(sent.flow)
        return self._addressed(sent.request, sent.flow, branch)

    def _addressed(self, request: Request, way: Flow, branch: str) -> Mapping[str, str]:
        """The headers that say by which way a request goes."""
        fresh = {"Via": self._identity.via(way.transport, branch)}
        if request.first("Contact"):
            fresh["Contact"] = self._identity.contact(way.transport, request.uri)
        return fresh

    def _go_on(self, sent: _Sent, now: float, branch: str) -> None:
        """By the next of its ways."""
        way = sent.ways.pop(0)
        sent.request, sent.flow = _changed(sent.request, self._addressed(sent.request, way, branch)), way
        self._transmit(sent, sent.request, branch, now)

    def _transmit(self, sent: _Sent, request: Request, branch: str, now: float) -> None:
        if sent.asker is not None:
            proof = self._authorizer.headers(sent.asker.trunk_id, request.method, request.uri, sent.attempts)
            request = msgspec.structs.replace(request, headers=(*request.headers, *proof))
        if self._is_too_large(sent, request, now):
            fresh = self._switch(sent, branch)
            sent.request, request = _changed(sent.request, fresh), _changed(request, fresh)
        key = self._layer.request(request, branch, sent.flow, now)
        self._sent[key] = sent
        if key != sent.first_key:
            self._latest[sent.first_key] = key


def _is_located(flow: Flow) -> bool:
    """There is an address, or a connection that came from there."""
    return bool(flow.connection) or is_numeric(flow.host)


def _over_tcp(flow: Flow) -> Flow:
    return Flow(TCP, flow.host, flow.port)


def _renewed(request: Request, number: int, via: str) -> Request:
    """The same request with a new number and branch."""
    return _changed(request, {"Via": via, "CSeq": f"{number} {request.method}"})


def _changed(request: Request, fresh: Mapping[str, str]) -> Request:
    headers = tuple((name, fresh.get(name, value)) for name, value in request.headers)
    return msgspec.structs.replace(request, headers=headers)
