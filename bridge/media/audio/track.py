"""The packet side of one leg's audio: RTP in to a jitter buffer, encoded frames out as RTP."""

from collections.abc import Callable

from bridge.codec.audio import encoder_for, encoding_profile
from bridge.codec.dtmf import tone_frame
from bridge.errors import ParseError
from bridge.media.audio.mixer import AudioStatistics
from bridge.plane.messages import Codec, TrackStatistics
from bridge.rtp.digit_reader import DigitReader, OnDigit
from bridge.rtp.digit_sender import TONE_TICKS, DigitSender, DigitTick
from bridge.rtp.frame import EMPTY_FRAME, JitterFrame
from bridge.rtp.jitter import JitterBuffer
from bridge.rtp.payload_shape import SHAPES
from bridge.rtp.receiver import StreamReceiver
from bridge.rtp.sender import StreamSender
from bridge.wire.extensions import extension_block, read_audio_level
from bridge.wire.rtcp import ReportBlock, SenderReport
from bridge.wire.rtp import HEADER, MARKER_BIT, RtpPacket, parse_rtp

FRAME_S = 0.02
FIRST_SEQUENCE_BITS = (
    15  # RFC 3711 section 3.3.1: who misses the first packets must not miss a rollover with them
)
COMFORT_NOISE = 13  # RFC 3389 section 4: the static payload type
SILENCES = {"PCMU": b"\xff" * 160, "PCMA": b"\xd5" * 160}  # what 20 ms of comfort noise are played as
STRAY_S = 0.06  # after another SSRC took over: what comes of the one before is late, or beside it
MAX_SSRC_CHANGES_PER_S = 10  # RFC 3550 section 8.2 wants few; more is a broken or hostile sender


class AudioUpTrack:
    """One audio stream from an endpoint. A new SSRC takes the place of the one before, which is not heard beside
    it. Keys are taken from any: some phones send them in a stream of their own."""

    __slots__ = (
        "_buffer",
        "_changes",
        "_changes_since",
        "_digits",
        "_heard_at",
        "_left_ssrc",
        "_level_extension",
        "_newest",
        "_receiver",
        "_resting",
        "codec",
        "dtmf_payload_types",
        "foreign",
        "malformed",
        "mid",
    )

    def __init__(
        self,
        mid: str,
        codec: Codec,
        *,
        dtmf_payload_types: tuple[int, ...] = (),
        level_extension: int | None = None,
        on_digit: OnDigit | None = None,
    ) -> None:
        self.mid = mid
        self.codec = codec
        self.foreign = 0  # payload types nobody negotiated, streams that change too often
        self.malformed = 0
        self.dtmf_payload_types = dtmf_payload_types
        self._level_extension = level_extension
        self._digits = DigitReader(codec.clock_rate_hz, on_digit) if on_digit else None
        self._receiver: StreamReceiver | None = None
        self._buffer: JitterBuffer | None = None
        self._resting = False
        self._newest = b""
        self._left_ssrc: int | None = None
        self._heard_at = 0.0
        self._changes = 0
        self._changes_since = 0.0

    @property
    def ssrc(self) -> int | None:
        return self._receiver.ssrc if self._receiver else None

    @property
    def delay_ms(self) -> float | None:
        """What the jitter buffer adds now; None before the first packet."""
        return self._buffer.delay_ms if self._buffer is not None else None

    def receive(self, data: bytes, now: float) -> None:
        """Takes one plain RTP packet."""
        try:
            packet = parse_rtp(data)
        except ParseError:
            self.malformed += 1
            return
        is_event = packet.payload_type in self.dtmf_payload_types
        payload = self._audio(packet)
        if not is_event and payload is None:
            self.foreign += 1
            return
        if is_event and self._receiver is not None and packet.ssrc != self._receiver.ssrc:
            self._press(packet, now)
            return
        receiver, buffer = self._stream(packet.ssrc, now)
        if receiver is None or buffer is None:
            self.foreign += 1
            return
        received = receiver.receive(packet.sequence_number, packet.timestamp, len(packet.payload), now)
        if received is None:
            return
        if received.restarted:
            buffer.clear()
        if is_event or payload is None:
            self._press(packet, now)
            return
        if self._resting:
            self._newest = payload
            buffer.watch(received.media_time, now)
            return
        level = read_audio_level(data, self._level_extension) if self._level_extension is not None else None
        pauses = payload is not packet.payload
        buffer.push(received.index, received.media_time, payload, now, level, pauses=pauses)

    def _press(self, packet: RtpPacket, now: float) -> None:
        if self._digits is not None:
            self._digits.receive(packet.timestamp, packet.payload, now)

    def _audio(self, packet: RtpPacket) -> bytes | None:
        """What is to be played of a packet; None if it is no audio. Comfort noise is a pause that begins with
        20 ms of silence."""
        if packet.payload_type == self.codec.payload_type:
            return packet.payload
        return SILENCES.get(self.codec.name) if packet.payload_type == COMFORT_NOISE else None

    def pull(self, now: float) -> JitterFrame:
        """The next 20 ms, once a tick (FrameSource)."""
        self._resting = False
        if self._digits is not None:
            self._digits.tick(now)
        return self._buffer.pull(now) if self._buffer is not None else EMPTY_FRAME

    def rest(self, now: float) -> bytes:
        """A tick that nobody hears: counters, delays and keys go on (FrameSource)."""
        if not self._resting:
            self._resting, self._newest = True, b""
            if self._buffer is not None:
                self._buffer.rest()
        if self._digits is not None:
            self._digits.tick(now)
        newest, self._newest = self._newest, b""
        return newest

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
        digits_dropped = self._digits.excess if self._digits is not None else 0
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
            digits_dropped=digits_dropped,
        )

    def _stream(self, ssrc: int, now: float) -> tuple[StreamReceiver | None, JitterBuffer | None]:
        """The engines of `ssrc`, made anew when the sender changed it; None for a stray packet of the last one, and
        when it does so too often."""
        if self._receiver is not None and self._receiver.ssrc == ssrc:
            self._heard_at = now
            return self._receiver, self._buffer
        if ssrc == self._left_ssrc and now - self._heard_at < STRAY_S:
            return None, None
        if now - self._changes_since >= 1.0:
            self._changes, self._changes_since = 0, now
        if self._changes >= MAX_SSRC_CHANGES_PER_S:
            return None, None
        self._changes += 1
        self._left_ssrc, self._heard_at = self.ssrc, now
        rate = self.codec.clock_rate_hz
        self._receiver = StreamReceiver(ssrc, rate)
        self._buffer = JitterBuffer(rate, int(rate * FRAME_S), SHAPES[self.codec.name])
        return self._receiver, self._buffer


