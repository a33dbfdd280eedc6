"""CPU per video packet through the transport alone: mux, SRTP in, SRTP out, each leg's packets to the other.

The load is that of the forwarding bench; what lies between the two figures is the forwarder's, the legs' and
their feedback's. Beside batched packet I/O the same with one system call per datagram.
"""

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

import uvloop

from bridge.clock import SystemClock
from bridge.plane.messages import Fingerprint
from bridge.transport.batch import PacketIO, PlainIO, packet_io
from bridge.transport.driver import Driver
from bridge.transport.dtls import DtlsIdentity
from bridge.transport.dtls_transport import DtlsTransport, RemoteParameters, TransportCallbacks
from bridge.transport.mux import MuxEndpoint, UdpMux, open_udp_socket
from tests.bench.cpu import CpuMeter
from tests.bench.figure import Figure, middle
from tests.bench.room_browsers import Invitation, Tally, run_browsers
from tests.bench.worker_rooms import bridge_ice, browser_ice

LEGS = 20
WINDOWS = 3
SETTLE_S = 1.0


def run(window_s: float) -> Iterator[str | Figure]:
    yield "the transport alone, batched and plain packet I/O"
    batched = uvloop.run(_measure(packet_io(), window_s))
    plain = uvloop.run(_measure(PlainIO(), window_s))
    note = f"{LEGS} legs, video only; nothing is read or rewritten"
    yield Figure(
        "transport", "a packet in and out", batched, "us/packet", plain, "a system call each", note=note
    )


async def _measure(io: PacketIO, window_s: float) -> float:
    loop = asyncio.get_running_loop()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=run_browsers, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # so that its end is seen here
    try:
        fingerprint = await loop.run_in_executor(None, ours.recv)
        mux = UdpMux(loop, open_udp_socket("127.0.0.1", 0), SystemClock(), io, _crashed)
        drivers = _connect(loop, mux, fingerprint, ours)
        assert await loop.run_in_executor(None, ours.recv) == "up"
        ours.send((True, False))
        await asyncio.sleep(SETTLE_S)
        results = [await _window(ours, window_s) for _ in range(WINDOWS)]
        for driver in drivers:
            driver.close()
        mux.close()
        return middle(results)
    finally:
        process.kill()


def _crashed(endpoint: MuxEndpoint, error: Exception) -> None:
    raise error


def _connect(
    loop: asyncio.AbstractEventLoop, mux: UdpMux, fingerprint: Fingerprint, orders: Connection
) -> list[Driver]:
    clock, identity = SystemClock(), DtlsIdentity.generate()
    transports: list[DtlsTransport] = []
    for number in range(LEGS):
        remote = RemoteParameters(browser_ice(number), (fingerprint,), dtls_server=True)
        callbacks = TransportCallbacks(_to(transports, number ^ 1), lambda packet, now: None, mux.send)
        transports.append(DtlsTransport(identity, bridge_ice(number), remote, callbacks, clock.now()))
        mux.register(bridge_ice(number).ufrag, transports[number])
    drivers = [Driver(loop, transport, clock) for transport in transports]
    orders.send(
        [
            Invitation(
                mux.local_address, identity.fingerprint, bridge_ice(number), browser_ice(number), number
            )
            for number in range(LEGS)
        ]
    )
    return drivers


def _to(transports: list[DtlsTransport], number: int) -> Callable[[bytes, float], None]:
    return lambda packet, now: transports[number].send_rtp(packet)


async def _window(orders: Connection, window_s: float) -> float:
    meter = CpuMeter(os.getpid())
    before, cpu_s = await _packets(orders), meter.seconds()
    await asyncio.sleep(window_s)
    after, cpu_s = await _packets(orders), meter.seconds() - cpu_s
    return cpu_s / max(1, after - before) * 1e6


async def _packets(orders: Connection) -> int:
    """They come back with the other browser's SSRCs, which a browser calls foreign."""
    orders.send("tally")
    tally = await asyncio.get_running_loop().run_in_executor(None, orders.recv)
    assert isinstance(tally, Tally)
    return tally.foreign
