"""The shell around one websocket: reads, carries out, writes; a `Session` decides."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from bridge.clock import Clock
from bridge.desk.interaction.participant import ParticipantConflictError
from bridge.errors import BridgeError
from bridge.switchboard.door.doors import Audience
from bridge.switchboard.door.principal import Principal
from bridge.switchboard.switchboard import Switchboard
from signaling.web.access.auth import Verifier
from signaling.web.command.dispatch import Dispatch
from signaling.web.http.metrics import Metrics
from signaling.web.protocol import messages
from signaling.web.protocol.reply import CompanionJoined
from signaling.web.session import Session, State

if TYPE_CHECKING:
    from signaling.web.command.dispatch import Dispatched

# A peer whose TCP window stays shut this long is gone or stuck. The socket's send buffer and the
# session's queue (4 MB) bound what it can hold meanwhile.
SEND_TIMEOUT_S = 10.0

log = structlog.get_logger()


class InternalError(BridgeError):
    """A mistake of ours; the log has the rest."""


class Socket:
    """Runs the conversation of one accepted websocket to its end."""

    __slots__ = (
        "_clock",
        "_dispatch",
        "_log",
        "_metrics",
        "_reader",
        "_receiving",
        "_switchboard",
        "_verifier",
        "_wake",
        "_websocket",
        "session",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - one of each part
        self,
        websocket: WebSocket,
        session: Session,
        switchboard: Switchboard,
        dispatch: Dispatch,
        verifier: Verifier,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self.session = session
        self._websocket = websocket
        self._switchboard = switchboard
        self._verifier = verifier
        self._dispatch = dispatch
        self._clock = clock
        self._metrics = metrics
        self._wake = asyncio.Event()
        self._receiving = False
        self._reader: asyncio.Task[None] | None = None
        self._log = log.bind(connection=session.connection_id)

    def may_see(self, audience: Audience) -> bool:
        """Whether events for `audience` are for this connection."""
        identity = self.session.identity
        if identity is None:
            return False
        return audience.includes(identity.user_id, self.session.connection_id, identity.scopes)

    def push(self, text: str) -> None:
        """Queues an event. Never blocks."""
        self.session.push(text)
        self._wake.set()

    def judge(self) -> None:
        self.session.judge()
        self._wake.set()

    def shut(self, code: int, reason: str) -> None:
        self.session.shut(code, reason)
        self._wake.set()

    async def run(self, bearer: str) -> None:
        """Returns when the connection is over and the switchboard knows it."""
        if bearer:
            await self._verifier.prepare(bearer)
            self.session.receive_authorization(bearer, self._clock.now(), self._clock.wall())
            self._wake.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._reader = tasks.create_task(self._read())
                tasks.create_task(self._write())
        finally:
            self.session.disconnected()
            await self._farewell()

    async def _farewell(self) -> None:
        principal = self.session.principal
        if principal is None:
            return
        try:
            await self._switchboard.desktops.closed(principal)
        except BridgeError as error:
            self._log.warning("x connection closed", code=error.code, reason=error.reason)
        except Exception:
            self._log.exception("! connection closed")

    async def _read(self) -> None:
        """Ends with the connection. The next message is read when this one is done: that is the backpressure."""
        while self.session.state is not State.CLOSED:
            self._receiving = True
            message = await self._websocket.receive()
            self._receiving = False
            if message["type"] == "websocket.disconnect":
                self.session.disconnected()
            elif (text := message.get("text")) is not None:
                await self._receive(text)
            else:
                self.session.receive_binary()
            self._wake.set()

    async def _receive(self, text: str) -> None:
        self._metrics.messages_received.inc()
        command = self.session.receive_text(text, self._clock.now(), self._clock.wall())
        if isinstance(command, messages.Authenticate):
            await self._verifier.prepare(command.token)
            self.session.authenticate(command, self._clock.now(), self._clock.wall())
            return
        if isinstance(command, messages.JoinCompanion):
            await self._join(command)
            return
        principal = self.session.principal
        if command is None or principal is None or isinstance(command, messages.Ping):
            return  # answered by the session
        await self._carry_out(principal, command)

    async def _join(self, command: messages.JoinCompanion) -> None:
        """A customer's browser has no user's token but a link's, and a secret of its own."""
        try:
            ticket = self._verifier.verify_companion(command.token)
            await self._switchboard.companions.join_companion(ticket, command.secret)
        except BridgeError as error:
            self.session.refuse(command.id, error)
            self._log.debug("x companion", code=error.code, reason=error.reason)
            return
        identity = self.session.admit_guest(ticket, self._clock.now(), self._clock.wall())
        self.session.reply(
            command.id,
            CompanionJoined(
                interaction_id=ticket.interaction_id,
                participant_id=ticket.participant_id,
                connection_id=self.session.connection_id,
                expires_at=datetime.fromtimestamp(identity.expires_at, UTC),
            ),
        )

    async def _carry_out(self, principal: Principal, command: "Dispatched") -> None:
        started = self._clock.now()
        outcome = "ok"
        try:
            result = await self._dispatch.carry_out(principal, command)
            self.session.reply(command.id, result)
        except BridgeError as error:
            outcome = error.code
            in_the_way = error.participant if isinstance(error, ParticipantConflictError) else None
            self.session.refuse(command.id, error, in_the_way.participant_id if in_the_way else None)
            self._log.debug("x command", command=command.command, code=error.code, reason=error.reason)
        except Exception:
            # Our own mistake ends one command, not the agent's desktop and the call in it.
            outcome = InternalError.code
            self._log.exception("! command", command=command.command)
            self.session.refuse(command.id, InternalError("the bridge failed; its log says where"))
        self._metrics.command_done(command.command, outcome, self._clock.now() - started)

    async def _write(self) -> None:
        try:
            while self.session.state is not State.CLOSED:
                await self._wait()
                await self._flush()
        except (TimeoutError, WebSocketDisconnect, OSError) as error:
            if isinstance(error, TimeoutError):
                self._metrics.trouble("stuck")
            self.session.disconnected()
            self._stop_reading()

    async def _wait(self) -> None:
        """Until there is something to write, or the session's timer."""
        timer = self.session.timer()
        delay_s = None if timer is None else max(0.0, timer - self._clock.now())
        try:
            async with asyncio.timeout(delay_s):
                await self._wake.wait()
        except TimeoutError:
            self.session.handle_timer(self._clock.now())
        self._wake.clear()

    async def _flush(self) -> None:
        for text in self.session.messages_to_send():
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._websocket.send_text(text)
            self._metrics.messages_sent.inc()
        frame = self.session.close_frame
        if self.session.state is State.CLOSING and frame is not None:
            self._log.info("= closing", code=frame.code, reason=frame.reason)
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._websocket.close(frame.code, frame.reason)
            # The reader now gets the disconnect, or is stopped if it is not waiting for one.
            self.session.disconnected()
            self._stop_reading()

    def _stop_reading(self) -> None:
        """Never in the middle of a command: what was begun is carried out to its end."""
        if self._receiving and self._reader is not None:
            self._reader.cancel()
