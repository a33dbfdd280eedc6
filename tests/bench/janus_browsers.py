"""Browsers in Janus' VideoRoom: each publishes on one connection and watches the other on a second one."""

import contextlib
import socket
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection

from bridge.transport.dtls import DtlsIdentity
from bridge.wire.rtcp import ReceiverReport, ReportBlock, serialize_rtcp
from bridge.wire.rtp import RtpPacket
from tests.bench.footage import OPUS, vp8_clip
from tests.bench.room_browsers import RTX_TYPE, VP8_TYPE, Browser, Crowd, Tally


class Viewer(Browser):
    """A connection that only receives; Janus chose its SSRCs, so streams are told by their payload types."""

    def _count(self, packet: RtpPacket) -> None:
        if packet.payload_type == VP8_TYPE:
            self._count_video(packet)
        elif packet.payload_type == OPUS.payload_type:
            self._tally.audio_received += 1
        elif packet.payload_type == RTX_TYPE:
            self._tally.resent += 1
        else:
            self._tally.foreign += 1
        self._newest[packet.ssrc] = packet.sequence_number

    def report(self) -> None:
        blocks = tuple(ReportBlock(ssrc, 0, 0, newest, 0, 0, 0) for ssrc, newest in self._newest.items())
        self._send_rtcp(serialize_rtcp([ReceiverReport(self._video.ssrc, blocks)]))


class Pair:
    """Both connections of one browser."""

    def __init__(self, publisher: Browser, viewer: Viewer) -> None:
        self._publisher = publisher
        self._viewer = viewer
        self.send_frame = publisher.send_frame
        self.send_voice = publisher.send_voice

    def check(self) -> None:
        self._publisher.check()
        self._viewer.check()

    def report(self) -> None:
        self._publisher.report()
        self._viewer.report()

    def drain(self) -> None:
        self._publisher.drain()
        self._viewer.drain()


def run_pairs(orders: Connection) -> None:
    """The process: is told how many browsers, says its fingerprint and the ports of all connections; is invited
    to publish for each and then to watch for each, and says "up" each time; then it obeys."""
    identity = DtlsIdentity.generate()
    vp8_clip()
    legs = orders.recv()
    sockets = [_bound() for _ in range(2 * legs)]
    orders.send((identity.fingerprint, [sock.getsockname()[1] for sock in sockets]))
    tally, free = Tally(), iter(sockets)
    publishers: list[Browser] = []
    viewers: list[Viewer] = []
    for _ in range(legs):
        with _told(orders):
            publishers.append(Browser(orders.recv(), identity, tally, next(free)))
    for _ in range(legs):
        with _told(orders):
            viewers.append(Viewer(orders.recv(), identity, tally, next(free)))
    Crowd([Pair(*both) for both in zip(publishers, viewers, strict=True)], tally).run(orders)


@contextlib.contextmanager
def _told(orders: Connection) -> Iterator[None]:
    """Says how a connection went; after one that failed nothing more is wanted."""
    try:
        yield
    except TimeoutError:
        orders.send("timed out")
        sys.exit(1)
    orders.send("up")


def _bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", 0))
    return sock