class AudioDownTrack:
    """One audio stream to an endpoint: takes encoded frames, sends RTP packets (FrameSink).

    Keys to send go in the place of the frames: as events of `dtmf_payload_type`, as tones where it is None.
    """

    __slots__ = (
        "_digits",
        "_event_timestamp",
        "_extension",
        "_initial_timestamp",
        "_rollovers",
        "_send",
        "_sequence_number",
        "_stream",
        "_timestamp",
        "_tone_encoder",
        "codec",
        "dtmf_payload_type",
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
        """`first` are the random first sequence number, of `FIRST_SEQUENCE_BITS`, and timestamp (RFC 3550 section
        5.1)."""
        self.mid = mid
        self.codec = codec
        self._send = send
        self._sequence_number, self._initial_timestamp = first
        self._timestamp = self._initial_timestamp
        self._rollovers = 0
        self.dtmf_payload_type: int | None = None
        self._digits = DigitSender()
        self._event_timestamp = 0
        self._tone_encoder = encoder_for(encoding_profile(codec))
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
        key = self._digits.take()
        if key is None:
            self._send_packet(self.codec.payload_type, payload, timestamp, now, marker=marker)
        elif self.dtmf_payload_type is not None:
            self._send_event(key, timestamp, now)
        else:
            if key.sounds:
                tone = tone_frame(key.digit, key.tone_tick, TONE_TICKS, self._tone_encoder.rate_hz)
                payload = self._tone_encoder.encode(tone)
            self._send_packet(self.codec.payload_type, payload, timestamp, now, marker=marker)

    def send_digits(self, digits: str) -> None:
        """Keys, behind those that are still being sent. Raises ValueError for what is no key."""
        self._digits.send(digits)

    @property
    def digit_room(self) -> int:
        """How many keys `send_digits` would take."""
        return self._digits.room

    def _send_event(self, key: DigitTick, timestamp: int, now: float) -> None:
        """RFC 4733 section 2.5.1: all packets of a key have the timestamp of its beginning."""
        assert self.dtmf_payload_type is not None
        if key.tone_tick == 0:
            self._event_timestamp = timestamp
        payload = key.event_payload(int(self.codec.clock_rate_hz * FRAME_S))
        number = self.dtmf_payload_type
        self._send_packet(number, payload, self._event_timestamp, now, marker=key.tone_tick == 0)

    def _send_packet(
        self, payload_type: int, payload: bytes, timestamp: int, now: float, *, marker: bool
    ) -> None:
        self._sequence_number = (self._sequence_number + 1) & 0xFFFF
        self._rollovers += not self._sequence_number
        header = HEADER.pack(
            0x90 if self._extension else 0x80,
            payload_type | (MARKER_BIT if marker else 0),
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
