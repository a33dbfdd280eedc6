"""A phone's picture: which way key frames are asked for, what is repaired, and what rests in a voice call."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
import pytest

from bridge.clock import ManualClock
from bridge.ids import LegId, TrackId
from bridge.legs.leg import LegShell
from bridge.legs.rtp_sockets import RtpSockets
from bridge.legs.rtp_video import RtpVideoSection
from bridge.media.video.forwarder import UpTrack
from bridge.media.video.routes import VideoRoutes
from bridge.plane import messages
from bridge.plane.messages import Codec, RtpVideo, SrtpKeys
from bridge.transport.batch import packet_io
from bridge.transport.ports import RtpPortPool
from bridge.transport.rtp_port import RtpPort, RtpPortCallbacks
from bridge.wire.rtcp import (
    FullIntraRequest,
    Nack,
    PictureLossIndication,
    ReceiverReport,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    parse_rtcp,
    serialize_rtcp,
)
from bridge.wire.rtp import parse_rtp
from tests.unit.media.camera import VP8 as CAMERA_VP8
from tests.unit.media.camera import Camera, up_spec
from tests.unit.media.viewer import Viewer

LEG, SOURCE = LegId("leg_1"), TrackId("leg_2/1")
VP8 = Codec("VP8", 96, 90_000)
PORTS = (41_000, 41_199)


@dataclass
class Stage:
    """The section, and a phone's two sockets."""

    section: RtpVideoSection
    routes: VideoRoutes
    clock: ManualClock
    rtp: socket.socket
    rtcp: socket.socket
    events: list[messages.Event] = field(default_factory=list)

    def spec(self, feedback: tuple[str, ...] = ("nack", "nack pli")) -> RtpVideo:
        host, port = self.rtp.getsockname()
        rtcp_port = self.rtcp.getsockname()[1]
        return RtpVideo(host, port, rtcp_port, (VP8,), (VP8,), feedback, source=SOURCE)

    def watch(self) -> Viewer:
        """Somebody who wants to see the phone's picture."""
        viewer = Viewer(VP8)
        self.routes.want(LegId("leg_3"), "5", viewer.track, TrackId(f"{LEG}/video"))
        return viewer

    def show(self) -> Camera:
        """A browser's camera for the phone to see."""
        up_track, camera = UpTrack(up_spec(), 9), Camera(codec=CAMERA_VP8)
        self.routes.publish(SOURCE, up_track)
        for packet in (*camera.frame(key=True), *camera.frame()):
            up_track.receive(packet, self.clock.now())
        return camera

    async def send(self, *packets: bytes) -> None:
        for packet in packets:
            self.rtp.sendto(packet, ("127.0.0.1", self.section.port))
        await self.settle()

    async def report(self, *packets: RtcpPacket) -> None:
        self.rtcp.sendto(serialize_rtcp(packets), ("127.0.0.1", self.section.port + 1))
        await self.settle()

    async def settle(self) -> None:
        """What is in the sockets is read: loopback delivers at once, the loop in its next turns."""
        for _ in range(3):
            await asyncio.sleep(0)

    def asked(self, *, after_s: float = 0.0) -> list[RtcpPacket]:
        """Everything the phone got by RTCP after one more tick."""
        self.clock.advance(after_s)
        self.section.tick(self.clock.now())
        return self.reports()

    def reports(self) -> list[RtcpPacket]:
        found: list[RtcpPacket] = []
        while (data := received(self.rtcp)) is not None:
            found += parse_rtcp(data)
        return found


def received(sock: socket.socket) -> bytes | None:
    try:
        return sock.recv(2048)
    except BlockingIOError:
        return None


def bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    return sock


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    clock, events = ManualClock(1000.0), list[messages.Event]()
    pool = RtpPortPool(*PORTS, "127.0.0.1", 0.0)
    sockets = RtpSockets(asyncio.get_running_loop(), clock, pool, packet_io(), 30.0)
    routes = VideoRoutes(events.append)
    drawn = itertools.count()

    def random_bits(bits: int) -> int:
        return (1 << (bits - 2)) + next(drawn)

    shell = LegShell(events.append, random_bits, lambda: 4e9, lambda leg_id: None)
    pair = pool.take(clock.now())
    callbacks = RtpPortCallbacks(lambda packet, now: None, lambda packet, now: None, lambda error: None)
    sound = RtpPort(sockets.loop, pair, clock, sockets.io, callbacks)
    section = RtpVideoSection(LEG, "cname", sockets, routes, shell, sound, clock.now())
    made = Stage(section, routes, clock, bound(), bound(), events)
    yield made
    section.close(clock.now())
    sound.close()
    pool.give_back(pair, clock.now())
    assert pool.lent == 0
    made.rtp.close()
    made.rtcp.close()


