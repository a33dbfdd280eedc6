"""CPU per packet through the transport alone: rooms of two, each leg's packets go to the other.

The clients live in a process of their own; what is printed is the CPU time (user and system) of the bridge's
side only, as one JSON line per load. Run: python -m tests.bench.bench_transport [--seconds 5]
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import uvloop

from bridge.clock import SystemClock
from bridge.plane.messages import IceCredentials
from bridge.transport.address import Address
from bridge.transport.batch import BatchedIO, PacketIO, PlainIO
from bridge.transport.dtls_transport import DtlsTransport, RemoteParameters, TransportCallbacks
from bridge.transport.mux import UdpMux, open_udp_socket
from tests.unit.transport.browser import BRIDGE_IDENTITY, BROWSER_IDENTITY, REMOTE, SimulatedBrowser, check

PAYLOAD = bytes(1030)


def local_credentials(index: int) -> IceCredentials:
    return IceCredentials(f"leg{index}", f"password-of-enough-characters-{index}")


class Client:
    """One simulated browser on a socket."""

    def __init__(self, index: int, bridge: Address) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(bridge)
        self.sock.settimeout(5)
        self.ssrc = 1000 + index
        self.sequence_number = 0
        self.browser = SimulatedBrowser(0.0, server=False)
        self.sock.send(bytes(check(local_credentials(index), use_candidate=True)))
        self.browser.receive(self.sock.recv(2048), 0.0)
        while self.browser.dtls.keys is None:
            for datagram in self.browser.dtls.datagrams_to_send():
                self.sock.send(datagram)
            self.browser.receive(self.sock.recv(2048), 0.0)
        self.sock.settimeout(0)

    def send(self) -> None:
        header = self.sequence_number.to_bytes(2, "big") + bytes(4) + self.ssrc.to_bytes(4, "big")
        self.sock.send(self.browser.protect(b"\x80\x60" + header + PAYLOAD))
        self.sequence_number = (self.sequence_number + 1) & 0xFFFF

    def drain(self) -> int:
        count = 0
        try:
            while True:
                self.sock.recv(2048)
                count += 1
        except BlockingIOError:
            return count


def run_clients(bridge: Address, legs: int, rate: float, seconds: float, report: Connection) -> None:
    """Sends `rate` packets a second per leg in 5 ms ticks; reports how many came back."""
    clients = [Client(index, bridge) for index in range(legs)]
    report.send("up")
    began = time.monotonic()
    sent, received, due = 0, 0, 0.0
    while (elapsed := time.monotonic() - began) < seconds:
        while due < elapsed * rate:
            for client in clients:
                client.send()
            sent += legs
            due += 1
        received += sum(client.drain() for client in clients)
        time.sleep(0.005)
    time.sleep(0.2)
    received += sum(client.drain() for client in clients)
    report.send((sent, received))


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def forward_to(transports: list[DtlsTransport], other: int) -> Callable[[bytes, float], None]:
    def forward(packet: bytes, now: float) -> None:
        transports[other].send_rtp(packet)

    return forward


async def measure(io: PacketIO, legs: int, rate: float, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    clock = SystemClock()

    def crashed(endpoint: object, error: Exception) -> None:
        raise error

    mux = UdpMux(loop, open_udp_socket("127.0.0.1", 0), clock, io, crashed)
    transports: list[DtlsTransport] = []
    remote = RemoteParameters(REMOTE, (BROWSER_IDENTITY.fingerprint,), dtls_server=True)
    for index in range(legs):
        callbacks = TransportCallbacks(forward_to(transports, index ^ 1), lambda packet, now: None, mux.send)
        local = local_credentials(index)
        transports.append(DtlsTransport(BRIDGE_IDENTITY, local, remote, callbacks, clock.now()))
        mux.register(local.ufrag, transports[-1])
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=run_clients, args=(mux.local_address, legs, rate, seconds, theirs)
    )
    process.start()
    await loop.run_in_executor(None, ours.recv)
    before, received = cpu_seconds(), mux.received
    sent, back = await loop.run_in_executor(None, ours.recv)
    spent, received = cpu_seconds() - before, mux.received - received
    process.join()
    mux.close()
    result = {
        "bench": "transport",
        "io": type(io).__name__,
        "srtp": transports[0].srtp_profile,
        "legs": legs,
        "packets_per_s": round(received / seconds),
        "sent": sent,
        "came_back": back,
        "cpu_us_per_packet": round(spent / max(1, received) * 1e6, 1),
    }
    sys.stdout.write(json.dumps(result) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds = parser.parse_args().seconds
    for legs, rate in ((2, 170.0), (20, 170.0), (20, 510.0)):
        for io in (BatchedIO(), PlainIO()):
            uvloop.run(measure(io, legs, rate, seconds))


if __name__ == "__main__":
    main()
