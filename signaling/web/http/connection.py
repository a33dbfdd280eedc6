"""The bounds uvicorn does not have: how many connections, how long a request takes, how much is unsent."""

import asyncio
from collections.abc import Callable

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

Count = Callable[[str], None]

CONNECTIONS_MAX = 2500  # above the desktops and strangers that app.py takes; the rest are pages and probes
REQUEST_S = 10.0  # from the first byte to the empty line; a page on a slow link needs one round trip
UNSENT_MAX_BYTES = 1 << 20  # pongs a peer may leave unread; a message queue of its own bounds the rest


def bounded_http(count: Count) -> type[asyncio.Protocol]:
    """The class for uvicorn's connections. `count` is told: excess, slow_request, bad_request."""
    return type("CountedHttp", (BoundedHttp,), {"count": staticmethod(count)})


def bounded_websocket(count: Count) -> type[asyncio.Protocol]:
    """The class for uvicorn's websockets. `count` is told: unread_pongs, silent, malformed, handshake."""
    return type("CountedWebsocket", (BoundedWebsocket,), {"count": staticmethod(count)})


class BoundedHttp(H11Protocol):
    """A connection beyond the bound is closed at once, and one whose next request does not come in time."""

    _deadline: asyncio.TimerHandle | None = None

    @staticmethod
    def count(kind: str) -> None:
        """`bounded_http` puts the counter here."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            self.count("excess")
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_watch()

    def send_400_response(self, msg: str) -> None:
        self.count("bad_request")
        if self._is_answering:
            self.cycle.disconnected = True  # the application's answer would be a second one
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def _watch(self) -> None:
        """A request that is being answered has no deadline, nor has a connection that became a websocket."""
        upgraded = self.transport.get_protocol() is not self
        if upgraded or self.transport.is_closing() or self._is_answering:
            self._stop_watch()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_S, self._give_up)

    @property
    def _is_answering(self) -> bool:
        # uvicorn declares the cycle as always there; it is None before the first request.
        return bool(self.cycle) and not self.cycle.response_complete

    def _stop_watch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self.count("slow_request")
        self.transport.abort()


class BoundedWebsocket(WebSocketsSansIOProtocol):
    """A peer that pings and never reads is cut off; nonsense is counted instead of logged with a traceback."""

    @staticmethod
    def count(kind: str) -> None:
        """`bounded_websocket` puts the counter here."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        unread = self.conn.handshake_exc is not None and not self.handshake_initiated
        if unread and not self.transport.is_closing():
            # The websocket library has its refusal ready (431), and uvicorn would hold the connection for ever.
            self.count("handshake")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_ping(self) -> None:
        super().handle_ping()
        # A ping is answered without the application, so nothing else stops who never reads the answers.
        if self.transport.get_write_buffer_size() > UNSENT_MAX_BYTES:
            self.count("unread_pongs")
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        # Half-open: a laptop that was shut, a mobile network that changed. What is unsent ends with TCP_USER_TIMEOUT.
        self.count("silent")
        super().keepalive_timeout()

    def send_receive_event_to_app(self) -> None:
        data = b"".join(self.frames)
        if self.curr_msg_data_type == "text" and not _is_utf8(data):
            self.frames = []
            self.conn.send_close(1007)  # RFC 6455 section 8.1
            self.handle_parser_exception()
            return
        self.frames = [data]
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is None:
            # A handshake that HTTP let pass and the websocket library does not: there is nothing to close yet.
            self.count("handshake")
            self.transport.close()
            return
        self.count("malformed")
        super().handle_parser_exception()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
