"""A phone's leg: RTP or SRTP on a port pair of its own."""

from collections import Counter, deque

import structlog

from bridge.errors import CapacityError, NotAllowedError, ParseError
from bridge.ids import LegId
from bridge.legs.leg import LegShell
from bridge.legs.report import ReportSchedule, compose_report, farewell
from bridge.legs.rollover import is_ambiguous
from bridge.legs.rtp_sockets import RtpSockets
from bridge.legs.rtp_video import RtpVideoSection
from bridge.media.audio.mixer import AudioStatistics
from bridge.media.audio.track import FIRST_SEQUENCE_BITS, AudioDownTrack, AudioUpTrack
from bridge.media.video.routes import VideoRoutes
from bridge.plane import messages
from bridge.plane.messages import Codec, RtpAudio, RtpLegSpec
from bridge.transport.rtp_port import RtpPort, RtpPortCallbacks
from bridge.wire.rtcp import (
    ReceiverReport,
    RtcpPacket,
    SenderReport,
    parse_rtcp,
    serialize_rtcp,
)
from bridge.wire.rtp import payload_type_of

DIGITS_IDS = 64  # of keys that were asked for: a repeated request is younger than these
MID = "audio"  # a phone's one voice
CODEC_STAYS_S = 1.0  # before another is followed: a change costs a decoder and a moment of sound
SLEPT_S = 2.0  # ticks come fifty times a second, and on an overloaded machine still a few times


