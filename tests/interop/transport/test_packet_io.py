"""Batched and plain packet input and output on real loopback sockets: one suite over both."""

import socket
from collections import deque
from collections.abc import Iterator

import pytest

from bridge.transport.address import Address
from bridge.transport.batch import BATCH, SLOT_SIZE, BatchedIO, Datagram, PacketIO, PlainIO, packet_io
from bridge.transport.mux import open_udp_socket


@pytest.fixture(params=[BatchedIO, PlainIO])
def io(request: pytest.FixtureRequest) -> PacketIO:
    made: PacketIO = request.param()
    return made


@pytest.fixture(params=["127.0.0.1", "::1"])
def sockets(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = open_udp_socket(request.param, 0), open_udp_socket(request.param, 0)
    yield one, other
    one.close()
    other.close()


def address(sock: socket.socket) -> Address:
    host, port = sock.getsockname()[:2]
    return host, port


def receive_all(io: PacketIO, sock: socket.socket) -> list[Datagram]:
    received: list[Datagram] = []
    while batch := io.receive(sock):
        received += batch
    return received


def test_datagrams_arrive_whole_in_order_and_with_their_source(
    io: PacketIO, sockets: tuple[socket.socket, socket.socket]
) -> None:
    one, other = sockets
    sent = [bytes([n]) * (n + 1) for n in range(2 * BATCH + 5)]
    queue = deque((data, address(other)) for data in sent)
    assert io.send(one, queue)
    assert not queue
    assert receive_all(io, other) == [(data, address(one)) for data in sent]
    assert io.receive(other) == []


def test_the_two_backends_and_families_share_nothing_by_accident(
    io: PacketIO, sockets: tuple[socket.socket, socket.socket]
) -> None:
    one, other = sockets
    io.send(one, deque([(b"a", address(other))]))
    with open_udp_socket("127.0.0.1", 0) as third, open_udp_socket("127.0.0.1", 0) as fourth:
        io.send(third, deque([(b"b", address(fourth))]))
        assert io.receive(fourth) == [(b"b", address(third))]
    assert io.receive(other) == [(b"a", address(one))]


def test_a_message_that_cannot_leave_is_skipped_and_the_rest_leaves(io: PacketIO) -> None:
    with open_udp_socket("127.0.0.1", 0) as one, open_udp_socket("127.0.0.1", 0) as other:
        good = address(other)
        queue: deque[Datagram] = deque(
            [
                (b"1", good),
                (b"x", ("127.0.0.1", 0)),
                (b"2", good),
                (bytes(SLOT_SIZE + 1), good),
                (b"x", ("127.0.0.1", 70_000)),
                (b"x", ("2001:db8::1", 5)),
                (b"x", ("255.255.255.255", 5)),  # broadcast is not allowed on this socket
                (b"3", good),
            ]
        )
        assert io.send(one, queue)
        assert not queue
        assert [data for data, _ in receive_all(io, other)] == [b"1", b"2", b"3"]
        assert io.refused == 5


def test_an_oversized_datagram_is_dropped_and_counted(io: PacketIO) -> None:
    with open_udp_socket("127.0.0.1", 0) as one, open_udp_socket("127.0.0.1", 0) as other:
        one.sendto(bytes(SLOT_SIZE + 1), address(other))
        one.sendto(bytes(SLOT_SIZE), address(other))
        one.sendto(b"", address(other))
        assert [len(data) for data, _ in receive_all(io, other)] == [SLOT_SIZE, 0]
        assert io.truncated == 1


def test_a_dual_stack_socket_speaks_ipv4_addresses(io: PacketIO) -> None:
    with open_udp_socket("::", 0) as dual, open_udp_socket("127.0.0.1", 0) as four:
        port = address(dual)[1]
        io.send(four, deque([(b"up", ("127.0.0.1", port))]))
        assert io.receive(dual) == [(b"up", address(four))]
        io.send(dual, deque([(b"down", address(four))]))
        assert io.receive(four) == [(b"down", ("127.0.0.1", port))]


def test_linux_gets_the_batched_one() -> None:
    assert isinstance(packet_io(), BatchedIO)
