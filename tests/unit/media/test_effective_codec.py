"""H.264 is what its packets say, and goes only to receivers that take those.

Elsewhere: black video from codec details, profile-level-id and packetization-mode compared as strings.
"""

import pytest

from bridge.media.video.effective_codec import EffectiveCodec
from bridge.media.video.forwarder import UpTrack
from bridge.media.video.path import PathKind
from bridge.plane.messages import Codec
from bridge.wire import h264
from bridge.wire.rtp import RtpPacket, serialize_rtp
from tests.unit.media.camera import FEEDBACK_SSRC, H264, Camera, up_spec
from tests.unit.media.viewer import Viewer, feed

MODE_0 = Codec("H264", 96, 90_000, fmtp="packetization-mode=0;profile-level-id=42e01f")
SPS, PPS = bytes.fromhex("6742e00d00"), bytes.fromhex("68ce3c80")
STAP_A = b"\x78" + len(SPS).to_bytes(2, "big") + SPS + len(PPS).to_bytes(2, "big") + PPS
FU_A = b"\x7c\x85\x00"


def after(declared: Codec, *payloads: bytes) -> h264.H264Parameters:
    effective = EffectiveCodec(declared)
    for payload in payloads:
        effective.receive(payload, 0, len(payload), h264.look(payload))
    return h264.parse_fmtp(effective.codec.fmtp)


@pytest.mark.parametrize(
    ("payload", "mode", "level"),
    [
        (SPS, 0, 13),
        (STAP_A, 1, 13),
        (FU_A, 1, 31),
        (b"\x41\x9a", 0, 31),
        (b"\x79\x00\x00", 2, 31),
        (b"\x7e\x80\x00", 0, 31),
    ],
)
def test_profile_and_mode_are_read_from_the_packets(payload: bytes, mode: int, level: int) -> None:
    found = after(MODE_0, payload)
    assert (found.packetization_mode, found.profile.level) == (mode, level)


def test_a_declared_mode_is_believed_before_it_is_used() -> None:
    assert after(H264, b"\x41\x9a").packetization_mode == 1


def test_the_codec_is_the_same_object_until_something_changes() -> None:
    effective = EffectiveCodec(MODE_0)
    first = effective.receive(SPS, 0, len(SPS), h264.look(SPS))
    assert first is not MODE_0
    assert effective.receive(SPS, 0, len(SPS), h264.look(SPS)) is first
    assert effective.receive(FU_A, 0, len(FU_A), h264.look(FU_A)) is not first


def test_a_cut_off_packet_changes_nothing() -> None:
    assert after(MODE_0, STAP_A[:6]).profile.level == 31


def path_of(viewer: Viewer) -> PathKind | None:
    return viewer.track.path.kind if viewer.track.path is not None else None


def packet(payload: bytes, number: int) -> bytes:
    return serialize_rtp(RtpPacket(MODE_0.payload_type, number, 3000, 1, payload))


def test_no_packet_of_mode_1_reaches_a_receiver_of_mode_0() -> None:
    """The source agreed to mode 0 and does not keep to it."""
    up_track, viewer = UpTrack(up_spec(MODE_0), FEEDBACK_SSRC), Viewer(MODE_0)
    up_track.add(viewer.track)
    feed(up_track, [packet(SPS, 1), packet(PPS, 2), packet(b"\x65\x88", 3)])
    assert len(viewer.packets) == 3
    feed(up_track, [packet(FU_A, 4), packet(b"\x41\x9a", 5)])
    assert len(viewer.packets) == 3
    path = viewer.track.take_path_change()
    assert path is not None
    assert path.kind is PathKind.NONE
    assert "packetization-mode 1, the receiver takes 0" in path.reason


def test_a_level_the_sdp_did_not_say_is_found_out() -> None:
    """The camera may send up to level 3.1, and sends level 1.3: a receiver of that sees it."""
    small = Codec("H264", 99, 90_000, fmtp="packetization-mode=1;profile-level-id=42e00d")
    up_track, viewer = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(small, level_binds=True)
    up_track.add(viewer.track)
    camera = Camera(codec=H264)
    feed(up_track, camera.frame())
    assert path_of(viewer) is PathKind.NONE
    up_track.receive(
        serialize_rtp(RtpPacket(102, camera.sequence_number, camera.timestamp, camera.ssrc, STAP_A)), 0.1
    )
    assert path_of(viewer) is PathKind.FORWARD
