"""Forwarding from one camera: what each viewer gets, and what the camera is asked."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.media.video.forwarder import UpTrack
from bridge.plane.messages import Codec, DownTrackSpec
from bridge.wire.rtcp import Nack, PictureLossIndication, SenderReport
from bridge.wire.rtp import RtpPacket, serialize_rtp
from tests.unit.media.camera import FEEDBACK_SSRC, H264, VP8, Camera, up_spec
from tests.unit.media.viewer import Viewer, feed, viewing


def test_the_stream_of_the_camera_arrives_whole() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera()
    up_track.add(viewer.track)
    for number in range(10):
        feed(up_track, camera.frame(key=number == 0), number / 30)
    assert viewer.seen == [(frame, place) for frame in range(10) for place in range(3)]
    assert {packet.ssrc for packet in viewer.packets} == {0xAAAA}
    assert {packet.extension for packet in viewer.packets} == {b"\x405\x00\x00"}
    first = viewer.packets[0].sequence_number
    assert [packet.sequence_number - first for packet in viewer.packets] == list(range(30))
    assert viewer.packets[3].timestamp - viewer.packets[0].timestamp == 3000
    assert [packet.marker for packet in viewer.packets[:3]] == [False, False, True]


def test_a_viewer_begins_with_a_key_frame_and_asks_for_it() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera()
    feed(up_track, camera.frame(key=True))
    assert up_track.take_feedback(0.0) == []
    up_track.add(viewer.track)
    assert up_track.take_feedback(0.0) == [PictureLossIndication(FEEDBACK_SSRC, camera.ssrc)]
    feed(up_track, camera.frame(), 0.1)
    assert viewer.seen == []
    feed(up_track, camera.frame(key=True), 0.2)
    assert viewer.seen[0] == (2, 0)
    assert not viewer.track.waiting
    assert up_track.timer() is None


def test_h264_begins_with_its_parameter_sets() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera(codec=H264)
    up_track.add(viewer.track)
    feed(up_track, camera.frame())
    feed(up_track, camera.frame(key=True))
    assert viewer.seen == [(1, 0), (1, 1), (1, 2)]
    assert viewer.packets[0].payload_type == 102


def test_h264_whose_parameter_sets_are_late_begins_when_they_come() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera(codec=H264)
    up_track.add(viewer.track)
    feed(up_track, camera.frame())
    parameters, *rest = camera.frame(key=True)
    feed(up_track, rest)
    assert viewer.seen == []
    feed(up_track, [camera.retransmit(parameters)])
    assert viewer.seen == [(1, 0), (1, 1), (1, 2)]


def test_h264_without_parameter_sets_in_the_frame_begins_at_the_picture() -> None:
    up_track, viewer = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer()
    up_track.add(viewer.track)
    for number, payload in enumerate((b"\x41\x00\x00\x00", b"\x06\x05\x00\x00", b"\x65\x88\x01\x00")):
        packet = RtpPacket(102, number, 3000 * min(number, 1), 1, payload, marker=number != 1)
        up_track.receive(serialize_rtp(packet), 0.0)
    assert viewer.seen == [(0x8801, 0)]


def test_picture_counters_go_out_continuous_and_fifteen_bits_wide() -> None:
    viewer = Viewer()
    narrow, wide = Camera(wide=False, picture_id=120), Camera(ssrc=0x2222, picture_id=5)
    now = 0.0
    for camera in (narrow, wide):
        up_track = UpTrack(up_spec(), FEEDBACK_SSRC)
        up_track.add(viewer.track)
        for number in range(20):
            feed(up_track, camera.frame(key=number == 0), now)
            now += 1 / 30
        up_track.remove(viewer.track)
    starts = [packet.payload for packet in viewer.packets if packet.payload[0] & 0x10]
    pictures = [int.from_bytes(payload[2:4], "big") - 0x8000 for payload in starts]
    assert pictures == list(range(pictures[0], pictures[0] + 40))
    assert [payload[4] for payload in starts] == [number & 0xFF for number in range(40)]


def test_a_switch_of_source_continues_the_stream() -> None:
    viewer, first, second = Viewer(), Camera(), Camera(ssrc=0x2222, sequence_number=9, timestamp=17)
    one, other = UpTrack(up_spec(), FEEDBACK_SSRC), UpTrack(up_spec(), FEEDBACK_SSRC)
    one.add(viewer.track)
    feed(one, first.frame(key=True), 1.0)
    one.remove(viewer.track)
    feed(one, first.frame(), 1.1)
    other.add(viewer.track)
    feed(other, second.frame(), 1.5)
    feed(other, second.frame(key=True), 2.0)
    assert viewer.seen == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    numbers = [packet.sequence_number for packet in viewer.packets]
    assert numbers == list(range(numbers[0], numbers[0] + 6))
    assert viewer.packets[3].timestamp - viewer.packets[0].timestamp == 90_000


def test_a_camera_that_changes_its_codec_is_followed() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera()
    up_track.add(viewer.track)
    feed(up_track, camera.frame(key=True))
    camera.codec = H264
    feed(up_track, camera.frame())
    feed(up_track, camera.frame(key=True), 0.2)
    assert [packet.payload_type for packet in viewer.packets] == [96] * 3 + [102] * 3
    assert viewer.seen[3] == (2, 0)
    assert viewer.track.statistics().codec == "H264"


def test_a_viewer_without_the_codec_gets_nothing_and_a_reason() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(H264), Camera()
    up_track.add(viewer.track)
    assert viewer.track.take_path_change() is None
    feed(up_track, camera.frame(key=True))
    assert viewer.packets == []
    path = viewer.track.take_path_change()
    assert path is not None
    assert path.reason == "the source sends VP8, the receiver takes H264; transcoding is not available"
    assert viewer.track.take_path_change() is None
    assert viewer.track.withheld == 3


def test_a_renegotiated_viewer_keeps_its_picture() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera()
    up_track.add(viewer.track)
    feed(up_track, camera.frame(key=True))
    spec = viewer.track.spec
    again = Codec("VP8", 96, 90_000, rtx_payload_type=97)
    viewer.track.update(DownTrackSpec("5", "video", (again, H264), spec.extensions, spec.ssrc, spec.rtx_ssrc))
    up_track.update(up_spec(Codec("VP8", 96, 90_000, rtx_payload_type=97)))
    up_track.add(viewer.track)
    feed(up_track, camera.frame())
    assert len(viewer.packets) == 6


def test_a_renegotiated_camera_keeps_its_viewers_picture() -> None:
    """Whoever adds a shared screen describes the camera once more: its H.264 is what it was."""
    declared = msgspec.structs.replace(H264, fmtp=f"level-asymmetry-allowed=1;{H264.fmtp}")
    up_track, viewer, camera = UpTrack(up_spec(declared), FEEDBACK_SSRC), Viewer(), Camera(codec=declared)
    up_track.add(viewer.track)
    feed(up_track, camera.frame(key=True))
    up_track.update(up_spec(msgspec.structs.replace(declared)))
    feed(up_track, camera.frame())
    assert [frame for frame, _ in viewer.seen] == [0, 0, 0, 1, 1, 1]


def test_the_key_frame_with_which_a_camera_starts_anew_is_shown_from_its_first_packet() -> None:
    """RFC 3550 appendix A.1 believes a jump with its second packet. The first has the parameter sets, and not
    every phone makes another key frame when it is asked."""
    for codec in (VP8, H264):
        up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera(codec=codec)
        up_track.add(viewer.track)
        feed(up_track, camera.frame(key=True), 0.0)
        camera.sequence_number, camera.timestamp = 20_000, 12_345
        feed(up_track, camera.frame(key=True), 1.0)
        assert viewer.seen == [(frame, place) for frame in range(2) for place in range(3)]
        assert not viewer.track.waiting


def test_a_camera_that_starts_anew_is_followed_from_its_key_frame() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera()
    up_track.add(viewer.track)
    feed(up_track, camera.frame(key=True))
    camera.sequence_number = 30_000
    feed(up_track, camera.frame(), 0.1)
    assert up_track.take_feedback(1.0) == [PictureLossIndication(FEEDBACK_SSRC, camera.ssrc)]
    feed(up_track, camera.frame(key=True), 1.1)
    assert viewer.seen[3:] == [(2, 0), (2, 1), (2, 2)]
    numbers = [packet.sequence_number for packet in viewer.packets]
    assert numbers == list(range(numbers[0], numbers[0] + 6))


def test_a_viewer_that_comes_in_the_middle_of_a_key_frame_waits_for_the_next() -> None:
    """Each slice of the picture says that it is one. Begun at the second, it would be torn, and stay so."""
    up_track, early, late = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Viewer()
    up_track.add(early.track)
    slices = [b"\x65\x88", b"\x65\x10", b"\x65\x20"]
    pictures = [[b"\x41\x9a"], [b"\x67\x42\xe0\x1f", b"\x68\xce", *slices], slices]
    number = 0
    for time, picture in enumerate(pictures):
        for payload in picture:
            number += 1
            feed(up_track, [serialize_rtp(RtpPacket(102, number, 3000 * time, 1, payload))], time)
            if number == 5:  # the second slice of the key frame
                up_track.add(late.track)
    assert [packet.payload for packet in early.packets] == [*pictures[1], *slices]
    assert [packet.payload for packet in late.packets] == slices


def test_after_another_description_the_next_stream_takes_over_though_the_last_has_just_sent() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera()
    up_track.add(viewer.track)
    feed(up_track, camera.frame(key=True), 0.0)
    up_track.expect_another_stream()
    feed(up_track, camera.frame(), 0.1)
    feed(up_track, Camera(ssrc=0x2222).frame(key=True), 0.2)
    assert (len(viewer.packets), up_track.ssrc) == (9, 0x2222)
    feed(up_track, camera.frame(), 0.3)
    assert (up_track.ssrc, up_track.other_ssrc) == (0x2222, 3)


def test_a_second_stream_takes_over_only_from_a_silent_or_withdrawn_one() -> None:
    up_track, viewer = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer()
    up_track.add(viewer.track)
    feed(up_track, Camera().frame(key=True), 0.0)
    feed(up_track, Camera(ssrc=0x2222).frame(key=True), 0.5)
    assert (len(viewer.packets), up_track.other_ssrc, up_track.ssrc) == (3, 3, 0x1111)
    feed(up_track, Camera(ssrc=0x2222).frame(key=True), 1.5)
    assert (len(viewer.packets), up_track.ssrc) == (6, 0x2222)
    up_track.update(up_spec(ssrcs=(0x3333,)))
    feed(up_track, Camera(ssrc=0x3333).frame(key=True), 1.6)
    assert (len(viewer.packets), up_track.ssrc) == (9, 0x3333)


def test_a_camera_that_was_silent_is_asked_with_its_first_packet() -> None:
    """What was asked while its network was away got lost; who joined meanwhile has waited long enough."""
    up_track, _, camera = viewing()
    up_track.add(Viewer().track)
    asked = [tick for tick in range(80) if up_track.take_feedback(tick * 0.1)]
    assert asked[-1] - asked[-2] > 15, "it has learnt to be patient"
    feed(up_track, camera.frame(), 8.0)
    assert up_track.take_feedback(8.0) == [PictureLossIndication(FEEDBACK_SSRC, camera.ssrc)]


def test_a_lost_packet_is_asked_for_and_forwarded_when_it_comes() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera()
    up_track.add(viewer.track)
    first, lost, last = camera.frame(key=True)
    feed(up_track, [first, last], 0.0)
    assert up_track.timer() == 0.01
    assert up_track.take_feedback(0.02) == [Nack(FEEDBACK_SSRC, camera.ssrc, (65_531,))]
    feed(up_track, [camera.retransmit(lost)], 0.05)
    assert viewer.seen == [(0, 0), (0, 2), (0, 1)]
    assert viewer.packets[2].sequence_number == viewer.packets[0].sequence_number + 1
    assert up_track.statistics().retransmitted == 1


def test_probing_retransmissions_are_not_forwarded() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera()
    up_track.add(viewer.track)
    early = Camera().frame(key=True)
    feed(up_track, [camera.retransmit(early[0])])  # before anything else
    packets = camera.frame(key=True)
    feed(up_track, packets)
    feed(up_track, [camera.retransmit(packet) for packet in packets])
    feed(up_track, [serialize_rtp(RtpPacket(97, 9, 9, camera.ssrc + 1, padding_size=255))])
    assert len(viewer.packets) == 3


def test_mere_padding_keeps_the_sequence_whole() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera()
    up_track.add(viewer.track)
    feed(up_track, camera.frame(key=True))
    padding = RtpPacket(96, camera.sequence_number, camera.timestamp, camera.ssrc, padding_size=200)
    feed(up_track, [serialize_rtp(padding)])
    assert viewer.packets[3].payload == b""
    assert viewer.packets[3].padding_size == 0
    assert viewer.packets[3].sequence_number == viewer.packets[2].sequence_number + 1


def test_what_is_given_up_becomes_a_wish_for_a_key_frame() -> None:
    up_track, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Camera()
    first, _, last = camera.frame(key=True)
    feed(up_track, [first, last])
    asked = [packet for tick in range(200) for packet in up_track.take_feedback(tick * 0.01)]
    assert [type(packet) for packet in asked] == [Nack] * 10 + [PictureLossIndication] * (len(asked) - 10)
    assert len(asked) > 10


def test_reports_say_what_was_received() -> None:
    up_track, _, camera = viewing()
    up_track.receive_sender_report(SenderReport(camera.ssrc, 0x1_0000_0000, 0, 30, 300), 0.0)
    up_track.receive_sender_report(SenderReport(99, 0x2_0000_0000, 0, 30, 300), 0.0)
    block = up_track.take_report_block(0.5)
    assert block is not None
    assert (block.ssrc, block.packets_lost, block.last_sender_report) == (camera.ssrc, 0, 0x10000)
    up = up_track.statistics()
    assert (up.packets, up.frames, up.codec, up.direction) == (30, 10, "VP8", "up")
    assert UpTrack(up_spec(), FEEDBACK_SSRC).take_report_block(0.0) is None
    assert UpTrack(up_spec(), FEEDBACK_SSRC).take_feedback(0.0) == []


# --- bad input ---------------------------------------------------------------------------------------------


def test_broken_packets_are_counted_and_the_stream_goes_on() -> None:
    up_track, viewer, camera = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer(), Camera()
    up_track.add(viewer.track)
    feed(up_track, camera.frame(key=True))
    cut_descriptor = RtpPacket(96, camera.sequence_number, 0, camera.ssrc, b"\x90")
    feed(up_track, [b"\x80", serialize_rtp(cut_descriptor), serialize_rtp(RtpPacket(50, 1, 1, 1, b"x"))])
    camera.sequence_number += 1
    feed(up_track, camera.frame())
    assert (up_track.malformed, up_track.unknown_payload_type, len(viewer.packets)) == (2, 1, 6)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([96, 97, 102, 103, 9]),
            st.integers(0, 0xFFFF),
            st.binary(max_size=12),
            st.booleans(),
        ),
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_payload_breaks_the_path(packets: list[tuple[int, int, bytes, bool]]) -> None:
    up_track, viewer = UpTrack(up_spec(), FEEDBACK_SSRC), Viewer()
    up_track.add(viewer.track)
    for now, (payload_type, number, payload, marker) in enumerate(packets):
        up_track.receive(serialize_rtp(RtpPacket(payload_type, number, 0, 1, payload, marker=marker)), now)
        up_track.take_feedback(now)
    viewer.track.receive_nack((0, 1, 0x1001), 50.0)
    assert len(viewer.packets) <= len(packets) + 1
