"""The last seconds of one leg's statistics: what was counted over them, and what stands now."""

from collections import deque

from bridge.plane.messages import LegStatistics, TrackStatistics, TransportStatistics

SECONDS = 5  # longer than a pause between two words


class LegWindow:
    """`push` takes one `LegStatistics` a second. Of a track that began within the window, all counts."""

    __slots__ = ("_statistics",)

    def __init__(self) -> None:
        self._statistics: deque[LegStatistics] = deque(maxlen=SECONDS)

    def __len__(self) -> int:
        return len(self._statistics)

    def push(self, statistics: LegStatistics) -> None:
        self._statistics.append(statistics)

    def tracks(self, medium: str, direction: str) -> tuple[TrackStatistics, ...]:
        """As they stand now."""
        return _select(self._statistics[-1], medium, direction)

    def counted(self, medium: str, direction: str, counter: str) -> int:
        """What all tracks of this medium and way counted within the window."""
        before = {track.mid: track for track in _select(self._statistics[0], medium, direction)}
        total = 0
        for track in self.tracks(medium, direction):
            now = getattr(track, counter)
            was = getattr(before[track.mid], counter) if track.mid in before else 0
            total += now - was if now >= was else now  # a new stream on the same mid counts from 0 again
        return total

    def transport(self, medium: str, counter: str) -> int:
        """What the transport of this medium counted within the window."""
        first, last = self._statistics[0], self._statistics[-1]
        before, now = first.transport, last.transport
        if medium == "video" and last.video_transport is not None:
            before, now = first.video_transport or TransportStatistics(), last.video_transport
        difference: int = getattr(now, counter) - getattr(before, counter)
        return max(0, difference)

    def loudest_dbov(self, direction: str) -> float | None:
        """The loudest second of the window; None where no level was measured."""
        tracks = [
            track for statistics in self._statistics for track in _select(statistics, "audio", direction)
        ]
        return max((track.level_dbov for track in tracks if track.level_dbov is not None), default=None)


def _select(statistics: LegStatistics, medium: str, direction: str) -> tuple[TrackStatistics, ...]:
    return tuple(track for track in statistics.tracks if (track.kind, track.direction) == (medium, direction))
