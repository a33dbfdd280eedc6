"""Which of a browser's streams belongs to which of its sections."""

from bridge.media.audio.track import AudioUpTrack
from bridge.media.video.forwarder import UpTrack
from bridge.plane.messages import UpTrackSpec
from bridge.wire.extensions import read_mid
from bridge.wire.rtp import payload_type_of

MAX_SSRCS = 64  # of one browser: 16 tracks with simulcast and RTX would not reach it


class UpStreams:
    """By the SSRC that the SDP names, else by the MID header extension, else by a payload type that only one
    section has (RFC 8843 section 9.2); what was found once is remembered, within a bound."""

    __slots__ = ("_by_ssrc", "_found", "_mid_extension", "_specs", "_tracks")

    def __init__(self) -> None:
        self._by_ssrc: dict[int, AudioUpTrack | UpTrack] = {}
        self._found: dict[int, str] = {}  # section of an SSRC that no description names
        self._tracks: dict[str, AudioUpTrack | UpTrack] = {}
        self._specs: tuple[UpTrackSpec, ...] = ()
        self._mid_extension: int | None = None

    def declare(self, specs: tuple[UpTrackSpec, ...], tracks: dict[str, AudioUpTrack | UpTrack]) -> None:
        """The sections as they are agreed now and their tracks by mid. What was found stays with its section: a
        browser stops saying the MID once we have reported on a stream."""
        self._specs, self._tracks = specs, tracks
        found = (spec.extensions.mid for spec in specs if spec.extensions.mid is not None)
        self._mid_extension = next(found, None)
        self._found = {ssrc: mid for ssrc, mid in self._found.items() if mid in tracks}
        self._by_ssrc = {ssrc: tracks[mid] for ssrc, mid in self._found.items()}
        for spec in specs:
            track = tracks.get(spec.mid)
            if track is not None:
                self._by_ssrc |= dict.fromkeys((*spec.ssrcs, *spec.rtx_ssrcs), track)

    def get(self, ssrc: int) -> AudioUpTrack | UpTrack | None:
        return self._by_ssrc.get(ssrc)

    def find(self, ssrc: int, packet: bytes) -> AudioUpTrack | UpTrack | None:
        """The track of an RTP packet; None for one that cannot be told."""
        known = self._by_ssrc.get(ssrc)
        return known if known is not None else self._search(ssrc, packet)

    def _search(self, ssrc: int, packet: bytes) -> AudioUpTrack | UpTrack | None:
        mid = read_mid(packet, self._mid_extension) if self._mid_extension is not None else None
        wanted = [spec for spec in self._specs if mid is None or spec.mid == mid]
        if mid is None:
            wanted = [spec for spec in wanted if _carries(spec, payload_type_of(packet))]
        if len(wanted) != 1 or len(self._by_ssrc) >= MAX_SSRCS:
            return None
        track = self._tracks.get(wanted[0].mid)
        if track is not None:
            self._by_ssrc[ssrc], self._found[ssrc] = track, wanted[0].mid
        return track


def _carries(spec: UpTrackSpec, payload_type: int) -> bool:
    return any(payload_type in (codec.payload_type, codec.rtx_payload_type) for codec in spec.codecs)
