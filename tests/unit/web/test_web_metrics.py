"""What /metrics shows of what was handed in."""

from bridge.ids import LegId
from bridge.plane.messages import LegStatistics, TrackStatistics, WorkerStatistics
from signaling.web.http.metrics import LEG_FORGOTTEN_AFTER_S, Metrics


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def leg(packets: int, mid: str = "0") -> LegStatistics:
    track = TrackStatistics(
        mid=mid,
        kind="audio",
        direction="up",
        codec="OPUS",
        packets=packets,
        jitter_ms=12.0,
        round_trip_ms=30.0,
    )
    return LegStatistics(LegId("leg_1"), (track,))


TRACK = {"kind": "audio", "direction": "up", "codec": "OPUS"}


def test_tracks_are_summed_by_growth() -> None:
    metrics = Metrics()
    metrics.leg_statistics(leg(50), now=0.0)
    metrics.leg_statistics(leg(100), now=1.0)
    assert sample(metrics, "warmbridge_track_packets_total", **TRACK) == 100
    assert sample(metrics, "warmbridge_track_jitter_ms_count", **TRACK) == 2


def test_a_track_that_began_anew_never_counts_backwards() -> None:
    metrics = Metrics()
    metrics.leg_statistics(leg(50), now=0.0)
    metrics.leg_statistics(leg(10), now=1.0)
    metrics.leg_statistics(leg(20), now=2.0)
    assert sample(metrics, "warmbridge_track_packets_total", **TRACK) == 60


def test_a_track_that_carried_nothing_makes_no_series() -> None:
    metrics = Metrics()
    nothing = TrackStatistics(mid="1", kind="video", direction="down", codec="")
    metrics.leg_statistics(LegStatistics(LegId("leg_1"), (nothing,)), now=0.0)
    assert b'codec=""' not in metrics.exposition()


def test_a_leg_that_fell_silent_is_forgotten() -> None:
    metrics = Metrics()
    metrics.leg_statistics(leg(50), now=0.0)
    metrics.leg_statistics(leg(70), now=LEG_FORGOTTEN_AFTER_S + 1)
    assert sample(metrics, "warmbridge_track_packets_total", **TRACK) == 120


def test_worker_figures_are_replaced_by_newer_ones() -> None:
    metrics = Metrics()
    metrics.worker_statistics(WorkerStatistics({"legs": 3.0, "tick.late_total": 5.0}))
    metrics.worker_statistics(WorkerStatistics({"legs": 2.0, "tick.late_total": 7.0}))
    assert sample(metrics, "warmbridge_worker_legs") == 2
    assert sample(metrics, "warmbridge_worker_tick_late_total") == 7


def test_sources_are_read_at_each_scrape() -> None:
    metrics = Metrics()
    waiting = {"waiting": 1.0}
    metrics.add_source("warmbridge_desk", "The desk", lambda: waiting)
    assert sample(metrics, "warmbridge_desk_waiting") == 1
    waiting["waiting"] = 4.0
    assert b"warmbridge_desk_waiting 4.0" in metrics.exposition()


def test_two_parts_may_share_a_prefix() -> None:
    metrics = Metrics()
    metrics.add_source("warmbridge", "SIP", lambda: {"calls": 1.0})
    metrics.add_source("warmbridge", "Desk", lambda: {"waiting": 2.0})
    assert sample(metrics, "warmbridge_calls") == 1
    assert sample(metrics, "warmbridge_waiting") == 2


def test_commands_and_troubles_are_counted_by_kind() -> None:
    metrics = Metrics()
    metrics.command_done("acceptOffer", "not_found", 0.002)
    metrics.trouble("malformed")
    assert sample(metrics, "warmbridge_web_commands_total", command="acceptOffer", outcome="not_found") == 1
    assert sample(metrics, "warmbridge_web_trouble_total", kind="malformed") == 1


def test_whoever_watches_sees_descriptors_run_out() -> None:
    shown = Metrics().exposition().decode()
    assert {"process_open_fds", "process_max_fds"} <= {line.split(" ")[0] for line in shown.splitlines()}
