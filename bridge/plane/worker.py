"""The media worker: carries out the control plane's commands on legs, rooms and their media.

It runs in a process of its own (`bridge.plane.process`), or inline in tests, and is the composition root of
the media plane: sockets, certificate and metronome are made here.
"""

import asyncio
import secrets
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

import structlog

from bridge.clock import Clock, ntp_time
from bridge.errors import BridgeError, CapacityError, NotFoundError, cannot_listen
from bridge.ids import LegId
from bridge.legs.leg import Leg, LegShell
from bridge.legs.rtp_leg import RtpLeg
from bridge.legs.rtp_sockets import RtpSockets
from bridge.legs.webrtc_leg import WebRtcLeg, WebRtcNetwork
from bridge.media.audio.metronome import Beat, Metronome
from bridge.media.audio.mixer import AudioLeg, Mixer
from bridge.media.audio.playback import SoundLibrary
from bridge.media.video.routes import VideoRoutes
from bridge.plane import messages
from bridge.transport.batch import packet_io
from bridge.transport.driver import Driver
from bridge.transport.dtls import DtlsIdentity
from bridge.transport.ice_lite import host_candidates
from bridge.transport.ice_probe import IceProbe
from bridge.transport.mux import MuxEndpoint, UdpMux, open_udp_socket
from bridge.transport.pinned_io import io_for
from bridge.transport.ports import RtpPortPool, listening_address
from bridge.transport.srtp_library import default_backend

log = structlog.get_logger()

STATISTICS_S = 1.0  # the control plane takes a worker that says nothing for long for hanging


