"""The TCP and TLS ports of the SIP door, and the connections through them, both ways."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import structlog

from bridge.clock import Clock
from signaling.sip.shell.keep_alive import KeepAliveAction
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.shell.stream_connection import StreamConnection
from signaling.sip.shell.tls_context import TlsContexts
from signaling.sip.shell.tls_stream import TlsStream
from signaling.sip.wire.flow import TLS, Flow
from signaling.sip.wire.message import SipParseError

FIRST_MESSAGE_S = 32.0  # a connection that says nothing this long is closed; 64*T1
SWEEP_S = 10.0  # RFC 5626 section 4.4.1: who does not answer a ping within 10 s is gone
MAX_STRANGERS = 16  # connections from outside the networks, open until their 403
MAX_STRANGERS_PER_HOST = 2
MAX_GUESTS_PER_HOST = 16  # the same where calls may come from anywhere; they are half of all at most
MAX_HANDSHAKES = 100  # connections from others whose TLS is not up yet
MAX_HANDSHAKES_PER_HOST = 50

_log = structlog.get_logger("sip")


class StreamReceiver(Protocol):
    """Who is told what came."""

    def receive_stream(self, connection: StreamConnection, messages: list[bytes]) -> None: ...

    def receive_unframed(self, connection: StreamConnection, data: bytes, error: SipParseError) -> None: ...

    def connection_lost(self, flow: Flow) -> None:
        """It had been up. Not told of those that `close` ends."""
        ...


class Crowd:
    """Connections of one kind, bounded in total and per host."""

    __slots__ = ("_inside", "_most", "_most_per_host", "_per_host")

    def __init__(self, most: int, most_per_host: int) -> None:
        self._most = most
        self._most_per_host = most_per_host
        self._inside: dict[int, str] = {}
        self._per_host: Counter[str] = Counter()

    def is_full(self, host: str) -> bool:
        return len(self._inside) >= self._most or self._per_host[host] >= self._most_per_host

    def enter(self, connection: StreamConnection) -> None:
        self._inside[connection.number] = connection.host
        self._per_host[connection.host] += 1

    def leave(self, connection: StreamConnection) -> None:
        """Twice is fine, and so is one that never entered."""
        host = self._inside.pop(connection.number, None)
        if host is None:
            return
        self._per_host[host] -= 1
        if not self._per_host[host]:
            del self._per_host[host]


class StreamPorts:
    """Opens, finds, keeps alive and bounds connections."""

    def __init__(self, settings: EndpointSettings, clock: Clock, receiver: StreamReceiver) -> None:
        self._settings = settings
        self._clock = clock
        self._receiver = receiver
        self._trunks = settings.agent.trunks
        self._servers: list[asyncio.Server] = []
        self._connections: dict[int, StreamConnection] = {}
        self._by_address: dict[tuple[str, str, int, str], StreamConnection] = {}
        self._strangers = Crowd(MAX_STRANGERS, MAX_STRANGERS_PER_HOST)
        if self._trunks.welcome_strangers:
            self._strangers = Crowd(settings.max_connections // 2, MAX_GUESTS_PER_HOST)
        self._handshakes = Crowd(MAX_HANDSHAKES, MAX_HANDSHAKES_PER_HOST)
        self._dialed: dict[StreamConnection, asyncio.Future[None]] = {}
        self._serial = 0
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False
        self.refused = 0
        self.failed_handshakes = 0

    def __len__(self) -> int:
        return len(self._connections)

    # --- ports --------------------------------------------------------------------------------------------

    async def listen(self, address: str, port: int) -> int:
        """TCP. Returns the port. Raises OSError."""
        return await self._listen(lambda: StreamConnection(self), address, port)

    async def listen_securely(self, contexts: TlsContexts, address: str, port: int) -> int:
        """TLS. Returns the port. Raises OSError."""

        def accept() -> StreamConnection:
            return StreamConnection(self, TlsStream(contexts.server, None))

        return await self._listen(accept, address, port)

    async def _listen(self, accept: Callable[[], StreamConnection], address: str, port: int) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(accept, address, port)
        self._closed = False  # where another port was tried before
        self._servers.append(server)
        if self._sweep is None:
            self._sweep = loop.call_later(SWEEP_S, self._sweep_connections)
        return int(server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """At once."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for server in self._servers:
            server.close()
        self._servers.clear()
        for connection in list(self._connections.values()):
            connection.abort()

    # --- out ----------------------------------------------------------------------------------------------

    def send(self, data: bytes, flow: Flow) -> bool:
        """Over the connection the flow names, else over one to its address. False if there is none."""
        connection = self._connections.get(flow.connection)
        if connection is not None and connection.transport == flow.transport and connection.send(data):
            return True
        connection = self._by_address.get((flow.transport, flow.host, flow.port, self._name_at(flow)))
        return connection is not None and connection.send(data)

    async def connect(self, flow: Flow) -> None:
        """Opens a connection to a numeric address and returns when it can carry messages. Raises OSError."""
        loop = asyncio.get_running_loop()
        connection = StreamConnection(self)
        if flow.transport == TLS:
            contexts = self._settings.tls
            if contexts is None:
                raise OSError("SIP over tls is not open")
            name = self._name_at(flow)
            connection = StreamConnection(self, TlsStream(contexts.client, name), name)
        connection.is_ours = True
        done = self._dialed[connection] = loop.create_future()
        try:
            await loop.create_connection(lambda: connection, flow.host, flow.port)
            await done
        finally:
            self._dialed.pop(connection, None)
            if not connection.secured:
                connection.abort()

    # --- what connections tell ----------------------------------------------------------------------------

    def connection_opened(self, connection: StreamConnection) -> bool:
        if connection not in self._dialed and not self._admits(connection):
            self.refused += 1
            return False
        self._serial += 1
        connection.number = self._serial
        connection.opened_at = self._clock.now()
        self._connections[connection.number] = connection
        if self._is_stranger(connection.host):
            self._strangers.enter(connection)
        if connection.secured:
            self.connection_secured(connection)
        elif connection not in self._dialed:
            self._handshakes.enter(connection)
        return True

    def connection_secured(self, connection: StreamConnection) -> None:
        self._handshakes.leave(connection)
        self._by_address[_key(connection)] = connection
        done = self._dialed.get(connection)
        if done is not None and not done.done():
            done.set_result(None)

    def connection_failed(self, connection: StreamConnection, reason: str) -> None:
        self.failed_handshakes += 1
        _log.info("x handshake", host=connection.host, port=connection.port, reason=reason)
        self._give_up(connection, ConnectionError(f"TLS: {reason}"))

    def connection_closed(self, connection: StreamConnection) -> None:
        self._give_up(connection, ConnectionResetError("closed at once"))
        if self._connections.pop(connection.number, None) is None:
            return
        self._handshakes.leave(connection)
        self._strangers.leave(connection)
        if self._by_address.get(_key(connection)) is connection:
            del self._by_address[_key(connection)]
        if connection.secured and not self._closed:
            self._receiver.connection_lost(connection.flow)

    def receive_stream(self, connection: StreamConnection, messages: list[bytes]) -> None:
        connection.active_at = self._clock.now()
        self._receiver.receive_stream(connection, messages)

    def receive_unframed(self, connection: StreamConnection, data: bytes, error: SipParseError) -> None:
        self._receiver.receive_unframed(connection, data, error)

    # --- inside -------------------------------------------------------------------------------------------

    def _name_at(self, flow: Flow) -> str:
        """Who must be at the other end; only TLS can tell. Where a trunk is found by its domain that is the domain
        (RFC 5922 section 4), whatever address its Contact and Via have."""
        if flow.transport != TLS:
            return ""
        return flow.name or self._trunks.name_of(flow.host) or flow.host

    def _admits(self, connection: StreamConnection) -> bool:
        host = connection.host
        if len(self._connections) >= self._settings.max_connections:
            return False
        if not connection.secured and self._handshakes.is_full(host):
            return False
        if not self._is_stranger(host):
            return True
        if self._settings.stranger_treatment == "silence" and not self._trunks.welcome_strangers:
            return False
        return not self._strangers.is_full(host)

    def _is_stranger(self, host: str) -> bool:
        return self._trunks.of(host) is None

    def _give_up(self, connection: StreamConnection, error: OSError) -> None:
        done = self._dialed.get(connection)
        if done is not None and not done.done():
            done.set_exception(error)

    def _sweep_connections(self) -> None:
        now = self._clock.now()
        for connection in list(self._connections.values()):
            if connection.active_at is None:
                limit = connection.opened_at + FIRST_MESSAGE_S
            elif connection.take_pinged():
                connection.active_at = limit = now
            else:
                limit = connection.active_at + self._settings.connection_idle_s
            if now > limit or not _is_alive(connection, now):
                connection.abort()
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep_connections)


def _is_alive(connection: StreamConnection, now: float) -> bool:
    """Whoever opened a connection asks, and the other one answers (RFC 5626 section 4.4)."""
    return not connection.is_ours or connection.keep_alive(now) is not KeepAliveAction.GIVE_UP


def _key(connection: StreamConnection) -> tuple[str, str, int, str]:
    return (connection.transport, connection.host, connection.port, connection.name)
