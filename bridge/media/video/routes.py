"""Which camera feeds which viewer: connects down tracks to up tracks, whichever of the two comes first."""

from collections.abc import Callable

from bridge.ids import LegId, TrackId
from bridge.media.video.forwarder import DownTrack, UpTrack
from bridge.plane.messages import PathChosen

Viewer = tuple[LegId, str]  # leg and mid of a down track


class VideoRoutes:
    """The video side of all rooms of a worker. Bounded by the legs: one entry per track."""

    __slots__ = ("_down", "_emit", "_up")

    def __init__(self, emit: Callable[[PathChosen], None]) -> None:
        self._emit = emit
        self._up: dict[TrackId, UpTrack] = {}
        self._down: dict[Viewer, tuple[DownTrack, TrackId | None]] = {}

    def publish(self, source: TrackId, track: UpTrack) -> None:
        """A camera is there: whoever waits for it is fed."""
        self._up[source] = track
        for down_track, wanted in self._down.values():
            if wanted == source:
                track.add(down_track)

    def unpublish(self, source: TrackId) -> None:
        """The camera is gone; its viewers keep wanting it."""
        track = self._up.pop(source, None)
        if track is None:
            return
        for down_track, wanted in self._down.values():
            if wanted == source:
                track.remove(down_track)

    def want(self, leg_id: LegId, mid: str, down_track: DownTrack, source: TrackId | None) -> None:
        """`down_track` shall carry `source` from now on; the same once more changes nothing."""
        before = self._down.get((leg_id, mid))
        if before == (down_track, source):
            return
        self._disconnect(before)
        self._down[leg_id, mid] = (down_track, source)
        if source in self._up:
            self._up[source].add(down_track)

    def release(self, leg_id: LegId, mid: str) -> None:
        """The viewer is gone; an unknown one is fine."""
        self._disconnect(self._down.pop((leg_id, mid), None))

    def report_paths(self) -> None:
        """Says which paths were chosen since the last call."""
        for (leg_id, mid), (down_track, _) in self._down.items():
            path = down_track.take_path_change()
            if path is not None:
                self._emit(PathChosen(leg_id, mid, path.kind.value, path.reason))

    def _disconnect(self, entry: tuple[DownTrack, TrackId | None] | None) -> None:
        if entry is None:
            return
        down_track, source = entry
        if source in self._up:
            self._up[source].remove(down_track)
