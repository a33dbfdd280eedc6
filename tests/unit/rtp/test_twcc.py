"""Transport-wide feedback: when what arrived."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.rtp.twcc import INTERVAL_S, MAX_PACKETS, MAX_SPAN, TransportFeedbackBuilder
from bridge.wire.rtcp import TransportFeedback, parse_rtcp, serialize_rtcp


def arrivals(feedback: TransportFeedback) -> dict[int, float]:
    """What a sender makes of a report: seconds modulo the reference time, by sequence number."""
    times: dict[int, float] = {}
    ticks = feedback.reference_time * 256
    for place, delta in enumerate(feedback.deltas):
        if delta is not None:
            ticks += delta
            times[feedback.base_sequence_number + place & 0xFFFF] = ticks * 0.00025
    return times


def test_nothing_arrived_is_nothing_to_say() -> None:
    builder = TransportFeedbackBuilder(1)
    assert builder.timer() is None
    assert builder.take_feedback(9.0) is None


def test_a_report_is_due_after_its_interval_and_no_packet_is_told_twice() -> None:
    builder = TransportFeedbackBuilder(1)
    builder.media_ssrc = 5
    builder.receive(65_535, 10.0)
    builder.receive(1, 10.01)
    assert builder.timer() == 10.0 + INTERVAL_S
    assert builder.take_feedback(10.04) is None
    feedback = builder.take_feedback(10.05)
    assert feedback is not None
    assert (feedback.sender_ssrc, feedback.media_ssrc, feedback.feedback_packet_count) == (1, 5, 0)
    assert arrivals(feedback) == {
        65_535: pytest.approx(10.0, abs=0.0005),
        1: pytest.approx(10.01, abs=0.0005),
    }
    builder.receive(0, 10.06)  # told as lost already
    assert builder.take_feedback(10.2) is None
    assert builder.dropped == 1
    builder.receive(4, 10.21)
    feedback = builder.take_feedback(10.3)
    assert feedback is not None
    assert (feedback.base_sequence_number, feedback.feedback_packet_count) == (2, 1)
    assert feedback.deltas[:2] == (None, None)


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 0.04)), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_sender_reads_the_times_back(packets: list[tuple[int, float]]) -> None:
    builder = TransportFeedbackBuilder(1)
    first: dict[int, float] = {}
    builder.receive(100, 1000.0)
    for number, offset in packets:
        first.setdefault(number + 101, 1000.0 + offset)
        builder.receive(number + 101, 1000.0 + offset)
    feedback = builder.take_feedback(1000.0 + INTERVAL_S)
    assert feedback is not None
    assert parse_rtcp(serialize_rtcp([feedback])) == [feedback]
    read = arrivals(feedback)
    read.pop(100)
    assert read == {number: pytest.approx(at, abs=0.0006) for number, at in first.items()}


def test_a_flood_in_one_interval_is_cut() -> None:
    builder = TransportFeedbackBuilder(1)
    for number in range(MAX_PACKETS + 10):
        builder.receive(number, 0.0)
    feedback = builder.take_feedback(1.0)
    assert feedback is not None
    assert len(feedback.deltas) == MAX_PACKETS
    assert builder.dropped == 10


@pytest.mark.parametrize("jump", [MAX_SPAN + 2, -MAX_SPAN - 2])
def test_a_jump_of_the_sender_begins_a_new_report(jump: int) -> None:
    builder = TransportFeedbackBuilder(1)
    builder.receive(20_000, 0.0)
    builder.receive(20_000 + jump, 0.01)
    feedback = builder.take_feedback(0.1)
    assert feedback is not None
    assert (feedback.base_sequence_number, len(feedback.deltas)) == (20_000 + jump, 1)


def test_the_reference_time_keeps_24_signed_bits() -> None:
    builder = TransportFeedbackBuilder(1)
    builder.receive(0, 0x800001 * 0.064)
    feedback = builder.take_feedback(0x900000 * 0.064)
    assert feedback is not None
    assert feedback.reference_time == 0x800001 - 0x1000000
    assert parse_rtcp(serialize_rtcp([feedback])) == [feedback]
