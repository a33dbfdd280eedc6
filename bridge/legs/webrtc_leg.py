"""A browser's leg: one BUNDLE transport with any number of tracks."""

import asyncio
from dataclasses import dataclass

import structlog

from bridge.clock import Clock
from bridge.errors import ParseError
from bridge.ids import LegId, track_id
from bridge.legs.leg import LegShell
from bridge.legs.report import ReportSchedule, compose_report, farewell
from bridge.legs.up_streams import UpStreams
from bridge.media.audio.mixer import AudioStatistics
from bridge.media.audio.track import FIRST_SEQUENCE_BITS, AudioDownTrack, AudioUpTrack
from bridge.media.video.forwarder import DownTrack, UpTrack
from bridge.media.video.routes import VideoRoutes
from bridge.plane import messages
from bridge.plane.messages import DownTrackSpec, UpTrackSpec, WebRtcLegSpec
from bridge.rtp.twcc import TransportFeedbackBuilder
from bridge.transport.address import Address
from bridge.transport.driver import Driver
from bridge.transport.dtls import DtlsIdentity
from bridge.transport.dtls_transport import (
    Connected,
    DtlsTransport,
    RemoteParameters,
    TransportCallbacks,
)
from bridge.transport.mux import UdpMux
from bridge.wire.extensions import read_transport_sequence_number
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
from bridge.wire.rtp import ssrc_of

CNAME = "warmbridge"  # as in the a=ssrc lines of our SDP


