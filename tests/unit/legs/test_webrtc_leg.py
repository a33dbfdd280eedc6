"""A browser's leg over renegotiation: what rests goes on where it was."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from bridge.clock import ManualClock
from bridge.ids import LegId, ParticipantId, RoomId, TrackId
from bridge.legs.leg import LegShell
from bridge.legs.webrtc_leg import WebRtcLeg, WebRtcNetwork
from bridge.media.video.routes import VideoRoutes
from bridge.plane.messages import Codec, DownTrackSpec, ExtensionIds, IceCredentials, WebRtcLegSpec
from bridge.transport.batch import packet_io
from bridge.transport.dtls import DtlsIdentity
from bridge.transport.mux import UdpMux, open_udp_socket

OPUS, VP8 = Codec("OPUS", 111, 48_000, 2), Codec("VP8", 96, 90_000)
AUDIO = DownTrackSpec("0", "audio", (OPUS,), ExtensionIds(), 0xAAAA)
VIDEO = DownTrackSpec("1", "video", (VP8,), ExtensionIds(), 0xBBBB, source=TrackId("leg_2/1"))
SPEC = WebRtcLegSpec(
    LegId("leg_1"),
    ParticipantId("prt_1"),
    RoomId("room_1"),
    IceCredentials("0123456789abcdef", "0123456789abcdef0123456789abcdef"),
    None,
    (),
    dtls_server=True,
    down_tracks=(AUDIO, VIDEO),
)


@pytest.fixture
async def leg() -> AsyncIterator[WebRtcLeg]:
    loop, clock = asyncio.get_running_loop(), ManualClock(1000.0)
    mux = UdpMux(loop, open_udp_socket("127.0.0.1", 0), clock, packet_io(), lambda endpoint, error: None)
    network = WebRtcNetwork(loop, clock, mux, DtlsIdentity.generate(), 30.0)
    shell = LegShell(lambda event: None, lambda bits: 1 << (bits - 2), lambda: 0.0, lambda leg_id: None)
    made = WebRtcLeg(SPEC, network, VideoRoutes(lambda event: None), shell, clock.now())
    yield made
    made.close(clock.now())
    mux.close()


async def test_sound_that_rests_goes_on_with_its_numbers(leg: WebRtcLeg) -> None:
    """SRTP refuses a stream that begins again behind itself."""
    assert leg.audio_down is not None
    for tick in range(100):
        leg.audio_down.push(b"\xfc", tick * 960, tick * 0.02, marker=False)
    before = leg.audio_down.position
    for tracks in ((VIDEO,), (), (AUDIO, VIDEO)):
        leg.update(msgspec.structs.replace(SPEC, down_tracks=tracks), 1001.0)
    assert leg.audio_down.position == before


async def test_sound_on_another_stream_begins_anew(leg: WebRtcLeg) -> None:
    assert leg.audio_down is not None
    leg.audio_down.push(b"\xfc", 960, 0.0, marker=False)
    before = leg.audio_down.position
    leg.update(msgspec.structs.replace(SPEC, down_tracks=()), 1001.0)
    other = msgspec.structs.replace(AUDIO, ssrc=0xCCCC)
    leg.update(msgspec.structs.replace(SPEC, down_tracks=(other,)), 1002.0)
    assert leg.audio_down.position != before
