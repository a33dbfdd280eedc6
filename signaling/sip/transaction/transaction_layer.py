"""Matches messages to transactions and keeps what they send again (RFC 3261 sections 17 and 18).

Each call returns `Outcome`s for the transaction user, in order; what to send piles up for
`take_messages`.
"""

from bridge.errors import NotFoundError
from signaling.sip.transaction.deadlines import Deadlines
from signaling.sip.transaction.outcome import (
    NO_ROOM,
    AckArrived,
    Outcome,
    RequestArrived,
    ResponseArrived,
    SuccessUnmatched,
    TransactionEnded,
    TransactionFailed,
    TransactionKey,
)
from signaling.sip.transaction.transaction import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Action,
    Event,
    State,
    Timing,
    Transaction,
)
from signaling.sip.wire.flow import DEFAULT_PORT, Flow
from signaling.sip.wire.message import Essentials, Headers, Request, Response, serialize_message, with_top_via
from signaling.sip.wire.response import make_response, retry_after
from signaling.sip.wire.via import annotate_via, response_flow

# Section 22.1: who asked for the INVITE's credentials may want them with its ACK as well.
CREDENTIALS = frozenset({"Authorization", "Proxy-Authorization"})
_ACK_COPIES = CREDENTIALS | {"Route"}
_CANCEL_COPIES = frozenset({"Via", "From", "To", "Call-ID", "Route"})  # section 9.1
MAX_OF_ONE_CALL = 512  # theirs: 16 requests a second for 32 s, quicker than anybody presses keys
_LAST_WORDS = frozenset({"BYE", "CANCEL"})  # get through when everything else of their call does not
MAX_TRANSACTIONS = 100_000  # each lingers up to 32 s over UDP: 1500 calls a second with two each
MAX_CLIENTS = 50_000  # ours: what we ask leaves room for what we are asked


# Classes 3 to 6 are one to a transaction.
_RECEIVED = {1: Event.PROVISIONAL, 2: Event.SUCCESS, 3: Event.FAILURE}
_SENT = {1: Event.SEND_PROVISIONAL, 2: Event.SEND_SUCCESS, 3: Event.SEND_FAILURE}


class _ServerExchange:
    """`request` is there until its final response, which is remembered for much longer."""

    __slots__ = ("call_id", "flow", "key", "merge_key", "request", "response", "transaction")

    def __init__(
        self, arrived: RequestArrived, transaction: Transaction, flow: Flow, merge_key: TransactionKey | None
    ) -> None:
        self.key = arrived.key
        self.transaction = transaction
        self.request: Request | None = arrived.request
        self.call_id = arrived.essentials.call_id
        self.flow = flow
        self.merge_key = merge_key
        self.response = b""


class _ClientExchange:
    __slots__ = ("ack", "data", "flow", "key", "request", "sent_again", "transaction")

    def __init__(self, key: TransactionKey, transaction: Transaction, request: Request, flow: Flow) -> None:
        self.key = key
        self.transaction = transaction
        self.request = request
        self.data = serialize_message(request)
        self.flow = flow
        self.sent_again = False  # because its connection ended
        self.ack = b""

    def rides(self, flow: Flow) -> bool:
        """Whether it went by this connection, or would go by it."""
        mine = self.flow
        at_address = (mine.transport, mine.host, mine.port) == (flow.transport, flow.host, flow.port)
        return at_address or mine.connection == flow.connection != 0


