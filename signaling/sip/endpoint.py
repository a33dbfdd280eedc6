"""The sockets and the timer around the SIP core: UDP and TCP on one port."""

import asyncio
import ipaddress
from collections.abc import Callable, Coroutine
from typing import Protocol

import structlog

from bridge.clock import Clock
from signaling.sip.admission import Admission
from signaling.sip.agent import UserAgent
from signaling.sip.datagram_port import DatagramPort
from signaling.sip.event import AgentEvent
from signaling.sip.flow import TCP, UDP, Flow
from signaling.sip.identity import LocalIdentity
from signaling.sip.message import SipParseError
from signaling.sip.settings import EndpointSettings
from signaling.sip.stream_connection import StreamConnection

CONNECT_TIMEOUT_S = 5.0
FIRST_MESSAGE_S = 32.0  # a connection that says nothing this long is closed; 64*T1
SWEEP_S = 10.0
MAX_STRANGERS = 16  # connections from outside the networks, open until their 403
BIND_ATTEMPTS = 10
MAX_WAITING = 64  # messages waiting for one connection or name; more are dropped
RESOLVED_FOR_S = 60.0
MAX_RESOLVED = 1024
GAUGES = frozenset({"sip_calls", "sip_transactions", "sip_connections"})

_log = structlog.get_logger("sip")

Destination = tuple[str, str, int]


class TaskOwner(Protocol):
    """Who runs the few tasks an endpoint needs to reach others: a TaskGroup, or the loop itself."""

    def create_task(self, coro: Coroutine[None, None, None], /) -> asyncio.Task[None]: ...


def _restore_nothing() -> None:
    """There are no calls of an earlier process."""


