"""What /metrics shows, in one registry of its own."""

import re
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from bridge.plane.messages import LegStatistics, TrackStatistics, WorkerStatistics

# Legs come and go without a farewell here; one that was not heard of this long is forgotten. Statistics
# come once a second, so ten seconds is a leg that is gone or a worker that is.
LEG_FORGOTTEN_AFTER_S = 10.0
LEGS_MAX = 10_000

_COUNTED = (
    "packets",
    "octets",
    "lost",
    "frames",
    "nacks",
    "plis",
    "retransmitted",
    "concealed",
    "dropped",
    "digits_dropped",
)
_JITTER_MS = (1, 2, 5, 10, 20, 30, 50, 80, 120, 200, 400)
_ROUND_TRIP_MS = (1, 5, 10, 20, 50, 100, 150, 200, 300, 500, 1000)
_COMMAND_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """Counters of the web door, plus what other parts hand in: worker and leg statistics, readers of gauges."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.connections = Gauge("warmbridge_web_connections", "Open websockets", registry=registry)
        self.messages_received = Counter(
            "warmbridge_web_messages_received", "Websocket messages read", registry=registry
        )
        self.messages_sent = Counter(
            "warmbridge_web_messages_sent", "Websocket messages written", registry=registry
        )
        self._trouble = Counter(
            "warmbridge_web_trouble",
            "What clients did wrong, by kind",
            ("kind",),
            registry=registry,
        )
        self._commands = Counter(
            "warmbridge_web_commands", "Commands by outcome", ("command", "outcome"), registry=registry
        )
        self._command_s = Histogram(
            "warmbridge_web_command_seconds", "From reading to reply", buckets=_COMMAND_S, registry=registry
        )
        ProcessCollector(registry=registry)  # among them descriptors: who has none left takes no connection
        self._legs = _LegFigures(registry)
        self._sources = _Sources()
        registry.register(self._sources)

    def trouble(self, kind: str) -> None:
        """Counts something a client did wrong. `kind` is ours, never the client's."""
        self._trouble.labels(kind).inc()

    def command_done(self, command: str, outcome: str, seconds: float) -> None:
        self._commands.labels(command, outcome).inc()
        self._command_s.observe(seconds)

    def leg_statistics(self, statistics: LegStatistics, now: float) -> None:
        self._legs.take(statistics, now)

    def worker_statistics(self, statistics: WorkerStatistics) -> None:
        """The newest values replace the former ones."""
        values = dict(statistics.values)
        self._sources.put("warmbridge_worker", "From the media worker", lambda: values)

    def add_source(self, prefix: str, documentation: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Asks `read` at each scrape. A name that ends in _total is a counter, any other a gauge."""
        self._sources.put(prefix, documentation, read)

    def exposition(self) -> bytes:
        """The text format of Prometheus 0.0.4."""
        return generate_latest(self.registry)


class _LegFigures:
    """Sums over all legs: a leg id as a label would make a new series for every call."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("kind", "direction", "codec")
        self._totals = {
            name: Counter(f"warmbridge_track_{name}", f"{name} of all tracks", labels, registry=registry)
            for name in _COUNTED
        }
        self._jitter = Histogram(
            "warmbridge_track_jitter_ms",
            "RTP jitter, each second",
            labels,
            buckets=_JITTER_MS,
            registry=registry,
        )
        self._round_trip = Histogram(
            "warmbridge_track_round_trip_ms",
            "Round trip, each second",
            labels,
            buckets=_ROUND_TRIP_MS,
            registry=registry,
        )
        self._counters: dict[tuple[str, str, str], dict[str, Counter]] = {}
        self._forget_at = 0.0
        self._last: dict[str, tuple[float, dict[tuple[str, str], TrackStatistics]]] = {}

    def take(self, statistics: LegStatistics, now: float) -> None:
        self._forget(now)
        if statistics.leg_id not in self._last and len(self._last) >= LEGS_MAX:
            return
        _, before = self._last.get(statistics.leg_id, (now, {}))
        for track in statistics.tracks:
            self._add(track, before.get((track.mid, track.direction)))
        tracks = {(track.mid, track.direction): track for track in statistics.tracks}
        self._last[statistics.leg_id] = (now, tracks)

    def _add(self, track: TrackStatistics, before: TrackStatistics | None) -> None:
        if not track.codec:
            return  # nothing was carried yet, and an empty label would be a series of its own
        labels = (track.kind, track.direction, track.codec)
        counters = self._counters.get(labels)
        if (
            counters is None
        ):  # each search in the library takes a lock, and a leg has twenty counters a second
            counters = {name: counter.labels(*labels) for name, counter in self._totals.items()}
            self._counters[labels] = counters
        for name, counter in counters.items():
            grown = getattr(track, name) - (getattr(before, name) if before else 0)
            # A track that began anew counts from zero; RFC 3550 losses may even shrink.
            if grown > 0:
                counter.inc(grown)
        if track.direction == "up":
            self._jitter.labels(*labels).observe(track.jitter_ms)
        if track.round_trip_ms is not None:
            self._round_trip.labels(*labels).observe(track.round_trip_ms)

    def _forget(self, now: float) -> None:
        if now < self._forget_at:
            return
        self._forget_at = now + 1.0  # not at each of a thousand legs each second
        gone = [leg_id for leg_id, (at, _) in self._last.items() if now - at > LEG_FORGOTTEN_AFTER_S]
        for leg_id in gone:
            del self._last[leg_id]


class _Sources(Collector):
    """Figures that others keep, read when somebody asks."""

    def __init__(self) -> None:
        self._sources: dict[tuple[str, str], Callable[[], Mapping[str, float]]] = {}

    def put(self, prefix: str, documentation: str, read: Callable[[], Mapping[str, float]]) -> None:
        # Several parts may share a prefix; the same part again takes its own place.
        self._sources[prefix, documentation] = read

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for (prefix, documentation), read in self._sources.items():
            for name, value in read().items():
                metric = f"{prefix}_" + re.sub(r"[^a-zA-Z0-9_]", "_", name)
                if metric.endswith("_total"):
                    yield CounterMetricFamily(metric.removesuffix("_total"), documentation, value=value)
                else:
                    yield GaugeMetricFamily(metric, documentation, value=value)
