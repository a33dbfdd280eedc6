"""SIP over UDP on a machine with several addresses: what is said comes from where Via and Contact say."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from signaling.sip.shell.datagram_port import DatagramPort

HERE, ELSEWHERE = "127.0.0.2", "127.0.0.3"  # of this machine; the kernel alone would answer from 127.0.0.1


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        yield sock


async def received(peer: socket.socket) -> tuple[bytes, str]:
    async with asyncio.timeout(5):
        data, source = await asyncio.get_running_loop().sock_recvfrom(peer, 100)
    return data, source[0]


def echoing(address: str, advertised: str = "") -> DatagramPort:
    port: list[DatagramPort] = []
    made = DatagramPort(address, 0, lambda *said: port[0].send(*said), lambda: None, advertised)
    port.append(made)
    return made


async def test_an_answer_comes_from_the_address_that_was_asked(peer: socket.socket) -> None:
    port = echoing("0.0.0.0", HERE)
    for host in (HERE, ELSEWHERE, "127.0.0.1", HERE):
        peer.sendto(b"x", (host, port.port))
        assert await received(peer) == (b"x", host)
    port.close()


@pytest.mark.parametrize(
    ("address", "advertised", "source"),
    [
        ("0.0.0.0", HERE, HERE),
        ("0.0.0.0", "192.0.2.1", "127.0.0.1"),  # a NAT's: the route decides
        ("0.0.0.0", "sip.example.com", "127.0.0.1"),
        ("0.0.0.0", "::1", "127.0.0.1"),
        (ELSEWHERE, HERE, ELSEWHERE),
    ],
)
async def test_who_never_asked_is_called_from_the_advertised_address(
    peer: socket.socket, address: str, advertised: str, source: str
) -> None:
    port = echoing(address, advertised)
    port.send(b"x", *peer.getsockname())
    assert await received(peer) == (b"x", source)
    port.close()


async def test_what_is_not_read_in_time_is_counted(peer: socket.socket) -> None:
    port = echoing("127.0.0.1")
    sent = 0
    while not port.unread and sent < 1000:  # 60 MB, and nobody reads while this goes on
        peer.sendto(bytes(60_000), ("127.0.0.1", port.port))
        sent += 1
    assert 0 < port.unread < sent
    port.close()
    assert port.unread == 0