def phone_camera() -> Camera:
    return Camera(codec=VP8)


@pytest.mark.parametrize(
    ("feedback", "kinds"),
    [
        (("nack pli",), [PictureLossIndication]),
        (("ccm fir",), [FullIntraRequest]),
        (("ccm fir", "nack pli"), [PictureLossIndication]),
        ((), [PictureLossIndication, FullIntraRequest]),
    ],
)
async def test_key_frames_are_asked_for_as_agreed(
    stage: Stage, feedback: tuple[str, ...], kinds: list[type]
) -> None:
    stage.section.update(stage.spec(feedback), stage.clock.now())
    await stage.send(*phone_camera().frame())
    stage.watch()
    first = stage.asked()
    assert isinstance(first[0], ReceiverReport | SenderReport), (
        "a compound begins with a report (RFC 4585, 3.1)"
    )
    assert isinstance(first[1], SourceDescription)
    assert [type(packet) for packet in first[2:]] == kinds


async def test_a_phone_that_agreed_to_nothing_is_asked_by_signaling_when_rtcp_was_in_vain(
    stage: Stage,
) -> None:
    stage.section.update(stage.spec(()), stage.clock.now())
    await stage.send(*phone_camera().frame())
    stage.watch()
    stage.asked()
    assert stage.events == []
    stage.asked(after_s=0.6)
    assert stage.events == [messages.KeyFrameWanted(LEG)]


async def test_the_phones_frames_reach_a_viewer_and_losses_are_asked_for(stage: Stage) -> None:
    stage.section.update(stage.spec(), stage.clock.now())
    viewer, camera = stage.watch(), phone_camera()
    await stage.send(*camera.frame(key=True))
    lost = camera.frame()
    await stage.send(lost[0], lost[2])
    assert viewer.seen == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2)]
    (nack,) = [item for item in stage.asked(after_s=0.05) if isinstance(item, Nack)]
    assert nack.sequence_numbers == ((65_530 + 4) & 0xFFFF,)


async def test_without_nack_a_loss_asks_for_a_new_picture_at_once(stage: Stage) -> None:
    stage.section.update(stage.spec(("nack pli",)), stage.clock.now())
    viewer, camera = stage.watch(), phone_camera()
    await stage.send(*camera.frame(key=True))
    lost = camera.frame()
    await stage.send(lost[0], lost[2])
    assert viewer.seen
    kinds = [type(item) for item in stage.asked(after_s=0.6)]
    assert Nack not in kinds
    assert PictureLossIndication in kinds


async def test_the_phone_is_shown_a_picture_and_may_ask_for_more(stage: Stage) -> None:
    stage.section.update(stage.spec(), stage.clock.now())
    stage.show()
    packets = []
    while (data := received(stage.rtp)) is not None:
        packets.append(parse_rtp(data))
    assert {packet.payload_type for packet in packets} == {96}
    assert len(packets) == 6
    ssrc, first = packets[0].ssrc, packets[0].sequence_number
    await stage.send(*phone_camera().frame(key=True))  # a phone proves by RTP which host it is
    await stage.report(ReceiverReport(1, ()), Nack(1, ssrc, (first + 1,)), PictureLossIndication(1, ssrc))
    again = received(stage.rtp)
    assert again is not None
    assert parse_rtp(again).sequence_number == first + 1
    down = next(track for track in stage.section.statistics() if track.direction == "down")
    assert (down.packets, down.nacks, down.plis, down.retransmitted) == (6, 1, 1, 1)
    await stage.report(
        ReceiverReport(1, ()), FullIntraRequest(1, ((ssrc, 1),)), FullIntraRequest(1, ((7, 1),))
    )
    assert next(track for track in stage.section.statistics() if track.direction == "down").plis == 2
    report = next(item for item in stage.asked(after_s=10.0) if isinstance(item, SenderReport))
    assert (report.ssrc, report.packet_count) == (ssrc, 6)


