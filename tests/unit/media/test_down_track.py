"""What a viewer says about its stream, and what it gets for it."""

import pytest

from bridge.media.video.forwarder import UpTrack
from bridge.plane.messages import Codec, DownTrackSpec
from bridge.wire.rtcp import PictureLossIndication, ReportBlock
from bridge.wire.rtp import serialize_rtp
from tests.unit.media.camera import FEEDBACK_SSRC, Camera, up_spec
from tests.unit.media.viewer import Viewer, feed, viewing


def test_a_nack_is_answered_by_rtx_once_per_interval() -> None:
    _, viewer, _ = viewing()
    original = viewer.packets[4]
    for now in (0.1, 0.15, 0.25):
        viewer.track.receive_nack((original.sequence_number,), now)
    resent = viewer.packets[30:]
    assert [(packet.ssrc, packet.payload_type) for packet in resent] == [(0xBBBB, 97)] * 2
    assert [packet.sequence_number for packet in resent] == [1, 2]
    assert resent[0].payload == original.sequence_number.to_bytes(2, "big") + original.payload
    assert (viewer.track.resent_lately, viewer.track.statistics().retransmitted) == (1, 2)


def test_without_rtx_the_same_packet_goes_again() -> None:
    viewer = Viewer(Codec("VP8", 100, 90_000))
    up_track = UpTrack(up_spec(), FEEDBACK_SSRC)
    up_track.add(viewer.track)
    feed(up_track, Camera().frame(key=True))
    viewer.track.receive_nack((viewer.packets[1].sequence_number,), 0.1)
    assert viewer.packets[3] == viewer.packets[1]


def test_a_nack_for_what_the_camera_never_delivered_is_ignored() -> None:
    _, viewer, _ = viewing()
    viewer.track.receive_nack((viewer.packets[-1].sequence_number + 1, 3), 0.1)
    assert len(viewer.packets) == 30


def test_retransmissions_are_half_of_what_is_sent_at_most() -> None:
    _, viewer, _ = viewing(600)
    numbers = tuple(packet.sequence_number for packet in viewer.packets[-500:])
    for storm in range(1, 9):
        viewer.track.receive_nack(numbers, storm * 0.11)
    sizes = [len(serialize_rtp(packet)) for packet in viewer.packets]
    assert sum(sizes[600:]) <= 0.5 * sum(sizes[:600]) + 64_000
    assert viewer.track.over_budget > 0


def test_a_lost_picture_is_asked_for_upstream() -> None:
    up_track, viewer, camera = viewing()
    viewer.track.receive_pli()
    assert up_track.take_feedback(1.0) == [PictureLossIndication(FEEDBACK_SSRC, camera.ssrc)]
    feed(up_track, camera.frame(), 1.0)
    assert len(viewer.packets) == 33  # what comes meanwhile is still forwarded
    up_track.remove(viewer.track)
    viewer.track.receive_pli()
    assert up_track.timer() is not None  # the first wish still stands: no key frame came
    feed(up_track, camera.frame(key=True), 1.1)
    assert up_track.timer() is None


def test_only_so_much_of_one_request_is_looked_at() -> None:
    _, viewer, _ = viewing()
    wanted = viewer.packets[0].sequence_number
    viewer.track.receive_nack((1,) * 512 + (wanted,), 0.1)
    assert (len(viewer.packets), viewer.track.nacks) == (30, 513)


def test_reports_measure_the_round_trip() -> None:
    _, viewer, _ = viewing()
    assert Viewer().track.sender_report(0.0, 1.0) is None
    report = viewer.track.sender_report(1.0, 1.0)
    assert report is not None
    assert (report.ssrc, report.packet_count, report.timestamp) == (0xAAAA, 30, 9 * 3000 + 90_000)
    block = ReportBlock(0xAAAA, 0, 4, 0, 900, 0x10000, 0)
    assert viewer.track.receive_report_block(block, 1.08) == pytest.approx(0.08)
    down = viewer.track.statistics()
    assert (down.packets, down.frames, down.codec, down.direction) == (30, 10, "VP8", "down")
    assert (down.lost, down.jitter_ms) == (4, 10.0)
    assert down.round_trip_ms == pytest.approx(80.0)


def test_a_resting_stream_still_names_the_codec_of_what_it_sent() -> None:
    up_track, viewer, _ = viewing()
    assert Viewer().track.statistics().codec == ""
    up_track.remove(viewer.track)
    down = viewer.track.statistics()
    assert (down.codec, down.packets, down.round_trip_ms) == ("VP8", 30, None)
    UpTrack(up_spec(), FEEDBACK_SSRC).add(viewer.track)
    assert viewer.track.statistics().codec == "VP8"


def test_a_stream_keeps_its_ssrc() -> None:
    _, viewer, _ = viewing()
    spec = viewer.track.spec
    with pytest.raises(ValueError, match="SSRC"):
        viewer.track.update(DownTrackSpec("5", "video", spec.codecs, spec.extensions, 1))
