"""A viewer for tests: a down track and what came out of it."""

from bridge.media.video.forwarder import DownTrack, UpTrack
from bridge.plane.messages import Codec, DownTrackSpec, ExtensionIds
from bridge.wire.rtp import RtpPacket, parse_rtp
from tests.unit.media.camera import FEEDBACK_SSRC, H264, VP8, Camera, describe, up_spec


class Viewer:
    """Takes VP8 and H.264 unless told otherwise."""

    def __init__(self, *codecs: Codec, level_binds: bool = False) -> None:
        self.packets: list[RtpPacket] = []
        spec = DownTrackSpec(
            "5",
            "video",
            codecs or (VP8, H264),
            ExtensionIds(mid=4),
            0xAAAA,
            0xBBBB,
            level_binds=level_binds,
        )
        self.track = DownTrack(spec, lambda data: self.packets.append(parse_rtp(data)))

    @property
    def seen(self) -> list[tuple[int, int]]:
        return [describe(packet.payload) for packet in self.packets]


def feed(up_track: UpTrack, packets: list[bytes], now: float = 0.0) -> None:
    for packet in packets:
        up_track.receive(packet, now)


def viewing(packets: int = 30) -> tuple[UpTrack, Viewer, Camera]:
    """A viewer that already got so many packets, all at time 0."""
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera()
    up_track.add(viewer.track)
    for number in range(packets // 3):
        feed(up_track, camera.frame(key=number == 0), 0.0)
    up_track.take_feedback(0.0)
    return up_track, viewer, camera
