"""The control plane's end of the media plane: sends commands to a worker and takes in its events.

The worker runs in a process of its own, so that signalling never delays a tick; frames on the socketpair are
a 4-byte length and one msgpack message. `InlinePlane` runs the same worker in this process for tests, through
the same encoding.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog

from bridge.errors import (
    BridgeError,
    CapacityError,
    NegotiationError,
    NotFoundError,
    PlaneLostError,
    SettingsError,
)
from bridge.plane import messages
from bridge.plane.frames import FrameReader, FrameWriter
from bridge.plane.worker_process import WorkerProcess

log = structlog.get_logger()

MAX_PENDING_REQUESTS = 4096
SILENCE_S = 10.0  # it sends statistics every second, also when it is overloaded
_COMMAND = msgspec.msgpack.Encoder()
_EVENT: msgspec.msgpack.Decoder[messages.Event] = msgspec.msgpack.Decoder(messages.Event)
_ERRORS: dict[str, type[BridgeError]] = {
    error.code: error for error in (CapacityError, NegotiationError, NotFoundError)
}


class Requests:
    """Commands waiting for their answering event. Bounded: a worker that stops answering counts as lost."""

    def __init__(self) -> None:
        self._pending: dict[int, asyncio.Future[messages.Reply]] = {}
        self._next_id = 0

    def open(self) -> tuple[int, asyncio.Future[messages.Reply]]:
        if len(self._pending) >= MAX_PENDING_REQUESTS:
            raise PlaneLostError(f"the media worker leaves {MAX_PENDING_REQUESTS} commands unanswered")
        self._next_id += 1
        future: asyncio.Future[messages.Reply] = asyncio.get_running_loop().create_future()
        self._pending[self._next_id] = future
        return self._next_id, future

    def close(self, request_id: int) -> None:
        self._pending.pop(request_id, None)

    def settle(self, event: messages.Event) -> bool:
        """True if `event` answers a command."""
        request_id = getattr(event, "request_id", None)
        if request_id is None:
            return False
        future = self._pending.pop(request_id, None)
        if future is None or future.done():
            return True
        if isinstance(event, messages.CommandRefused):
            future.set_exception(_ERRORS.get(event.code, BridgeError)(event.reason))
        elif isinstance(event, messages.Reply):
            future.set_result(event)
        return True

    def fail_all(self, error: BridgeError) -> None:
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                future.set_exception(error)


class RunsCommands(Protocol):
    """What `InlinePlane` needs of a worker."""

    def execute(self, command: messages.Command) -> None: ...

    def close(self) -> None: ...


class InlinePlane:
    """A worker in this process, for tests. Messages still go through encode and decode."""

    def __init__(self, on_event: Callable[[messages.Event], None]) -> None:
        self._on_event = on_event
        self._requests = Requests()
        self._worker: RunsCommands | None = None
        self._decoder: msgspec.msgpack.Decoder[messages.Command] = msgspec.msgpack.Decoder(messages.Command)

    def attach(self, worker: RunsCommands) -> None:
        self._worker = worker

    def take_event(self, event: messages.Event) -> None:
        """Handed to the worker as its `emit`."""
        decoded = _EVENT.decode(_COMMAND.encode(event))
        if not self._requests.settle(decoded):
            self._on_event(decoded)

    async def request(self, command: messages.Command) -> messages.Reply:
        if self._worker is None:
            raise PlaneLostError("no media worker is attached")
        request_id, answer = self._requests.open()
        numbered = msgspec.structs.replace(command, request_id=request_id)
        try:
            self._worker.execute(self._decoder.decode(_COMMAND.encode(numbered)))
            return await answer
        finally:
            self._requests.close(request_id)

    async def aclose(self) -> None:
        if self._worker is not None:
            self._worker.close()
        self._requests.fail_all(PlaneLostError("the media worker was closed"))


class ProcessPlane:
    """A worker in its own process. `on_lost` is called once if it dies without being asked to."""

    def __init__(
        self,
        config: messages.WorkerConfig,
        on_event: Callable[[messages.Event], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._config = config
        self._on_event = on_event
        self._on_lost = on_lost
        self._requests = Requests()
        self._process: WorkerProcess | None = None
        self._frames: FrameWriter | None = None
        self._events: FrameReader | None = None
        self._closing = False

    async def start(self, timeout_s: float, process: WorkerProcess | None = None) -> messages.WorkerReady:
        """Starts the process, if it was not before, and waits for its `WorkerReady`.

        Raises `SettingsError` if the worker cannot work with its settings, `PlaneLostError` if it says nothing.
        """
        self._process = process or WorkerProcess()
        reader, writer = await asyncio.open_connection(sock=self._process.connection)
        self._events = FrameReader(reader)
        self._frames = FrameWriter(writer)
        self._frames.write(_COMMAND.encode(self._config))
        try:
            async with asyncio.timeout(timeout_s):
                first = await self._events.read_one()
        except TimeoutError:
            first = None
        event = _EVENT.decode(first) if first is not None else None
        if not isinstance(event, messages.WorkerReady):
            await self.aclose()
            if isinstance(event, messages.CommandRefused):
                raise SettingsError(event.reason)
            raise PlaneLostError("the media worker did not start; its own log lines say why")
        return event

    async def run(self) -> None:
        """Takes in events until the worker ends."""
        if self._events is None:
            raise PlaneLostError("the media worker was not started")
        while (frames := await self._next_frames(self._events)) is not None:
            for event in map(_EVENT.decode, frames):
                if not self._requests.settle(event):
                    self._on_event(event)
        reason = "the media worker ended"
        if self._frames is not None:
            self._frames.close()  # nobody would answer any more
        self._requests.fail_all(PlaneLostError(reason))
        if not self._closing:
            log.error("! media worker lost", pid=self._process.pid if self._process else None)
            self._on_lost(reason)

    async def _next_frames(self, reader: FrameReader) -> list[bytes] | None:
        """None when the worker is gone, or hangs: one that says nothing for so long is killed.

        In two halves: where we slept ourselves the first is over at once, and what came meanwhile is still to be read.
        """
        for _ in range(2):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SILENCE_S / 2):
                    return await reader.read()
        log.error("! media worker silent", pid=self._process.pid if self._process else None)
        if self._process is not None:
            self._process.kill()
        return None

    async def request(self, command: messages.Command) -> messages.Reply:
        """Sends a command with a request id of its own and waits for the answer.

        Raises the error the worker named, or `PlaneLostError`.
        """
        if self._frames is None or self._frames.is_closing():
            raise PlaneLostError("the media worker is not running")
        request_id, answer = self._requests.open()
        try:
            self._frames.write(_COMMAND.encode(msgspec.structs.replace(command, request_id=request_id)))
            return await answer
        finally:
            self._requests.close(request_id)

    async def aclose(self) -> None:
        """Ends the worker: it stops when its socket closes, and is killed if it does not."""
        self._closing = True
        if self._frames is not None:
            self._frames.close()
        self._requests.fail_all(PlaneLostError("the media worker was closed"))
        if self._process is not None:
            await self._process.ended()
