"""The MKI in SRTP packets, against libsrtp's own, which the bridge does not use."""

import importlib.util
from typing import Any

import cffi
import pytest

from bridge.transport.mki import MarkedContext, MarkingContext
from bridge.transport.srtp import SrtpKeys, SrtpSession, suite_keys
from bridge.transport.srtp_library import MALFORMED, SUITES, SrtpProfile, default_backend, supported_suites
from tests.unit.transport.browser import receiver_report, rtp_packet

MKI = b"\0\0\0\x07"
PACKET_ROOM = 2048


class Reference:
    """libsrtp with one master key that has an MKI, by the calls that take one."""

    def __init__(self, profile: SrtpProfile, key: bytes, *, sends: bool) -> None:
        spec = importlib.util.find_spec("pylibsrtp._binding")
        assert spec is not None
        assert spec.origin is not None
        ffi: Any = cffi.FFI()
        ffi.cdef(
            """
            typedef struct srtp_ctx_t_ *srtp_t;
            typedef struct { int type; unsigned int value; } srtp_ssrc_t;
            typedef struct { unsigned char *key; unsigned char *mki_id; unsigned int mki_size; } srtp_master_key_t;
            typedef struct {
                uint32_t cipher_type; int cipher_key_len; uint32_t auth_type; int auth_key_len;
                int auth_tag_len; int sec_serv;
            } srtp_crypto_policy_t;
            typedef struct srtp_policy_t {
                srtp_ssrc_t ssrc; srtp_crypto_policy_t rtp; srtp_crypto_policy_t rtcp; unsigned char *key;
                srtp_master_key_t **keys; unsigned long num_master_keys; void *deprecated_ekt;
                unsigned long window_size; int allow_repeat_tx; int *enc_xtn_hdr; int enc_xtn_hdr_count;
                struct srtp_policy_t *next;
            } srtp_policy_t;
            int srtp_create(srtp_t *session, const srtp_policy_t *policy);
            int srtp_crypto_policy_set_from_profile_for_rtp(srtp_crypto_policy_t *policy, int profile);
            int srtp_crypto_policy_set_from_profile_for_rtcp(srtp_crypto_policy_t *policy, int profile);
            void srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(srtp_crypto_policy_t *policy);
            void srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32(srtp_crypto_policy_t *policy);
            int srtp_protect_mki(srtp_t session, void *packet, int *size, unsigned int use, unsigned int index);
            int srtp_protect_rtcp_mki(srtp_t session, void *packet, int *size, unsigned int use, unsigned int index);
            int srtp_unprotect_mki(srtp_t session, void *packet, int *size, unsigned int use);
            int srtp_unprotect_rtcp_mki(srtp_t session, void *packet, int *size, unsigned int use);
            """
        )
        self._ffi, self._library, new = ffi, ffi.dlopen(spec.origin), ffi.new
        policy = new("srtp_policy_t *")
        self._kept = [new("unsigned char[]", key), new("unsigned char[]", MKI), new("srtp_master_key_t *")]
        master = self._kept[2]
        master.key, master.mki_id, master.mki_size = self._kept[0], self._kept[1], len(MKI)
        keys = new("srtp_master_key_t *[]", [master])
        policy.keys, policy.num_master_keys = keys, 1
        policy.ssrc.type, policy.window_size = 3 if sends else 2, 1024
        self._set(policy, profile)
        holder = new("srtp_t *")
        assert self._library.srtp_create(holder, policy) == 0
        self._session, self._kept = holder[0], [*self._kept, keys]

    def _set(self, policy: Any, profile: SrtpProfile) -> None:
        rtp, rtcp = self._ffi.addressof(policy, "rtp"), self._ffi.addressof(policy, "rtcp")
        if profile.number:
            assert not self._library.srtp_crypto_policy_set_from_profile_for_rtp(rtp, profile.number)
            assert not self._library.srtp_crypto_policy_set_from_profile_for_rtcp(rtcp, profile.number)
        else:
            short = profile.name.endswith(b"32")
            name = f"srtp_crypto_policy_set_aes_cm_256_hmac_sha1_{32 if short else 80}"
            getattr(self._library, name)(rtp)
            self._library.srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(rtcp)

    def run(self, name: str, packet: bytes) -> bytes | int:
        room, size = self._ffi.new("unsigned char[]", PACKET_ROOM), self._ffi.new("int *", len(packet))
        self._ffi.memmove(room, packet, len(packet))
        more = (1, 0) if name.startswith("srtp_protect") else (1,)
        status = int(getattr(self._library, name)(self._session, room, size, *more))
        return status or bytes(self._ffi.buffer(room, size[0]))


