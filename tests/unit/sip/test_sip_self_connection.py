"""A connection and who it tells of itself."""

import asyncio

from signaling.sip.shell.stream_connection import StreamConnection
from signaling.sip.wire.message import SipParseError


class Wire(asyncio.Transport):
    """A connected socket between two addresses."""

    def __init__(self, ours: tuple[str, int], theirs: tuple[str, int] | None) -> None:
        super().__init__({"sockname": ours, "peername": theirs})
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


class Listener:
    def __init__(self) -> None:
        self.opened: list[StreamConnection] = []

    def connection_opened(self, connection: StreamConnection) -> bool:
        self.opened.append(connection)
        return True

    def connection_secured(self, connection: StreamConnection) -> None: ...

    def connection_failed(self, connection: StreamConnection, reason: str) -> None: ...

    def connection_closed(self, connection: StreamConnection) -> None: ...

    def receive_stream(self, connection: StreamConnection, messages: list[bytes]) -> None: ...

    def receive_unframed(self, connection: StreamConnection, data: bytes, error: SipParseError) -> None: ...


def made(wire: Wire) -> list[StreamConnection]:
    listener = Listener()
    StreamConnection(listener).connection_made(wire)
    return listener.opened


def test_a_connection_to_somebody_is_kept() -> None:
    wire = Wire(("127.0.0.1", 42_682), ("127.0.0.1", 5060))
    assert (len(made(wire)), wire.aborted) == (1, False)


def test_a_socket_that_connected_to_itself_is_dropped() -> None:
    """As happens when a phone's port is dialed after the phone is gone: our own BYE would come back."""
    wire = Wire(("127.0.0.1", 42_682), ("127.0.0.1", 42_682))
    assert (made(wire), wire.aborted) == ([], True)


def test_a_connection_that_was_reset_before_it_was_taken_is_dropped() -> None:
    """The kernel does not say any more who that was."""
    wire = Wire(("127.0.0.1", 5060), None)
    assert (made(wire), wire.aborted) == ([], True)