class SipEndpoint:
    """Opens the port, feeds the agent, sends what it says, and hands its events to `on_event`.

    After each command to `agent` the owner calls `flush`. `on_event` may command the agent; it need not flush.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        clock: Clock,
        token_hex: Callable[[int], str],
        on_event: Callable[[AgentEvent], None],
        user: str = "bridge",
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._token_hex = token_hex
        self._on_event = on_event
        self._user = user
        self._trunks = settings.agent.trunks
        self._admission = Admission(settings.messages_per_second, settings.message_burst)
        self._agent: UserAgent | None = None
        self._tasks: TaskOwner | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._datagrams: DatagramPort | None = None
        self._server: asyncio.Server | None = None
        self._connections: dict[int, StreamConnection] = {}
        self._by_address: dict[tuple[str, int], StreamConnection] = {}
        self._waiting: dict[Destination, list[tuple[bytes, Flow]]] = {}
        self._resolved: dict[str, tuple[str, float]] = {}
        self._serial = 0
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at = 0.0
        self._sweep: asyncio.TimerHandle | None = None
        self._flushing = False
        self.port = settings.port
        self.unsent = 0
        self.refused_connections = 0

    @property
    def agent(self) -> UserAgent:
        """Raises RuntimeError before `open`."""
        if self._agent is None:
            raise RuntimeError("the SIP endpoint is not open")
        return self._agent

    def now(self) -> float:
        return self._clock.now()

    async def open(self, tasks: TaskOwner, restore: Callable[[], None] = _restore_nothing) -> None:
        """Binds the port. Connections to others are opened by tasks in `tasks`. Raises OSError.

        `restore` is called when the agent is there and no message has reached it yet.
        """
        self._tasks = tasks
        settings = self._settings
        await self._bind()
        host = settings.advertised_address or settings.address
        identity = LocalIdentity(host, self.port, self._token_hex, self._user)
        self._agent = UserAgent(settings.agent, identity)
        restore()
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep_connections)
        self.flush()

    async def _bind(self) -> None:
        """A free UDP port may be taken for TCP: where any port will do, another one is tried."""
        for attempts_left in reversed(range(1 if self._settings.port else BIND_ATTEMPTS)):
            try:
                await self._bind_once()
                return
            except OSError:
                self.close()
                self.port = self._settings.port
                if not attempts_left:
                    raise

    async def _bind_once(self) -> None:
        settings, loop = self._settings, asyncio.get_running_loop()
        if UDP in settings.transports:
            self._datagrams = DatagramPort(settings.address, self.port, self._receive_datagram, self.flush)
            self.port = self._datagrams.port
        if TCP in settings.transports:
            self._server = await loop.create_server(self._make_connection, settings.address, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Closes all sockets at once; calls are not ended."""
        for handle in (self._timer, self._sweep):
            if handle is not None:
                handle.cancel()
        for task in self._running:
            task.cancel()
        if self._datagrams is not None:
            self._datagrams.close()
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections.values()):
            connection.abort()

    def flush(self) -> None:
        """Sends what the agent has to send, tells its events, and arms the timer."""
        if self._flushing:
            return  # an event's listener commands the agent: the loop below sees to it
        agent = self._agent
        if agent is None:
            return
        self._flushing = True
        try:
            while True:
                messages, events = agent.messages_to_send(), agent.events()
                if not messages and not events:
                    break
                for data, flow in messages:
                    self._send(data, flow)
                for event in events:
                    self._on_event(event)
        finally:
            self._flushing = False
        self._arm(agent.timer())

    def counters(self) -> dict[str, int]:
        """Metrics by name: what only grows ends in _total."""
        counts = {
            **self.agent.counters(),
            "sip_connections": len(self._connections),
            "sip_refused_connections": self.refused_connections,
            "sip_throttled": self._admission.throttled,
            "sip_unsent": self.unsent + (self._datagrams.dropped if self._datagrams else 0),
        }
        return {name if name in GAUGES else f"{name}_total": count for name, count in counts.items()}

    # --- in -----------------------------------------------------------------------------------------------

    def _receive_datagram(self, data: bytes, host: str, port: int) -> None:
        if self._agent is None:
            return  # while the other transport opens; whoever sent it sends it again
        if len(data) < 12 or not self._admission.takes(host, self._clock.now()):
            return  # a keep-alive (RFC 5626 section 3.5.2) or a flood
        self._receive(data, Flow(UDP, host, port))

    def _receive(self, data: bytes, flow: Flow) -> None:
        if self._is_known(flow.host):
            self.agent.receive_message(data, flow, self._clock.now())
        elif self._settings.stranger_treatment == "forbid":
            self.agent.refuse_stranger(data, flow)
        else:
            self.agent.strangers += 1

    def _is_known(self, host: str) -> bool:
        return self._trunks.of(host) is not None

    def _make_connection(self) -> StreamConnection:
        return StreamConnection(self)

    def connection_opened(self, connection: StreamConnection) -> None:
        silent = self._settings.stranger_treatment == "silence"
        full = len(self._connections) >= self._settings.max_connections
        stranger = not self._is_known(connection.host)
        if full or (stranger and (silent or self._strangers() >= MAX_STRANGERS)):
            self.refused_connections += 1
            connection.abort()
            return
        self._serial += 1
        connection.number = self._serial
        connection.opened_at = self._clock.now()
        self._connections[connection.number] = connection
        self._by_address[connection.host, connection.port] = connection

    def _strangers(self) -> int:
        hosts = (connection.host for connection in self._connections.values())
        return sum(not self._is_known(host) for host in hosts)

    def connection_closed(self, connection: StreamConnection) -> None:
        self._connections.pop(connection.number, None)
        if self._by_address.get((connection.host, connection.port)) is connection:
            del self._by_address[connection.host, connection.port]

    def receive_unframed(self, connection: StreamConnection, data: bytes, error: SipParseError) -> None:
        """A TCP message without an end: refused if it says to whom, and the last one of its connection."""
        flow = Flow(TCP, connection.host, connection.port, connection.number)
        if not self._is_known(connection.host):
            self.agent.refuse_stranger(data, flow)
        elif self._admission.takes(connection.host, self._clock.now()):
            self.agent.refuse_malformed(data, flow, error)
        self.flush()

    def receive_stream(self, connection: StreamConnection, messages: list[bytes]) -> None:
        now = self._clock.now()
        connection.active_at = now
        flow = Flow(TCP, connection.host, connection.port, connection.number)
        for message in messages:
            if self._admission.takes(connection.host, now):
                self._receive(message, flow)
        self.flush()
        if not self._is_known(connection.host):
            connection.close()  # it has its 403

    # --- out ----------------------------------------------------------------------------------------------

    def _send(self, data: bytes, flow: Flow) -> None:
        host = flow.host if _is_numeric(flow.host) else self._known_address(flow.host)
        if flow.transport == TCP:
            connection = self._connections.get(flow.connection) or self._by_address.get((host, flow.port))
            if connection is not None and connection.send(data):
                return
        elif host and self._datagrams is not None:
            self._send_datagram(data, host, flow)
            return
        self._wait(data, flow)

    def _send_datagram(self, data: bytes, host: str, flow: Flow) -> None:
        assert self._datagrams is not None
        try:
            self._datagrams.send(data, host, flow.port)
        except OSError as error:
            self._fail(flow, error)

    def _wait(self, data: bytes, flow: Flow) -> None:
        """Keeps a message until its name is resolved and its connection is up."""
        destination = (flow.transport, flow.host, flow.port)
        waiting = self._waiting.setdefault(destination, [])
        if len(waiting) >= MAX_WAITING:
            self.unsent += 1
            return
        waiting.append((data, flow))
        if len(waiting) == 1:
            self._spawn(destination)

    def _spawn(self, destination: Destination) -> None:
        if self._tasks is None:
            raise RuntimeError("the SIP endpoint is not open")
        task = self._tasks.create_task(self._reach(destination))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _reach(self, destination: Destination) -> None:
        transport, name, port = destination
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                host = await self._resolve(name, port)
                if transport == TCP:
                    await asyncio.get_running_loop().create_connection(self._make_connection, host, port)
                elif self._datagrams is None:
                    raise OSError(f"SIP over {transport} is not open")
        except (OSError, TimeoutError) as error:
            for _, flow in self._waiting.pop(destination):
                self._fail(flow, error)
        else:
            for data, flow in self._waiting.pop(destination):
                self._send_reached(data, flow, host)
        self.flush()

    def _send_reached(self, data: bytes, flow: Flow, host: str) -> None:
        if flow.transport == UDP:
            self._send_datagram(data, host, flow)
            return
        connection = self._by_address.get((host, flow.port))
        if connection is None or not connection.send(data):
            self._fail(flow, ConnectionResetError("closed at once"))

    async def _resolve(self, name: str, port: int) -> str:
        if _is_numeric(name):
            return name
        found = await asyncio.get_running_loop().getaddrinfo(name, port)
        version = ipaddress.ip_address(self._settings.address).version
        for address in (str(entry[4][0]) for entry in found):
            if ipaddress.ip_address(address).version == version:
                if len(self._resolved) >= MAX_RESOLVED:
                    self._resolved.clear()
                self._resolved[name] = (address, self._clock.now() + RESOLVED_FOR_S)
                return address
        raise OSError(f"{name} has no IPv{version} address")

    def _known_address(self, name: str) -> str:
        address, until = self._resolved.get(name, ("", 0.0))
        return address if until > self._clock.now() else ""

    def _fail(self, flow: Flow, error: Exception) -> None:
        self.unsent += 1
        _log.info("x unreachable", transport=flow.transport, host=flow.host, port=flow.port, error=str(error))
        self.agent.fail_flow(flow, self._clock.now())

    # --- time ---------------------------------------------------------------------------------------------

    def _arm(self, at: float | None) -> None:
        """One timer. One that fires too early is cheaper than one re-armed at every message."""
        if at is None or (self._timer is not None and self._armed_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_at = at
        delay = max(0.0, at - self._clock.now())
        self._timer = asyncio.get_running_loop().call_later(delay, self._handle_timer)

    def _handle_timer(self) -> None:
        self._timer = None
        self.agent.handle_timer(self._clock.now())
        self.flush()

    def _sweep_connections(self) -> None:
        now = self._clock.now()
        for connection in list(self._connections.values()):
            if connection.active_at is None:
                limit = connection.opened_at + FIRST_MESSAGE_S
            else:
                limit = connection.active_at + self._settings.connection_idle_s
            if now > limit:
                connection.abort()
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep_connections)


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