every_suite = pytest.mark.parametrize("suite", supported_suites())


def key_of(suite: str) -> bytes:
    return bytes(range(SUITES[suite].key_size + SUITES[suite].salt_size))


@every_suite
def test_packets_are_marked_exactly_as_libsrtp_marks_them(suite: str) -> None:
    profile, key = SUITES[suite], key_of(suite)
    ours = MarkingContext(default_backend().sender(profile, key), MKI, profile)
    theirs = Reference(profile, key, sends=True)
    assert ours.rtp(rtp_packet(1)) == theirs.run("srtp_protect_mki", rtp_packet(1))
    assert ours.rtcp(receiver_report()) == theirs.run("srtp_protect_rtcp_mki", receiver_report())


@every_suite
def test_what_libsrtp_marked_is_read_and_it_reads_ours(suite: str) -> None:
    profile, key = SUITES[suite], key_of(suite)
    session = SrtpSession(suite_keys(suite, key, key, MKI, MKI))
    sender, receiver = Reference(profile, key, sends=True), Reference(profile, key, sends=False)
    for number in (1, 2, 3):
        marked = sender.run("srtp_protect_mki", rtp_packet(number))
        assert isinstance(marked, bytes)
        assert session.unprotect_rtp(marked) == rtp_packet(number)
        ours = session.protect_rtp(rtp_packet(number))
        assert ours is not None
        assert receiver.run("srtp_unprotect_mki", ours) == rtp_packet(number)
    marked = sender.run("srtp_protect_rtcp_mki", receiver_report())
    assert isinstance(marked, bytes)
    assert session.unprotect_rtcp(marked) == receiver_report()
    ours = session.protect_rtcp(receiver_report())
    assert ours is not None
    assert receiver.run("srtp_unprotect_rtcp_mki", ours) == receiver_report()


@every_suite
@pytest.mark.parametrize("mki", [b"", b"\0\0\0\x08", b"\x07", MKI + b"\0"])
def test_a_packet_with_another_mark_or_none_is_malformed(suite: str, mki: bytes) -> None:
    profile, key = SUITES[suite], key_of(suite)
    backend = default_backend()
    plain = backend.sender(profile, key)
    sender = MarkingContext(plain, mki, profile) if mki else plain
    receiver = MarkedContext(backend.receiver(profile, key), MKI, profile)
    for packet in (sender.rtp(rtp_packet(1)), b"", b"\x80"):
        assert isinstance(packet, bytes)
        assert receiver.rtp(packet) == MALFORMED
        assert receiver.rtcp(packet) == MALFORMED


def test_another_mark_is_another_key_and_old_packets_are_read_for_a_while() -> None:
    suite = "AES_CM_128_HMAC_SHA1_80"
    key = key_of(suite)
    phone, bridge = (SrtpSession(suite_keys(suite, key, key, MKI, MKI)) for _ in range(2))
    late = phone.protect_rtp(rtp_packet(1))
    bridge.rekey(SrtpKeys(SUITES[suite], key, key, b"\x01", b"\x01"))
    phone.rekey(SrtpKeys(SUITES[suite], key, key, b"\x01", b"\x01"))
    now = phone.protect_rtp(rtp_packet(2))
    assert late is not None
    assert now is not None
    assert (bridge.unprotect_rtp(late), bridge.unprotect_rtp(now)) == (rtp_packet(1), rtp_packet(2))
    assert bridge.failures == 0
