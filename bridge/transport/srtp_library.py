"""libsrtp, reached in two ways that do the same work: in place, declared here by cffi on the library inside
the pylibsrtp wheel, and by pylibsrtp's own public API.
"""

import functools
import importlib.util
from typing import Any, NamedTuple, Protocol

import cffi
import pylibsrtp

MAX_PACKET = 1900  # an authenticated packet must still fit one receive slot with its trailer
MAX_TRAILER = 16 + 4 + 128  # tag, SRTCP index, MKI: what libsrtp may append
REPLAY_WINDOW = 1024  # packets; a burst of retransmissions stays inside it

OK = 0
BAD_PARAMETER = 2
AUTHENTICATION = 7
REPLAYED = (9, 10)
MALFORMED = 21
_SPECIFIC, _ANY_INBOUND, _ANY_OUTBOUND = 1, 2, 3


class SrtpProfile(NamedTuple):
    """A protection profile: its name in the use_srtp extension (RFC 5764), libsrtp's number, key sizes.

    What SDES alone has goes by its name there (RFC 4568), and has no number.
    """

    name: bytes
    number: int
    key_size: int
    salt_size: int


AEAD_AES_128_GCM = SrtpProfile(b"SRTP_AEAD_AES_128_GCM", 7, 16, 12)  # RFC 7714 section 14.2
AEAD_AES_256_GCM = SrtpProfile(b"SRTP_AEAD_AES_256_GCM", 8, 32, 12)
AES128_CM_SHA1_80 = SrtpProfile(b"SRTP_AES128_CM_SHA1_80", 1, 16, 14)  # RFC 5764 section 4.1.2
AES128_CM_SHA1_32 = SrtpProfile(b"SRTP_AES128_CM_SHA1_32", 2, 16, 14)
AES256_CM_SHA1_80 = SrtpProfile(b"AES_256_CM_HMAC_SHA1_80", 0, 32, 14)  # RFC 6188: not for DTLS
AES256_CM_SHA1_32 = SrtpProfile(b"AES_256_CM_HMAC_SHA1_32", 0, 32, 14)
PROFILES = (AEAD_AES_128_GCM, AEAD_AES_256_GCM, AES128_CM_SHA1_80)
"""Those offered over DTLS, in our order of preference: GCM does cipher and tag in one pass."""
SUITES = {
    "AEAD_AES_128_GCM": AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": AEAD_AES_256_GCM,
    "AES_CM_128_HMAC_SHA1_80": AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": AES128_CM_SHA1_32,
    "AES_256_CM_HMAC_SHA1_80": AES256_CM_SHA1_80,
    "AES_256_CM_HMAC_SHA1_32": AES256_CM_SHA1_32,
}
"""By their names in SDP (RFC 4568), see `wire.sdes`."""


class SrtpContext(Protocol):
    """One direction of one association. Each call answers with the packet or libsrtp's error number."""

    def rtp(self, packet: bytes) -> bytes | int: ...

    def rtcp(self, packet: bytes) -> bytes | int: ...

    def set_stream_roc(self, ssrc: int, roc: int) -> bool:
        """False where the backend cannot."""
        ...


class SrtpBackend(Protocol):
    """Makes contexts. They raise ValueError for a key of the wrong size, RuntimeError for what they lack."""

    @property
    def name(self) -> str: ...

    def sender(self, profile: SrtpProfile, key: bytes) -> SrtpContext: ...

    def receiver(self, profile: SrtpProfile, key: bytes) -> SrtpContext: ...

    def receiver_of(self, profile: SrtpProfile, key: bytes, ssrc: int) -> SrtpContext | None:
        """For one stream only, whose rollover counter can be set before its first packet; None if it cannot."""
        ...


# --- libsrtp in place ---------------------------------------------------------------------------------------

_DECLARATIONS = """
typedef struct srtp_ctx_t_ *srtp_t;
typedef struct { int type; unsigned int value; } srtp_ssrc_t;
typedef struct {
    uint32_t cipher_type; int cipher_key_len; uint32_t auth_type; int auth_key_len; int auth_tag_len;
    int sec_serv;
} srtp_crypto_policy_t;
typedef struct srtp_policy_t {
    srtp_ssrc_t ssrc; srtp_crypto_policy_t rtp; srtp_crypto_policy_t rtcp; unsigned char *key; void **keys;
    unsigned long num_master_keys; void *deprecated_ekt; unsigned long window_size; int allow_repeat_tx;
    int *enc_xtn_hdr; int enc_xtn_hdr_count; struct srtp_policy_t *next;
} srtp_policy_t;
unsigned int srtp_get_version(void);
const char *srtp_get_version_string(void);
int srtp_create(srtp_t *session, const srtp_policy_t *policy);
int srtp_dealloc(srtp_t session);
int srtp_crypto_policy_set_from_profile_for_rtp(srtp_crypto_policy_t *policy, int profile);
void srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(srtp_crypto_policy_t *policy);
void srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32(srtp_crypto_policy_t *policy);
int srtp_crypto_policy_set_from_profile_for_rtcp(srtp_crypto_policy_t *policy, int profile);
int srtp_protect(srtp_t session, void *packet, int *size);
int srtp_unprotect(srtp_t session, void *packet, int *size);
int srtp_protect_rtcp(srtp_t session, void *packet, int *size);
int srtp_unprotect_rtcp(srtp_t session, void *packet, int *size);
int srtp_set_stream_roc(srtp_t session, uint32_t ssrc, uint32_t roc);
"""
_KNOWN_VERSIONS = range(0x2040000, 0x2080000)  # 2.4 to 2.7 share the struct layouts above; 3.0 does not


