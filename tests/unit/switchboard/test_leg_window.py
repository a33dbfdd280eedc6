"""Counters become what happened in the last seconds."""

from bridge.ids import LegId
from bridge.plane.messages import LegStatistics, TrackStatistics, TransportStatistics
from bridge.switchboard.diagnosis.leg_window import SECONDS, LegWindow


def statistics(
    packets: int, *, level: float | None = None, received: int = 0, mid: str = "0"
) -> LegStatistics:
    track = TrackStatistics(mid, "audio", "up", "PCMU", packets=packets, level_dbov=level)
    return LegStatistics(LegId("leg_1"), (track,), TransportStatistics(received=received))


def window(*pushed: LegStatistics) -> LegWindow:
    made = LegWindow()
    for one in pushed:
        made.push(one)
    return made


def test_counts_are_differences_over_the_window() -> None:
    seconds = window(*(statistics(50 * second, received=60 * second) for second in range(1, 10)))
    assert len(seconds) == SECONDS
    assert seconds.counted("audio", "up", "packets") == 50 * (SECONDS - 1)
    assert seconds.transport("audio", "received") == 60 * (SECONDS - 1)


def test_a_track_that_began_within_the_window_counts_whole() -> None:
    seconds = window(LegStatistics(LegId("leg_1"), ()), statistics(40))
    assert seconds.counted("audio", "up", "packets") == 40


def test_a_stream_made_anew_counts_from_nothing() -> None:
    assert window(statistics(900), statistics(30)).counted("audio", "up", "packets") == 30


def test_only_the_medium_and_way_asked_for_count() -> None:
    seconds = window(statistics(0), statistics(50))
    assert seconds.counted("audio", "down", "packets") == 0
    assert seconds.counted("video", "up", "packets") == 0
    assert seconds.tracks("video", "up") == ()


def test_each_medium_has_its_own_transport_where_there_are_two() -> None:
    def at(video: TransportStatistics | None) -> LegStatistics:
        return LegStatistics(LegId("leg_1"), (), TransportStatistics(strangers=3), video)

    one = window(at(None), LegStatistics(LegId("leg_1"), (), TransportStatistics(strangers=8)))
    assert (one.transport("audio", "strangers"), one.transport("video", "strangers")) == (5, 5)
    two = window(at(TransportStatistics(strangers=10)), at(TransportStatistics(strangers=17)))
    assert (two.transport("audio", "strangers"), two.transport("video", "strangers")) == (0, 7)


def test_a_port_for_video_that_came_within_the_window_counts_whole() -> None:
    before = LegStatistics(LegId("leg_1"), (), TransportStatistics(received=9000))
    after = LegStatistics(
        LegId("leg_1"), (), TransportStatistics(received=9100), TransportStatistics(received=40)
    )
    assert window(before, after).transport("video", "received") == 40


def test_the_loudest_second_decides() -> None:
    seconds = window(statistics(1, level=-90.0), statistics(2, level=-20.0), statistics(3, level=-80.0))
    assert seconds.loudest_dbov("up") == -20.0
    assert window(statistics(1)).loudest_dbov("up") is None
