"""Audio of a leg, packet side: what is taken, what is refused, digits, and the outgoing timeline."""

from bridge.codec.audio import decoder_for
from bridge.codec.dtmf import DtmfDetector
from bridge.media.audio.mixer import AudioStatistics
from bridge.media.audio.track import MAX_SSRC_CHANGES_PER_S, AudioDownTrack, AudioUpTrack
from bridge.plane.messages import Codec
from bridge.rtp.frame import FrameKind
from bridge.wire.dtmf import TelephoneEvent, serialize_telephone_event
from bridge.wire.extensions import parse_extensions
from bridge.wire.rtp import RtpPacket, parse_rtp, serialize_rtp

PCMU = Codec("PCMU", 0, 8000)
EVENTS = 101


def packet(index: int, payload: bytes = b"\x10" * 160, *, payload_type: int = 0, ssrc: int = 7) -> bytes:
    return serialize_rtp(RtpPacket(payload_type, index & 0xFFFF, 160 * index, ssrc, payload))


def event(timestamp: int, index: int, *, ends: bool, marker: bool = False, duration: int = 800) -> bytes:
    payload = serialize_telephone_event(TelephoneEvent(5, ends, 10, duration))
    return serialize_rtp(RtpPacket(EVENTS, index, timestamp, 7, payload, marker=marker))


def test_frames_come_out_in_order_after_the_jitter_buffers_delay() -> None:
    track = AudioUpTrack("audio", PCMU)
    kinds = []
    for index in range(20):
        now = index * 0.02
        track.receive(packet(index), now)
        kinds.append(track.pull(now + 0.001).kind)
    assert kinds[0] is FrameKind.EMPTY
    assert kinds[-10:] == [FrameKind.PAYLOAD] * 10


def test_what_nobody_negotiated_is_counted_and_dropped() -> None:
    track = AudioUpTrack("audio", PCMU)
    track.receive(packet(1, payload_type=8), 0.0)
    track.receive(b"\x80", 0.0)
    assert (track.foreign, track.malformed) == (1, 1)
    assert track.ssrc is None


def test_a_new_ssrc_takes_over_but_not_for_ever() -> None:
    track = AudioUpTrack("audio", PCMU)
    for ssrc in range(1, 100):
        track.receive(packet(1, ssrc=ssrc), 0.5)
    assert track.ssrc == MAX_SSRC_CHANGES_PER_S
    assert track.foreign == 99 - MAX_SSRC_CHANGES_PER_S
    track.receive(packet(1, ssrc=1234), 2.0)
    assert track.ssrc == 1234


def test_of_two_streams_at_once_the_newer_is_heard_and_not_cut_up_by_the_other() -> None:
    """As when a PBX goes over to the next party and the last one has not stopped."""
    track = AudioUpTrack("audio", PCMU)
    kinds = []
    for index in range(100):
        now = index * 0.02
        track.receive(packet(index, ssrc=7), now)
        if index >= 20:
            track.receive(packet(index, ssrc=8), now + 0.001)
        kinds.append(track.pull(now + 0.002).kind)
    assert track.ssrc == 8
    assert kinds[30:] == [FrameKind.PAYLOAD] * 70
    assert track.foreign == 79
    track.receive(packet(101, ssrc=7), 2.1)
    assert track.ssrc == 7, "when the newer has ended, the other may go on"


def test_keys_in_a_stream_of_their_own_leave_the_sound_alone() -> None:
    digits: list[str] = []
    track = AudioUpTrack(
        "audio", PCMU, dtmf_payload_types=(EVENTS,), on_digit=lambda digit, _: digits.append(digit)
    )
    kinds = []
    for index in range(60):
        now = index * 0.02
        track.receive(packet(index, ssrc=8), now)
        if 30 <= index < 35:
            track.receive(event(70_000, index, ends=index == 34), now + 0.001)
        kinds.append(track.pull(now + 0.002).kind)
    assert digits == ["5"]
    assert track.ssrc == 8
    assert kinds[10:] == [FrameKind.PAYLOAD] * 50


def test_a_digit_is_told_once_by_its_timestamp_with_or_without_marker_bits() -> None:
    digits: list[tuple[str, int]] = []
    track = AudioUpTrack(
        "audio", PCMU, dtmf_payload_types=(EVENTS,), on_digit=lambda digit, ms: digits.append((digit, ms))
    )
    track.receive(event(1000, 1, ends=False), 0.0)
    for index in (2, 3, 4):  # the end is sent three times, RFC 4733 section 2.5.1.4
        track.receive(event(1000, index, ends=True), 0.1)
    track.receive(event(3000, 5, ends=True, marker=True), 0.3)
    assert digits == [("5", 100), ("5", 100)]


def test_keys_that_came_too_quickly_stand_in_the_statistics() -> None:
    digits: list[tuple[str, int]] = []
    track = AudioUpTrack(
        "audio", PCMU, dtmf_payload_types=(EVENTS,), on_digit=lambda digit, ms: digits.append((digit, ms))
    )
    for number in range(200):
        track.receive(event(1000 * number, number, ends=True), 0.001 * number)
    dropped = track.statistics(AudioStatistics()).digits_dropped
    assert dropped == 200 - len(digits)
    assert dropped > 100


