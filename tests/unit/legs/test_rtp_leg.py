"""A phone's leg: what counts as hearing from the phone, and what another description changes."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import pytest

from bridge.clock import ManualClock
from bridge.ids import LegId, ParticipantId, RoomId
from bridge.legs.leg import LegShell
from bridge.legs.rtp_leg import CODEC_STAYS_S, RtpLeg
from bridge.legs.rtp_sockets import RtpSockets
from bridge.media.video.routes import VideoRoutes
from bridge.plane import messages
from bridge.plane.messages import Codec, DtmfReceived, LegFailed, RtpAudio, RtpLegSpec, RtpVideo, SrtpKeys
from bridge.transport.batch import packet_io
from bridge.transport.ports import RtpPortPool
from bridge.transport.srtp import SrtpSession, suite_keys
from bridge.wire.dtmf import TelephoneEvent, serialize_telephone_event
from bridge.wire.rtcp import ReceiverReport, serialize_rtcp
from bridge.wire.rtp import RtpPacket, serialize_rtp

TIMEOUT_S = 30.0
PORTS = (41_200, 41_299)


@dataclass
class Stage:
    """The leg, and a phone's two sockets."""

    leg: RtpLeg
    clock: ManualClock
    rtp: socket.socket
    rtcp: socket.socket
    events: list[messages.Event]
    changes: list[LegId]

    async def says(self, *, payload_type: int = 0, payload: bytes = b"\x10" * 160, number: int = 1) -> None:
        packet = RtpPacket(payload_type, number, 160 * number, 7, payload)
        self.rtp.sendto(serialize_rtp(packet), ("127.0.0.1", self.leg.port))
        await self.settle()

    async def reports(self) -> None:
        self.rtcp.sendto(serialize_rtcp([ReceiverReport(7)]), ("127.0.0.1", self.leg.port + 1))
        await self.settle()

    async def presses(self, key: int, payload_type: int, number: int) -> None:
        payload = serialize_telephone_event(TelephoneEvent(key, True, 10, 800))
        await self.says(payload_type=payload_type, payload=payload, number=number)

    async def settle(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    def after(self, seconds: float) -> list[LegFailed]:
        """It is ticked all the time; this many seconds are whole ones."""
        for _ in range(int(seconds)):
            self.wakes_after(1.0)
        return self.wakes_after(0.0)

    def wakes_after(self, seconds: float) -> list[LegFailed]:
        """Nobody ticked it meanwhile."""
        self.clock.advance(seconds)
        self.leg.tick(self.clock.now())
        return [event for event in self.events if isinstance(event, LegFailed)]

    def describe(self, **changes: object) -> None:
        audio = self.leg.spec.audio
        assert audio is not None
        audio = msgspec.structs.replace(audio, exchange=audio.exchange + 1, **changes)
        self.leg.update(msgspec.structs.replace(self.leg.spec, audio=audio), self.clock.now())

    @property
    def digits(self) -> list[str]:
        return [event.digit for event in self.events if isinstance(event, DtmfReceived)]


def bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    return sock


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    clock, events, rtp, rtcp = ManualClock(1000.0), list[messages.Event](), bound(), bound()
    pool = RtpPortPool(*PORTS, "127.0.0.1", 0.0)
    sockets = RtpSockets(asyncio.get_running_loop(), clock, pool, packet_io(), TIMEOUT_S)
    drawn = itertools.count()
    changes: list[LegId] = []

    def random_bits(bits: int) -> int:
        return (1 << (bits - 2)) + next(drawn)

    shell = LegShell(events.append, random_bits, lambda: 4e9, changes.append)
    audio = RtpAudio("127.0.0.1", rtp.getsockname()[1], rtcp.getsockname()[1], Codec("PCMU", 0, 8000), 101)
    spec = RtpLegSpec(LegId("leg_1"), ParticipantId("prt_1"), RoomId("room_1"), audio)
    leg = RtpLeg(spec, sockets, VideoRoutes(events.append), shell, clock.now())
    yield Stage(leg, clock, rtp, rtcp, events, changes)
    leg.close(clock.now())
    assert pool.lent == 0
    rtp.close()
    rtcp.close()


async def test_a_phone_that_falls_silent_for_good_is_given_up_once(stage: Stage) -> None:
    await stage.says()
    assert stage.after(TIMEOUT_S) == []
    (failed,) = stage.after(1.0)
    assert failed.code == "rtp_timeout"
    assert stage.after(1.0) == [failed]


async def test_a_phone_is_not_given_up_for_the_time_in_which_we_slept(stage: Stage) -> None:
    """A container that was paused, a machine that was moved: the phone talks on as before."""
    await stage.says()
    assert stage.after(TIMEOUT_S - 1) == []
    assert stage.wakes_after(10 * TIMEOUT_S) == []
    await stage.says(number=2)
    assert stage.after(TIMEOUT_S) == []
    assert stage.after(1.0) != []


async def test_a_phone_that_was_given_up_while_it_rang_can_be_given_up_again_once_it_has_answered(
    stage: Stage,
) -> None:
    assert len(stage.after(TIMEOUT_S + 1)) == 1
    stage.describe()
    await stage.says()
    assert len(stage.after(TIMEOUT_S + 1)) == 2


async def test_a_muted_phone_that_sends_no_silence_is_there_while_it_reports(stage: Stage) -> None:
    await stage.says()
    for _ in range(3):
        assert stage.after(TIMEOUT_S - 1) == []
        await stage.reports()
    assert stage.after(TIMEOUT_S + 1) != []


async def test_a_muted_phone_that_shows_a_picture_is_there(stage: Stage) -> None:
    await stage.says()
    port = stage.rtp.getsockname()[1]
    codec = Codec("VP8", 96, 90_000)
    video = RtpVideo("127.0.0.1", port, port, (codec,), (codec,))
    stage.leg.update(msgspec.structs.replace(stage.leg.spec, video=video), stage.clock.now())
    assert stage.leg.video_port
    for number in range(3):
        assert stage.after(TIMEOUT_S - 1) == []
        packet = serialize_rtp(RtpPacket(96, number, 0, 8, b"\x10\x00picture"))
        stage.rtp.sendto(packet, ("127.0.0.1", stage.leg.video_port))
        await stage.settle()
    assert stage.after(TIMEOUT_S + 1) != []


async def test_a_phone_that_holds_the_bridge_may_be_silent_for_as_long_as_it_likes(stage: Stage) -> None:
    """It says sendonly, as there might be music, and sends nothing: most desk phones do."""
    await stage.says()
    stage.describe(sends=False)
    assert stage.after(60 * TIMEOUT_S) == []
    stage.describe(sends=True)
    assert stage.after(TIMEOUT_S) == []
    assert stage.after(1.0) != []


async def test_a_phone_that_sends_what_nobody_agreed_on_is_there_all_the_same(stage: Stage) -> None:
    for number in range(3):
        await stage.says(payload_type=8, number=number)
        assert stage.after(TIMEOUT_S - 1) == []


async def test_keys_are_understood_by_the_number_of_the_newest_description(stage: Stage) -> None:
    """As when the trunk hands the call to another phone behind it."""
    await stage.presses(1, 101, number=1)
    up = stage.leg.audio_up
    stage.describe(dtmf_payload_type=96)
    await stage.presses(2, 96, number=2)
    await stage.presses(3, 101, number=3)
    assert stage.digits == ["1", "2"]
    assert stage.leg.audio_up is up  # its sound goes on undisturbed


async def test_keys_may_come_by_any_number_that_was_agreed(stage: Stage) -> None:
    stage.describe(dtmf_payload_type=96, up_dtmf_payload_types=(101,))
    await stage.presses(1, 101, number=1)
    await stage.presses(2, 96, number=2)
    assert stage.digits == ["1", "2"]
    stage.describe(up_codecs=(Codec("PCMA", 8, 8000),))
    await stage.says(payload_type=8, number=3)
    await stage.presses(3, 101, number=4)
    assert stage.digits == ["1", "2", "3"]


def said(stage: Stage) -> str:
    up = stage.leg.audio_up
    assert up is not None
    return up.codec.name


async def test_a_phone_that_accepted_two_codecs_may_change_between_them(stage: Stage) -> None:
    """As a PBX does that spares itself transcoding: the callers behind it differ."""
    stage.describe(up_codecs=(Codec("PCMA", 8, 8000),))
    await stage.says(payload_type=0, number=1)
    assert (said(stage), stage.changes) == ("PCMU", [])
    await stage.says(payload_type=8, number=2)
    assert (said(stage), stage.changes) == ("PCMA", [stage.leg.leg_id])
    stage.describe(sends=False)
    assert said(stage) == "PCMA"
    stage.clock.advance(CODEC_STAYS_S)
    await stage.says(payload_type=0, number=3)
    assert (said(stage), len(stage.changes)) == ("PCMU", 2)


async def test_a_phone_that_cannot_make_up_its_mind_is_not_followed_at_each_packet(stage: Stage) -> None:
    stage.describe(up_codecs=(Codec("PCMA", 8, 8000),))
    for number in range(20):
        await stage.says(payload_type=8 * (number % 2), number=number)
        stage.clock.advance(0.02)
    assert len(stage.changes) == 1
    await stage.says(payload_type=9, number=21)
    assert said(stage) == "PCMA"


KEYS = SrtpKeys("AES_CM_128_HMAC_SHA1_80", bytes(range(30)), bytes(range(50, 80)))


async def test_a_phone_that_misses_the_first_packets_can_read_the_others() -> None:
    """RFC 3711 section 3.3.1: if the numbers passed 0 among those, it would never know, nor read anything."""
    clock, phone = ManualClock(1000.0), bound()
    pool = RtpPortPool(*PORTS, "127.0.0.1", 0.0)
    sockets = RtpSockets(asyncio.get_running_loop(), clock, pool, packet_io(), TIMEOUT_S)
    shell = LegShell(lambda event: None, lambda bits: (1 << bits) - 6, lambda: 4e9, lambda leg_id: None)
    port = phone.getsockname()[1]
    audio = RtpAudio("127.0.0.1", port, port, Codec("PCMU", 0, 8000), srtp=KEYS, rtcp_mux=True)
    spec = RtpLegSpec(LegId("leg_1"), ParticipantId("prt_1"), RoomId("room_1"), audio)
    leg = RtpLeg(spec, sockets, VideoRoutes(lambda event: None), shell, clock.now())
    assert leg.audio_down is not None
    for tick in range(40):
        leg.audio_down.push(bytes(160), 160 * tick, clock.now(), marker=False)
    heard = [phone.recv(2048) for _ in range(40)][20:]
    session = SrtpSession(suite_keys(KEYS.suite, KEYS.remote_key, KEYS.local_key))
    assert None not in [session.unprotect_rtp(packet) for packet in heard]
    leg.close(clock.now())
    phone.close()


async def test_a_leg_whose_goodbye_fails_gives_its_ports_back_all_the_same() -> None:
    def fail() -> float:
        raise ZeroDivisionError

    clock = ManualClock(1000.0)
    pool = RtpPortPool(*PORTS, "127.0.0.1", 0.0)
    sockets = RtpSockets(asyncio.get_running_loop(), clock, pool, packet_io(), TIMEOUT_S)
    shell = LegShell(lambda event: None, lambda bits: 1, fail, lambda leg_id: None)
    audio = RtpAudio("127.0.0.1", 9, 9, Codec("PCMU", 0, 8000))
    spec = RtpLegSpec(LegId("leg_1"), ParticipantId("prt_1"), RoomId("room_1"), audio, video_port=True)
    leg = RtpLeg(spec, sockets, VideoRoutes(lambda event: None), shell, clock.now())
    assert pool.lent == 2
    with pytest.raises(ZeroDivisionError):
        leg.close(clock.now())
    assert pool.lent == 0
