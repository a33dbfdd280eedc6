"""A browser as far as a transport can see one: full ICE checks, DTLS and SRTP, in virtual time."""

from aioice import stun

from bridge.plane.messages import Fingerprint, IceCredentials
from bridge.transport.address import Address
from bridge.transport.dtls import Dtls, DtlsIdentity
from bridge.transport.srtp import SrtpSession

BRIDGE_IDENTITY = DtlsIdentity.generate()
BROWSER_IDENTITY = DtlsIdentity.generate()
LOCAL = IceCredentials("bridgeUf", "bridge-password-0123456789")
REMOTE = IceCredentials("brwsUf", "browser-password-0123456789")
BROWSER = ("192.0.2.7", 50_000)
STRANGER = ("198.51.100.66", 6_666)


def check(
    local: IceCredentials = LOCAL,
    remote: IceCredentials = REMOTE,
    *,
    use_candidate: bool = False,
    role: str = "ICE-CONTROLLING",
) -> stun.Message:
    """A signed connectivity check of the browser (RFC 8445 section 7.2.2)."""
    attributes = {"USERNAME": f"{local.ufrag}:{remote.ufrag}", "PRIORITY": 1, role: 7}
    if use_candidate:
        attributes["USE-CANDIDATE"] = None
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)
    request.add_message_integrity(local.pwd.encode())
    return request


def rtp_packet(sequence_number: int, ssrc: int = 0x1234, payload: bytes = b"media") -> bytes:
    return b"\x80\x60" + sequence_number.to_bytes(2, "big") + bytes(4) + ssrc.to_bytes(4, "big") + payload


def receiver_report(ssrc: int = 0x1234) -> bytes:
    return b"\x80\xc9\x00\x01" + ssrc.to_bytes(4, "big")


class SimulatedBrowser:
    """The peer of one `DtlsTransport`: takes and gives datagrams, keeps the plain packets it received."""

    def __init__(self, now: float, *, server: bool, address: Address = BROWSER) -> None:
        self.address = address
        self.dtls = Dtls(BROWSER_IDENTITY, (BRIDGE_IDENTITY.fingerprint,), now, server=server)
        self.srtp: SrtpSession | None = None
        self.rtp: list[bytes] = []
        self.stun: list[stun.Message] = []

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        return (BROWSER_IDENTITY.fingerprint,)

    def receive(self, datagram: bytes, now: float) -> None:
        if datagram[0] < 4:
            self.stun.append(stun.parse_message(datagram))
        elif datagram[0] < 64:
            self.dtls.receive(datagram, now)
        elif (packet := self._session().unprotect_rtp(datagram)) is not None:
            self.rtp.append(packet)

    def protect(self, packet: bytes) -> bytes:
        protected = self._session().protect_rtp(packet)
        assert protected is not None
        return protected

    def protect_rtcp(self, packet: bytes) -> bytes:
        protected = self._session().protect_rtcp(packet)
        assert protected is not None
        return protected

    def _session(self) -> SrtpSession:
        if self.srtp is None:
            assert self.dtls.keys is not None
            self.srtp = SrtpSession(self.dtls.keys)
        return self.srtp