def sent_while_pressing(codec: Codec, digits: str, dtmf_payload_type: int | None) -> list[RtpPacket]:
    sent: list[bytes] = []
    track = AudioDownTrack("audio", codec, 99, sent.append, first=(10, 5000))
    track.dtmf_payload_type = dtmf_payload_type
    track.send_digits(digits)
    for tick in range(40):
        track.push(b"\xff" * 160, tick * 160, tick * 0.02, marker=False)
    return [parse_rtp(packet) for packet in sent]


def test_keys_go_out_as_events_in_the_stream_of_the_audio() -> None:
    packets = sent_while_pressing(PCMU, "19", EVENTS)
    assert [packet.sequence_number for packet in packets] == list(range(11, 51))
    events = [packet for packet in packets if packet.payload_type == EVENTS]
    assert [packet.marker for packet in events] == [True, *[False] * 6] * 2
    assert [packet.timestamp for packet in events] == [5000] * 7 + [5000 + 12 * 160] * 7
    audio = [packet for packet in packets if packet.payload_type == 0]
    assert [packet.timestamp for packet in audio[:5]] == [5000 + tick * 160 for tick in range(7, 12)]
    heard: list[tuple[str, int]] = []
    up = AudioUpTrack(
        "audio", PCMU, dtmf_payload_types=(EVENTS,), on_digit=lambda *digit: heard.append(digit)
    )
    for packet in packets:
        up.receive(serialize_rtp(packet), 0.0)
    assert heard == [("1", 100), ("9", 100)]


def test_keys_go_out_as_tones_where_no_event_was_negotiated() -> None:
    packets = sent_while_pressing(PCMU, "58", None)
    assert {packet.payload_type for packet in packets} == {0}
    assert [packet.timestamp for packet in packets] == [5000 + tick * 160 for tick in range(40)]
    decoder, detector = decoder_for(PCMU), DtmfDetector(8000)
    found = [detector.hear(decoder.decode(packet.payload)) for packet in packets]
    assert [item[0] for item in found if item] == ["5", "8"]


def test_the_outgoing_timeline_has_one_ssrc_and_the_mid() -> None:
    sent: list[bytes] = []
    opus = Codec("OPUS", 111, 48000, 2)
    track = AudioDownTrack("0", opus, 99, sent.append, first=(65534, 2**32 - 960), extensions={1: b"0"})
    for tick in range(3):
        track.push(b"frame", tick * 960, tick * 0.02, marker=tick == 0)
    packets = [parse_rtp(data) for data in sent]
    assert [p.sequence_number for p in packets] == [65535, 0, 1]
    assert [p.timestamp for p in packets] == [2**32 - 960, 0, 960]
    assert [p.marker for p in packets] == [True, False, False]
    assert {(p.ssrc, p.payload_type, p.payload) for p in packets} == {(99, 111, b"frame")}
    assert packets[0].extension_profile is not None
    assert parse_extensions(packets[0].extension_profile, packets[0].extension) == {1: b"0"}
    assert track.position == (1, 960)


def test_the_reports_say_what_was_sent_and_received() -> None:
    down = AudioDownTrack("0", PCMU, 99, lambda _: None, first=(0, 0))
    assert down.sender_report(0.0, 0.0) is None
    down.push(b"x" * 160, 0, 1.0, marker=True)
    report = down.sender_report(1.0, 3_000_000_000.0)
    assert report is not None
    assert (report.packet_count, report.octet_count) == (1, 160)
    up = AudioUpTrack("0", PCMU)
    assert up.take_report_blocks(0.0) == ()
    for index in (1, 2, 4):
        up.receive(packet(index), index * 0.02)
    (block,) = up.take_report_blocks(0.1)
    assert block.packets_lost == 1
    assert up.statistics(AudioStatistics(level_dbov=-20.0)).level_dbov == -20.0


def test_while_it_rests_keys_and_counters_go_on_and_the_newest_payload_is_told() -> None:
    digits: list[str] = []
    track = AudioUpTrack(
        "audio", PCMU, dtmf_payload_types=(EVENTS,), on_digit=lambda digit, _: digits.append(digit)
    )
    assert track.rest(0.0) == b""
    for index in range(10):
        track.receive(packet(index, bytes([index]) * 160), index * 0.02)
    assert track.rest(0.2) == b"\x09" * 160
    assert track.rest(0.22) == b""
    track.receive(event(1600, 10, ends=False), 0.22)
    track.rest(0.5)
    assert digits == ["5"]
    assert track.statistics(AudioStatistics()).packets == 11
    assert track.statistics(AudioStatistics()).dropped == 0


def test_after_a_rest_it_begins_with_what_comes_then() -> None:
    track = AudioUpTrack("audio", PCMU)
    frames = []
    for index in range(80):
        now = index * 0.02
        track.receive(packet(index, bytes([index]) * 160), now)
        if 20 <= index < 70:
            track.rest(now + 0.001)
        else:
            frames.append((index, track.pull(now + 0.001)))
    first = next(frame for index, frame in frames if index >= 70 and frame.payload)
    assert first.payload[0] >= 70
    assert [frame.kind for _, frame in frames[-4:]] == [FrameKind.PAYLOAD] * 4