class InPlaceContext:
    """One libsrtp session that works inside one shared buffer."""

    __slots__ = ("_backend", "_rtcp", "_rtp", "_session")

    def __init__(self, backend: "InPlaceBackend", session: Any, *, sends: bool) -> None:
        library = backend.library
        self._backend = backend
        self._session = session
        self._rtp = library.srtp_protect if sends else library.srtp_unprotect
        self._rtcp = library.srtp_protect_rtcp if sends else library.srtp_unprotect_rtcp

    def rtp(self, packet: bytes) -> bytes | int:
        return self._backend.run(self._rtp, self._session, packet)

    def rtcp(self, packet: bytes) -> bytes | int:
        return self._backend.run(self._rtcp, self._session, packet)

    def set_stream_roc(self, ssrc: int, roc: int) -> bool:
        return bool(self._backend.library.srtp_set_stream_roc(self._session, ssrc, roc) == OK)


class InPlaceBackend:
    """The libsrtp that the pylibsrtp wheel carries, called without copies through Python objects.

    Its symbols are not a promised API: `load` looks at the version and at a known answer first.
    """

    __slots__ = ("_buffer", "_ffi", "_size", "_view", "library", "name")

    def __init__(self, path: str) -> None:
        ffi: Any = cffi.FFI()  # Any: what cdef declares is unknown to the type checker
        ffi.cdef(_DECLARATIONS)
        self._ffi = ffi
        self.library: Any = ffi.dlopen(path)
        self._buffer = ffi.new("unsigned char[]", MAX_PACKET + MAX_TRAILER)
        self._view = memoryview(ffi.buffer(self._buffer))
        self._size = ffi.new("int *")
        self.name = bytes(ffi.string(self.library.srtp_get_version_string())).decode() + " in place"

    @property
    def version(self) -> int:
        return int(self.library.srtp_get_version())

    def sender(self, profile: SrtpProfile, key: bytes) -> InPlaceContext:
        return InPlaceContext(self, self._session(profile, key, _ANY_OUTBOUND), sends=True)

    def receiver(self, profile: SrtpProfile, key: bytes) -> InPlaceContext:
        return InPlaceContext(self, self._session(profile, key, _ANY_INBOUND), sends=False)

    def receiver_of(self, profile: SrtpProfile, key: bytes, ssrc: int) -> InPlaceContext | None:
        return InPlaceContext(self, self._session(profile, key, _SPECIFIC, ssrc), sends=False)

    def _session(self, profile: SrtpProfile, key: bytes, ssrc_type: int, ssrc: int = 0) -> Any:
        if len(key) != profile.key_size + profile.salt_size:
            raise ValueError(
                f"{profile.name.decode()} wants {profile.key_size + profile.salt_size} bytes of key"
            )
        ffi, library = self._ffi, self.library
        policy = ffi.new("srtp_policy_t *")
        key_bytes = ffi.new("unsigned char[]", key)
        policy.key = key_bytes
        policy.ssrc.type = ssrc_type
        policy.ssrc.value = ssrc
        policy.window_size = REPLAY_WINDOW
        policy.allow_repeat_tx = 1  # a retransmission without RTX is the same packet again
        holder = ffi.new("srtp_t *")
        status = self._set_profile(policy, profile) or library.srtp_create(holder, policy)
        if status != OK:
            raise RuntimeError(f"libsrtp refuses {profile.name.decode()} with status {status}")
        return ffi.gc(holder[0], library.srtp_dealloc)

    def _set_profile(self, policy: Any, profile: SrtpProfile) -> int:
        library = self.library
        rtp, rtcp = self._ffi.addressof(policy, "rtp"), self._ffi.addressof(policy, "rtcp")
        if profile.number:
            return int(
                library.srtp_crypto_policy_set_from_profile_for_rtp(rtp, profile.number)
                or library.srtp_crypto_policy_set_from_profile_for_rtcp(rtcp, profile.number)
            )
        if profile is AES256_CM_SHA1_32:
            library.srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32(rtp)
        else:
            library.srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(rtp)
        library.srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(rtcp)  # RFC 6188 section 5: never 32 for SRTCP
        return OK

    def run(self, function: Any, session: Any, packet: bytes) -> bytes | int:
        """`function` on `packet` inside the shared buffer."""
        size = len(packet)
        if size > MAX_PACKET:
            return BAD_PARAMETER
        self._view[:size] = packet
        self._size[0] = size
        status: int = function(session, self._buffer, self._size)
        return status if status else bytes(self._view[: self._size[0]])


