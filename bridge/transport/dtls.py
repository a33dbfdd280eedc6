"""One DTLS 1.2 association (RFC 6347, RFC 5764) on OpenSSL's memory BIO, without I/O.

OpenSSL keeps its own retransmission clock of one second. A lost flight is repaired much sooner here: the last
flight is kept and sent again when the peer repeats itself or, as a client, when it stays silent.
"""

import contextlib
import enum
import functools
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from bridge.clock import SystemClock
from bridge.plane.messages import Fingerprint
from bridge.transport.demux import DTLS_RECORD_HEADER_SIZE
from bridge.transport.srtp import SrtpKeys, split_keying_material
from bridge.transport.srtp_library import supported_profiles

MTU = 1200  # fits every path WebRTC runs on, tunnels included
HANDSHAKE_TIMEOUT_S = 30.0
FIRST_RESEND_S = 0.1  # seen: one lost flight cost 1 s with OpenSSL's timer, 0.1 s with this (recipes)
LAST_RESEND_S = 1.6
RESEND_SPACING_S = 0.05  # one repeated flight may be several datagrams: answer them once
MAX_RECORDS = 64
MAX_SEEN = 256
CERTIFICATE_LIFETIME = timedelta(days=365)

_DTLS_1_2 = 0xFEFD
_HANDSHAKE = 22
_CONTENT_TYPES = range(20, 27)
_EXPORTER_LABEL = b"EXTRACTOR-dtls_srtp"  # RFC 5764 section 4.2
# RFC 8827 section 6.5 asks for the first one; RSA for clients that still bring such a certificate.
_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:"
    b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384"
)
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}


def fingerprint_of(certificate: x509.Certificate, algorithm: str = "sha-256") -> Fingerprint:
    """As SDP writes it (RFC 8122 section 5)."""
    return Fingerprint(algorithm, certificate.fingerprint(_HASHES[algorithm]).hex(":").upper())


@dataclass(frozen=True, slots=True, eq=False)
class DtlsIdentity:
    """The certificate this process shows to every browser, and its key."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey

    @classmethod
    def generate(cls) -> "DtlsIdentity":
        """A new self-signed ECDSA P-256 certificate: browsers check its fingerprint, nothing else."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "warmbridge")])
        now = datetime.fromtimestamp(SystemClock().wall(), UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))  # clocks of browsers are not ours
            .not_valid_after(now + CERTIFICATE_LIFETIME)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint_of(self.certificate)


@functools.lru_cache(maxsize=8)
def _context(identity: DtlsIdentity) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(_DTLS_1_2)
    context.set_max_proto_version(_DTLS_1_2)  # 1.3 has another record header; browsers all speak 1.2
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
    # The chain means nothing here: `Dtls` compares the certificate with the fingerprint in the SDP.
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.use_certificate(identity.certificate)
    context.use_privatekey(identity.private_key)
    context.set_cipher_list(_CIPHERS)
    context.set_tlsext_use_srtp(b":".join(profile.name for profile in supported_profiles()))
    return context


def split_records(data: bytes) -> list[bytes]:
    """The DTLS records in `data`, headers included; [] if they do not add up (RFC 6347 section 4.1)."""
    records: list[bytes] = []
    position = 0
    while position < len(data):
        if position + DTLS_RECORD_HEADER_SIZE > len(data) or len(records) == MAX_RECORDS:
            return []
        (size,) = struct.unpack_from("!H", data, position + 11)
        end = position + DTLS_RECORD_HEADER_SIZE + size
        if end > len(data) or data[position] not in _CONTENT_TYPES or data[position + 1] != 0xFE:
            return []
        records.append(data[position:end])
        position = end
    return records


def _pack_datagrams(records: Iterable[bytes]) -> list[bytes]:
    """Whole records, as many per datagram as fit the MTU."""
    datagrams: list[bytes] = []
    for record in records:
        if datagrams and len(datagrams[-1]) + len(record) <= MTU:
            datagrams[-1] += record
        else:
            datagrams.append(record)
    return datagrams


