"""The packet side of one leg's audio: RTP in to a jitter buffer, encoded frames out as RTP."""

from collections.abc import Callable

from bridge.errors import ParseError
from bridge.media.mixer import AudioStatistics
from bridge.plane.messages import Codec, TrackStatistics
from bridge.rtp.frame import EMPTY_FRAME, JitterFrame
from bridge.rtp.jitter import JitterBuffer
from bridge.rtp.payload_shape import SHAPES
from bridge.rtp.receiver import StreamReceiver
from bridge.rtp.sender import StreamSender
from bridge.wire.dtmf import parse_telephone_event
from bridge.wire.extensions import extension_block, read_audio_level
from bridge.wire.rtcp import ReportBlock, SenderReport
from bridge.wire.rtp import HEADER, MARKER_BIT, RtpPacket, parse_rtp

FRAME_S = 0.02
MAX_SSRC_CHANGES_PER_S = 10  # RFC 3550 section 8.2 wants few; more is a broken or hostile sender

OnDigit = Callable[[str, int], None]  # digit, duration in ms


class DigitReader:
    """Telephone events (RFC 4733): one digit per event, told by its timestamp, whatever the marker bit says."""

    __slots__ = ("_clock_rate_hz", "_on_digit", "_reported", "malformed")

    def __init__(self, clock_rate_hz: int, on_digit: OnDigit) -> None:
        self._clock_rate_hz = clock_rate_hz
        self._on_digit = on_digit
        self._reported: int | None = None
        self.malformed = 0

    def receive(self, packet: RtpPacket) -> None:
        """Reports the digit at the first packet with the end bit; its repetitions are the same event."""
        try:
            event = parse_telephone_event(packet.payload)
        except ParseError:
            self.malformed += 1
            return
        if not event.ends or packet.timestamp == self._reported:
            return
        self._reported = packet.timestamp
        if event.digit is not None:
            self._on_digit(event.digit, event.duration * 1000 // self._clock_rate_hz)


class AudioUpTrack:
    """One audio stream from an endpoint. A new SSRC takes the place of the one before."""

    __slots__ = (
        "_buffer",
        "_changes",
        "_changes_since",
        "_digits",
        "_dtmf_payload_type",
        "_level_extension",
        "_receiver",
        "codec",
        "foreign",
        "last_packet_at",
        "malformed",
        "mid",
    )

    def __init__(
        self,
        mid: str,
        codec: Codec,
        *,
        dtmf_payload_type: int | None = None,
        level_extension: int | None = None,
        on_digit: OnDigit | None = None,
    ) -> None:
        self.mid = mid
        self.codec = codec
        self.foreign = 0  # payload types nobody negotiated, streams that change too often
        self.malformed = 0
        self.last_packet_at: float | None = None
        self._dtmf_payload_type = dtmf_payload_type
        self._level_extension = level_extension
        self._digits = DigitReader(codec.clock_rate_hz, on_digit) if on_digit else None
        self._receiver: StreamReceiver | None = None
        self._buffer: JitterBuffer | None = None
        self._changes = 0
        self._changes_since = 0.0

    @property
    def ssrc(self) -> int | None:
        return self._receiver.ssrc if self._receiver else None

    def receive(self, data: bytes, now: float) -> None:
        """Takes one plain RTP packet."""
        try:
            packet = parse_rtp(data)
        except ParseError:
            self.malformed += 1
            return
        is_event = packet.payload_type == self._dtmf_payload_type
        if not is_event and packet.payload_type != self.codec.payload_type:
            self.foreign += 1
            return
        receiver, buffer = self._stream(packet.ssrc, now)
        if receiver is None or buffer is None:
            self.foreign += 1
            return
        received = receiver.receive(packet.sequence_number, packet.timestamp, len(packet.payload), now)
        if received is None:
            return
        self.last_packet_at = now
        if received.restarted:
            buffer.clear()
        if is_event:
            if self._digits is not None:
                self._digits.receive(packet)
            return
        level = read_audio_level(data, self._level_extension) if self._level_extension is not None else None
        buffer.push(received.index, received.media_time, packet.payload, now, level)

    def pull(self, now: float) -> JitterFrame:
        """The next 20 ms, once a tick (FrameSource)."""
        return self._buffer.pull(now) if self._buffer is not None else EMPTY_FRAME

    def receive_sender_report(self, report: SenderReport, now: float) -> None:
        if self._receiver is not None and report.ssrc == self._receiver.ssrc:
            self._receiver.receive_sender_report(report, now)

    def take_report_blocks(self, now: float) -> tuple[ReportBlock, ...]:
        block = self._receiver.take_report_block(now) if self._receiver is not None else None
        return (block,) if block is not None else ()

    def statistics(self, audio: AudioStatistics) -> TrackStatistics:
        receiver, buffer = self._receiver, self._buffer
        if receiver is None or buffer is None:
            return TrackStatistics(self.mid, "audio", "up", self.codec.name, foreign=self.foreign)
        return TrackStatistics(
            self.mid,
            "audio",
            "up",
            self.codec.name,
            packets=receiver.packets,
            octets=receiver.octets,
            lost=receiver.lost,
            jitter_ms=receiver.jitter_ms,
            level_dbov=audio.level_dbov,
            concealed=audio.concealed,
            recovered=audio.recovered,
            dropped=buffer.late + buffer.dropped + self.malformed + self.foreign + audio.malformed,
            foreign=self.foreign,
        )

    def _stream(self, ssrc: int, now: float) -> tuple[StreamReceiver | None, JitterBuffer | None]:
        """The engines of `ssrc`, made anew when the sender changed it; None when it does so too often."""
        if self._receiver is not None and self._receiver.ssrc == ssrc:
            return self._receiver, self._buffer
        if now - self._changes_since >= 1.0:
            self._changes, self._changes_since = 0, now
        if self._changes >= MAX_SSRC_CHANGES_PER_S:
            return None, None
        self._changes += 1
        rate = self.codec.clock_rate_hz
        self._receiver = StreamReceiver(ssrc, rate)
        self._buffer = JitterBuffer(rate, int(rate * FRAME_S), SHAPES[self.codec.name])
        return self._receiver, self._buffer


class AudioDownTrack:
    """One audio stream to an endpoint: takes encoded frames, sends RTP packets (FrameSink)."""

    __slots__ = (
        "_extension",
        "_initial_timestamp",
        "_rollovers",
        "_send",
        "_sequence_number",
        "_stream",
        "_timestamp",
        "codec",
        "mid",
    )

    def __init__(
        self,
        mid: str,
        codec: Codec,
        ssrc: int,
        send: Callable[[bytes], None],
        *,
        first: tuple[int, int],
        extensions: dict[int, bytes] | None = None,
    ) -> None:
        """`first` are the random first sequence number and timestamp (RFC 3550 section 5.1)."""
        self.mid = mid
        self.codec = codec
        self._send = send
        self._sequence_number, self._initial_timestamp = first
        self._timestamp = self._initial_timestamp
        self._rollovers = 0
        self._extension = extension_block(extensions or {})
        self._stream = StreamSender(ssrc, codec.clock_rate_hz)

    @property
    def ssrc(self) -> int:
        return self._stream.ssrc

    @property
    def position(self) -> tuple[int, int]:
        """The last sequence number and the timestamp now: where another codec on the same SSRC goes on.

        A restart behind it would be refused by SRTP as a replay.
        """
        return self._sequence_number, self._timestamp

    @property
    def has_rolled_over(self) -> bool:
        """The sequence number went through 0: SRTP's rollover counter is no longer its first."""
        return self._rollovers > 0

    def push(self, payload: bytes, media_time: int, now: float, *, marker: bool) -> None:
        """Sends one frame; `media_time` counts the codec's RTP clock and never wraps."""
        timestamp = self._timestamp = (self._initial_timestamp + media_time) & 0xFFFFFFFF
        self._sequence_number = (self._sequence_number + 1) & 0xFFFF
        self._rollovers += not self._sequence_number
        header = HEADER.pack(
            0x90 if self._extension else 0x80,
            self.codec.payload_type | (MARKER_BIT if marker else 0),
            self._sequence_number,
            timestamp,
            self._stream.ssrc,
        )
        self._stream.sent(timestamp, len(payload), now)
        self._send(header + self._extension + payload)

    def sender_report(self, now: float, ntp_seconds: float) -> SenderReport | None:
        return self._stream.sender_report(now, ntp_seconds)

    def receive_report_block(self, block: ReportBlock, now: float) -> float | None:
        """The listener's report on this stream; returns the round trip in seconds if it tells."""
        return self._stream.receive_report_block(block, now)

    @property
    def fraction_lost(self) -> float:
        """What the listener last reported, 0 to 1."""
        return self._stream.fraction_lost

    def statistics(self, audio: AudioStatistics) -> TrackStatistics:
        stream = self._stream
        return TrackStatistics(
            self.mid,
            "audio",
            "down",
            self.codec.name,
            packets=stream.packets,
            octets=stream.octets,
            lost=max(0, stream.packets_lost),
            jitter_ms=stream.remote_jitter_ms,
            round_trip_ms=stream.round_trip_s * 1000 if stream.round_trip_s is not None else None,
            level_dbov=audio.down_level_dbov,
        )
