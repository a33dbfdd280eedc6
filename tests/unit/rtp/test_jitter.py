"""The adaptive jitter buffer, step by step. Whole networks are in tests/sim/rtp."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from bridge.rtp.frame import FrameKind, JitterFrame
from bridge.rtp.jitter import CAPACITY, MAX_CONCEALED, JitterBuffer
from bridge.rtp.payload_shape import SHAPES

LOUD, QUIET = b"\x00" * 160, b"\xff" * 160


def pcmu() -> JitterBuffer:
    return JitterBuffer(8000, 160, SHAPES["PCMU"])


def opus() -> JitterBuffer:
    return JitterBuffer(48_000, 960, SHAPES["OPUS"])


def fill(buffer: JitterBuffer, numbers: range | list[int], start: float = 0.0) -> None:
    """Packets of 20 ms, each at its own time, named by their number."""
    for number in numbers:
        buffer.push(number, 160 * number, bytes((number,)) * 160, start + 0.02 * number)


def pull(buffer: JitterBuffer, ticks: int, start: float) -> list[JitterFrame]:
    return [buffer.pull(start + 0.02 * tick) for tick in range(ticks)]


def names(frames: list[JitterFrame]) -> list[str]:
    return [f"{frame.payload[0]}" if frame.payload else frame.kind.name for frame in frames]


def test_an_empty_buffer_has_nothing() -> None:
    assert names(pull(pcmu(), 3, 0.0)) == ["EMPTY"] * 3


def test_frames_come_in_order_after_the_first_delay() -> None:
    buffer = pcmu()
    fill(buffer, [0, 2, 1, 3])
    assert names(pull(buffer, 1, 0.03)) == ["EMPTY"]
    assert names(pull(buffer, 4, 0.05)) == ["0", "1", "2", "3"]
    assert buffer.played == 4


def test_a_lost_frame_comes_with_the_next_for_its_recovery() -> None:
    buffer = pcmu()
    fill(buffer, [0, 1, 3, 4])
    frames = pull(buffer, 5, 0.05)
    assert names(frames) == ["0", "1", "LOST", "3", "4"]
    assert frames[2].next_payload[0] == 3
    assert (buffer.lost, buffer.concealed) == (1, 1)


def test_of_two_lost_frames_only_the_second_has_a_next() -> None:
    buffer = pcmu()
    fill(buffer, [0, 3, 4])
    frames = pull(buffer, 4, 0.05)
    assert names(frames) == ["0", "LOST", "LOST", "3"]
    assert [len(frame.next_payload) for frame in frames[1:3]] == [0, 0]
    assert buffer.lost == 2


def test_a_late_frame_is_waited_for_and_then_played() -> None:
    buffer = pcmu()
    fill(buffer, [0])
    assert names(pull(buffer, 2, 0.05)) == ["0", "LOST"]
    buffer.push(1, 160, LOUD, 0.08)
    assert buffer.pull(0.09).payload == LOUD
    assert (buffer.late, buffer.lost) == (0, 0)


def test_a_frame_that_came_after_its_turn_is_counted_and_dropped() -> None:
    buffer = pcmu()
    fill(buffer, [0, 2])
    pull(buffer, 3, 0.05)
    buffer.push(1, 160, LOUD, 0.11)
    assert (buffer.late, len(buffer)) == (1, 0)


def test_an_ended_stream_is_concealed_and_then_silent() -> None:
    buffer = pcmu()
    fill(buffer, [0])
    assert names(pull(buffer, 9, 0.05)) == ["0"] + ["LOST"] * MAX_CONCEALED + ["EMPTY"] * 2


def test_a_pause_that_opus_announces_is_not_concealed() -> None:
    buffer = opus()
    buffer.push(0, 0, b"\x48", 0.0)
    assert names(pull(buffer, 3, 0.05)) == [str(0x48), "EMPTY", "EMPTY"]


def test_a_gap_without_a_missing_packet_is_silence_not_loss() -> None:
    buffer = pcmu()
    fill(buffer, [0])
    buffer.push(1, 160 * 4, LOUD, 0.08)
    frames = pull(buffer, 5, 0.05)
    kinds = [frame.kind for frame in frames]
    assert kinds.count(FrameKind.LOST) <= 1  # the tick before the next packet was here
    assert FrameKind.EMPTY in kinds
    assert frames[-1].payload == LOUD
    assert buffer.lost == 0


@pytest.mark.parametrize(("octets", "ticks"), [(320, 2), (480, 3), (960, 6)])
def test_long_payloads_cover_several_ticks(octets: int, ticks: int) -> None:
    buffer = pcmu()
    for number in range(3):
        buffer.push(number, octets * number, bytes((number,)) * octets, octets / 8000 * number)
    frames = names(pull(buffer, 2 * ticks, 0.05))
    assert frames == ["0"] + ["CONTINUES"] * (ticks - 1) + ["1"] + ["CONTINUES"] * (ticks - 1)


def test_payloads_of_30_ms_share_a_tick() -> None:
    buffer = pcmu()
    for number in range(4):
        buffer.push(number, 240 * number, bytes((number,)) * 240, 0.03 * number)
    assert names(pull(buffer, 6, 0.05)) == ["0", "1", "CONTINUES", "2", "3", "CONTINUES"]


def test_short_payloads_come_together() -> None:
    buffer = pcmu()
    for number in range(8):
        buffer.push(number, 80 * number, bytes((number,)) * 80, 0.01 * number)
    frames = pull(buffer, 3, 0.05)
    assert [frame.payload[0] for frame in frames] == [0, 2, 4]
    assert [frame.more[0][0] for frame in frames] == [1, 3, 5]


def test_opus_of_60_ms_covers_three_ticks() -> None:
    buffer = opus()
    for number in range(2):
        buffer.push(number, 2880 * number, bytes((11 << 3, 0x80, number)), 0.06 * number)
    assert [frame.kind.name for frame in pull(buffer, 5, 0.061)] == [
        "PAYLOAD",
        "CONTINUES",
        "CONTINUES",
        "PAYLOAD",
        "CONTINUES",
    ]


def test_the_level_comes_with_its_frame() -> None:
    buffer = pcmu()
    buffer.push(0, 0, LOUD, 0.0, 42)
    assert buffer.pull(0.05).audio_level == 42


def test_duplicates_and_broken_payloads_are_counted() -> None:
    buffer = opus()
    buffer.push(0, 0, b"\x48\x80\x00", 0.0)
    buffer.push(0, 0, b"\x48\x80\x00", 0.0)
    buffer.push(1, 960, b"", 0.0)
    buffer.push(1, 960, b"\x4b", 0.0)
    assert (buffer.duplicates, buffer.malformed, len(buffer)) == (1, 2, 1)


def test_an_overfull_buffer_loses_its_oldest() -> None:
    buffer = pcmu()
    for number in range(CAPACITY + 5):
        buffer.push(number, 8 * number, LOUD[:8], 0.001 * number)
    assert (len(buffer), buffer.dropped) == (CAPACITY, 5)


def test_a_lone_absurd_timestamp_is_ignored_and_two_are_a_new_timeline() -> None:
    buffer = pcmu()
    fill(buffer, range(10))
    buffer.push(10, 1_000_000, LOUD, 0.2)
    assert (buffer.restarts, len(buffer), buffer.dropped) == (0, 10, 1)
    buffer.push(11, 176 * 10, LOUD, 0.22)
    buffer.push(12, 5_000_000, LOUD, 0.24)
    buffer.push(13, 5_000_160, LOUD, 0.26)
    assert (buffer.restarts, len(buffer)) == (1, 1)
    assert buffer.pull(0.31).payload == LOUD


def test_a_cleared_buffer_begins_anew() -> None:
    buffer = pcmu()
    fill(buffer, range(5))
    pull(buffer, 2, 0.1)
    buffer.clear()
    assert len(buffer) == 0
    buffer.push(100, 0, LOUD, 9.0)
    assert buffer.pull(9.05).payload == LOUD


def play(
    buffer: JitterBuffer, numbers: range, payload: bytes, *, without: int = -1, level: int | None = None
) -> None:
    """A clean stream, one packet and one tick in turn."""
    for number in numbers:
        if number != without:
            buffer.push(number, 160 * number, payload, 0.02 * number, level)
        buffer.pull(0.02 * number + 0.011)


def test_no_room_is_made_for_what_nobody_sends() -> None:
    """G.711 has no payload that repairs the one before: waiting for it would be delay for nothing."""
    buffer = pcmu()
    play(buffer, range(500), QUIET)
    before = buffer.delay_ms
    play(buffer, range(500, 520), QUIET, without=505)
    assert (buffer.inserted, buffer.lost) == (0, 1)
    assert buffer.delay_ms == pytest.approx(before)


@pytest.mark.parametrize(("payload", "level"), [(QUIET, None), (LOUD, 70)])
def test_room_for_recovery_is_made_in_silence(payload: bytes, level: int | None) -> None:
    buffer = JitterBuffer(8000, 160, structs.replace(SHAPES["PCMU"], repairs=lambda _: True))
    play(buffer, range(500), payload, level=level)
    before = buffer.delay_ms
    play(buffer, range(500, 520), payload, without=505, level=level)
    assert (buffer.inserted, buffer.lost) == (1, 1)
    assert buffer.delay_ms == pytest.approx(before + 20, abs=3)


@pytest.mark.parametrize(("payload", "dropped"), [(QUIET, 4), (LOUD, 1)])
def test_a_burst_is_caught_up_with_in_silence_first(payload: bytes, dropped: int) -> None:
    buffer = pcmu()
    play(buffer, range(500), payload)
    for tick in range(5):
        buffer.pull(10.011 + 0.02 * tick)
    for number in range(500, 506):
        buffer.push(number, 160 * number, payload, 10.105)
    play(buffer, range(506, 520), payload)
    assert buffer.late == 0
    assert buffer.dropped == pytest.approx(dropped, abs=1)


@given(
    st.lists(
        st.tuples(
            st.integers(-5, 40), st.integers(-200_000, 200_000), st.integers(0, 500), st.floats(0.0, 0.1)
        ),
        max_size=60,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_packets_breaks_it(packets: list[tuple[int, int, int, float]]) -> None:
    buffer = pcmu()
    now, index = 0.0, 1000
    for step, jump, octets, wait in packets:
        index += step
        now += wait
        buffer.push(index, (1 << 32) + 8000 * int(now) + jump, bytes(octets), now)
        frame = buffer.pull(now)
        assert (frame.kind is FrameKind.PAYLOAD) == bool(frame.payload)
        assert len(buffer) <= CAPACITY


def test_a_rest_keeps_what_was_learned_of_the_path_and_nothing_else() -> None:
    buffer = pcmu()
    for number in range(200):
        late = 0.1 if number % 10 == 0 else 0.0
        buffer.watch(160 * number, 0.02 * number + late)
    assert buffer.target_ms > 100
    fill(buffer, range(200, 210))
    buffer.rest()
    assert len(buffer) == 0
    assert buffer.dropped == 0
    assert buffer.target_ms > 100
    fill(buffer, range(210, 230))
    played = [name for name in names(pull(buffer, 20, 210 * 0.02)) if name != "EMPTY"]
    assert played[0] == "210"


def test_a_watched_stream_that_jumps_is_followed() -> None:
    buffer = pcmu()
    for number in range(50):
        buffer.watch(160 * number, 0.02 * number)
    for number in range(50, 60):
        buffer.watch(1_000_000 + 160 * number, 0.02 * number)
    assert buffer.restarts == 1


def test_a_watched_stream_whose_clock_stops_in_silence_is_no_later_after_it() -> None:
    buffer = pcmu()
    for number in range(100):
        buffer.watch(160 * number, 0.02 * number)
    for number in range(100, 200):
        buffer.watch(160 * number, 0.02 * number + 0.5)
    assert buffer.target_ms < 50
    assert names(pull_while_filling(buffer, range(200, 210), 0.5))[-5:] == ["205", "206", "207", "208", "209"]


def pull_while_filling(buffer: JitterBuffer, numbers: range, start: float) -> list[JitterFrame]:
    """Each packet is followed by a tick a little later."""
    frames = []
    for number in numbers:
        fill(buffer, [number], start)
        frames.append(buffer.pull(start + 0.02 * number + 0.018))
    return frames