class State(enum.Enum):
    """How far the association came."""

    HANDSHAKING = "handshaking"
    UNVERIFIED = "unverified"  # handshake through, the fingerprint still to come with the SDP answer
    CONNECTED = "connected"
    CLOSED = "closed"  # by either side's close_notify
    FAILED = "failed"


class Dtls:
    """One association in one role. `keys` is there exactly while CONNECTED."""

    __slots__ = (
        "_connection",
        "_deadline",
        "_fingerprints",
        "_last_flight",
        "_outgoing",
        "_resend_at",
        "_resend_delay",
        "_resent_at",
        "_seen",
        "_server",
        "_state",
        "failure",
        "keys",
        "malformed",
        "resent",
    )

    def __init__(
        self, identity: DtlsIdentity, fingerprints: tuple[Fingerprint, ...], now: float, *, server: bool
    ) -> None:
        self._server = server
        self._fingerprints = fingerprints
        self._state = State.HANDSHAKING
        self._outgoing: list[bytes] = []
        self._last_flight: list[bytes] = []
        self._seen: set[bytes] = set()
        self._deadline = now + HANDSHAKE_TIMEOUT_S
        self._resend_at: float | None = None
        self._resend_delay = FIRST_RESEND_S
        self._resent_at = now - RESEND_SPACING_S
        self.keys: SrtpKeys | None = None
        self.failure = ""
        self.malformed = 0
        self.resent = 0
        self._connection = SSL.Connection(_context(identity))
        self._connection.set_ciphertext_mtu(MTU)
        if server:
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()
            self._advance(now)

    @property
    def state(self) -> State:
        return self._state

    @property
    def server(self) -> bool:
        return self._server

    def datagrams_to_send(self) -> list[bytes]:
        """Takes what is ready to leave; each entry is one datagram."""
        datagrams, self._outgoing = self._outgoing, []
        return datagrams

    def receive(self, datagram: bytes, now: float) -> None:
        """One datagram of the peer."""
        records = split_records(datagram)
        if not records:
            self.malformed += 1
            return
        if self._state in (State.CLOSED, State.FAILED):
            return
        self._connection.bio_write(datagram)
        answered = self._advance(now)
        if self._repeats(records) and not answered:
            self._resend(now)

    def verify(self, fingerprints: tuple[Fingerprint, ...]) -> None:
        """The fingerprints of the SDP, if they come later than the handshake or once more."""
        self._fingerprints = fingerprints
        if self._state is State.UNVERIFIED:
            self._verify()

    def matches(self, fingerprints: tuple[Fingerprint, ...]) -> bool:
        """True if the peer of this association is the one `fingerprints` describe, or may still become it."""
        if self._state is State.HANDSHAKING:
            return True
        return self._state is not State.FAILED and self._fault(fingerprints) == ""

    def timer(self) -> float | None:
        if self._state is not State.HANDSHAKING:
            return None
        return self._deadline if self._resend_at is None else min(self._deadline, self._resend_at)

    def handle_timer(self, now: float) -> None:
        if self._state is not State.HANDSHAKING:
            return
        if now >= self._deadline:
            self._fail(f"no DTLS handshake within {HANDSHAKE_TIMEOUT_S:.0f} s")
        elif self._resend_at is not None and now >= self._resend_at:
            self._resend_delay = min(2 * self._resend_delay, LAST_RESEND_S)
            self._resend_at = now + self._resend_delay
            if not self._retransmit_anew(now):
                self._resend(now)

    def close(self) -> None:
        """Says close_notify if there is somebody to hear it; twice is fine."""
        if self._state in (State.CLOSED, State.FAILED):
            return
        self._say_goodbye()

    # --- inside ----------------------------------------------------------------------------------------

    def _advance(self, now: float) -> bool:
        """Lets OpenSSL work on what it was given. True if that produced something to send."""
        try:
            if self._state is State.HANDSHAKING:
                self._connection.do_handshake()
                self._established()
            while True:  # application data has no meaning here, but close_notify and alerts do
                self._connection.recv(MTU)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self._say_goodbye()
        except SSL.Error as error:
            self._fail(f"DTLS failed: {_openssl_reason(error)}")
        flight = self._collect()
        if flight and self._state is not State.CLOSED:
            self._last_flight = flight
            if self._state is State.HANDSHAKING and not self._server:
                self._resend_delay = FIRST_RESEND_S
                self._resend_at = now + FIRST_RESEND_S
        return bool(flight)

    def _say_goodbye(self) -> None:
        if self._state is not State.HANDSHAKING:
            with contextlib.suppress(SSL.Error):
                self._connection.shutdown()
            self._collect()
        self._state = State.CLOSED
        self.keys = None

    def _collect(self) -> list[bytes]:
        """Moves OpenSSL's output to `_outgoing`. One read gives all records run together: cut them apart."""
        output = b""
        while True:
            try:
                output += self._connection.bio_read(65_536)
            except SSL.Error:
                break
        datagrams = _pack_datagrams(split_records(output))
        self._outgoing += datagrams
        return datagrams

    def _repeats(self, records: list[bytes]) -> bool:
        """True if the peer sent a handshake message it had sent before: our flight did not arrive."""
        repeated = False
        for record in records:
            if record[0] != _HANDSHAKE or record[3:5] != b"\0\0":
                continue  # encrypted: its contents cannot be told apart; a clear one travels with it
            # message type, and sequence and fragment offset (RFC 6347 section 4.2.2)
            header = DTLS_RECORD_HEADER_SIZE
            key = record[header : header + 1] + record[header + 4 : header + 9]
            if key in self._seen:
                repeated = True
            elif len(self._seen) < MAX_SEEN:
                self._seen.add(key)
        return repeated

    def _resend(self, now: float) -> None:
        if self._last_flight and now - self._resent_at >= RESEND_SPACING_S:
            self._resent_at = now
            self.resent += 1
            self._outgoing += self._last_flight

    def _retransmit_anew(self, now: float) -> bool:
        """OpenSSL's own retransmission, with new record numbers, where its second is over."""
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(f"DTLS failed: {_openssl_reason(error)}")
            return True
        flight = self._collect()
        if flight:
            self._last_flight = flight
            self._resent_at = now
            self.resent += 1
        return bool(flight)

    def _established(self) -> None:
        self._resend_at = None
        self._state = State.UNVERIFIED
        if self._fingerprints:
            self._verify()

    def _verify(self) -> None:
        if not self._fingerprints:
            return
        fault = self._fault(self._fingerprints)
        if fault:
            self._fail(fault)
            return
        chosen = self._connection.get_selected_srtp_profile()
        profile = next((known for known in supported_profiles() if known.name == chosen), None)
        if profile is None:
            self._fail("the peer shares no SRTP protection profile with the bridge")
            return
        size = 2 * (profile.key_size + profile.salt_size)
        material = self._connection.export_keying_material(_EXPORTER_LABEL, size)
        self.keys = split_keying_material(profile, material, server=self._server)
        self._state = State.CONNECTED

    def _fault(self, fingerprints: tuple[Fingerprint, ...]) -> str:
        """Why the peer's certificate is not the announced one; "" if it is.

        RFC 8122 section 5.1: of several fingerprints any one of a hash we know must match.
        """
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            return "the peer showed no certificate"
        known = [f for f in fingerprints if f.algorithm.lower() in _HASHES]
        if not known:
            return "the SDP has no fingerprint with sha-256, sha-384 or sha-512"
        for announced in known:
            if fingerprint_of(certificate, announced.algorithm.lower()).value == announced.value.upper():
                return ""
        return "the peer's certificate does not match the fingerprint in its SDP"

    def _fail(self, reason: str) -> None:
        self._state = State.FAILED
        self.failure = reason
        self.keys = None


def _openssl_reason(error: SSL.Error) -> str:
    """The last entry of OpenSSL's error queue, in words."""
    if error.args and isinstance(error.args[0], list) and error.args[0]:
        return str(error.args[0][-1][-1])
    return type(error).__name__
