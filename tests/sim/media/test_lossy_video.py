"""Video through the bridge over lossy paths in virtual time: camera, path, forwarder, path, viewer."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from bridge.media.video.forwarder import DownTrack, UpTrack
from bridge.plane.messages import Codec, DownTrackSpec, ExtensionIds
from bridge.rtp.nack import NackGenerator
from bridge.rtp.receiver import StreamReceiver
from bridge.rtp.rtx import unwrap_rtx
from bridge.wire.rtcp import Nack, PictureLossIndication
from bridge.wire.rtp import parse_rtp
from tests.unit.media.camera import FEEDBACK_SSRC, H264, VP8, Camera, describe, up_spec

SSRC, RTX_SSRC = 0xAAAA, 0xBBBB


class World:
    """Things that happen at their time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: float, happens: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (when, self._count, happens))

    def run(self, until: float) -> None:
        while self._due and self._due[0][0] <= until:
            self.now, _, happens = heapq.heappop(self._due)
            happens()


@dataclass
class Path:
    """A one-way path with Gilbert's bursty loss: `loss` on average, bursts of `burst` packets."""

    world: World
    delay_s: float = 0.03
    jitter_s: float = 0.005
    loss: float = 0.0
    burst: float = 2.0
    chance: random.Random = field(default_factory=lambda: random.Random(5))
    losing: bool = False
    lost: int = 0

    def send(self, arrives: Callable[[], None]) -> None:
        if self.losing:
            self.losing = self.chance.random() >= 1 / self.burst
        elif self.loss:
            self.losing = self.chance.random() < self.loss / self.burst / (1 - self.loss)
        if self.losing:
            self.lost += 1
            return
        self.world.at(self.world.now + self.delay_s + self.chance.random() * self.jitter_s, arrives)


class Viewer:
    """A browser: places, asks again, and remembers which packets it saw and when first."""

    def __init__(self) -> None:
        self.seen: dict[tuple[int, int], float] = {}
        self.nack = NackGenerator()
        self.repeated = 0
        self._stream = StreamReceiver(SSRC, 90_000)

    def receive(self, data: bytes, now: float) -> None:
        packet = parse_rtp(data)
        if packet.ssrc == RTX_SSRC:
            packet = parse_rtp(unwrap_rtx(data, packet.payload_type - 1, SSRC))
            received = self._stream.recover(packet.sequence_number, packet.timestamp)
        else:
            received = self._stream.receive(
                packet.sequence_number, packet.timestamp, len(packet.payload), now
            )
        if received is None:
            self.repeated += 1
            return
        self.nack.receive(received.index, now)
        self.seen.setdefault(describe(packet.payload), now)


class Bridge:
    """One camera and one viewer around the forwarder, fed back every 10 ms as the leg does."""

    def __init__(self, up_loss: float, down_loss: float, codec: Codec) -> None:
        self.world = World()
        self.up, self.back = Path(self.world, loss=up_loss), Path(self.world)
        self.down = Path(self.world, loss=down_loss, chance=random.Random(6))
        self.camera, self.viewer = Camera(codec=codec), Viewer()
        self.up_track = UpTrack(up_spec(), FEEDBACK_SSRC)
        spec = DownTrackSpec("5", "video", (VP8, H264), ExtensionIds(mid=4), SSRC, RTX_SSRC)
        self.down_track = DownTrack(spec, self._to_viewer)
        self.up_track.add(self.down_track)
        self._wants_key_frame = False
        self._by_number: dict[int, bytes] = {}

    def run(self, seconds: float) -> None:
        for number in range(int(seconds * 30)):
            self.world.at(number / 30, self._capture)
        for tick in range(int(seconds * 100) + 100):
            self.world.at(tick / 100, self._feed_back)
        self.world.run(seconds + 1.0)

    def _capture(self) -> None:
        key, self._wants_key_frame = self._wants_key_frame, False
        for packet in self.camera.frame(key=key):
            self._by_number[parse_rtp(packet).sequence_number] = packet
            self._from_camera(packet)

    def _from_camera(self, packet: bytes) -> None:
        self.up.send(lambda: self.up_track.receive(packet, self.world.now))

    def _to_viewer(self, data: bytes) -> None:
        self.down.send(lambda: self.viewer.receive(data, self.world.now))

    def _feed_back(self) -> None:
        now = self.world.now
        for packet in self.up_track.take_feedback(now):
            if isinstance(packet, Nack):
                for number in packet.sequence_numbers:
                    self._resend(self._by_number[number])
            elif isinstance(packet, PictureLossIndication):
                self.back.send(self._want_key_frame)
        missing = self.viewer.nack.take_due(now)
        if missing:
            self.back.send(lambda: self.down_track.receive_nack(missing, self.world.now))

    def _resend(self, original: bytes) -> None:
        self.back.send(lambda: self._from_camera(self.camera.retransmit(original)))

    def _want_key_frame(self) -> None:
        self._wants_key_frame = True


@pytest.mark.parametrize("codec", [VP8, H264], ids=["VP8", "H264"])
@pytest.mark.parametrize(("up_loss", "down_loss"), [(0.0, 0.0), (0.03, 0.0), (0.0, 0.03), (0.03, 0.03)])
def test_ten_seconds_at_three_percent_bursty_loss_recover_every_packet(
    up_loss: float, down_loss: float, codec: Codec
) -> None:
    bridge = Bridge(up_loss, down_loss, codec)
    bridge.run(10.0)
    first = min(bridge.viewer.seen)[0]
    # A hole before the first packet to arrive or behind the last one is noticed by nobody.
    expected = {(frame, place) for frame in range(first + 1, 300) for place in range(3)}
    missing = expected - bridge.viewer.seen.keys()
    assert first < 10
    assert all(frame >= 298 for frame, _ in missing)
    assert bridge.viewer.nack.given_up == 0
    if up_loss or down_loss:
        assert bridge.up.lost + bridge.down.lost > 10


def test_a_dead_second_ends_with_a_key_frame() -> None:
    bridge = Bridge(0.0, 0.0, VP8)
    bridge.world.at(3.0, lambda: setattr(bridge.up, "loss", 0.99999))
    bridge.world.at(3.0, lambda: setattr(bridge.up, "burst", 1e9))
    bridge.world.at(4.5, lambda: setattr(bridge.up, "loss", 0.0))
    bridge.world.at(4.5, lambda: setattr(bridge.up, "losing", False))
    bridge.run(8.0)
    after = sorted(frame for (frame, _), at in bridge.viewer.seen.items() if at > 5.5)
    assert after
    assert bridge.up_track.statistics().plis <= 6
    assert bridge.up_track.timer() is None


def test_retransmissions_stay_near_what_was_lost() -> None:
    bridge = Bridge(0.0, 0.05, VP8)
    bridge.run(10.0)
    down = bridge.down_track.statistics()
    assert down.retransmitted < 2 * bridge.down.lost
    assert bridge.viewer.repeated <= 5
