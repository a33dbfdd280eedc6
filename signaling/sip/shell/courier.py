"""Carries messages to where they go: opens the connection, and keeps what waits for it."""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from signaling.sip.shell.datagram_port import DatagramPort
from signaling.sip.shell.locator import Locator, TaskOwner
from signaling.sip.shell.stream_ports import StreamPorts
from signaling.sip.wire.flow import UDP, Flow, Lookup, is_numeric

CONNECT_TIMEOUT_S = 5.0
MAX_WAITING = 64  # messages waiting for one connection or name; more are dropped

_log = structlog.get_logger("sip")


class Courier:
    """`send` never raises and never waits; `on_failure` is told of each flow that could not be reached."""

    def __init__(self, streams: StreamPorts, locator: Locator, on_failure: Callable[[Flow], None]) -> None:
        self._streams = streams
        self._locator = locator
        self._on_failure = on_failure
        self._datagrams: DatagramPort | None = None
        self._tasks: TaskOwner | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._waiting: dict[Flow, list[tuple[bytes, Flow]]] = {}
        self.unsent = 0

    def open(self, tasks: TaskOwner, datagrams: DatagramPort | None) -> None:
        self._tasks = tasks
        self._datagrams = datagrams

    def close(self) -> None:
        for task in self._running:
            task.cancel()

    def send(self, data: bytes, flow: Flow) -> None:
        if not self._send_to(data, flow):
            self._wait(data, flow)

    def _send_to(self, data: bytes, flow: Flow) -> bool:
        """False if there is no way there yet."""
        if flow.transport != UDP:
            return self._streams.send(data, flow)
        if self._datagrams is None or not is_numeric(flow.host):
            return False
        try:
            self._datagrams.send(data, flow.host, flow.port)
        except OSError as error:
            self._fail(flow, error)
        return True

    def _wait(self, data: bytes, flow: Flow) -> None:
        destination = msgspec.structs.replace(flow, connection=0)
        waiting = self._waiting.setdefault(destination, [])
        if len(waiting) >= MAX_WAITING:
            self.unsent += 1
            return
        waiting.append((data, flow))
        if len(waiting) == 1:
            self._spawn(destination)

    def _spawn(self, destination: Flow) -> None:
        if self._tasks is None:
            raise RuntimeError("the SIP endpoint is not open")
        task = self._tasks.create_task(self._reach(destination))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _reach(self, destination: Flow) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                way = await self._locate(destination)
                await self._open_way(way)
        except (OSError, TimeoutError) as error:
            for _, flow in self._waiting.pop(destination):
                self._fail(flow, error)
        else:
            for data, flow in self._waiting.pop(destination):
                if not self._send_to(data, way):
                    self._fail(flow, ConnectionResetError("closed at once"))

    async def _open_way(self, flow: Flow) -> None:
        if flow.transport != UDP:
            await self._streams.connect(flow)
        elif self._datagrams is None:
            raise OSError("SIP over udp is not open")

    async def _locate(self, flow: Flow) -> Flow:
        """Requests were located before they came here; this is for a name behind a connection that is gone."""
        if is_numeric(flow.host):
            return flow
        lookup = Lookup.SERVICE if flow.lookup is Lookup.ANY else flow.lookup  # its Via is written already
        location = await self._locator.locate(msgspec.structs.replace(flow, lookup=lookup))
        if not location.ways:
            raise OSError(location.reason)
        return location.ways[0]

    def _fail(self, flow: Flow, error: Exception) -> None:
        self.unsent += 1
        _log.info("x unreachable", transport=flow.transport, host=flow.host, port=flow.port, error=str(error))
        self._on_failure(flow)