class TransactionLayer:
    """All transactions of one user agent."""

    __slots__ = (
        "_clients",
        "_deadlines",
        "_left_out",
        "_max_clients",
        "_max_transactions",
        "_merges",
        "_of_calls",
        "_servers",
        "_timing",
        "_to_send",
        "overflowed",
        "unmatched",
        "unopened",
    )

    def __init__(
        self, timing: Timing, max_transactions: int = MAX_TRANSACTIONS, max_clients: int = MAX_CLIENTS
    ) -> None:
        self._timing = timing
        self._max_transactions = max_transactions
        self._max_clients = max_clients
        self._left_out: set[TransactionKey] = set()  # until the next `handle_timer`, which is due at once
        self._servers: dict[TransactionKey, _ServerExchange] = {}
        self._clients: dict[TransactionKey, _ClientExchange] = {}
        # Section 8.2.2.2: which transaction a request came in first, to find the same by another path.
        self._merges: dict[TransactionKey, TransactionKey] = {}
        self._of_calls: dict[str, int] = {}  # theirs, by Call-ID
        self._deadlines: Deadlines[TransactionKey] = Deadlines()
        self._to_send: list[tuple[bytes, Flow]] = []
        self.unmatched = 0  # responses to nothing
        self.overflowed = 0  # requests refused because of max_transactions or MAX_OF_ONE_CALL
        self.unopened = 0  # requests of ours that were not sent because of max_clients

    def __len__(self) -> int:
        return len(self._servers) + len(self._clients)

    def take_messages(self) -> list[tuple[bytes, Flow]]:
        """What to send since the last call, in order."""
        messages, self._to_send = self._to_send, []
        return messages

    def send(self, data: bytes, flow: Flow) -> None:
        """Sends outside any transaction: the ACK of a 2xx, a stateless answer."""
        self._to_send.append((data, flow))

    # --- from the network ---------------------------------------------------------------------------------

    def receive_request(
        self, request: Request, essentials: Essentials, flow: Flow, now: float
    ) -> list[Outcome]:
        key = _server_key(request, essentials, "INVITE" if request.method == "ACK" else request.method)
        exchange = self._servers.get(key)
        if request.method == "ACK":
            return self._receive_ack(exchange, request, essentials, now)
        if exchange is not None:
            self._perform_server(exchange, exchange.transaction.handle(Event.REQUEST, now))
            return []
        request = with_top_via(request, annotate_via(essentials.via, flow))
        back = response_flow(essentials.via, flow)
        if self._is_full(request, essentials):
            self.overflowed += 1
            self.send(make_response(request, 503, headers=retry_after(5)), back)
            return []
        merge_key = None if essentials.to_tag else _merge_key(request, essentials)
        if merge_key is not None:
            if merge_key in self._merges:
                self.send(make_response(request, 482), back)
                return []
            self._merges[merge_key] = key
        machine = INVITE_SERVER if request.method == "INVITE" else NON_INVITE_SERVER
        transaction = Transaction(machine, self._timing, now, reliable=flow.reliable)
        arrived = RequestArrived(key, request, essentials, flow)
        self._servers[key] = _ServerExchange(arrived, transaction, back, merge_key)
        self._of_calls[essentials.call_id] = self._of_calls.get(essentials.call_id, 0) + 1
        self._deadlines.set(key, transaction.timer())
        return [arrived]

    def _is_full(self, request: Request, essentials: Essentials) -> bool:
        """One call that says too much has no room left while the others have."""
        bound = MAX_OF_ONE_CALL * (2 if request.method in _LAST_WORDS else 1)
        return len(self) >= self._max_transactions or self._of_calls.get(essentials.call_id, 0) >= bound

    def _leave_call(self, call_id: str) -> None:
        left = self._of_calls[call_id] - 1
        if left:
            self._of_calls[call_id] = left
        else:
            del self._of_calls[call_id]

    def _receive_ack(
        self, exchange: _ServerExchange | None, request: Request, essentials: Essentials, now: float
    ) -> list[Outcome]:
        if exchange is None:
            return [AckArrived(request, essentials)]
        actions = exchange.transaction.handle(Event.ACK, now)
        self._perform_server(exchange, actions)
        # A phone that uses the INVITE's branch for the ACK of a 2xx lands here.
        return [AckArrived(request, essentials)] if Action.DELIVER in actions else []

    def receive_response(
        self, response: Response, essentials: Essentials, flow: Flow, now: float
    ) -> list[Outcome]:
        key = (essentials.via.branch, essentials.cseq_method)
        exchange = self._clients.get(key)
        if exchange is None:
            self.unmatched += 1
            success = essentials.cseq_method == "INVITE" and response.status // 100 == 2
            return [SuccessUnmatched(essentials)] if success else []
        actions = exchange.transaction.handle(_RECEIVED[min(response.status // 100, 3)], now)
        if Action.SEND_ACK in actions:
            exchange.ack = exchange.ack or make_ack(exchange.request, response)
        outcomes: list[Outcome] = []
        if Action.DELIVER in actions:
            outcomes.append(ResponseArrived(key, response, essentials, flow))
        outcomes.extend(self._perform_client(exchange, actions))
        return outcomes

    # --- from the transaction user ------------------------------------------------------------------------

    def request(self, request: Request, branch: str, flow: Flow, now: float) -> TransactionKey:
        """Opens a client transaction and sends the request, whose topmost Via has `branch`.

        Above the bound nothing is sent, and the timer tells of the failure. BYE and CANCEL get through up to twice
        of it: what ends calls is what makes room.
        """
        machine = INVITE_CLIENT if request.method == "INVITE" else NON_INVITE_CLIENT
        key = (branch, request.method)
        if len(self._clients) >= self._max_clients * (2 if request.method in _LAST_WORDS else 1):
            self.unopened += 1
            self._left_out.add(key)
            self._deadlines.set(key, now)
            return key
        exchange = _ClientExchange(
            key, Transaction(machine, self._timing, now, reliable=flow.reliable), request, flow
        )
        self._clients[key] = exchange
        self._deadlines.set(key, exchange.transaction.timer())
        self.send(exchange.data, flow)
        return key

    def sent_request(self, key: TransactionKey) -> tuple[Request, Flow] | None:
        """The request of a living client transaction, to cancel it."""
        exchange = self._clients.get(key)
        return (exchange.request, exchange.flow) if exchange else None

    def let_go(self, key: TransactionKey, now: float) -> None:
        """The final response to a request of ours is of no use any more, and need not come."""
        exchange = self._clients.get(key)
        if exchange is not None:
            exchange.transaction.let_go(now)
            self._settle(key, exchange.transaction)

    def abandon(self, key: TransactionKey) -> None:
        """Waits no longer for the final response to a request of ours."""
        if self._clients.pop(key, None) is not None or key in self._left_out:
            self._left_out.discard(key)
            self._deadlines.set(key, None)

    def knows(self, request: Request, essentials: Essentials) -> bool:
        """Whether a request belongs to a transaction there is: again, its ACK or its CANCEL."""
        method = "INVITE" if request.method in ("ACK", "CANCEL") else request.method
        return _server_key(request, essentials, method) in self._servers

    def has_server(self, key: TransactionKey) -> bool:
        return key in self._servers

    def response_of(self, key: TransactionKey) -> bytes:
        """What a server transaction answered last, b"" if nothing."""
        exchange = self._servers.get(key)
        return b"" if exchange is None else exchange.response

    def respond(self, key: TransactionKey, status: int, data: bytes, now: float) -> Flow:
        """Sends a response through its transaction and returns where to. NotFoundError if it is gone."""
        exchange = self._servers.get(key)
        if exchange is None:
            raise NotFoundError("the SIP transaction is over")
        actions = exchange.transaction.handle(_SENT[min(status // 100, 3)], now)
        exchange.response = data
        if status >= 200:
            exchange.request = None
        if status >= 300:
            self._forget_merge(exchange)  # a proxy may try its next target, which is here as well
        self._perform_server(exchange, actions)
        return exchange.flow

    # --- time and trouble ---------------------------------------------------------------------------------

    def timer(self) -> float | None:
        return self._deadlines.next()

    def handle_timer(self, now: float) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for key in self._deadlines.take_due(now):
            if server := self._servers.get(key):
                self._perform_server(server, server.transaction.handle_timer(now))
            elif client := self._clients.get(key):
                outcomes.extend(self._perform_client(client, client.transaction.handle_timer(now)))
            elif key in self._left_out:
                self._left_out.discard(key)
                outcomes += (TransactionFailed(key, NO_ROOM), TransactionEnded(key))
        return outcomes

    def fail_flow(self, flow: Flow, now: float) -> list[Outcome]:
        """Nothing can be sent to `flow`: our requests there fail (section 17.1.4).

        A response that cannot be sent changes nothing: the peer will ask again, maybe by another way.
        """
        outcomes: list[Outcome] = []
        for client in [client for client in self._clients.values() if client.flow == flow]:
            actions = client.transaction.handle(Event.TRANSPORT_ERROR, now)
            outcomes.extend(self._perform_client(client, actions))
        return outcomes

    def lose_connection(self, flow: Flow, now: float) -> list[Outcome]:
        """Requests of ours that nobody has answered may be lost with it: they go once more, by a new one.

        Over TCP nothing else would send them again. A peer that has them already knows them by their branch. Those
        whose second connection ends like the first have failed.
        """
        outcomes: list[Outcome] = []
        for client in [client for client in self._clients.values() if client.rides(flow)]:
            if client.transaction.state not in (State.CALLING, State.TRYING):
                continue
            if client.sent_again:
                actions = client.transaction.handle(Event.TRANSPORT_ERROR, now)
                outcomes.extend(self._perform_client(client, actions))
            else:
                client.sent_again = True
                self.send(client.data, client.flow)
        return outcomes

    def _perform_server(self, exchange: _ServerExchange, actions: tuple[Action, ...]) -> None:
        for action in actions:
            if action is Action.SEND_TRYING and exchange.request is not None:
                exchange.response = make_response(exchange.request, 100)
                self.send(exchange.response, exchange.flow)
            elif action is Action.SEND:
                self.send(exchange.response, exchange.flow)
        self._settle(exchange.key, exchange.transaction)
        if exchange.transaction.state is State.TERMINATED:
            del self._servers[exchange.key]
            self._forget_merge(exchange)
            self._leave_call(exchange.call_id)

    def _forget_merge(self, exchange: _ServerExchange) -> None:
        if exchange.merge_key is not None:
            self._merges.pop(exchange.merge_key, None)
            exchange.merge_key = None

    def _perform_client(self, exchange: _ClientExchange, actions: tuple[Action, ...]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for action in actions:
            if action is Action.SEND:
                self.send(exchange.data, exchange.flow)
            elif action is Action.SEND_ACK:
                self.send(exchange.ack, exchange.flow)
            elif action is Action.TIME_OUT:
                outcomes.append(TransactionFailed(exchange.key, 408))  # section 8.1.3.1
            elif action is Action.FAIL:
                outcomes.append(TransactionFailed(exchange.key, 503))
        self._settle(exchange.key, exchange.transaction)
        if exchange.transaction.state is State.TERMINATED:
            del self._clients[exchange.key]
            outcomes.append(TransactionEnded(exchange.key))
        return outcomes

    def _settle(self, key: TransactionKey, transaction: Transaction) -> None:
        over = transaction.state is State.TERMINATED
        self._deadlines.set(key, None if over else transaction.timer())


def invite_key(cancel: Request, essentials: Essentials) -> TransactionKey:
    """The INVITE transaction a CANCEL means: the same but for the method (section 9.2)."""
    return _server_key(cancel, essentials, "INVITE")


def _merge_key(request: Request, essentials: Essentials) -> TransactionKey:
    return (request.method, essentials.call_id, essentials.from_tag, str(essentials.cseq_number))


def _server_key(request: Request, essentials: Essentials, method: str) -> TransactionKey:
    """Section 17.2.3."""
    via = essentials.via
    if via.branch_is_unique:
        return (via.branch, via.host, str(via.port or DEFAULT_PORT), method)
    # RFC 2543 had no such branch. The To tag is left out: an ACK has one that its INVITE had not.
    return (
        "2543",
        request.uri,
        essentials.from_tag,
        essentials.call_id,
        str(essentials.cseq_number),
        via.host,
        via.branch,
        method,
    )


def make_ack(request: Request, response: Response) -> bytes:
    """The ACK of a final response that is not 2xx (section 17.1.1.3)."""
    headers = [("Via", request.first("Via")), ("From", request.first("From")), ("To", response.first("To"))]
    headers += [("Call-ID", request.first("Call-ID"))]
    headers += [("CSeq", f"{request.first('CSeq').split(' ')[0]} ACK"), ("Max-Forwards", "70")]
    headers += [(name, value) for name, value in request.headers if name in _ACK_COPIES]
    return serialize_message(Request(headers=tuple(headers), method="ACK", uri=request.uri))


def make_cancel(invite: Request, headers: Headers = ()) -> Request:
    """The CANCEL of an INVITE of ours: the same transaction, but for the method (section 9.1)."""
    kept = [(name, value) for name, value in invite.headers if name in _CANCEL_COPIES]
    number = invite.first("CSeq").partition(" ")[0]
    return Request(
        method="CANCEL",
        uri=invite.uri,
        headers=(*kept, ("CSeq", f"{number} CANCEL"), ("Max-Forwards", "70"), *headers),
    )
