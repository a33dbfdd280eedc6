"""One TCP or TLS connection of the SIP door."""

import asyncio
from typing import Protocol, cast

from signaling.sip.shell.keep_alive import KeepAlive, KeepAliveAction
from signaling.sip.shell.tls_stream import TlsError, TlsStream
from signaling.sip.wire.flow import TCP, TLS, Flow
from signaling.sip.wire.message import SipParseError
from signaling.sip.wire.stream import StreamFramer

MAX_UNSENT_BYTES = 1 << 20  # a peer that does not read is cut off
HANDSHAKE_TIMEOUT_S = 5.0
_PING = b"\r\n\r\n"  # RFC 5626 section 3.5.1
_PONG = b"\r\n"


class StreamListener(Protocol):
    """Whose connection it is."""

    def connection_opened(self, connection: "StreamConnection") -> bool:
        """False for one that is not wanted. Over TLS the handshake begins after this."""
        ...

    def connection_secured(self, connection: "StreamConnection") -> None: ...

    def connection_failed(self, connection: "StreamConnection", reason: str) -> None:
        """No handshake came about; the connection closes."""
        ...

    def receive_stream(self, connection: "StreamConnection", messages: list[bytes]) -> None:
        """What one read made whole."""
        ...

    def receive_unframed(self, connection: "StreamConnection", data: bytes, error: SipParseError) -> None:
        """The stream cannot be taken apart any more; `data` is what has come of the message that broke it."""
        ...

    def connection_closed(self, connection: "StreamConnection") -> None: ...


class StreamConnection(asyncio.Protocol):
    """Cuts what arrives into messages, and sends while its peer reads. `tls` lies between, if it is given."""

    def __init__(self, listener: StreamListener, tls: TlsStream | None = None, name: str = "") -> None:
        self._listener = listener
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._tls = tls
        self._handshake: asyncio.TimerHandle | None = None
        self.name = name  # who is at the other end by certificate, if we opened it
        self.number = 0
        self.host = ""
        self.port = 0
        self.opened_at = 0.0
        self.active_at: float | None = None  # when the last whole message came
        self._pinged = False  # by its peer, since the last look
        self.is_ours = False  # we opened it
        self._keep_alive = KeepAlive()

    @property
    def transport(self) -> str:
        return TCP if self._tls is None else TLS

    @property
    def flow(self) -> Flow:
        return Flow(self.transport, self.host, self.port, self.number, self.name)

    @property
    def secured(self) -> bool:
        return self._tls is None or self._tls.secured

    # --- asyncio.Protocol ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods without the base class.
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if peer is None:
            self.abort()  # it was reset before it was taken: there is nobody to answer
            return
        self.host, self.port = peer[:2]
        # Linux connects a socket to itself if nobody listens at the port it dials and the port becomes its own.
        leads_nowhere = transport.get_extra_info("sockname")[:2] == (self.host, self.port)
        if leads_nowhere or not self._listener.connection_opened(self):
            self.abort()
        elif self._tls is not None:
            loop = asyncio.get_running_loop()
            self._handshake = loop.call_later(HANDSHAKE_TIMEOUT_S, self._fail, "no handshake in time")
            self._begin(self._tls)

    def data_received(self, data: bytes) -> None:
        if not self._open:
            return
        self._keep_alive.hear()
        if self._tls is not None:
            self._receive_secret(data, self._tls)
        else:
            self._receive(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the library's signature
        self._transport = None
        self._stop_waiting()
        self._listener.connection_closed(self)

    # --- out ----------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> bool:
        """False if the connection is gone, its peer does not read, or it is not secured yet."""
        if self._transport is None or self._transport.is_closing() or not self.secured:
            return False
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort()
            return False
        if self._tls is not None:
            try:
                self._tls.send(data)
            except TlsError:
                self.abort()
                return False
            data = self._tls.data_to_send()
        self._transport.write(data)
        return True

    def keep_alive(self, now: float) -> KeepAliveAction:
        """Asks for a sign of life after a long silence, which also keeps what is between from forgetting us."""
        action = self._keep_alive.handle_timer(self.active_at or self.opened_at, now)
        if action is KeepAliveAction.PING:
            self.send(_PING)
        return action

    def take_pinged(self) -> bool:
        """Whether its peer has pinged since the last call, as phones do that want to be reached in a long call."""
        pinged, self._pinged = self._pinged, False
        return pinged

    def close(self) -> None:
        """Ends once the kernel has taken what was sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- inside -------------------------------------------------------------------------------------------

    @property
    def _open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def _begin(self, tls: TlsStream) -> None:
        try:
            tls.begin()
        except TlsError as error:
            self._fail(str(error))
        self._write_secret(tls)

    def _receive_secret(self, data: bytes, tls: TlsStream) -> None:
        was_secured = tls.secured
        try:
            plain = tls.receive(data)
        except TlsError as error:
            self._write_secret(tls)  # the alert that says why
            self._fail(str(error))
            return
        self._write_secret(tls)
        if tls.secured and not was_secured:
            self._stop_waiting()
            self._listener.connection_secured(self)
        if plain:
            self._receive(plain)
        if tls.closed:
            self.close()

    def _receive(self, data: bytes) -> None:
        try:
            while messages := self._framer.receive(data):
                data = b""
                self._listener.receive_stream(self, messages)
        except SipParseError as error:
            self._listener.receive_unframed(self, self._framer.rest(), error)
            self.close()  # nobody can tell where the next message begins
        for _ in range(self._framer.take_pings()):
            self._pinged = True
            self.send(_PONG)

    def _write_secret(self, tls: TlsStream) -> None:
        data = tls.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    def _fail(self, reason: str) -> None:
        self._stop_waiting()
        self._listener.connection_failed(self, reason)
        self.close()

    def _stop_waiting(self) -> None:
        if self._handshake is not None:
            self._handshake.cancel()
            self._handshake = None