@dataclass(frozen=True)
class WebRtcNetwork:
    """What all browser legs of a worker share."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    mux: UdpMux
    identity: DtlsIdentity
    consent_timeout_s: float


class WebRtcLeg:
    """One browser. `update` takes the wanted state; tracks come and go by their media section."""

    def __init__(
        self, spec: WebRtcLegSpec, network: WebRtcNetwork, routes: VideoRoutes, shell: LegShell, now: float
    ) -> None:
        self._network = network
        self._routes = routes
        self._shell = shell
        self._log = structlog.get_logger().bind(leg=spec.leg_id)
        self._spec = spec
        self._ssrc = shell.random_bits(32)  # of our receiver reports
        self._reports = ReportSchedule(shell.random_bits, now)
        self._feedback = TransportFeedbackBuilder(self._ssrc)
        self._transport_cc: int | None = None
        self._audio_up: AudioUpTrack | None = None
        self._audio_down: AudioDownTrack | None = None
        self._audio_resting: AudioDownTrack | None = None  # where its SSRC goes on
        self._video_up: dict[str, UpTrack] = {}
        self._video_down: dict[str, DownTrack] = {}
        self._streams = UpStreams()
        self._closed = False
        self.malformed_rtcp = 0
        self.unrouted = 0
        self._transport = DtlsTransport(
            network.identity,
            spec.local_ice,
            _remote(spec),
            TransportCallbacks(self._on_rtp, self._on_rtcp, network.mux.send),
            now,
            network.consent_timeout_s,
        )
        self._driver = Driver(network.loop, self._transport, network.clock, self._after_timer)
        network.mux.register(spec.local_ice.ufrag, self)
        self._adopt_tracks(spec)
        self._driver.rearm()

    @property
    def leg_id(self) -> LegId:
        return self._spec.leg_id

    @property
    def spec(self) -> WebRtcLegSpec:
        """The wanted state of the moment."""
        return self._spec

    @property
    def audio_up(self) -> AudioUpTrack | None:
        return self._audio_up

    @property
    def audio_down(self) -> AudioDownTrack | None:
        return self._audio_down

    @property
    def sends_audio(self) -> bool:
        return True

    def update(self, spec: WebRtcLegSpec, now: float) -> None:
        """Takes the wanted state; the same once more changes nothing."""
        if spec == self._spec:
            return
        self._spec = spec
        self._network.mux.register(spec.local_ice.ufrag, self)
        self._transport.update_remote(spec.local_ice, _remote(spec), now)
        self._adopt_tracks(spec)
        self._settle()
        self._network.mux.flush()

    # --- the transport ---------------------------------------------------------------------------------

    def receive_datagram(self, datagram: bytes, source: Address, now: float) -> None:
        self._transport.receive_datagram(datagram, source, now)
        if datagram[0] < 64:  # STUN or DTLS (RFC 7983): media changes no state of the transport
            self._settle()

    def accepts(self, source: Address) -> bool:
        return self._transport.accepts(source)

    def _after_timer(self) -> None:
        self._settle()
        self._network.mux.flush()

    def _settle(self) -> None:
        for event in self._transport.events():
            if isinstance(event, Connected):
                self._log.info("= connected", srtp=self._transport.srtp_profile)
                self._shell.emit(messages.LegConnected(self.leg_id))
                for track in self._video_down.values():
                    track.wait_for_key_frame()
            else:
                self._log.info("= disconnected", code=event.code, reason=event.reason)
                self._shell.emit(messages.LegFailed(self.leg_id, event.code, event.reason))
        self._driver.rearm()

    # --- tracks ----------------------------------------------------------------------------------------

    def _adopt_tracks(self, spec: WebRtcLegSpec) -> None:
        extensions = [track.extensions for track in spec.up_tracks]
        self._transport_cc = next((e.transport_cc for e in extensions if e.transport_cc is not None), None)
        self._adopt_audio_up(next((track for track in spec.up_tracks if track.kind == "audio"), None))
        self._adopt_audio_down(next((track for track in spec.down_tracks if track.kind == "audio"), None))
        self._adopt_video_up({track.mid: track for track in spec.up_tracks if track.kind == "video"})
        self._adopt_video_down({t.mid: t for t in spec.down_tracks if t.kind == "video"})
        tracks: dict[str, AudioUpTrack | UpTrack] = dict(self._video_up)
        if self._audio_up is not None:
            tracks[self._audio_up.mid] = self._audio_up
        self._streams.declare(spec.up_tracks, tracks)

    def _adopt_audio_up(self, wanted: UpTrackSpec | None) -> None:
        if wanted is None:
            self._audio_up = None
            return
        codec = wanted.codecs[0]
        if self._audio_up is None or (self._audio_up.codec, self._audio_up.mid) != (codec, wanted.mid):
            level = wanted.extensions.audio_level
            self._audio_up = AudioUpTrack(wanted.mid, codec, level_extension=level)

    def _adopt_audio_down(self, wanted: DownTrackSpec | None) -> None:
        if wanted is None:
            self._audio_resting, self._audio_down = self._audio_down or self._audio_resting, None
            return
        codec, ssrc = wanted.codecs[0], wanted.ssrc
        current = self._audio_down
        if current is None or (current.codec, current.mid, current.ssrc) != (codec, wanted.mid, ssrc):
            bits = self._shell.random_bits
            before = current or self._audio_resting
            same_stream = before is not None and before.ssrc == ssrc
            self._audio_down = AudioDownTrack(
                wanted.mid,
                codec,
                ssrc,
                self._transport.send_rtp,
                first=before.position
                if before is not None and same_stream
                else (bits(FIRST_SEQUENCE_BITS), bits(32)),
                extensions=_mid_extension(wanted),
            )

    def _adopt_video_up(self, wanted: dict[str, UpTrackSpec]) -> None:
        for mid, track in list(self._video_up.items()):
            spec = wanted.get(mid)
            if spec is None:
                self._routes.unpublish(track_id(self.leg_id, mid))
                del self._video_up[mid]
            else:
                track.update(spec)
        for mid, spec in wanted.items():
            if mid not in self._video_up:
                self._video_up[mid] = UpTrack(spec, self._ssrc)
                self._routes.publish(track_id(self.leg_id, mid), self._video_up[mid])

    def _adopt_video_down(self, wanted: dict[str, DownTrackSpec]) -> None:
        for mid, track in list(self._video_down.items()):
            spec = wanted.get(mid)
            if spec is None or spec.ssrc != track.spec.ssrc:
                self._routes.release(self.leg_id, mid)
                del self._video_down[mid]
            else:
                track.update(spec)
        for mid, spec in wanted.items():
            if mid not in self._video_down:
                self._video_down[mid] = DownTrack(spec, self._transport.send_rtp)
            self._routes.want(self.leg_id, mid, self._video_down[mid], spec.source)

    # --- packets ---------------------------------------------------------------------------------------

    def _on_rtp(self, packet: bytes, now: float) -> None:
        ssrc = ssrc_of(packet)
        if self._transport_cc is not None:
            # Also of packets nobody wants: they arrived, and the sender's estimate is about the path.
            number = read_transport_sequence_number(packet, self._transport_cc)
            if number is not None:
                self._feedback.media_ssrc = ssrc
                self._feedback.receive(number, now)
        track = self._streams.find(ssrc, packet)
        if track is None:
            self.unrouted += 1
            return
        track.receive(packet, now)

    def _on_rtcp(self, packet: bytes, now: float) -> None:
        try:
            packets = parse_rtcp(packet)
        except ParseError:
            self.malformed_rtcp += 1
            return
        for item in packets:
            match item:
                case SenderReport():
                    self._receive_sender_report(item, now)
                    self._receive_blocks(item.blocks, now)
                case ReceiverReport():
                    self._receive_blocks(item.blocks, now)
                case Nack():
                    self._receive_nack(item, now)
                case PictureLossIndication():
                    self._ask_key_frame((item.media_ssrc,))
                case FullIntraRequest():
                    self._ask_key_frame(tuple(ssrc for ssrc, _ in item.entries))
                case _:
                    pass

    def _receive_sender_report(self, report: SenderReport, now: float) -> None:
        track = self._streams.get(report.ssrc)
        if track is not None:
            track.receive_sender_report(report, now)

    def _receive_blocks(self, blocks: tuple[ReportBlock, ...], now: float) -> None:
        for block in blocks:
            if self._audio_down is not None and block.ssrc == self._audio_down.ssrc:
                self._set_round_trip(self._audio_down.receive_report_block(block, now))
            for track in self._video_down.values():
                if block.ssrc == track.spec.ssrc:
                    self._set_round_trip(track.receive_report_block(block, now))

    def _set_round_trip(self, seconds: float | None) -> None:
        """One path: what a down track's reports measure tells the up tracks when to ask again."""
        if seconds is not None:
            for track in self._video_up.values():
                track.set_round_trip(seconds)

    def _receive_nack(self, nack: Nack, now: float) -> None:
        for track in self._video_down.values():
            if nack.media_ssrc == track.spec.ssrc:
                track.receive_nack(nack.sequence_numbers, now)

    def _ask_key_frame(self, ssrcs: tuple[int, ...]) -> None:
        for track in self._video_down.values():
            if track.spec.ssrc in ssrcs:
                track.receive_pli()

    # --- time -------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Feedback for what arrived, and reports when due."""
        if not self._transport.connected:
            return
        feedback: list[RtcpPacket] = []
        for up in self._video_up.values():
            feedback += up.take_feedback(now)
        arrivals = self._feedback.take_feedback(now)
        if arrivals is not None:
            feedback.append(arrivals)
        if self._reports.take_due(now):
            feedback = [*self._report(now), *feedback]
        if feedback:
            # Feedback alone is fine: reduced-size RTCP (RFC 5506) is in every browser's SDP.
            self._transport.send_rtcp(serialize_rtcp(feedback))

    def _report(self, now: float) -> list[RtcpPacket]:
        ntp_seconds = self._shell.ntp_seconds()
        blocks: list[ReportBlock | None] = [*self._audio_up.take_report_blocks(now)] if self._audio_up else []
        blocks += [up.take_report_block(now) for up in self._video_up.values()]
        senders: list[AudioDownTrack | DownTrack] = [*self._video_down.values()]
        if self._audio_down is not None:
            senders.append(self._audio_down)
        sent = [sender.sender_report(now, ntp_seconds) for sender in senders]
        return compose_report(self._ssrc, CNAME, [block for block in blocks if block is not None], sent)

    def statistics(self, audio: AudioStatistics) -> messages.LegStatistics:
        tracks = [self._audio_up.statistics(audio)] if self._audio_up else []
        if self._audio_down:
            tracks.append(self._audio_down.statistics(audio))
        tracks += [track.statistics() for track in self._video_up.values()]
        tracks += [track.statistics() for track in self._video_down.values()]
        counters = self._transport.counters()
        transport = messages.TransportStatistics(
            received=counters["received"],
            strangers=counters["strangers"],
            undecryptable=counters["srtp_auth_failures"],
            unsent=counters["unsent"],
        )
        return messages.LegStatistics(self.leg_id, tuple(tracks), transport)

    def counters(self) -> dict[str, int]:
        transport = {f"webrtc_{name}": count for name, count in self._transport.counters().items()}
        return transport | {
            "webrtc_malformed_rtcp": self.malformed_rtcp,
            "webrtc_unrouted": self.unrouted,
        }

    def close(self, now: float) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            if self._transport.connected:
                ssrcs = tuple(track.ssrc for track in self._spec.down_tracks)
                self._transport.send_rtcp(serialize_rtcp(farewell(self._report(now), ssrcs)))
        finally:
            self._free(now)

    def _free(self, now: float) -> None:
        for mid in self._video_up:
            self._routes.unpublish(track_id(self.leg_id, mid))
        for mid in self._video_down:
            self._routes.release(self.leg_id, mid)
        self._transport.close(now)
        self._driver.close()
        self._network.mux.unregister(self)
        self._network.mux.flush()
        self._log.info("x webrtc leg closed", **self.counters())


def _remote(spec: WebRtcLegSpec) -> RemoteParameters:
    # Without the browser's fingerprint its role is not settled either: our offer said a=setup:actpass.
    role = spec.dtls_server if spec.remote_fingerprints else None
    return RemoteParameters(spec.remote_ice, spec.remote_fingerprints, role)


def _mid_extension(track: DownTrackSpec) -> dict[int, bytes]:
    return {} if track.extensions.mid is None else {track.extensions.mid: track.mid.encode()}
