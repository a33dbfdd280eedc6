"""Video forwarding without decoding: one `UpTrack` per camera, one `DownTrack` per viewer of it.

The up track places, repairs and reads each packet once; each down track gives it the outgoing stream's
numbers and hands it to its leg. No track owns a socket or a clock.
"""

from collections import deque

from bridge.errors import ParseError
from bridge.media.video.down_track import DownTrack
from bridge.media.video.keyframes import KeyFrameRequests
from bridge.media.video.packet import VIDEO_CLOCK_RATE_HZ, VideoPacket, VideoReader
from bridge.plane.messages import Codec, TrackStatistics, UpTrackSpec
from bridge.rtp.nack import NackGenerator
from bridge.rtp.receiver import Received, StreamReceiver
from bridge.rtp.rtx import original_sequence_number, unwrap_rtx
from bridge.wire.rtcp import Nack, PictureLossIndication, ReportBlock, RtcpPacket, SenderReport
from bridge.wire.rtp import HEADER, MARKER_BIT, header_size, padding_size

__all__ = ["DownTrack", "UpTrack"]

RECENT_PACKETS = 128  # enough for the rest of a key frame whose first packet came late
SILENT_S = 1.0  # after this long another SSRC takes over, or the same one counts as come back


class UpTrack:
    """The video that one endpoint sends: repaired by NACK and RTX, handed to each down track."""

    def __init__(self, spec: UpTrackSpec, feedback_ssrc: int) -> None:
        self.spec = spec
        self.malformed = 0
        self.unknown_payload_type = 0
        self.other_ssrc = 0
        self.frames = 0
        self._feedback_ssrc = feedback_ssrc
        self._codecs: dict[int, Codec] = {}
        self._rtx_codecs: dict[int, Codec] = {}
        self._codec: Codec | None = None
        self._stream: StreamReceiver | None = None
        self._reader = VideoReader()
        self._nack = NackGenerator()
        self._requests = KeyFrameRequests()
        self._newest_at = 0.0
        self._expects_another = False
        self._newest_index = -1
        self._recent: deque[VideoPacket] = deque(maxlen=RECENT_PACKETS)
        self._doubtful: bytes | None = None  # perhaps the first packet of another beginning
        self._down_tracks: list[DownTrack] = []
        self._lost_before = 0
        self.update(spec)

    def update(self, spec: UpTrackSpec) -> None:
        """Takes a renegotiated description of the same medium."""
        self.spec = spec
        self._nack.set_repairs(possible=spec.repairs)
        # A format that is described again is the same object: what is known of its stream holds on.
        known = {codec: codec for codec in self._codecs.values()}
        codecs = tuple(known.get(codec, codec) for codec in spec.codecs)
        self._codecs = {codec.payload_type: codec for codec in codecs}
        self._rtx_codecs = {
            codec.rtx_payload_type: codec for codec in codecs if codec.rtx_payload_type is not None
        }

    def expect_another_stream(self) -> None:
        """The endpoint described its media anew: another SSRC is believed at once, not after a silence. The last
        packets of the stream before may still come first."""
        self._newest_at = 0.0
        self._expects_another = True

    @property
    def codec(self) -> Codec | None:
        """What arrives now; None before the first packet."""
        return self._codec

    @property
    def ssrc(self) -> int | None:
        """The stream that is forwarded; None before the first packet."""
        return None if self._stream is None else self._stream.ssrc

    @property
    def key_frames(self) -> int:
        """How many have begun."""
        return self._requests.arrived

    # --- viewers ----------------------------------------------------------------------------------------

    def add(self, down_track: DownTrack) -> None:
        """Begins to feed a down track, from the next key frame on, which is asked for."""
        if down_track in self._down_tracks:
            return
        self._down_tracks.append(down_track)
        down_track.attach(self.ask_key_frame)
        if self._codec is not None:
            down_track.choose_path(self._codec)

    def remove(self, down_track: DownTrack) -> None:
        """Feeds it no longer; unknown ones are fine."""
        if down_track in self._down_tracks:
            self._down_tracks.remove(down_track)
            down_track.detach()

    def ask_key_frame(self) -> None:
        """Somebody needs a key frame; the request leaves with `take_feedback`, throttled."""
        self._requests.ask()

    # --- packets ----------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Takes an unprotected RTP packet of this track, original or retransmission."""
        try:
            start = header_size(data)
            end = len(data) - padding_size(data, start)
        except ParseError:
            self.malformed += 1
            return
        _, second, sequence_number, timestamp, ssrc = HEADER.unpack_from(data)
        codec = self._codecs.get(second & 0x7F)
        if codec is None:
            self._receive_rtx(data, second & 0x7F, now)
            return
        stream = self._stream_of(ssrc, now)
        if stream is None:
            self.other_ssrc += 1
            return
        received = stream.receive(sequence_number, timestamp, end - start, now)
        if received is None:
            self._doubtful = data if stream.is_doubtful(sequence_number) else self._doubtful
            return
        if now - self._newest_at >= SILENT_S:
            self._requests.source_returned()
        self._newest_at = now
        if received.restarted:
            self._forget_stream()
            self._accept_doubtful(stream, now)
        self._accept(data, start, end, received, codec, now)

    def _receive_rtx(self, data: bytes, payload_type: int, now: float) -> None:
        codec = self._rtx_codecs.get(payload_type)
        stream = self._stream
        if codec is None:
            self.unknown_payload_type += 1
            return
        if stream is None:
            return
        if original_sequence_number(data) is None:  # padding that probes the path
            return
        original = unwrap_rtx(data, codec.payload_type, stream.ssrc)
        _, _, sequence_number, timestamp, _ = HEADER.unpack_from(original)
        received = stream.recover(sequence_number, timestamp)
        if received is not None:
            self._accept(original, header_size(original), len(original), received, codec, now)

    def _stream_of(self, ssrc: int, now: float) -> StreamReceiver | None:
        """The stream, changed if the browser changed it; None for a second one beside it."""
        stream = self._stream
        if stream is not None and stream.ssrc == ssrc:
            return stream
        if stream is not None:
            announced = ssrc in self.spec.ssrcs and stream.ssrc not in self.spec.ssrcs
            announced = announced or self._expects_another
            if not announced and now - self._newest_at < SILENT_S:
                return None
            self._expects_another = False
            self._lost_before += stream.lost
            self._forget_stream()
        self._stream = StreamReceiver(ssrc, VIDEO_CLOCK_RATE_HZ)
        return self._stream

    def _forget_stream(self) -> None:
        """The sender began anew: what comes has nothing to do with what came."""
        self._nack.restart()
        self._reader = VideoReader()
        self._recent.clear()
        self._newest_index = -1
        for down_track in self._down_tracks:
            down_track.wait_for_key_frame()

    def _accept_doubtful(self, stream: StreamReceiver, now: float) -> None:
        """The packet before the one that proved the sender's new beginning: mostly that of its key frame."""
        data, self._doubtful = self._doubtful, None
        if data is None:
            return
        _, second, sequence_number, timestamp, ssrc = HEADER.unpack_from(data)
        codec = self._codecs.get(second & 0x7F)
        received = stream.recover(sequence_number, timestamp) if ssrc == stream.ssrc else None
        if received is not None and codec is not None:
            start = header_size(data)
            self._accept(data, start, len(data) - padding_size(data, start), received, codec, now)

    def _accept(
        self, data: bytes, start: int, end: int, received: Received, codec: Codec, now: float
    ) -> None:
        """Reads a packet that has its place, and hands it on."""
        index = received.index
        self._nack.receive(index, now)
        codec = self._reader.codec_of(codec)
        try:
            packet = self._reader.read(
                VideoPacket(data, start, end, index, received.media_time, codec, data[1] & MARKER_BIT)
            )
        except ParseError:
            self.malformed += 1
            return
        self._codec = packet.codec
        if packet.marker_bit:
            self.frames += 1
        if packet.starts_key_frame:
            self._requests.key_frame_arrived()
            self._nack.key_frame_began(index)
        late = index < self._newest_index
        if not late:
            self._newest_index = index
        self._recent.append(packet)
        for down_track in self._down_tracks:
            if down_track.push(packet, now) and late:
                self._replay(down_track, index, now)

    def _replay(self, down_track: DownTrack, index: int, now: float) -> None:
        """A key frame's first packet came after others of it: those follow now."""
        later = [packet for packet in self._recent if packet.index > index]
        for packet in sorted(later, key=lambda packet: packet.index):
            down_track.push(packet, now)

    # --- feedback ---------------------------------------------------------------------------------------

    def timer(self) -> float | None:
        """When `take_feedback` has something to say; None if it has not."""
        if self._stream is None:
            return None
        times = [at for at in (self._nack.timer(), self._requests.timer()) if at is not None]
        return min(times, default=None)

    def take_feedback(self, now: float) -> list[RtcpPacket]:
        """The NACK and the picture loss indication that are due."""
        stream = self._stream
        if stream is None:
            return []
        packets: list[RtcpPacket] = []
        missing = self._nack.take_due(now)
        if missing:
            packets.append(Nack(self._feedback_ssrc, stream.ssrc, missing))
        if self._nack.take_wants_key_frame():
            self._requests.ask()
        if self._requests.take_due(now):
            packets.append(PictureLossIndication(self._feedback_ssrc, stream.ssrc))
        return packets

    def receive_sender_report(self, report: SenderReport, now: float) -> None:
        """A report of this track's sender; others are ignored."""
        if self._stream is not None and report.ssrc == self._stream.ssrc:
            self._stream.receive_sender_report(report, now)

    def take_report_block(self, now: float) -> ReportBlock | None:
        """What to say in the next receiver report; None before the first packet."""
        return None if self._stream is None else self._stream.take_report_block(now)

    def set_round_trip(self, seconds: float) -> None:
        """The leg's round trip, by which lost packets are asked for again."""
        self._nack.round_trip_s = seconds

    def statistics(self) -> TrackStatistics:
        stream = self._stream
        return TrackStatistics(
            mid=self.spec.mid,
            kind=self.spec.kind,
            direction="up",
            codec="" if self._codec is None else self._codec.name,
            packets=0 if stream is None else stream.packets,
            octets=0 if stream is None else stream.octets,
            lost=self._lost_before + (0 if stream is None else stream.lost),
            jitter_ms=0.0 if stream is None else stream.jitter_ms,
            frames=self.frames,
            nacks=self._nack.requested,
            plis=self._requests.sent,
            retransmitted=0 if stream is None else stream.recovered,
            dropped=self.malformed + self.unknown_payload_type + self.other_ssrc,
            foreign=self.unknown_payload_type,
            waits_for_key_frame=self._requests.waiting,
        )
