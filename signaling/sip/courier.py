"""Carries messages to where they go: finds the address, opens the connection, keeps what waits for either."""

import asyncio
import ipaddress
from collections.abc import Callable, Coroutine
from typing import Protocol

import structlog

from bridge.clock import Clock
from signaling.sip.datagram_port import DatagramPort
from signaling.sip.flow import UDP, Flow
from signaling.sip.settings import EndpointSettings
from signaling.sip.stream_ports import StreamPorts

CONNECT_TIMEOUT_S = 5.0
MAX_WAITING = 64  # messages waiting for one connection or name; more are dropped
RESOLVED_FOR_S = 60.0
MAX_RESOLVED = 1024

_log = structlog.get_logger("sip")


class TaskOwner(Protocol):
    """Who runs the few tasks an endpoint needs to reach others: a TaskGroup, or the loop itself."""

    def create_task(self, coro: Coroutine[None, None, None], /) -> asyncio.Task[None]: ...


class Courier:
    """`send` never raises and never waits; `on_failure` is told of each flow that could not be reached."""

    def __init__(
        self,
        settings: EndpointSettings,
        clock: Clock,
        streams: StreamPorts,
        on_failure: Callable[[Flow], None],
    ) -> None:
        self._version = ipaddress.ip_address(settings.address).version
        self._trunks = settings.agent.trunks
        self._clock = clock
        self._streams = streams
        self._on_failure = on_failure
        self._datagrams: DatagramPort | None = None
        self._tasks: TaskOwner | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._waiting: dict[Flow, list[tuple[bytes, Flow]]] = {}
        self._resolved: dict[str, tuple[str, float]] = {}
        self.unsent = 0

    def open(self, tasks: TaskOwner, datagrams: DatagramPort | None) -> None:
        self._tasks = tasks
        self._datagrams = datagrams

    def close(self) -> None:
        for task in self._running:
            task.cancel()

    def send(self, data: bytes, flow: Flow) -> None:
        host = flow.host if _is_numeric(flow.host) else self._known_address(flow.host)
        if not host or not self._send_to(data, _at(flow, host)):
            self._wait(data, flow)

    def _send_to(self, data: bytes, flow: Flow) -> bool:
        """False if there is no way to the numeric address yet."""
        if flow.transport != UDP:
            return self._streams.send(data, flow)
        if self._datagrams is None:
            return False
        try:
            self._datagrams.send(data, flow.host, flow.port)
        except OSError as error:
            self._fail(flow, error)
        return True

    def _wait(self, data: bytes, flow: Flow) -> None:
        destination = Flow(flow.transport, flow.host, flow.port, name=flow.name)
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
                host = await self._resolve(destination.host, destination.port)
                await self._open_way(_at(destination, host))
        except (OSError, TimeoutError) as error:
            for _, flow in self._waiting.pop(destination):
                self._fail(flow, error)
        else:
            for data, flow in self._waiting.pop(destination):
                if not self._send_to(data, _at(flow, host)):
                    self._fail(flow, ConnectionResetError("closed at once"))

    async def _open_way(self, flow: Flow) -> None:
        if flow.transport != UDP:
            await self._streams.connect(flow)
        elif self._datagrams is None:
            raise OSError("SIP over udp is not open")

    async def _resolve(self, name: str, port: int) -> str:
        if _is_numeric(name):
            return name
        found = await asyncio.get_running_loop().getaddrinfo(name, port)
        for address in (str(entry[4][0]) for entry in found):
            if ipaddress.ip_address(address).version == self._version:
                if len(self._resolved) >= MAX_RESOLVED:
                    self._resolved.clear()
                self._trunks.learn(name, address)
                self._resolved[name] = (address, self._clock.now() + RESOLVED_FOR_S)
                return address
        raise OSError(f"{name} has no IPv{self._version} address")

    def _known_address(self, name: str) -> str:
        address, until = self._resolved.get(name, ("", 0.0))
        return address if until > self._clock.now() else ""

    def _fail(self, flow: Flow, error: Exception) -> None:
        self.unsent += 1
        _log.info("x unreachable", transport=flow.transport, host=flow.host, port=flow.port, error=str(error))
        self._on_failure(flow)


def _at(flow: Flow, host: str) -> Flow:
    """The same flow to the address of its name, which over TLS must be shown to be this name's."""
    if host == flow.host:
        return flow
    return Flow(flow.transport, host, flow.port, flow.connection, flow.name or flow.host)


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