async def test_video_rests_in_a_voice_call_and_goes_on_where_it_was(stage: Stage) -> None:
    stage.section.update(stage.spec(), stage.clock.now())
    viewer, camera = stage.watch(), phone_camera()
    await stage.send(*camera.frame(key=True))
    stage.show()
    last = None
    while (data := received(stage.rtp)) is not None:
        last = parse_rtp(data)
    assert last is not None
    stage.section.update(None, stage.clock.now())
    await stage.send(*camera.frame())
    assert len(viewer.seen) == 3, "nothing is forwarded in a voice call"
    assert stage.asked(after_s=10.0) == []
    stage.section.update(stage.spec(), stage.clock.now())
    await stage.send(*camera.frame(key=True))
    assert viewer.seen[-1] == (2, 2)
    stage.show()
    first = received(stage.rtp)
    assert first is not None
    packet = parse_rtp(first)
    assert packet.ssrc == last.ssrc
    assert packet.sequence_number == last.sequence_number + 1


KEYS = SrtpKeys("AES_CM_128_HMAC_SHA1_80", bytes(30), bytes(range(30)))


@pytest.mark.parametrize("rests", [False, True], ids=["another exchange", "voice between"])
@pytest.mark.parametrize(("rolls_over", "keys"), [(True, KEYS), (False, KEYS), (True, None)])
async def test_an_encrypted_stream_that_rolled_over_begins_anew_with_the_next_description(
    stage: Stage, rolls_over: bool, keys: SrtpKeys | None, rests: bool
) -> None:
    """baresip counts rollovers anew then; a stream that had none, or is not encrypted, goes on."""
    spec = msgspec.structs.replace(stage.spec(), srtp=keys)
    stage.section.update(spec, stage.clock.now())
    up_track, camera = UpTrack(up_spec(), 9), Camera(codec=CAMERA_VP8)
    stage.routes.publish(SOURCE, up_track)

    def show() -> int:
        for packet in camera.frame(key=True):
            up_track.receive(packet, stage.clock.now())
        last = b""
        while (data := received(stage.rtp)) is not None:
            last = data
        return int.from_bytes(last[8:12], "big")

    before = show()
    for _ in range(30 if rolls_over else 1):
        camera.sequence_number = camera.sequence_number + 2500 & 0xFFFF
        assert show() == before
    if rests:
        stage.section.update(None, stage.clock.now())
    stage.section.update(msgspec.structs.replace(spec, exchange=1), stage.clock.now())
    assert (show() != before) is (rolls_over and keys is not None)


async def test_a_phone_that_only_looks_sends_nothing_to_viewers(stage: Stage) -> None:
    stage.section.update(msgspec.structs.replace(stage.spec(), receives=False), stage.clock.now())
    viewer = stage.watch()
    await stage.send(*phone_camera().frame(key=True))
    assert viewer.seen == []
    assert [track.direction for track in stage.section.statistics()] == ["down"]


async def test_broken_rtcp_is_counted(stage: Stage) -> None:
    stage.section.update(stage.spec(), stage.clock.now())
    await stage.send(*phone_camera().frame(key=True))
    stage.rtcp.sendto(b"\x80\xc9\xff\xff\x00\x00\x00\x00", ("127.0.0.1", stage.section.port + 1))
    await stage.settle()
    assert stage.section.counters()["rtp_malformed_rtcp"] == 1


async def test_after_a_renegotiation_another_stream_is_believed_at_once(stage: Stage) -> None:
    stage.section.update(stage.spec(), stage.clock.now())
    viewer, other = stage.watch(), Camera(codec=VP8, ssrc=0x2222)
    await stage.send(*phone_camera().frame(key=True))
    await stage.send(*other.frame(key=True))
    assert len(viewer.seen) == 3, "a second stream beside the first is none"
    stage.section.update(msgspec.structs.replace(stage.spec(), exchange=1), stage.clock.now())
    await stage.send(*other.frame(key=True))
    assert viewer.seen[3:] == [(1, 0), (1, 1), (1, 2)]
