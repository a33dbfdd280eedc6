"""Sender reports and round trips (RFC 3550 section 6.4)."""

import pytest

from bridge.rtp.sender import REMEMBERED_REPORTS, StreamSender
from bridge.wire.rtcp import ReportBlock


def block_for(middle: int, delay_s: float = 0.0) -> ReportBlock:
    return ReportBlock(1, 64, 5, 0, 80, middle, int(delay_s * 65536))


def test_nothing_sent_is_nothing_to_report() -> None:
    assert StreamSender(1, 8000).sender_report(0.0, 0.0) is None


def test_a_report_carries_the_media_clock_on_to_now() -> None:
    sender = StreamSender(1, 8000)
    sender.sent(0xFFFFFF00, 160, 10.0)
    report = sender.sender_report(10.5, 3_900_000_000.25)
    assert report is not None
    assert report.timestamp == (0xFFFFFF00 + 4000) & 0xFFFFFFFF
    assert report.ntp_timestamp == (3_900_000_000 << 32) + (1 << 30)
    assert (report.packet_count, report.octet_count) == (1, 160)


def test_later_packets_of_a_frame_do_not_move_the_mapping() -> None:
    sender = StreamSender(1, 90_000)
    sender.sent(3000, 1000, 1.0)
    sender.sent(3000, 1000, 1.1)
    report = sender.sender_report(2.0, 0.0)
    assert report is not None
    assert report.timestamp == 93_000


def test_a_round_trip_leaves_out_the_receivers_delay() -> None:
    sender = StreamSender(1, 8000)
    sender.sent(0, 160, 0.0)
    report = sender.sender_report(1.0, 3_900_000_000.5)
    assert report is not None
    middle = report.ntp_timestamp >> 16 & 0xFFFFFFFF
    assert sender.receive_report_block(block_for(middle, 0.5), 1.62) == pytest.approx(0.12, abs=1e-4)
    assert (sender.fraction_lost, sender.packets_lost, sender.remote_jitter_ms) == (0.25, 5, 10.0)


def test_an_impossible_delay_does_not_make_time_run_backwards() -> None:
    sender = StreamSender(1, 8000)
    sender.sent(0, 160, 0.0)
    sender.sender_report(1.0, 1.0)
    assert sender.receive_report_block(block_for(0x10000, 9.0), 1.1) == 0.0


def test_a_report_we_never_sent_measures_nothing() -> None:
    sender = StreamSender(1, 8000)
    sender.sent(0, 160, 0.0)
    for second in range(REMEMBERED_REPORTS + 1):
        sender.sender_report(float(second), float(second))
    assert sender.receive_report_block(block_for(0), 99.0) is None
    assert sender.receive_report_block(block_for(1 << 16), 99.0) == pytest.approx(98.0)
