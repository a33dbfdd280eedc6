"""The mux on a real loopback socket: routing, strangers, floods, crashes."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from bridge.clock import ManualClock
from bridge.peers.within import within
from bridge.plane.messages import IceCredentials
from bridge.transport.address import Address
from bridge.transport.batch import BATCH, packet_io
from bridge.transport.driver import Driver
from bridge.transport.ice_lite import MAX_GENERATIONS, MAX_SOURCES
from bridge.transport.mux import (
    MAX_QUEUED,
    MAX_STUN_SOURCES,
    STUN_PER_SECOND,
    MuxEndpoint,
    StunLimiter,
    UdpMux,
    open_udp_socket,
)
from tests.unit.transport.browser import check, rtp_packet


class Endpoint:
    """Accepts whoever sends a check; keeps what it got."""

    def __init__(self, *, broken: bool = False) -> None:
        self.datagrams: list[bytes] = []
        self.sources: set[Address] = set()
        self.broken = broken
        self.asked = 0

    def receive_datagram(self, datagram: bytes, source: Address, now: float) -> None:
        if self.broken:
            raise RuntimeError("a bug")
        self.datagrams.append(datagram)
        if datagram[0] < 4:
            self.sources.add(source)

    def accepts(self, source: Address) -> bool:
        self.asked += 1
        return source in self.sources


class Rig:
    """A mux, its clock, and clients."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.crashed: list[tuple[MuxEndpoint, Exception]] = []
        sock = open_udp_socket("127.0.0.1", 0)
        self.mux = UdpMux(
            asyncio.get_running_loop(),
            sock,
            self.clock,
            packet_io(),
            lambda endpoint, error: self.crashed.append((endpoint, error)),
        )
        self.clients = [open_udp_socket("127.0.0.1", 0) for _ in range(2)]

    async def says(self, client: int, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.clients[client].sendto(datagram, self.mux.local_address)
        for _ in range(4):
            await asyncio.sleep(0)

    def counter(self, name: str) -> int:
        return self.mux.counters()[name]

    def close(self) -> None:
        self.mux.close()
        self.mux.close()
        for client in self.clients:
            client.close()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    made.close()


def credentials(ufrag: str) -> IceCredentials:
    return IceCredentials(ufrag, "password-of-enough-characters")


def check_for(ufrag: str) -> bytes:
    return bytes(check(credentials(ufrag)))


async def test_checks_go_by_ufrag_and_the_rest_by_proven_source(rig: Rig) -> None:
    one, other = Endpoint(), Endpoint()
    rig.mux.register("one", one)
    rig.mux.register("other", other)
    await rig.says(0, rtp_packet(0), check_for("one"), rtp_packet(1))
    await rig.says(1, check_for("other"), rtp_packet(2))
    assert [len(one.datagrams), len(other.datagrams)] == [2, 2]
    assert one.datagrams[-1] == rtp_packet(1)
    assert other.datagrams[-1] == rtp_packet(2)
    assert rig.counter("unknown_source") == 1


async def test_strangers_and_nonsense_are_counted_and_not_answered(rig: Rig) -> None:
    rig.mux.register("one", Endpoint())
    await rig.says(0, check_for("unknown"), b"", b"\x00", b"\x00" * 40, b"\xff" * 40, bytes(3000))
    assert rig.counter("unknown_ufrag") == 1
    assert rig.counter("malformed") == 3
    assert rig.counter("unknown_source") == 1
    assert rig.counter("truncated") == 1
    with pytest.raises(BlockingIOError):
        rig.clients[0].recv(100)


async def test_an_address_taken_over_by_another_leg_follows_it(rig: Rig) -> None:
    old, new = Endpoint(), Endpoint()
    rig.mux.register("old", old)
    rig.mux.register("new", new)
    await rig.says(0, check_for("old"), check_for("new"), rtp_packet(1))
    assert new.datagrams[-1] == rtp_packet(1)
    rig.mux.unregister(old)
    await rig.says(0, rtp_packet(2))
    assert new.datagrams[-1] == rtp_packet(2)


async def test_an_address_that_two_legs_share_is_remembered_once_by_each(rig: Rig) -> None:
    one, other = Endpoint(), Endpoint()
    rig.mux.register("one", one)
    rig.mux.register("other", other)
    await rig.says(0, check_for("one"), check_for("other"))
    for _ in range(2 * MAX_SOURCES):
        await rig.says(0, check_for("one"), check_for("other"))
    assert (
        one.asked == other.asked == 2 * MAX_SOURCES + 1
    )  # no memory of it that would have to be gone through


async def test_an_unregistered_leg_is_gone_with_all_its_routes(rig: Rig) -> None:
    endpoint = Endpoint()
    rig.mux.register("one", endpoint)
    rig.mux.register("one", endpoint)
    await rig.says(0, check_for("one"))
    rig.mux.unregister(endpoint)
    rig.mux.unregister(endpoint)
    await rig.says(0, check_for("one"), rtp_packet(1))
    assert len(endpoint.datagrams) == 1
    assert (rig.counter("unknown_ufrag"), rig.counter("unknown_source")) == (1, 1)


async def test_ufrags_of_a_leg_are_bounded(rig: Rig) -> None:
    endpoint = Endpoint()
    for generation in range(MAX_GENERATIONS + 1):
        rig.mux.register(f"u{generation}", endpoint)
    await rig.says(0, check_for("u0"), check_for(f"u{MAX_GENERATIONS}"))
    assert len(endpoint.datagrams) == 1


async def test_a_flood_of_checks_from_one_source_is_cut_off_for_the_second(rig: Rig) -> None:
    endpoint = Endpoint()
    rig.mux.register("one", endpoint)
    flood = [check_for("one")] * (STUN_PER_SECOND + 20)
    await rig.says(0, *flood)
    assert len(endpoint.datagrams) == STUN_PER_SECOND
    assert rig.counter("stun_limited") == 20
    await rig.says(1, check_for("one"))
    rig.clock.advance(1.0)
    await rig.says(0, check_for("one"))
    assert len(endpoint.datagrams) == STUN_PER_SECOND + 2


def test_a_flood_of_invented_sources_does_not_cost_the_proven_ones_their_checks() -> None:
    limiter = StunLimiter()
    invented = [(f"198.51.{number >> 8}.{number & 0xFF}", 9) for number in range(MAX_STUN_SOURCES + 5)]
    allowed = [limiter.allows(source, 0.0, proven=False) for source in invented]
    assert allowed == [True] * MAX_STUN_SOURCES + [False] * 5
    assert limiter.allows(("192.0.2.7", 5000), 0.5, proven=True)
    assert not limiter.allows(("192.0.2.8", 5000), 0.5, proven=False)
    assert limiter.allows(("192.0.2.8", 5000), 1.0, proven=False)


async def test_a_crash_of_one_leg_leaves_the_others_of_the_batch_alone(rig: Rig) -> None:
    broken, sound = Endpoint(broken=True), Endpoint()
    rig.mux.register("broken", broken)
    rig.mux.register("sound", sound)
    await rig.says(0, check_for("broken"), check_for("sound"))
    assert len(sound.datagrams) == 1
    assert [endpoint for endpoint, _ in rig.crashed] == [broken]


async def test_datagrams_leave_in_batches(rig: Rig) -> None:
    target: Address = rig.clients[0].getsockname()
    rig.mux.send(b"0", target)
    with pytest.raises(BlockingIOError):
        rig.clients[0].recv(100)
    rig.mux.flush()
    assert rig.clients[0].recv(100) == b"0"
    for n in range(BATCH):
        rig.mux.send(bytes([n]), target)
    assert [rig.clients[0].recv(100) for _ in range(BATCH)] == [bytes([n]) for n in range(BATCH)]


async def test_a_full_kernel_queues_up_to_a_bound_and_drops_the_oldest() -> None:
    """A stream socket pair stands in for a full network card: loopback never fills."""

    class FullIO:
        truncated = 0
        refused = 0
        full = True

        def receive(self, sock: socket.socket) -> list[tuple[bytes, Address]]:
            return []

        def send(self, sock: socket.socket, queue: object) -> bool:
            if self.full:
                return False
            return packet_io().send(sock, queue)  # type: ignore[arg-type]

    io = FullIO()
    mux = UdpMux(
        asyncio.get_running_loop(), open_udp_socket("127.0.0.1", 0), ManualClock(), io, lambda *_: None
    )
    with open_udp_socket("127.0.0.1", 0) as client:
        target: Address = client.getsockname()
        for n in range(MAX_QUEUED + 3):
            mux.send(n.to_bytes(2, "big"), target)
        assert mux.counters()["dropped"] == 3
        io.full = False
        for _ in range(3):
            await asyncio.sleep(0)
        assert client.recv(100) == (3).to_bytes(2, "big")
    mux.close()


class Countdown:
    """An engine with a deadline that moves."""

    def __init__(self, at: float | None) -> None:
        self.at = at
        self.called_at: list[float] = []

    def timer(self) -> float | None:
        return self.at

    def handle_timer(self, now: float) -> None:
        self.called_at.append(now)
        self.at = None


async def test_the_driver_fires_when_due_and_only_then() -> None:
    loop = asyncio.get_running_loop()
    clock = ManualClock()
    engine = Countdown(0.0)
    done = asyncio.Event()
    driver = Driver(loop, engine, clock, after=done.set)
    driver.rearm()
    await within(1.0, done.wait())
    assert engine.called_at == [0.0]
    engine.at = 1000.0
    driver.rearm()
    engine.at = 0.0
    done.clear()
    driver.rearm()
    await within(1.0, done.wait())
    assert driver.fired == 2
    engine.at = 0.0
    driver.close()
    driver.rearm()
    await asyncio.sleep(0)
    assert driver.fired == 2
