"""One TCP connection of the SIP door."""

import asyncio
from typing import Protocol, cast

from signaling.sip.message import SipParseError
from signaling.sip.stream import StreamFramer

MAX_UNSENT_BYTES = 1 << 20  # a peer that does not read is cut off
_PONG = b"\r\n"


class StreamListener(Protocol):
    """Whose connection it is."""

    def connection_opened(self, connection: "StreamConnection") -> None: ...

    def receive_stream(self, connection: "StreamConnection", messages: list[bytes]) -> None:
        """What one read made whole."""
        ...

    def receive_unframed(self, connection: "StreamConnection", data: bytes, error: SipParseError) -> None:
        """The stream cannot be taken apart any more; `data` is what has come of the message that broke it."""
        ...

    def connection_closed(self, connection: "StreamConnection") -> None: ...


class StreamConnection(asyncio.Protocol):
    """Cuts what arrives into messages, and sends while its peer reads."""

    def __init__(self, listener: StreamListener) -> None:
        self._listener = listener
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self.number = 0
        self.host = ""
        self.port = 0
        self.opened_at = 0.0
        self.active_at: float | None = None  # when the last whole message came

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods without the base class.
        self._transport = cast("asyncio.Transport", transport)
        self.host, self.port = transport.get_extra_info("peername")[:2]
        self._listener.connection_opened(self)

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        try:
            while messages := self._framer.receive(data):
                data = b""
                self._listener.receive_stream(self, messages)
        except SipParseError as error:
            self._listener.receive_unframed(self, self._framer.rest(), error)
            self.close()  # nobody can tell where the next message begins
        for _ in range(self._framer.take_pings()):
            self.send(_PONG)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the library's signature
        self._transport = None
        self._listener.connection_closed(self)

    def send(self, data: bytes) -> bool:
        """False if the connection is gone or its peer does not read."""
        if self._transport is None or self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort()
            return False
        self._transport.write(data)
        return True

    def close(self) -> None:
        """Ends once the kernel has taken what was sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
