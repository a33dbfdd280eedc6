"""The sockets and the timer around the SIP core: UDP and TCP on one port, TLS on another."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from bridge.clock import Clock
from bridge.errors import SettingsError
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.request.location import Location
from signaling.sip.diagnosis.capture import Capture
from signaling.sip.diagnosis.trace import SipTrace
from signaling.sip.session.event import AgentEvent
from signaling.sip.shell.courier import Courier
from signaling.sip.shell.datagram_port import DatagramPort
from signaling.sip.shell.locator import Locator, TaskOwner
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.shell.stream_connection import StreamConnection
from signaling.sip.shell.stream_ports import StreamPorts
from signaling.sip.trunk.admission import Admission
from signaling.sip.wire.flow import TCP, TLS, UDP, Flow
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import SipParseError

_log = structlog.get_logger("sip")

BIND_ATTEMPTS = 10
STRANGER_MESSAGES_PER_S = 10.0  # of one source: enough for a phone, too little for a scan
STRANGER_BURST = 50.0
STRANGER_LINES_PER_S = 1 / 600  # of the log, for one source; a scan from many gets no more than the next
LINES_PER_S = 0.1
LINES_BURST = 20.0
GAUGES = frozenset({"sip_calls", "sip_transactions", "sip_connections", "sip_trunks_up", "sip_trunks_down"})


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
        self._strangers = Admission(STRANGER_MESSAGES_PER_S, STRANGER_BURST)
        self._reported = Admission(STRANGER_LINES_PER_S, 1.0)
        self._reports = Admission(LINES_PER_S, LINES_BURST)
        self._admission = Admission(settings.messages_per_second, settings.message_burst)
        self._agent: UserAgent | None = None
        self._datagrams: DatagramPort | None = None
        self._streams = StreamPorts(settings, clock, self)
        self._locator = Locator(settings, clock, self._receive_location)
        self._courier = Courier(self._streams, self._locator, self._fail_flow)
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at = 0.0
        self._flushing = False
        self._capture: Capture | None = None
        self.trace = SipTrace()
        self.port = settings.port
        self.tls_port = settings.tls_port

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
        settings = self._settings
        await self._bind()
        host = settings.advertised_address or settings.address
        identity = LocalIdentity(host, self.port, self._token_hex, self._user, self.tls_port)
        self._locator.open(tasks)
        self._courier.open(tasks, self._datagrams)
        self._capture = self._open_capture(host)
        self._agent = UserAgent(settings.agent, identity, settings.transports)
        restore()
        self.flush()

    def _open_capture(self, host: str) -> Capture | None:
        path, most = self._settings.capture_file, self._settings.capture_max_bytes
        if not path:
            return None
        try:
            return Capture(Path(path), most, (host, self.port))
        except OSError as error:
            raise SettingsError(f"sip.capture_file: {path}: {error.strerror}") from error

    def _note(self, data: bytes, flow: Flow, now: float, *, received: bool) -> None:
        self.trace.record(data, flow, now, received=received)
        if self._capture is not None:
            self._capture.write(data, flow, self._clock.wall(), received=received)

    async def _bind(self) -> None:
        """A free UDP port may be taken for TCP: where any port will do, another one is tried."""
        for attempts_left in reversed(range(1 if self._settings.port else BIND_ATTEMPTS)):
            try:
                await self._bind_once()
                return
            except OSError:
                self.close()
                self.port, self.tls_port = self._settings.port, self._settings.tls_port
                if not attempts_left:
                    raise

    async def _bind_once(self) -> None:
        settings = self._settings
        if UDP in settings.transports:
            self._datagrams = DatagramPort(
                settings.address, self.port, self._receive_datagram, self.flush, settings.advertised_address
            )
            self.port = self._datagrams.port
        if TCP in settings.transports:
            self.port = await self._streams.listen(settings.address, self.port)
        if TLS in settings.transports and settings.tls is not None:
            self.tls_port = await self._streams.listen_securely(settings.tls, settings.address, self.tls_port)

    def close(self) -> None:
        """Closes all sockets at once; calls are not ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._locator.close()
        self._courier.close()
        if self._capture is not None:
            self._capture.close()
            self._capture = None
        if self._datagrams is not None:
            self._datagrams.close()
        self._streams.close()

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
                messages, events, lookups = agent.messages_to_send(), agent.events(), agent.lookups()
                if not messages and not events and not lookups:
                    break
                for flow in lookups:
                    self._locator.seek(flow)
                now = self._clock.now()
                for data, flow in messages:
                    self._note(data, flow, now, received=False)
                    self._courier.send(data, flow)
                for event in events:
                    self._on_event(event)
        finally:
            self._flushing = False
        self._arm(agent.timer())

    def counters(self) -> dict[str, int]:
        """Metrics by name: what only grows ends in _total."""
        counts = {
            **self.agent.counters(),
            "sip_connections": len(self._streams),
            "sip_refused_connections": self._streams.refused,
            "sip_failed_handshakes": self._streams.failed_handshakes,
            "sip_throttled": self._admission.throttled + self._strangers.throttled,
            "sip_traces_forgotten": self.trace.forgotten,
            "sip_untraced_messages": self.trace.left_out,
            "sip_refused_lookups": self._locator.refused,
            "sip_unread": self._datagrams.unread if self._datagrams else 0,
            "sip_unsent": self._courier.unsent + (self._datagrams.dropped if self._datagrams else 0),
        }
        return {name if name in GAUGES else f"{name}_total": count for name, count in counts.items()}

    # --- in -----------------------------------------------------------------------------------------------

    def _receive_datagram(self, data: bytes, host: str, port: int) -> None:
        if self._agent is None:
            return  # while the other transport opens; whoever sent it sends it again
        now = self._clock.now()
        if len(data) < 12 or not self._admission.takes(host, now):
            return  # a keep-alive (RFC 5626 section 3.5.2) or a flood
        self._receive(data, Flow(UDP, host, port), now)

    def _receive(self, data: bytes, flow: Flow, now: float) -> None:
        is_stranger = self._trunks.of(flow.host) is None
        if is_stranger and not self._strangers.takes(flow.host, now):
            return
        if not is_stranger or self._trunks.welcome_strangers:
            self._note(data, flow, now, received=True)
            self.agent.receive_message(data, flow, now)
            return
        self._report_stranger(flow.host)
        if self._settings.stranger_treatment == "forbid":
            self.agent.refuse_stranger(data, flow)
        else:
            self.agent.ignore_stranger()

    def _report_stranger(self, host: str) -> None:
        """Tells the operator whose phone may not call, and what would let it; a scan is only counted."""
        now = self._clock.now()
        if self._reported.takes(host, now) and self._reports.takes("all", now):
            remedy = "if it may call: sip.allowed_networks, or the networks of one of [[trunks]]"
            _log.warning("x stranger refused", host=host, remedy=remedy)

    def _is_welcome(self, host: str) -> bool:
        """Strangers are where a trunk's calls may come from anywhere; the agent asks them who they are."""
        return self._trunks.of(host) is not None or self._trunks.welcome_strangers

    def receive_unframed(self, connection: StreamConnection, data: bytes, error: SipParseError) -> None:
        """A TCP message without an end: refused if it says to whom, and the last one of its connection."""
        flow = connection.flow
        if not self._is_welcome(connection.host):
            self.agent.refuse_stranger(data, flow)
        elif self._admission.takes(connection.host, self._clock.now()):
            self.agent.refuse_malformed(data, flow, error)
        self.flush()

    def receive_stream(self, connection: StreamConnection, messages: list[bytes]) -> None:
        now, flow = self._clock.now(), connection.flow
        for message in messages:
            if self._admission.takes(connection.host, now):
                self._receive(message, flow, now)
        self.flush()
        if not self._is_welcome(connection.host):
            connection.close()  # it has its 403

    def connection_lost(self, flow: Flow) -> None:
        if self._agent is not None:
            self._agent.lose_connection(flow, self._clock.now())
            self.flush()

    def _receive_location(self, flow: Flow, location: Location) -> None:
        self.agent.receive_location(flow, location, self._clock.now())
        self.flush()

    def _fail_flow(self, flow: Flow) -> None:
        self.agent.fail_flow(flow, self._clock.now())
        self.flush()

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
