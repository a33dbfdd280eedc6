"""The transport of one WebRTC leg: ICE-lite, DTLS and SRTP as one sans-I/O engine."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from bridge.plane.messages import Fingerprint, IceCredentials
from bridge.transport import dtls, ice_lite
from bridge.transport.address import Address
from bridge.transport.demux import Kind, classify
from bridge.transport.dtls import Dtls, DtlsIdentity
from bridge.transport.ice_lite import CONSENT_TIMEOUT_S, IceLite
from bridge.transport.srtp import SrtpSession

MAX_EARLY_DATAGRAMS = 8  # a ClientHello is two; more is somebody else's
_SRTP_COUNTERS = ("auth_failures", "replays", "malformed", "excess_streams", "protect_failures")


@dataclass(frozen=True, slots=True)
class RemoteParameters:
    """What the SDP says about the browser's side.

    `dtls_server` is the bridge's role: True waits for the ClientHello, None is not settled yet (we offered
    a=setup:actpass and the answer is still to come).
    """

    ice: IceCredentials | None = None
    fingerprints: tuple[Fingerprint, ...] = ()
    dtls_server: bool | None = None


@dataclass(frozen=True, slots=True)
class TransportCallbacks:
    """Where packets go: `on_rtp` and `on_rtcp` get plain packets, `send` gets datagrams for the wire."""

    on_rtp: Callable[[bytes, float], None]
    on_rtcp: Callable[[bytes, float], None]
    send: Callable[[bytes, Address], None]


@dataclass(frozen=True, slots=True)
class Connected:
    """Media can flow both ways. Once per association, and again after a lost consent was restored."""


@dataclass(frozen=True, slots=True)
class Failed:
    """No media until an ICE restart or for good. `code`: consent_lost, dtls_failed, peer_closed."""

    code: str
    reason: str


TransportEvent = Connected | Failed


class DtlsTransport:
    """One BUNDLE transport. Feed it datagrams of its browser, tell it the SDP, take the events."""

    __slots__ = (
        "_callbacks",
        "_closed",
        "_consent_timeout_s",
        "_destination",
        "_dtls",
        "_early",
        "_ended",
        "_events",
        "_ice",
        "_identity",
        "_lost",
        "_remote",
        "_settled",
        "_srtp",
        "early",
        "malformed",
        "received",
        "sent",
        "strangers",
        "unsent",
    )

    def __init__(
        self,
        identity: DtlsIdentity,
        local_ice: IceCredentials,
        remote: RemoteParameters,
        callbacks: TransportCallbacks,
        now: float,
        consent_timeout_s: float = CONSENT_TIMEOUT_S,
    ) -> None:
        self._identity = identity
        self._remote = remote
        self._callbacks = callbacks
        self._consent_timeout_s = consent_timeout_s
        self._ice = IceLite(local_ice, remote.ice, now, consent_timeout_s)
        self._destination: Address | None = None
        self._dtls: Dtls | None = None
        self._srtp: SrtpSession | None = None
        self._ended: Counter[str] = Counter()  # of SRTP sessions that are over
        self._early: list[tuple[bytes, Address]] = []
        self._events: list[TransportEvent] = []
        self._settled = False  # this association's outcome was reported
        self._lost = False
        self._closed = False
        self.received = 0
        self.sent = 0
        self.unsent = 0  # nobody to send to, no keys yet, or refused by SRTP
        self.early = 0  # media that came before the keys
        self.strangers = 0
        self.malformed = 0

    # --- what the owner asks ------------------------------------------------------------------------------

    @property
    def local_ufrags(self) -> tuple[str, ...]:
        """The ufrags the mux must route here."""
        return self._ice.local_ufrags

    @property
    def selected(self) -> Address | None:
        """The nominated address of the browser."""
        return self._ice.selected

    @property
    def connected(self) -> bool:
        return self._srtp is not None and not self._lost

    @property
    def srtp_profile(self) -> str:
        """Name of the negotiated protection profile; "" before."""
        keys = self._dtls.keys if self._dtls is not None else None
        return keys.profile.name.decode() if keys is not None else ""

    def accepts(self, source: Address) -> bool:
        """True for an address that proved to be this leg's browser."""
        return self._ice.accepts(source)

    def events(self) -> list[TransportEvent]:
        """Takes what happened since the last call."""
        events, self._events = self._events, []
        return events

    def counters(self) -> dict[str, int]:
        """All counters of the leg's transport by name."""
        counters = {
            name: getattr(self, name)
            for name in ("received", "sent", "unsent", "early", "strangers", "malformed")
        }
        ice = self._ice
        counters |= {
            "stun_answered": ice.answered,
            "stun_malformed": ice.malformed,
            "stun_unauthorized": ice.unauthorized,
            "ice_role_conflicts": ice.role_conflicts,
        }
        if self._dtls is not None:
            counters |= {"dtls_malformed": self._dtls.malformed, "dtls_resent": self._dtls.resent}
        # A counter never shrinks: what an ended session counted stays.
        total = self._ended + _counted(self._srtp)
        return counters | {f"srtp_{name}": total[name] for name in _SRTP_COUNTERS}

    # --- packets -----------------------------------------------------------------------------------------

    def receive_datagram(self, datagram: bytes, source: Address, now: float) -> None:
        """Anything that arrived for this leg: the first bytes say what it is (RFC 7983)."""
        if self._closed:
            return
        self.received += 1
        kind = classify(datagram)
        if kind is Kind.STUN:
            self._receive_stun(datagram, source, now)
        elif not self._ice.accepts(source):
            self.strangers += 1
        elif kind is Kind.RTP or kind is Kind.RTCP:
            self._receive_media(kind, datagram, now)
        elif kind is Kind.DTLS:
            self._receive_dtls(datagram, source, now)
        else:
            self.malformed += 1

    def _receive_media(self, kind: Kind, datagram: bytes, now: float) -> None:
        if self._srtp is None:
            self.early += 1
        elif kind is Kind.RTP:
            packet = self._srtp.unprotect_rtp(datagram)
            if packet is not None:
                self._callbacks.on_rtp(packet, now)
        else:
            packet = self._srtp.unprotect_rtcp(datagram)
            if packet is not None:
                self._callbacks.on_rtcp(packet, now)

    def send_rtp(self, packet: bytes) -> None:
        """Protects and sends one RTP packet; counted in `unsent` if it cannot leave."""
        srtp, destination = self._srtp, self._destination
        if srtp is None or destination is None:
            self.unsent += 1
            return
        datagram = srtp.protect_rtp(packet)
        if datagram is None:
            self.unsent += 1
            return
        self.sent += 1
        self._callbacks.send(datagram, destination)

    def send_rtcp(self, packet: bytes) -> None:
        """The same for a compound RTCP packet."""
        srtp, destination = self._srtp, self._destination
        if srtp is None or destination is None:
            self.unsent += 1
            return
        datagram = srtp.protect_rtcp(packet)
        if datagram is None:
            self.unsent += 1
            return
        self.sent += 1
        self._callbacks.send(datagram, destination)

    # --- signalling ----------------------------------------------------------------------------------------

    def update_remote(self, local_ice: IceCredentials, remote: RemoteParameters, now: float) -> None:
        """Takes over the SDP's present state: a late answer, an ICE restart, or the same once more.

        Another certificate than that of the running association starts a new one (RFC 8842 section 5.5).
        """
        self._remote = remote
        self._ice.update(local_ice, remote.ice, now)
        self._follow_ice()
        if self._dtls is not None and remote.fingerprints:
            if not self._dtls.matches(remote.fingerprints):
                self._forget_association()
            else:
                self._dtls.verify(remote.fingerprints)
        self._drive(now, None)

    def timer(self) -> float | None:
        if self._closed:
            return None
        ice_at = self._ice.timer()
        dtls_at = self._dtls.timer() if self._dtls is not None else None
        if ice_at is None or dtls_at is None:
            return dtls_at if ice_at is None else ice_at
        return min(ice_at, dtls_at)

    def handle_timer(self, now: float) -> None:
        if self._closed:
            return
        self._ice.handle_timer(now)
        self._follow_ice()
        if self._dtls is not None:
            self._dtls.handle_timer(now)
        self._drive(now, None)

    def close(self, now: float) -> None:  # noqa: ARG002 - time is an argument of every verb of an engine
        """Says goodbye and falls silent; twice is fine."""
        if self._closed:
            return
        if self._dtls is not None:
            self._dtls.close()
            self._flush_dtls(None)
        self._end_srtp()
        self._closed = True

    # --- inside ----------------------------------------------------------------------------------------------

    def _receive_stun(self, datagram: bytes, source: Address, now: float) -> None:
        response = self._ice.receive_stun(datagram, source, now)
        if response is not None:
            self._callbacks.send(response, source)
        self._follow_ice()
        self._drive(now, None)

    def _receive_dtls(self, datagram: bytes, source: Address, now: float) -> None:
        self._drive(now, source)
        if self._dtls is None:
            if len(self._early) < MAX_EARLY_DATAGRAMS:
                self._early.append((datagram, source))
            else:
                self.early += 1
            return
        self._dtls.receive(datagram, now)
        self._drive(now, source)

    def _follow_ice(self) -> None:
        """Takes over the selected address and reports a lost or restored consent."""
        ice = self._ice
        lost = ice.state is ice_lite.State.LOST
        if lost and not self._lost:
            self._lost = True
            silence = f"{self._consent_timeout_s:.0f} s"
            reason = f"no connectivity check of the browser arrived within {silence}"
            self._events.append(Failed("consent_lost", reason))
        elif self._lost and ice.state is ice_lite.State.NOMINATED:
            self._lost = False
            if self._srtp is not None:
                self._events.append(Connected())
        self._destination = None if self._lost else ice.destination

    def _drive(self, now: float, source: Address | None) -> None:
        """Starts DTLS as soon as there is a role and an address, sends its output, reports its outcome."""
        remote = self._remote
        if self._dtls is None and remote.dtls_server is not None and self._ice.destination is not None:
            self._dtls = Dtls(self._identity, remote.fingerprints, now, server=remote.dtls_server)
            early, self._early = self._early, []
            for datagram, _ in early:
                self._dtls.receive(datagram, now)
            if early:
                source = early[-1][1]
        if self._dtls is not None:
            self._flush_dtls(source)
            self._report()

    def _flush_dtls(self, source: Address | None) -> None:
        """Until the browser nominated a pair, DTLS is answered on the pair it came from: the others may
        not work (seen: 1.1 s instead of 60-100 ms)."""
        if self._dtls is None:
            return
        destination = self._ice.selected or source or self._ice.destination
        for datagram in self._dtls.datagrams_to_send():
            if destination is not None:
                self._callbacks.send(datagram, destination)

    def _report(self) -> None:
        if self._dtls is None:
            return
        match self._dtls.state:
            case dtls.State.CONNECTED if not self._settled and self._dtls.keys is not None:
                self._srtp = SrtpSession(self._dtls.keys)
                self._settled = True
                self._events.append(Connected())
            case dtls.State.FAILED if not self._settled:
                self._settled = True
                self._events.append(Failed("dtls_failed", self._dtls.failure))
            case dtls.State.CLOSED if self._srtp is not None:
                self._end_srtp()
                self._settled = True
                self._events.append(Failed("peer_closed", "the browser closed its connection"))
            case _:
                pass

    def _end_srtp(self) -> None:
        self._ended += _counted(self._srtp)
        self._srtp = None

    def _forget_association(self) -> None:
        self._dtls = None
        self._end_srtp()
        self._settled = False
        self._early.clear()


def _counted(srtp: SrtpSession | None) -> Counter[str]:
    return Counter() if srtp is None else Counter({name: getattr(srtp, name) for name in _SRTP_COUNTERS})