class Worker:
    """One media plane: an ICE port, a slice of the RTP range, all legs and rooms declared to it."""

    def __init__(
        self, config: messages.WorkerConfig, clock: Clock, emit: Callable[[messages.Event], None]
    ) -> None:
        self._config = config
        self._clock = clock
        self._emit = emit
        self._legs: dict[LegId, Leg] = {}
        self._counted: Counter[str] = Counter()  # by the legs that are gone
        self._mixer = Mixer(SoundLibrary(lambda source: Path(source).read_bytes()), self._leg_failed)
        self._routes = VideoRoutes(emit)
        self._shell = LegShell(emit, secrets.randbits, lambda: ntp_time(clock.wall()), self._audio_changed)
        self._metronome = Metronome(clock.now())
        self._beat = Beat(self._metronome, self._tick, self._mixer.skip)
        self._ticks = 0
        self._report_at = 0.0
        self._mixing = False
        self._failed: set[LegId] = set()
        self._driver: Driver | None = None
        self._sockets: RtpSockets | None = None
        self._network: WebRtcNetwork | None = None

    async def start(self) -> None:
        """Opens the ports, starts the metronome and says `WorkerReady`. SettingsError if it cannot."""
        loop = asyncio.get_running_loop()
        config, clock = self._config, self._clock
        pool = RtpPortPool(
            config.rtp_port_min,
            config.rtp_port_max,
            listening_address(config.rtp_address, config.rtp_advertised_address),
            config.rtp_drain_s,
            config.rtp_port_first,
        )
        packets = packet_io()
        self._sockets = RtpSockets(loop, clock, pool, packets, config.rtp_timeout_s)
        _open_socket("rtp.address", config.rtp_address, 0).close()  # or every call would fail later
        sock = _open_socket("webrtc.address and webrtc.port", config.ice_address, config.ice_port)
        mux = UdpMux(loop, sock, clock, io_for(sock), self._leg_crashed)
        identity = DtlsIdentity.generate()
        self._network = WebRtcNetwork(loop, clock, mux, identity, config.consent_timeout_s)
        self._metronome = Metronome(clock.now())
        self._report_at = clock.now() + STATISTICS_S
        self._beat = Beat(self._metronome, self._tick, self._mixer.skip)
        self._driver = Driver(loop, self._beat, clock)
        self._driver.rearm()
        host, port = mux.local_address
        candidates = host_candidates([config.ice_advertised_address or host], port)
        probe = messages.IceCredentials(secrets.token_hex(8), secrets.token_hex(16))
        mux.register(probe.ufrag, IceProbe(probe, mux.send))
        self._emit(messages.WorkerReady(identity.fingerprint, candidates, default_backend().name, probe))

    def close(self) -> None:
        """Says goodbye on every leg and closes the ports; twice is fine."""
        now = self._clock.now()
        for leg_id in list(self._legs):
            self._remove_leg(leg_id, now)
        if self._driver is not None:
            self._driver.close()
        if self._network is not None:
            self._network.mux.close()

    # --- commands ---------------------------------------------------------------------------------------

    def execute(self, command: messages.Command) -> None:
        """Carries out one command and emits its answer; what goes wrong refuses this command only."""
        try:
            self._carry_out(command, self._clock.now())
        except BridgeError as error:
            self._emit(messages.CommandRefused(command.request_id, error.code, error.reason))
        except Exception as error:  # our own fault: it must not take the other calls along
            about = {
                name: getattr(command, f"{name}_id")
                for name in ("leg", "room")
                if hasattr(command, f"{name}_id")
            }
            log.error("! command failed", command=type(command).__name__, **about, exc_info=error)
            reason = "the media worker failed on this command; its log says why"
            self._emit(messages.CommandRefused(command.request_id, "internal_error", reason))

    def _carry_out(self, command: messages.Command, now: float) -> None:
        match command:
            case messages.DeclareRtpLeg():
                self._emit(self._declare_rtp_leg(command, now))
            case messages.DeclareWebRtcLeg():
                self._declare_webrtc_leg(command.leg, now)
                self._emit(messages.WebRtcLegDeclared(command.request_id, command.leg.leg_id))
            case messages.RemoveLeg():
                self._remove_leg(command.leg_id, now)
                self._emit(messages.LegRemoved(command.request_id, command.leg_id))
            case messages.DeclareRoom(request_id, room):
                self._mixer.set_hears(room.room_id, room.hears)
                self._mixer.play_to_room(room.room_id, room.playback)
                self._emit(messages.RoomDeclared(request_id, room.room_id))
            case messages.SendDigits():
                self._send_digits(command)
                self._emit(messages.DigitsTaken(command.request_id, command.leg_id))
            case messages.RemoveRoom():
                self._mixer.remove_room(command.room_id)
                self._emit(messages.RoomRemoved(command.request_id, command.room_id))
            case _:
                assert_never(command)

    def _declare_rtp_leg(self, command: messages.DeclareRtpLeg, now: float) -> messages.RtpLegDeclared:
        spec = command.leg
        leg = self._legs.get(spec.leg_id)
        if leg is None:
            if self._sockets is None:
                raise CapacityError("the media worker is not started")
            leg = self._legs[spec.leg_id] = RtpLeg(spec, self._sockets, self._routes, self._shell, now)
        if not isinstance(leg, RtpLeg):
            raise CapacityError(f"{spec.leg_id} is a browser's leg")
        leg.update(spec, now)
        self._declare_audio(leg)
        address = self._config.rtp_advertised_address or self._config.rtp_address
        return messages.RtpLegDeclared(command.request_id, spec.leg_id, address, leg.port, leg.video_port)

    def _send_digits(self, command: messages.SendDigits) -> None:
        leg = self._legs.get(command.leg_id)
        if not isinstance(leg, RtpLeg):
            raise NotFoundError(f"no phone on leg {command.leg_id}")
        leg.send_digits(command.digits_id, command.digits)

    def _declare_webrtc_leg(self, spec: messages.WebRtcLegSpec, now: float) -> None:
        leg = self._legs.get(spec.leg_id)
        if leg is None:
            if self._network is None:
                raise CapacityError("the media worker is not started")
            leg = self._legs[spec.leg_id] = WebRtcLeg(spec, self._network, self._routes, self._shell, now)
        if not isinstance(leg, WebRtcLeg):
            raise CapacityError(f"{spec.leg_id} is a phone's leg")
        leg.update(spec, now)
        self._declare_audio(leg)

    def _declare_audio(self, leg: Leg) -> None:
        up, down = leg.audio_up, leg.audio_down
        audio = AudioLeg(
            leg.leg_id,
            leg.spec.participant_id,
            leg.spec.room_id,
            up=up.codec if up else None,
            down=down.codec if down else None,
            sends=leg.sends_audio,
            finds_digits=isinstance(leg, RtpLeg) and leg.finds_digits,
        )
        self._mixer.add_leg(audio, up, down)
        self._mixer.play_to_leg(leg.leg_id, leg.spec.playback)

    def _audio_changed(self, leg_id: LegId) -> None:
        leg = self._legs.get(leg_id)
        if leg is not None:
            self._declare_audio(leg)

    def _remove_leg(self, leg_id: LegId, now: float) -> None:
        leg = self._legs.pop(leg_id, None)
        self._failed.discard(leg_id)
        if leg is None:
            return
        self._mixer.remove_leg(leg_id)
        leg.close(now)
        self._counted.update(leg.counters())

    # --- time -------------------------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        """One beat. A long one is mixed in slices of about a millisecond, and packets pass in between."""
        self._mixer.begin(now)
        if self._mixing:
            # The beat before took longer than a tick. Its duties come now: overload must not starve them.
            self._finish_beat(now)
        else:
            self._mixing = True
            self._mix(now)

    def _mix(self, now: float) -> None:
        more = self._mixer.step()
        if self._network is not None:
            self._network.mux.flush()
        if more:
            asyncio.get_running_loop().call_soon(self._mix, now)
            return
        self._mixing = False
        self._finish_beat(now)

    def _finish_beat(self, now: float) -> None:
        """Each leg's own duties, then what there is to tell."""
        for leg in self._legs.values():
            try:
                leg.tick(now)
            except Exception as error:  # our own fault: it must end this leg only
                self._leg_failed(leg.leg_id, error)
        if self._network is not None:
            self._network.mux.flush()
        for event in self._mixer.events():
            self._emit(event)
        for leg_id, digit, duration_ms in self._mixer.digits():
            self._emit(messages.DtmfReceived(leg_id, digit, duration_ms))
        self._ticks += 1
        if now >= self._report_at:
            self._report_at = now + STATISTICS_S
            self._report()

    def _report(self) -> None:
        self._routes.report_paths()
        for leg in self._legs.values():
            if leg.audio_down is not None:
                self._mixer.receive_loss(leg.leg_id, leg.audio_down.fraction_lost)
            try:
                self._emit(leg.statistics(self._mixer.leg_statistics(leg.leg_id)))
            except Exception as error:  # our own fault: without this it would stop the metronome of all
                self._leg_failed(leg.leg_id, error)
        self._emit(messages.WorkerStatistics(self._values()))

    def _values(self) -> dict[str, float]:
        metronome = self._metronome
        values: dict[str, float] = {
            "legs": len(self._legs),
            "asyncio_tasks": len(asyncio.all_tasks()),
            "ticks_total": self._ticks,
            "ticks_late_total": metronome.late,
            "ticks_skipped_total": metronome.skipped,
            "tick_lateness_worst_seconds": metronome.worst_s,
            "tick_lateness_p99_seconds": metronome.lateness_p99_s,
        }
        if self._sockets is not None:
            pool = self._sockets.pool
            pool.recover(self._clock.now())
            values |= {
                "rtp_ports_lent": pool.lent,
                "rtp_ports_draining": pool.draining,
                "rtp_ports_refused_total": pool.refused,
            }
        if self._network is not None:
            values |= {f"ice_{name}_total": count for name, count in self._network.mux.counters().items()}
        counted = self._counted.copy()
        for leg in self._legs.values():
            counted.update(leg.counters())
        values |= {f"{name}_total": count for name, count in counted.items()}
        return values | self._mixer.statistics()

    def _leg_crashed(self, endpoint: MuxEndpoint, error: Exception) -> None:
        if isinstance(endpoint, WebRtcLeg):
            self._leg_failed(endpoint.leg_id, error)

    def _leg_failed(self, leg_id: LegId, error: Exception) -> None:
        """Our own fault in one leg's media: logged and told once; the control plane removes the leg."""
        if leg_id in self._failed or leg_id not in self._legs:
            return
        self._failed.add(leg_id)
        log.error("! leg failed", leg=leg_id, exc_info=error)
        reason = "the leg's media failed; the log of the bridge says why"
        self._emit(messages.LegFailed(leg_id, "internal_error", reason))


def _open_socket(settings: str, address: str, port: int) -> socket.socket:
    """Raises SettingsError naming the settings that do not fit this machine."""
    try:
        return open_udp_socket(address, port)
    except OSError as error:
        raise cannot_listen(settings, address, port, error) from error