class RtpLeg:
    """One phone. `update` takes the wanted state; the port stays the same for the leg's life."""

    def __init__(
        self, spec: RtpLegSpec, sockets: RtpSockets, routes: VideoRoutes, shell: LegShell, now: float
    ) -> None:
        """Raises CapacityError when no port is left."""
        self._routes = routes
        self._sockets = sockets
        self._shell = shell
        self._log = structlog.get_logger().bind(leg=spec.leg_id)
        self._pair = sockets.pool.take(now)
        self._port = RtpPort(
            sockets.loop,
            self._pair,
            sockets.clock,
            sockets.io,
            RtpPortCallbacks(self._on_rtp, self._on_rtcp, self._on_crash),
        )
        self._ssrc = shell.random_bits(32)
        self._cname = f"{shell.random_bits(64):016x}"  # RFC 7022: not an address, new each time
        self._reports = ReportSchedule(shell.random_bits, now)
        self._up: AudioUpTrack | None = None
        self._down: AudioDownTrack | None = None
        self._video: RtpVideoSection | None = None
        self._up_codecs: dict[int, Codec] = {}  # where there is more than one
        self._codec_since = now - CODEC_STAYS_S
        self._spec = RtpLegSpec(spec.leg_id, spec.participant_id, spec.room_id)
        self._digits_ids: deque[str] = deque(maxlen=DIGITS_IDS)
        self._connected = False
        self._failed = False
        self._closed = False
        self._heard_at = now  # the phone, by whatever it sends; before that when we began to listen
        self._ticked_at = now
        self.malformed_rtcp = 0
        try:
            self.update(spec, now)
        except Exception:
            self.close(now)  # nobody has this leg yet who could give its ports back
            raise

    @property
    def leg_id(self) -> LegId:
        return self._spec.leg_id

    @property
    def spec(self) -> RtpLegSpec:
        """The wanted state of the moment."""
        return self._spec

    @property
    def port(self) -> int:
        return self._port.port

    @property
    def video_port(self) -> int | None:
        """None while no video was asked for, 0 when no port was to be had: then the call is one by voice."""
        if self._video is not None:
            return self._video.port
        return 0 if self._wants_video_port else None

    @property
    def _wants_video_port(self) -> bool:
        return self._spec.video_port or self._spec.video is not None

    @property
    def audio_up(self) -> AudioUpTrack | None:
        return self._up

    @property
    def audio_down(self) -> AudioDownTrack | None:
        return self._down

    @property
    def finds_digits(self) -> bool:
        """Whether keys are to be listened for in the phone's sound."""
        return self._spec.audio is not None and self._spec.audio.inband_dtmf

    @property
    def sends_audio(self) -> bool:
        return self._spec.audio is not None and self._spec.audio.sends

    def update(self, spec: RtpLegSpec, now: float) -> None:
        """Takes the wanted state; the same once more changes nothing."""
        before, self._spec = self._spec.audio, spec
        self._adopt_video(now)
        audio = spec.audio
        if audio == before:
            return
        self._heard_at, self._failed = now, False
        if audio is None:
            self._up = self._down = None
            return
        self._port.declare(audio, now)
        self._adopt_up(audio)
        self._adopt_down(audio, before)

    def _adopt_video(self, now: float) -> None:
        if self._video is None and self._wants_video_port:
            try:
                self._video = RtpVideoSection(
                    self.leg_id, self._cname, self._sockets, self._routes, self._shell, self._port, now
                )
            except CapacityError as error:
                self._log.warning("! no port for video", reason=error.reason)
        if self._video is not None:
            self._video.update(self._spec.video, now)

    def _adopt_up(self, audio: RtpAudio) -> None:
        agreed = (audio.codec, *audio.up_codecs)
        self._up_codecs = {codec.payload_type: codec for codec in agreed} if audio.up_codecs else {}
        if not audio.receives:
            self._up = None
        elif self._up is None or self._up.codec not in agreed:
            self._up = self._up_track(audio.codec, _key_numbers(audio))
        else:
            self._up.dtmf_payload_types = _key_numbers(audio)

    def _up_track(self, codec: Codec, dtmf_payload_types: tuple[int, ...]) -> AudioUpTrack:
        return AudioUpTrack(MID, codec, dtmf_payload_types=dtmf_payload_types, on_digit=self._on_digit)

    def _follow_codec(self, up: AudioUpTrack, payload_type: int, now: float) -> AudioUpTrack:
        """A phone that accepted several codecs may go over to another without a word (RFC 3264 section 6.1)."""
        codec = self._up_codecs.get(payload_type)
        if codec is None or codec == up.codec or now - self._codec_since < CODEC_STAYS_S:
            return up
        self._log.info("= another codec", codec=codec.name)
        self._codec_since = now
        self._up = self._up_track(codec, up.dtmf_payload_types)
        self._shell.audio_changed(self.leg_id)
        return self._up

    def _adopt_down(self, audio: RtpAudio, before: RtpAudio | None) -> None:
        down = self._down
        if down is None or down.codec != audio.codec or is_ambiguous(before, audio, down):
            bits = self._shell.random_bits
            # Another codec means another timeline; a new SSRC keeps the receiver from mixing up the two.
            self._ssrc = self._ssrc if self._down is None else bits(32)
            first = (bits(FIRST_SEQUENCE_BITS), bits(32))
            down = AudioDownTrack(MID, audio.codec, self._ssrc, self._port.send_rtp, first=first)
        down.dtmf_payload_type = audio.dtmf_payload_type
        self._down = down

    def send_digits(self, digits_id: str, digits: str) -> None:
        """Keys for the phone; the same id once more changes nothing."""
        if digits_id in self._digits_ids:
            return
        if self._down is None:
            raise NotAllowedError("the phone takes no sound yet")
        if len(digits) > self._down.digit_room:
            raise CapacityError("too many digits wait to be sent already")
        try:
            self._down.send_digits(digits)
        except ValueError as error:
            raise NotAllowedError(str(error)) from error
        self._digits_ids.append(digits_id)

    def tick(self, now: float) -> None:
        """Reports when due; gives up on a phone that should send and has not for long.

        One that holds us may say that it sends music (a=sendonly), and most send nothing all the same. Where we
        slept ourselves (a paused container) nobody listened: what it sent meanwhile may still lie in the socket.
        """
        if now - self._ticked_at > SLEPT_S:
            self._heard_at = now
        self._ticked_at = now
        if self._reports.take_due(now):
            self._port.send_rtcp(serialize_rtcp(self._report(now)))
        if self._video is not None:
            self._video.tick(now)
        if self._up is None or self._failed or not self.sends_audio:
            return
        heard_at = self._heard_at if self._video is None else max(self._heard_at, self._video.heard_at)
        if now - heard_at > self._sockets.timeout_s:
            self._failed = True
            reason = f"no packet from the phone for {self._sockets.timeout_s:.0f} s"
            self._shell.emit(messages.LegFailed(self.leg_id, "rtp_timeout", reason))

    def _report(self, now: float) -> list[RtcpPacket]:
        blocks = self._up.take_report_blocks(now) if self._up else ()
        sent = self._down.sender_report(now, self._shell.ntp_seconds()) if self._down else None
        return compose_report(self._ssrc, self._cname, blocks, (sent,))

    def statistics(self, audio: AudioStatistics) -> messages.LegStatistics:
        tracks = [self._up.statistics(audio)] if self._up else []
        if self._down:
            tracks.append(self._down.statistics(audio))
        transport = self._port.statistics()
        if self._video is None:
            return messages.LegStatistics(self.leg_id, tuple(tracks), transport)
        tracks += self._video.statistics()
        return messages.LegStatistics(
            self.leg_id, tuple(tracks), transport, self._video.transport_statistics()
        )

    def counters(self) -> dict[str, int]:
        port = {f"rtp_{name}": count for name, count in self._port.counters().items()}
        counted = Counter(port | {"rtp_malformed_rtcp": self.malformed_rtcp})
        if self._video is not None:
            counted.update(self._video.counters())
        return dict(counted)

    def close(self, now: float) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            if self._down is not None:
                self._port.send_rtcp(serialize_rtcp(farewell(self._report(now), (self._ssrc,))))
        finally:  # whatever becomes of the goodbye, ports are given back
            self._port.close()
            self._sockets.pool.give_back(self._pair, now)
            if self._video is not None:
                self._video.close(now)
        self._log.info("x rtp leg closed", **self.counters())

    def _on_rtp(self, packet: bytes, now: float) -> None:
        self._heard_at = now
        up = self._up
        if up is None:
            return
        if self._up_codecs and payload_type_of(packet) != up.codec.payload_type:
            up = self._follow_codec(up, payload_type_of(packet), now)
        up.receive(packet, now)
        if not self._connected:
            self._connected = True
            self._log.info("= rtp latched", port=self.port)
            self._shell.emit(messages.LegConnected(self.leg_id))

    def _on_rtcp(self, packet: bytes, now: float) -> None:
        self._heard_at = now  # a phone that sends no silence, and is muted, reports all the same
        try:
            packets = parse_rtcp(packet)
        except ParseError:
            self.malformed_rtcp += 1
            return
        for item in packets:
            if isinstance(item, SenderReport) and self._up is not None:
                self._up.receive_sender_report(item, now)
            if isinstance(item, SenderReport | ReceiverReport) and self._down is not None:
                for block in item.blocks:
                    if block.ssrc == self._ssrc:
                        self._down.receive_report_block(block, now)

    def _on_digit(self, digit: str, duration_ms: int) -> None:
        self._shell.emit(messages.DtmfReceived(self.leg_id, digit, duration_ms))

    def _on_crash(self, error: Exception) -> None:
        self._log.error("! rtp leg failed", exc_info=error)
        self._shell.emit(
            messages.LegFailed(self.leg_id, "internal_error", "the leg's media failed; see the log")
        )


def _key_numbers(audio: RtpAudio) -> tuple[int, ...]:
    """The payload types that the phone's keys may come with."""
    own = () if audio.dtmf_payload_type is None else (audio.dtmf_payload_type,)
    return own + audio.up_dtmf_payload_types
