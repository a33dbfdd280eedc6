"""Reception statistics (RFC 3550 appendix A)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.rtp.receiver import HISTORY_SIZE, Received, StreamReceiver
from bridge.wire.rtcp import SenderReport


def feed(receiver: StreamReceiver, sequence_numbers: list[int], now: float = 0.0) -> list[Received | None]:
    return [
        receiver.receive(number & 0xFFFF, 160 * number & 0xFFFFFFFF, 160, now + 0.02 * place)
        for place, number in enumerate(sequence_numbers)
    ]


def test_indexes_go_on_over_the_wrap() -> None:
    receiver = StreamReceiver(1, 8000)
    received = feed(receiver, [65_534, 65_535, 65_536, 65_537])
    assert [packet.index & 0xFFFF for packet in received if packet] == [65_534, 65_535, 0, 1]
    indexes = [packet.index for packet in received if packet]
    assert indexes == list(range(indexes[0], indexes[0] + 4))
    assert (receiver.packets, receiver.octets, receiver.lost) == (4, 640, 0)


def test_duplicates_are_refused_and_late_packets_are_not() -> None:
    receiver = StreamReceiver(1, 8000)
    received = feed(receiver, [10, 12, 11, 11, 12])
    assert [packet is None for packet in received] == [False, False, False, True, True]
    assert (receiver.duplicates, receiver.lost) == (2, 0)
    assert receiver.has(11)
    assert not receiver.has(13)
    assert not StreamReceiver(1, 8000).has(1)


@given(st.permutations(range(30)), st.integers(0, 65_535))
@settings(max_examples=50, deadline=None)
def test_any_order_of_packets_is_counted_once(order: list[int], start: int) -> None:
    receiver = StreamReceiver(1, 8000)
    received = feed(receiver, [start + number for number in order])
    indexes = {packet.index - start for packet in received if packet}
    assert max(indexes) - min(indexes) == 29
    assert receiver.packets == 30


def test_a_lone_jump_is_dropped_and_two_in_a_row_are_a_new_start() -> None:
    # RFC 3550 A.1: MAX_DROPOUT and the bad_seq rule
    receiver = StreamReceiver(1, 8000)
    feed(receiver, [100, 101])
    assert receiver.receive(30_000, 0, 160, 1.0) is None
    assert receiver.receive(102, 0, 160, 1.0) is not None
    assert receiver.receive(30_000, 0, 160, 1.0) is None
    restarted = receiver.receive(30_001, 0, 160, 1.02)
    assert restarted is not None
    assert restarted.restarted
    assert (restarted.index & 0xFFFF, receiver.restarts, receiver.too_old) == (30_001, 1, 2)
    assert receiver.lost == 0


def test_a_restart_behind_the_old_place_still_lies_ahead() -> None:
    receiver = StreamReceiver(1, 8000)
    (before,) = feed(receiver, [40_000])
    receiver.receive(20_000, 0, 160, 1.0)
    after = receiver.receive(20_001, 0, 160, 1.0)
    assert before is not None
    assert after is not None
    assert after.index > before.index


@pytest.mark.parametrize("back", [150, 900])
@pytest.mark.parametrize("timestamp", [160 * 2000, 0, 3_000_000_000], ids=["goes on", "anew", "random"])
def test_a_stream_that_counts_anew_a_little_way_back_is_a_new_start_too(back: int, timestamp: int) -> None:
    """A phone that keeps its SSRC and begins its count again, a few seconds into the call."""
    receiver = StreamReceiver(1, 8000)
    feed(receiver, list(range(1000, 2000)))
    again = [
        receiver.receive(2000 - back + number, timestamp + 160 * number, 160, 20 + 0.02 * number)
        for number in range(3)
    ]
    assert [packet is not None for packet in again] == [False, True, True]
    assert again[1] is not None
    assert again[1].restarted
    assert receiver.restarts == 1


def test_packets_sent_again_long_after_are_no_new_start() -> None:
    receiver = StreamReceiver(1, 90_000)
    feed(receiver, [*range(1000, 1500), *range(1510, 2000)])
    assert all(feed(receiver, list(range(1500, 1510))))
    assert feed(receiver, list(range(1500, 1510))) == [None] * 10
    assert (receiver.restarts, receiver.duplicates) == (0, 10)


def test_a_packet_older_than_the_window_is_not_taken() -> None:
    receiver = StreamReceiver(1, 8000)
    feed(receiver, [0, 2000])
    assert receiver.receive(2000 - HISTORY_SIZE, 0, 160, 1.0) is None
    assert receiver.receive(2001 - HISTORY_SIZE, 0, 160, 1.0) is not None


def test_retransmissions_fill_holes_but_hide_no_loss() -> None:
    receiver = StreamReceiver(1, 90_000)
    assert receiver.recover(1, 0) is None
    feed(receiver, [1, 2, 5])
    assert receiver.recover(3, 480) == Received(0x10003, 0x1_0000_0000 + 480)
    assert receiver.recover(3, 480) is None
    assert receiver.recover(2, 320) is None
    assert receiver.recover(6, 960) is None
    assert (receiver.recovered, receiver.lost, receiver.packets) == (1, 2, 3)


def test_a_report_tells_loss_since_the_last_one() -> None:
    receiver = StreamReceiver(7, 8000)
    assert receiver.take_report_block(0.0) is None
    feed(receiver, [0, 1, 2, 3])
    feed(receiver, [6, 7])
    block = receiver.take_report_block(1.0)
    assert block is not None
    assert (block.ssrc, block.packets_lost, block.fraction_lost) == (7, 2, 2 * 256 // 8)
    assert block.highest_sequence_number == 7
    feed(receiver, [8, 9])
    block = receiver.take_report_block(2.0)
    assert block is not None
    assert (block.packets_lost, block.fraction_lost) == (2, 0)


def test_cycles_are_in_the_upper_half() -> None:
    receiver = StreamReceiver(7, 8000)
    feed(receiver, [65_535, 65_536])
    block = receiver.take_report_block(0.0)
    assert block is not None
    assert block.highest_sequence_number == 0x10000


def test_a_report_names_the_sender_report_it_answers() -> None:
    receiver = StreamReceiver(7, 8000)
    feed(receiver, [0])
    block = receiver.take_report_block(1.0)
    assert block is not None
    assert (block.last_sender_report, block.delay_since_last_sender_report) == (0, 0)
    receiver.receive_sender_report(SenderReport(7, 0x1111_2222_3333_4444, 0, 1, 160), now=2.0)
    block = receiver.take_report_block(2.5)
    assert block is not None
    assert (block.last_sender_report, block.delay_since_last_sender_report) == (0x2222_3333, 32_768)


def test_jitter_is_the_mean_deviation_of_transit() -> None:
    # A.8: a constant deviation of d converges to d
    receiver = StreamReceiver(7, 8000)
    for number in range(400):
        receiver.receive(number, 160 * number, 160, 0.02 * number + (0.005 if number % 2 else 0.0))
    assert receiver.jitter_ms == pytest.approx(5.0, rel=0.01)


def test_a_timestamp_that_wraps_is_no_jitter() -> None:
    receiver = StreamReceiver(7, 8000)
    for number in range(10):
        receiver.receive(number, (0xFFFFFFFF - 320 + 160 * number) & 0xFFFFFFFF, 160, 0.02 * number)
    assert receiver.jitter_ms < 0.1
