"""Pings and pongs of connections, in virtual time (RFC 5626 sections 3.5.1 and 4.4.1)."""

import asyncio

from bridge.clock import ManualClock
from signaling.sip.shell.keep_alive import KeepAlive, KeepAliveAction
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.shell.stream_connection import StreamConnection
from signaling.sip.shell.stream_ports import StreamPorts
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import SipParseError

SWEEP_S = 10.0
PING, PONG = b"\r\n\r\n", b"\r\n"
OPTIONS = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n"


class Owner:
    """Hears what a connection says."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def connection_opened(self, connection: StreamConnection) -> bool:
        return True

    def connection_secured(self, connection: StreamConnection) -> None: ...

    def connection_failed(self, connection: StreamConnection, reason: str) -> None: ...

    def receive_stream(self, connection: StreamConnection, messages: list[bytes]) -> None:
        self.messages += messages

    def receive_unframed(self, connection: StreamConnection, data: bytes, error: SipParseError) -> None: ...

    def connection_closed(self, connection: StreamConnection) -> None: ...

    def connection_lost(self, flow: Flow) -> None: ...


class Wire(asyncio.Transport):
    """Keeps what is written until somebody takes it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 5060), "sockname": ("192.0.2.2", 5060)})
        self._written = b""
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._written += data

    def take(self) -> bytes:
        written, self._written = self._written, b""
        return written


def connect() -> tuple[StreamConnection, Wire, Owner]:
    owner, wire = Owner(), Wire()
    connection = StreamConnection(owner)
    connection.connection_made(wire)
    return connection, wire, owner


def test_whoever_pings_us_is_answered_once_for_each_ping() -> None:
    connection, wire, owner = connect()
    connection.data_received(PING)
    assert wire.take() == PONG
    connection.data_received(PING[:3])
    assert wire.take() == b""
    connection.data_received(PING[3:] + OPTIONS + PING)
    assert wire.take() == PONG + PONG
    assert owner.messages == [OPTIONS]


def test_a_pong_is_no_ping() -> None:
    connection, wire, owner = connect()
    connection.data_received(PONG)
    connection.data_received(OPTIONS)
    assert wire.take() == b""
    assert owner.messages == [OPTIONS]


def test_two_connections_of_ours_keep_each_other_alive() -> None:
    """The one that was opened by us asks, the other answers: nothing is given up in an hour of silence."""
    ours, our_wire, _ = connect()
    theirs, their_wire, owner = connect()
    pings = 0
    for sweep in range(1, 361):
        now = sweep * SWEEP_S
        assert ours.keep_alive(now) is not KeepAliveAction.GIVE_UP
        sent = our_wire.take()
        pings += sent == PING
        if sent:
            theirs.data_received(sent)
        answer = their_wire.take()
        if answer:
            ours.data_received(answer)
    assert pings == 36  # each 100 s: the first look after 95
    assert owner.messages == []


async def test_a_phone_that_only_pings_keeps_its_connection_in_a_long_call() -> None:
    """It cannot be called back through NAT: who hangs up or asks for video needs this connection."""
    clock = ManualClock()
    settings = EndpointSettings(connection_idle_s=3600.0)
    ports = StreamPorts(settings, clock, Owner())
    phones = {"pings": Wire(), "is silent": Wire()}
    connections = {name: StreamConnection(ports) for name in phones}
    for name, connection in connections.items():
        connection.connection_made(phones[name])
        connection.data_received(OPTIONS)
    for _ in range(800):
        clock.advance(SWEEP_S)
        connections["pings"].data_received(PING)
        ports._sweep_connections()
    assert (phones["pings"].aborted, phones["is silent"].aborted) == (False, True)
    ports.close()


def looks(
    keep_alive: KeepAlive, until: float, *, answers: bool, start: float = 0.0
) -> list[tuple[float, str]]:
    """What is done at each look, as the ports look; `answers` is what the far end does with a ping."""
    done: list[tuple[float, str]] = []
    now = start
    while (now := now + SWEEP_S) <= until:
        action = keep_alive.handle_timer(start, now)
        if action is not KeepAliveAction.NOTHING:
            done.append((now, action.name))
        if action is KeepAliveAction.PING and answers:
            keep_alive.hear()
        if action is KeepAliveAction.GIVE_UP:
            break
    return done


def test_who_answered_and_answers_no_more_is_gone_within_ten_seconds() -> None:
    keep_alive = KeepAlive()
    assert looks(keep_alive, 150, answers=True) == [(100, "PING")]
    assert looks(keep_alive, 1000, answers=False, start=150) == [(250, "PING"), (260, "GIVE_UP")]


def test_who_never_answered_may_not_know_how() -> None:
    assert looks(KeepAlive(), 310, answers=False) == [(100, "PING"), (200, "PING"), (300, "PING")]


def test_who_talks_is_not_asked() -> None:
    keep_alive = KeepAlive()
    assert all(
        keep_alive.handle_timer(now - 50, now) is KeepAliveAction.NOTHING for now in (100.0, 200.0, 300.0)
    )
    assert keep_alive.handle_timer(205.0, 300.0) is KeepAliveAction.PING
