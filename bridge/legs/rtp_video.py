"""The video of a phone's leg: a port pair of its own, one stream up and one down, both forwarded as they are."""

import structlog

from bridge.errors import ParseError
from bridge.ids import LegId, track_id
from bridge.legs.leg import LegShell
from bridge.legs.report import ReportSchedule, compose_report, farewell
from bridge.legs.rollover import is_ambiguous
from bridge.legs.rtp_sockets import RtpSockets
from bridge.media.video.forwarder import DownTrack, UpTrack
from bridge.media.video.routes import VideoRoutes
from bridge.plane import messages
from bridge.plane.messages import VIDEO_MID as MID
from bridge.plane.messages import DownTrackSpec, ExtensionIds, RtpVideo, UpTrackSpec
from bridge.transport.rtp_port import RtpPort, RtpPortCallbacks
from bridge.wire.rtcp import (
    FullIntraRequest,
    Nack,
    PictureLossIndication,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    parse_rtcp,
    serialize_rtcp,
)

NO_EXTENSIONS = ExtensionIds()


class RtpVideoSection:
    """Keeps its port and its stream to the phone for the leg's life: video that comes back goes on."""

    def __init__(  # noqa: PLR0913, PLR0917 - what its leg has, and it shares
        self,
        leg_id: LegId,
        cname: str,
        sockets: RtpSockets,
        routes: VideoRoutes,
        shell: LegShell,
        audio_port: RtpPort,
        now: float,
    ) -> None:
        """Raises CapacityError when no port is left. `cname` is that of the leg's audio: one clock for both."""
        self._leg_id = leg_id
        self._cname = cname
        self._sockets = sockets
        self._routes = routes
        self._shell = shell
        self._log = structlog.get_logger().bind(leg=leg_id, mid=MID)
        self._pair = sockets.pool.take(now)
        callbacks = RtpPortCallbacks(self._on_rtp, self._on_rtcp, self._on_crash)
        self._port = RtpPort(sockets.loop, self._pair, sockets.clock, sockets.io, callbacks, audio_port)
        self._ssrc = shell.random_bits(32)
        self._reports = ReportSchedule(shell.random_bits, now)
        self._spec: RtpVideo | None = None
        self._up: UpTrack | None = None
        self._down: DownTrack | None = None
        self._latched = False
        self.heard_at = now  # the phone, by whatever it sends here
        self._full_intra_requests = 0
        self._key_frames = -1  # that had come when one was asked for last
        self.malformed_rtcp = 0

    @property
    def port(self) -> int:
        return self._port.port

    def update(self, spec: RtpVideo | None, now: float) -> None:
        """Takes the wanted state; None is a voice call, and the streams rest."""
        if spec == self._spec:
            return
        before, self._spec = self._spec, spec
        asked = before.key_frames_wanted if before is not None else 0
        if spec is not None:
            self._port.declare(spec, now)
            if self._up is not None and before is not None and before.exchange != spec.exchange:
                self._up.expect_another_stream()
        self._adopt_up(spec)
        self._adopt_down(spec, before)
        if spec is not None and spec.key_frames_wanted > asked and self._down is not None:
            self._down.receive_pli()

    def _adopt_up(self, spec: RtpVideo | None) -> None:
        source = track_id(self._leg_id, MID)
        if spec is None or not spec.receives:
            if self._up is not None:
                self._routes.unpublish(source)
                self._up = None
            return
        nacks = "nack" in spec.feedback
        wanted = UpTrackSpec(MID, "video", spec.up_codecs, NO_EXTENSIONS, repairs=nacks)
        if self._up is None:
            self._up = UpTrack(wanted, self._ssrc)
            self._routes.publish(source, self._up)
        else:
            self._up.update(wanted)

    def _adopt_down(self, spec: RtpVideo | None, before: RtpVideo | None) -> None:
        if spec is None:
            if self._down is not None:
                self._routes.want(self._leg_id, MID, self._down, None)
            return
        if is_ambiguous(before, spec, self._down):
            self._ssrc, self._down = self._shell.random_bits(32), None
        source = spec.source if spec.sends else None
        wanted = DownTrackSpec(
            MID, "video", spec.down_codecs, NO_EXTENSIONS, self._ssrc, source=source, level_binds=True
        )
        if self._down is None:
            self._down = DownTrack(wanted, self._port.send_rtp)
        else:
            self._down.update(wanted)
        self._routes.want(self._leg_id, MID, self._down, source)

    # --- packets ------------------------------------------------------------------------------------------

    def _on_rtp(self, packet: bytes, now: float) -> None:
        self.heard_at = now
        if self._up is None:
            return
        self._up.receive(packet, now)
        if not self._latched:
            self._latched = True
            self._log.info("= rtp latched", port=self.port)

    def _on_rtcp(self, packet: bytes, now: float) -> None:
        self.heard_at = now
        try:
            packets = parse_rtcp(packet)
        except ParseError:
            self.malformed_rtcp += 1
            return
        for item in packets:
            match item:
                case SenderReport():
                    if self._up is not None:
                        self._up.receive_sender_report(item, now)
                    self._receive_blocks(item.blocks, now)
                case ReceiverReport():
                    self._receive_blocks(item.blocks, now)
                case Nack() | PictureLossIndication() | FullIntraRequest():
                    self._receive_feedback(item, now)
                case _:
                    pass

    def _receive_blocks(self, blocks: tuple[ReportBlock, ...], now: float) -> None:
        for block in blocks:
            if self._down is not None and block.ssrc == self._ssrc:
                round_trip_s = self._down.receive_report_block(block, now)
                if round_trip_s is not None and self._up is not None:
                    self._up.set_round_trip(round_trip_s)

    def _receive_feedback(self, item: Nack | PictureLossIndication | FullIntraRequest, now: float) -> None:
        if self._down is None:
            return
        match item:
            case Nack() if item.media_ssrc == self._ssrc:
                self._down.receive_nack(item.sequence_numbers, now)
            case PictureLossIndication() if item.media_ssrc == self._ssrc:
                self._down.receive_pli()
            case FullIntraRequest() if any(ssrc == self._ssrc for ssrc, _ in item.entries):
                self._down.receive_pli()
            case _:
                pass

    # --- time ---------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Reports when due; requests at once, each behind a report: not every phone takes them alone."""
        if self._spec is None:
            return
        feedback = self._feedback(now)
        if self._reports.take_due(now) or feedback:
            self._port.send_rtcp(serialize_rtcp([*self._report(now), *feedback]))

    def _feedback(self, now: float) -> list[RtcpPacket]:
        found: list[RtcpPacket] = []
        for item in self._up.take_feedback(now) if self._up is not None else ():
            if isinstance(item, PictureLossIndication):
                found += self._key_frame_request(item)
            else:
                found.append(item)
        return found

    def _key_frame_request(self, request: PictureLossIndication) -> list[RtcpPacket]:
        """The way that was agreed. Phones that agreed to none often know one all the same; if not,
        the next try goes by signaling, too."""
        agreed = self._spec.feedback if self._spec is not None else ()
        if "nack pli" in agreed:
            return [request]
        self._full_intra_requests += 1
        number = self._full_intra_requests & 0xFF  # RFC 5104 section 4.3.1.1: another for each request
        full_intra = FullIntraRequest(self._ssrc, ((request.media_ssrc, number),))
        if "ccm fir" in agreed:
            return [full_intra]
        if self._up is not None:
            if self._up.key_frames == self._key_frames:
                self._shell.emit(messages.KeyFrameWanted(self._leg_id))
            self._key_frames = self._up.key_frames
        return [request, full_intra]

    def _report(self, now: float) -> list[RtcpPacket]:
        block = self._up.take_report_block(now) if self._up is not None else None
        sent = self._down.sender_report(now, self._shell.ntp_seconds()) if self._down is not None else None
        return compose_report(self._ssrc, self._cname, () if block is None else (block,), (sent,))

    # --- the rest -----------------------------------------------------------------------------------------

    def statistics(self) -> tuple[messages.TrackStatistics, ...]:
        tracks = (self._up, self._down)
        return tuple(track.statistics() for track in tracks if track is not None)

    def transport_statistics(self) -> messages.TransportStatistics:
        """Of its own ports."""
        return self._port.statistics()

    def counters(self) -> dict[str, int]:
        port = {f"rtp_{name}": count for name, count in self._port.counters().items()}
        return port | {"rtp_malformed_rtcp": self.malformed_rtcp}

    def close(self, now: float) -> None:
        try:
            if self._down is not None and self._spec is not None:
                self._port.send_rtcp(serialize_rtcp(farewell(self._report(now), (self._ssrc,))))
        finally:
            self._routes.unpublish(track_id(self._leg_id, MID))
            self._routes.release(self._leg_id, MID)
            self._port.close()
            self._sockets.pool.give_back(self._pair, now)

    def _on_crash(self, error: Exception) -> None:
        self._log.error("! rtp video failed", exc_info=error)
        reason = "the leg's media failed; see the log"
        self._shell.emit(messages.LegFailed(self._leg_id, "internal_error", reason))