def load_in_place() -> InPlaceBackend | None:
    """None where the wheel has no such library, an unknown version, or gives a wrong answer."""
    spec = importlib.util.find_spec("pylibsrtp._binding")
    if spec is None or spec.origin is None:
        return None
    try:
        backend = InPlaceBackend(spec.origin)
        if backend.version in _KNOWN_VERSIONS and _answers_rightly(backend):
            return backend
    except (OSError, AttributeError, RuntimeError, cffi.FFIError):
        return None
    return None


def _answers_rightly(backend: InPlaceBackend) -> bool:
    """Protects one packet here and in the public API and compares: layouts and numbers must be right."""
    packet = bytes.fromhex("80000001000000010000abcd") + bytes(range(40))
    key = bytes(range(30))
    expected = BindingBackend().sender(AES128_CM_SHA1_80, key).rtp(packet)
    return backend.sender(AES128_CM_SHA1_80, key).rtp(packet) == expected


# --- pylibsrtp's public API ---------------------------------------------------------------------------------


class BindingContext:
    """One pylibsrtp session. It refuses packets over about 1350 bytes."""

    __slots__ = ("_rtcp", "_rtp")

    def __init__(self, session: pylibsrtp.Session, *, sends: bool) -> None:
        self._rtp = session.protect if sends else session.unprotect
        self._rtcp = session.protect_rtcp if sends else session.unprotect_rtcp

    def rtp(self, packet: bytes) -> bytes | int:
        return self._run(self._rtp, packet)

    def rtcp(self, packet: bytes) -> bytes | int:
        return self._run(self._rtcp, packet)

    def set_stream_roc(self, ssrc: int, roc: int) -> bool:  # noqa: ARG002 - the binding lacks the call
        return False

    @staticmethod
    def _run(function: Any, packet: bytes) -> bytes | int:
        try:
            return bytes(function(packet))
        except pylibsrtp.Error as error:
            text = str(error)
            if text == "authentication failure":
                return AUTHENTICATION
            return REPLAYED[0] if text.startswith("replay check failed") else MALFORMED
        except ValueError:  # longer than the binding's buffer
            return BAD_PARAMETER


class BindingBackend:
    """The documented API: slower, but needs no promise beyond its own."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return "pylibsrtp"

    def sender(self, profile: SrtpProfile, key: bytes) -> BindingContext:
        return BindingContext(self._session(profile, key, _ANY_OUTBOUND), sends=True)

    def receiver(self, profile: SrtpProfile, key: bytes) -> BindingContext:
        return BindingContext(self._session(profile, key, _ANY_INBOUND), sends=False)

    def receiver_of(self, profile: SrtpProfile, key: bytes, ssrc: int) -> None:
        """The binding cannot set a rollover counter."""

    @staticmethod
    def _session(profile: SrtpProfile, key: bytes, ssrc_type: int) -> pylibsrtp.Session:
        if not profile.number:
            raise RuntimeError(f"pylibsrtp does not know {profile.name.decode()}")
        policy = pylibsrtp.Policy(key=key, ssrc_type=ssrc_type, srtp_profile=profile.number)
        policy.allow_repeat_tx = True
        policy.window_size = REPLAY_WINDOW
        return pylibsrtp.Session(policy)


@functools.cache
def default_backend() -> SrtpBackend:
    """In place where it works here, else the public API. Chosen once per process."""
    return load_in_place() or BindingBackend()


@functools.cache
def supported_profiles() -> tuple[SrtpProfile, ...]:
    """Those of `PROFILES` the library was built for."""
    return tuple(profile for profile in PROFILES if _is_supported(profile))


@functools.cache
def supported_suites() -> tuple[str, ...]:
    """The names of `SUITES` the library was built for."""
    return tuple(name for name, profile in SUITES.items() if _is_supported(profile))


def _is_supported(profile: SrtpProfile) -> bool:
    try:
        default_backend().sender(profile, bytes(profile.key_size + profile.salt_size))
    except (RuntimeError, pylibsrtp.Error):
        return False
    return True
