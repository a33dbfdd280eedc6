"""One TCP connection of the SIP door."""

import asyncio
from collections.abc import Callable
from typing import cast

from bridge.errors import ParseError
from signaling.sip.stream import StreamFramer

MAX_UNSENT_BYTES = 1 << 20  # a peer that does not read is cut off
_PONG = b"\r\n"


class StreamConnection(asyncio.Protocol):
    """`on_messages(connection, messages)` is called for what one read made whole."""

    def __init__(
        self,
        on_open: Callable[["StreamConnection"], None],
        on_messages: Callable[["StreamConnection", list[bytes]], None],
        on_closed: Callable[["StreamConnection"], None],
    ) -> None:
        self._on_open = on_open
        self._on_messages = on_messages
        self._on_closed = on_closed
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
        self._on_open(self)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._framer.receive(data)
        except ParseError:
            self.abort()  # nobody can tell where the next message begins
            return
        for _ in range(self._framer.take_pings()):
            self.send(_PONG)
        if messages:
            self._on_messages(self, messages)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the library's signature
        self._transport = None
        self._on_closed(self)

    def send(self, data: bytes) -> bool:
        """False if the connection is gone or its peer does not read."""
        if self._transport is None or self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort()
            return False
        self._transport.write(data)
        return True

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
