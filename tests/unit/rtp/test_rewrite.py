"""One outgoing stream from many sources."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.rtp.rewrite import Rewritten, StreamRewriter


def test_nothing_goes_out_before_a_switch_or_after_a_release() -> None:
    rewriter = StreamRewriter(90_000)
    assert rewriter.rewrite(5, 0, 0.0) is None
    rewriter.switch(5, 0, 0.0)
    assert rewriter.rewrite(5, 0, 0.0) is not None
    rewriter.release()
    assert rewriter.rewrite(6, 0, 0.0) is None


def test_another_source_goes_on_where_the_last_one_stopped() -> None:
    rewriter = StreamRewriter(90_000)
    rewriter.switch(1000, 5_000_000, 1.0)
    first = rewriter.rewrite(1000, 5_000_000, 1.0)
    rewriter.switch(50, 77, 1.5)
    second = rewriter.rewrite(50, 77, 1.5)
    assert first is not None
    assert second == Rewritten(first.index + 1, first.media_time + 45_000)


def test_holes_and_order_of_the_source_are_kept() -> None:
    rewriter = StreamRewriter(90_000)
    rewriter.switch(100, 0, 0.0)
    out = [rewriter.rewrite(index, 0, 0.0) for index in (100, 103, 101)]
    assert [place.index - 0x1001 for place in out if place] == [0, 3, 1]


def test_packets_from_before_the_switch_have_no_place() -> None:
    rewriter = StreamRewriter(90_000)
    rewriter.switch(100, 0, 0.0)
    assert rewriter.rewrite(99, 0, 0.0) is None


def test_two_switches_in_one_instant_make_two_frames() -> None:
    rewriter = StreamRewriter(90_000)
    rewriter.switch(1, 0, 3.0)
    first = rewriter.rewrite(1, 0, 3.0)
    rewriter.switch(1, 0, 3.0)
    second = rewriter.rewrite(1, 0, 3.0)
    assert first is not None
    assert second is not None
    assert second.media_time > first.media_time


switches = st.lists(
    st.tuples(st.integers(0x10000, 0x90000), st.integers(0, 1 << 33), st.integers(1, 20)), max_size=8
)


@given(switches)
@settings(max_examples=60, deadline=None)
def test_no_counter_ever_goes_back_or_repeats(sources: list[tuple[int, int, int]]) -> None:
    rewriter = StreamRewriter(90_000)
    now = 0.0
    newest = (-1, -1, -1, -1)
    for index, media_time, frames in sources:
        rewriter.switch(index, media_time, now)
        for frame in range(frames):
            place = rewriter.rewrite(index + frame, media_time + 3000 * frame, now)
            assert place is not None
            counters = rewriter.picture_id(index + frame), rewriter.tl0picidx(media_time + frame)
            values = (place.index, place.media_time, *counters)
            assert all(new > old for new, old in zip(values, newest, strict=True))
            newest = values
            now += 1 / 30
