"""One room of two through stock aiortc: `RTCPeerConnection` and `MediaRelay`, as its users build a bridge.

The same footage at the same pace as in `room_browsers`. aiortc decodes and encodes every frame, at half of our
footage's bitrate, so it sends fewer packets than it takes: the figure is per packet it takes, in its favour.
Bridge and browsers are processes of their own.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from multiprocessing.connection import Connection
from typing import Any

import av
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole, MediaRelay

from bridge.peers.browser.loopback import gather_only
from tests.bench.cpu import CpuMeter
from tests.bench.footage import FRAMES_PER_S, OPUS, spoken, vp8_clip
from tests.bench.rooms import RoomLoad, Window

BROWSERS = 2
SETTLE_S = 3.0
START_S = 30.0


def measure_relay(windows: int, window_s: float) -> RoomLoad:
    """Video alone in a first pair of processes, with audio in a second."""
    return RoomLoad(_measure(("video",), windows, window_s), _measure(("audio", "video"), windows, window_s))


def _measure(kinds: Sequence[str], windows: int, window_s: float) -> list[Window]:
    context = multiprocessing.get_context("spawn")
    to_bridge, bridge_end = multiprocessing.Pipe()
    to_browsers, browsers_end = multiprocessing.Pipe()
    bridge = context.Process(target=_run, args=(_Bridge, bridge_end, kinds), daemon=True)
    browsers = context.Process(target=_run, args=(_Browsers, browsers_end, kinds), daemon=True)
    processes = (bridge, browsers)
    for process in processes:
        process.start()
    for end in (bridge_end, browsers_end):
        end.close()  # so that a process's end is seen here
    try:
        to_bridge.send(_expect(to_browsers))  # the offers
        to_browsers.send(_expect(to_bridge))  # the answers
        _expect(to_browsers)
        time.sleep(SETTLE_S)
        assert bridge.pid is not None
        meter = CpuMeter(bridge.pid)
        return [_window(meter, to_bridge, window_s) for _ in range(windows)]
    finally:
        for process in processes:
            process.kill()
            process.join()


def _window(meter: CpuMeter, to_bridge: Connection, window_s: float) -> Window:
    before, cpu_s = _received(to_bridge), meter.seconds()
    time.sleep(window_s)
    after, cpu_s = _received(to_bridge), meter.seconds() - cpu_s
    return Window(cpu_s, after - before)


def _received(to_bridge: Connection) -> int:
    to_bridge.send("tally")
    packets = _expect(to_bridge)
    assert isinstance(packets, int)
    return packets


def _expect(connection: Connection) -> object:
    if not connection.poll(START_S):
        raise TimeoutError("a process of the aiortc bench stays silent")
    return connection.recv()


def _run(
    side: "Callable[[Sequence[str]], _Bridge | _Browsers]", orders: Connection, kinds: Sequence[str]
) -> None:
    gather_only("127.0.0.1")
    asyncio.run(side(kinds).run(orders))


class _Bridge:
    """Gives each browser what the other one sends."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = kinds
        self._relay = MediaRelay()
        self._connections = [RTCPeerConnection() for _ in range(BROWSERS)]
        self._tracks: list[dict[str, MediaStreamTrack]] = [{} for _ in range(BROWSERS)]

    async def run(self, orders: Connection) -> None:
        loop = asyncio.get_running_loop()
        offers = await loop.run_in_executor(None, orders.recv)
        for connection, tracks, offer in zip(self._connections, self._tracks, offers, strict=True):
            connection.on("track", lambda track, tracks=tracks: tracks.update({track.kind: track}))
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        answers = []
        for number, connection in enumerate(self._connections):
            for kind in self._kinds:
                connection.addTrack(self._relay.subscribe(self._tracks[number ^ 1][kind]))
            await connection.setLocalDescription(await connection.createAnswer())
            answers.append(connection.localDescription.sdp)
        orders.send(answers)
        while True:
            await loop.run_in_executor(None, orders.recv)
            orders.send(await self._packets_received())

    async def _packets_received(self) -> int:
        reports = [
            report for connection in self._connections for report in (await connection.getStats()).values()
        ]
        return sum(report.packetsReceived for report in reports if report.type == "inbound-rtp")


class _Encoded(MediaStreamTrack):
    """Frames that are encoded already, each at its time."""

    def __init__(self, kind: str, frames: Sequence[bytes], per_second: int) -> None:
        super().__init__()
        self.kind = kind
        self._frames = frames
        self._per_second = per_second
        self._count = 0
        self._began_at = 0.0

    async def recv(self) -> "av.Packet[Any]":
        now = time.monotonic()
        self._began_at = self._began_at or now
        await asyncio.sleep(max(0.0, self._began_at + self._count / self._per_second - now))
        packet = av.Packet(self._frames[self._count % len(self._frames)])
        packet.pts, packet.time_base = self._count, Fraction(1, self._per_second)
        self._count += 1
        return packet


class _Browsers:
    """Both browsers of the room; what they receive is decoded, as in a browser, and thrown away."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = kinds
        self._connections = [RTCPeerConnection() for _ in range(BROWSERS)]
        self._sink = MediaBlackhole()

    async def run(self, orders: Connection) -> None:
        loop = asyncio.get_running_loop()
        for number, connection in enumerate(self._connections):
            connection.on("track", self._sink.addTrack)
            for kind in self._kinds:
                connection.addTrack(_footage(kind, number))
            await connection.setLocalDescription(await connection.createOffer())
        orders.send([connection.localDescription.sdp for connection in self._connections])
        answers = await loop.run_in_executor(None, orders.recv)
        for connection, answer in zip(self._connections, answers, strict=True):
            await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await self._sink.start()
        await asyncio.gather(*(_connected(connection) for connection in self._connections))
        orders.send("up")
        await asyncio.Event().wait()


async def _connected(connection: RTCPeerConnection) -> None:
    reached = asyncio.Event()

    def look() -> None:
        if connection.connectionState == "connected":
            reached.set()

    connection.on("connectionstatechange", look)
    look()
    await reached.wait()


def _footage(kind: str, number: int) -> _Encoded:
    if kind == "video":
        return _Encoded(kind, vp8_clip(), FRAMES_PER_S)
    return _Encoded(kind, spoken(OPUS, number), 50)
