"""Cameras and viewers find each other in either order, and let go again."""

from bridge.ids import LegId, TrackId
from bridge.media.video.forwarder import DownTrack, UpTrack
from bridge.media.video.routes import VideoRoutes
from bridge.plane.messages import Codec, DownTrackSpec, ExtensionIds, PathChosen, UpTrackSpec
from bridge.wire.rtp import RtpPacket, parse_rtp, serialize_rtp

VP8 = Codec("VP8", 96, 90000)
H264 = Codec("H264", 97, 90000, fmtp="packetization-mode=1;profile-level-id=42e01f")
VIEWER = LegId("leg_viewer")
CAMERA = TrackId("leg_camera/1")
KEY_FRAME = b"\x10\x00\x00\x00\x9d\x01\x2a\x40\x01\xf0\x00"  # VP8: S bit, P = 0, start code, 320x240


def camera() -> UpTrack:
    return UpTrack(UpTrackSpec("1", "video", (VP8,), ExtensionIds(), (5,)), 1)


def viewer(sent: list[bytes], *codecs: Codec) -> DownTrack:
    return DownTrack(DownTrackSpec("b0", "video", codecs or (VP8,), ExtensionIds(), 77), sent.append)


def picture(index: int) -> bytes:
    return serialize_rtp(RtpPacket(96, index, 3000 * index, 5, KEY_FRAME, marker=True))


def test_a_viewer_gets_the_picture_whichever_of_the_two_came_first() -> None:
    for viewer_first in (True, False):
        sent: list[bytes] = []
        routes, up, down = VideoRoutes(lambda _: None), camera(), viewer(sent)
        if viewer_first:
            routes.want(VIEWER, "b0", down, CAMERA)
            routes.publish(CAMERA, up)
        else:
            routes.publish(CAMERA, up)
            routes.want(VIEWER, "b0", down, CAMERA)
        up.receive(picture(1), 0.0)
        assert [parse_rtp(data).ssrc for data in sent] == [77]


def test_saying_it_twice_changes_nothing_and_another_source_ends_the_first() -> None:
    sent: list[bytes] = []
    routes, up, down = VideoRoutes(lambda _: None), camera(), viewer(sent)
    routes.publish(CAMERA, up)
    routes.want(VIEWER, "b0", down, CAMERA)
    up.receive(picture(1), 0.0)
    routes.want(VIEWER, "b0", down, CAMERA)
    up.receive(picture(2), 0.1)
    assert len(sent) == 2
    routes.want(VIEWER, "b0", down, None)
    up.receive(picture(3), 0.2)
    assert len(sent) == 2


def test_a_camera_that_goes_and_a_viewer_that_goes_leave_nothing_behind() -> None:
    sent: list[bytes] = []
    routes, up, down = VideoRoutes(lambda _: None), camera(), viewer(sent)
    routes.publish(CAMERA, up)
    routes.want(VIEWER, "b0", down, CAMERA)
    routes.release(VIEWER, "b0")
    routes.release(VIEWER, "b0")
    routes.unpublish(CAMERA)
    routes.unpublish(CAMERA)
    up.receive(picture(1), 0.0)
    assert sent == []


def test_a_viewer_without_the_codec_is_told_why() -> None:
    told: list[PathChosen] = []
    routes, up, down = VideoRoutes(told.append), camera(), viewer([], H264)
    routes.publish(CAMERA, up)
    routes.want(VIEWER, "b0", down, CAMERA)
    up.receive(picture(1), 0.0)
    routes.report_paths()
    routes.report_paths()
    assert [(event.leg_id, event.mid, event.path) for event in told] == [(VIEWER, "b0", "none")]
    assert "VP8" in told[0].reason
