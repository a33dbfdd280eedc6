"""One suite over both SRTP backends."""

import pytest

from bridge.transport.srtp import (
    MAX_ROLLOVER,
    MAX_SEARCHES,
    MAX_STREAMS,
    SrtpKeys,
    SrtpSession,
    split_keying_material,
    suite_keys,
)
from bridge.transport.srtp_library import (
    AES128_CM_SHA1_80,
    PROFILES,
    SUITES,
    BindingBackend,
    SrtpBackend,
    SrtpProfile,
    default_backend,
    load_in_place,
    supported_profiles,
    supported_suites,
)
from tests.unit.transport.browser import receiver_report, rtp_packet


def backends() -> list[SrtpBackend]:
    in_place = load_in_place()
    assert in_place is not None, "the installed pylibsrtp no longer offers its library"
    return [in_place, BindingBackend()]


BACKENDS = backends()
every_backend = pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
every_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name.decode())


def pair(backend: SrtpBackend, profile: SrtpProfile = AES128_CM_SHA1_80) -> tuple[SrtpSession, SrtpSession]:
    size = profile.key_size + profile.salt_size
    one, other = bytes(range(size)), bytes(range(100, 100 + size))
    return (
        SrtpSession(SrtpKeys(profile, one, other), backend),
        SrtpSession(SrtpKeys(profile, other, one), backend),
    )


def protected(session: SrtpSession, packet: bytes) -> bytes:
    datagram = session.protect_rtp(packet)
    assert datagram is not None
    return datagram


@every_backend
@every_profile
def test_what_one_side_protects_the_other_opens(backend: SrtpBackend, profile: SrtpProfile) -> None:
    bridge, browser = pair(backend, profile)
    datagram = protected(bridge, rtp_packet(1))
    assert datagram != rtp_packet(1)
    assert browser.unprotect_rtp(datagram) == rtp_packet(1)
    report = browser.protect_rtcp(receiver_report())
    assert report is not None
    assert bridge.unprotect_rtcp(report) == receiver_report()


@every_profile
def test_the_backends_understand_each_other(profile: SrtpProfile) -> None:
    bridge, browser = pair(BACKENDS[0], profile)[0], pair(BACKENDS[1], profile)[1]
    assert browser.unprotect_rtp(protected(bridge, rtp_packet(1))) == rtp_packet(1)


@every_backend
def test_a_forged_packet_is_none_and_counted(backend: SrtpBackend) -> None:
    bridge, browser = pair(backend)
    datagram = bytearray(protected(browser, rtp_packet(1)))
    datagram[-1] ^= 1
    assert bridge.unprotect_rtp(bytes(datagram)) is None
    assert bridge.auth_failures == 1
    report = bytearray(browser.protect_rtcp(receiver_report()) or b"")
    report[-1] ^= 1
    assert bridge.unprotect_rtcp(bytes(report)) is None
    assert bridge.auth_failures == 2


@every_backend
def test_a_replay_is_none_and_counted(backend: SrtpBackend) -> None:
    bridge, browser = pair(backend)
    datagram = protected(browser, rtp_packet(1))
    assert bridge.unprotect_rtp(datagram) is not None
    assert bridge.unprotect_rtp(datagram) is None
    assert bridge.replays == 1


@every_backend
def test_the_same_packet_may_be_sent_again(backend: SrtpBackend) -> None:
    bridge, _ = pair(backend)
    assert protected(bridge, rtp_packet(1)) == protected(bridge, rtp_packet(1))


@every_backend
def test_a_sequence_number_far_back_is_refused_and_counted(backend: SrtpBackend) -> None:
    bridge, _ = pair(backend)
    protected(bridge, rtp_packet(20_000))
    assert bridge.protect_rtp(rtp_packet(5_000)) is None
    assert bridge.protect_failures == 1


@every_backend
@pytest.mark.parametrize(
    "datagram", [b"", b"\x80", bytes(11), b"\x80\x60" + bytes(10), b"\x9f\x60" + bytes(20), bytes(5000)]
)
def test_nonsense_is_none_and_counted(backend: SrtpBackend, datagram: bytes) -> None:
    bridge, _ = pair(backend)
    assert bridge.unprotect_rtp(datagram) is None
    assert bridge.unprotect_rtcp(datagram) is None
    assert bridge.malformed + bridge.auth_failures + bridge.replays == 2


@every_backend
def test_oversized_packets_are_refused(backend: SrtpBackend) -> None:
    bridge, _ = pair(backend)
    assert bridge.protect_rtp(rtp_packet(1, payload=bytes(3000))) is None
    assert bridge.protect_rtcp(receiver_report() + bytes(3000)) is None
    assert bridge.protect_failures == 2


@every_backend
def test_a_peer_cannot_open_streams_without_end_and_is_heard_all_the_same(backend: SrtpBackend) -> None:
    """As a gateway that takes another SSRC for each prompt: after so many it begins anew."""
    bridge, browser = pair(backend)
    opened = [
        bridge.unprotect_rtp(protected(browser, rtp_packet(1, ssrc)))
        for ssrc in range(1, 2 * MAX_STREAMS + 2)
    ]
    assert None not in opened
    assert bridge.excess_streams == 2
    forged = rtp_packet(1, 70_000) + bytes(10)
    assert bridge.unprotect_rtp(forged) is None
    assert bridge.unprotect_rtp(protected(browser, rtp_packet(2, 2 * MAX_STREAMS + 1))) is not None


def test_a_stream_that_rolled_over_is_found_again_when_all_were_forgotten() -> None:
    bridge, phone = pair(default_backend())
    for number in (65_535, 0, 1):
        assert bridge.unprotect_rtp(protected(phone, rtp_packet(number, 5))) is not None
    for ssrc in range(100, 101 + MAX_STREAMS):
        assert bridge.unprotect_rtp(protected(phone, rtp_packet(1, ssrc))) is not None
    assert bridge.unprotect_rtp(protected(phone, rtp_packet(2, 5))) is not None


def test_the_rollover_counter_of_a_stream_can_be_set() -> None:
    bridge, browser = pair(BACKENDS[0])
    assert browser.unprotect_rtp(protected(bridge, rtp_packet(1)))
    assert bridge.set_stream_roc(0x1234, 3)
    assert browser.unprotect_rtp(protected(bridge, rtp_packet(2))) is None  # the peer still counts from 0
    assert not bridge.set_stream_roc(0x9999, 3)
    assert not pair(BACKENDS[1])[0].set_stream_roc(0x1234, 3)


@every_backend
def test_sequence_numbers_wrap_without_a_gap(backend: SrtpBackend) -> None:
    bridge, browser = pair(backend)
    for index in range(65_500, 65_600):
        packet = rtp_packet(index & 0xFFFF)
        assert browser.unprotect_rtp(protected(bridge, packet)) == packet


def sdes_pair(suite: str) -> tuple[SrtpSession, SrtpSession]:
    size = SUITES[suite].key_size + SUITES[suite].salt_size
    ours, theirs = bytes(range(size)), bytes(range(100, 100 + size))
    return SrtpSession(suite_keys(suite, ours, theirs)), SrtpSession(suite_keys(suite, theirs, ours))


TAG_SIZES = {
    "AEAD_AES_128_GCM": (16, 16),
    "AEAD_AES_256_GCM": (16, 16),
    "AES_CM_128_HMAC_SHA1_80": (10, 10),
    "AES_256_CM_HMAC_SHA1_80": (10, 10),
    "AES_CM_128_HMAC_SHA1_32": (4, 10),  # RFC 4568 section 6.2: SRTCP has the long tag all the same
    "AES_256_CM_HMAC_SHA1_32": (4, 10),
}


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_of_sdes_works_with_the_tag_its_rfc_wants(suite: str) -> None:
    bridge, phone = sdes_pair(suite)
    datagram, report = protected(bridge, rtp_packet(1)), bridge.protect_rtcp(receiver_report()) or b""
    assert phone.unprotect_rtp(datagram) == rtp_packet(1)
    assert phone.unprotect_rtcp(report) == receiver_report()
    sizes = (len(datagram) - len(rtp_packet(1)), len(report) - len(receiver_report()) - 4)
    assert sizes == TAG_SIZES[suite]


def test_all_suites_work_here() -> None:
    assert supported_suites() == tuple(SUITES)


def test_another_key_of_the_phone_leaves_what_the_bridge_sends_alone() -> None:
    bridge, phone = sdes_pair("AES_CM_128_HMAC_SHA1_80")
    for number in range(65_530, 65_540):  # over one rollover
        assert phone.unprotect_rtp(protected(bridge, rtp_packet(number & 0xFFFF)))
    late, late_report = protected(phone, rtp_packet(7)), phone.protect_rtcp(receiver_report()) or b""
    new = suite_keys("AES_CM_128_HMAC_SHA1_80", bytes(range(30)), bytes(range(200, 230)))
    bridge.rekey(new)
    bridge.rekey(new)
    assert bridge.unprotect_rtp(late) == rtp_packet(7), "under way when the key changed"
    assert bridge.unprotect_rtcp(late_report) == receiver_report()
    phone.rekey(suite_keys("AES_CM_128_HMAC_SHA1_80", bytes(range(200, 230)), bytes(range(30))))
    assert bridge.unprotect_rtp(protected(phone, rtp_packet(8))) == rtp_packet(8)
    assert phone.unprotect_rtp(protected(bridge, rtp_packet(5))) == rtp_packet(5), "the counter went on"
    assert bridge.failures == phone.failures == 0


def test_the_old_key_is_forgotten_once_the_new_one_has_come_to_stay() -> None:
    bridge, phone = sdes_pair("AES_CM_128_HMAC_SHA1_80")
    kept = protected(phone, rtp_packet(500))
    keys = [bytes(range(30)), bytes(range(200, 230))]
    bridge.rekey(suite_keys("AES_CM_128_HMAC_SHA1_80", *keys))
    phone.rekey(suite_keys("AES_CM_128_HMAC_SHA1_80", *reversed(keys)))
    for number in range(120):
        assert bridge.unprotect_rtp(protected(phone, rtp_packet(number)))
    assert bridge.unprotect_rtp(kept) is None
    assert bridge.auth_failures == 1


@pytest.mark.parametrize("suite", SUITES)
def test_a_stream_that_began_hours_before_the_process_is_joined(suite: str) -> None:
    bridge, phone = sdes_pair(suite)
    protected(phone, rtp_packet(1))
    phone.set_stream_roc(0x1234, MAX_ROLLOVER)
    for number in range(2, 5):
        assert bridge.unprotect_rtp(protected(phone, rtp_packet(number))) == rtp_packet(number)
    assert bridge.failures == 0


def test_a_phone_that_counts_anew_at_a_new_exchange_is_still_heard() -> None:
    """baresip makes new contexts at each re-INVITE: SRTCP begins with index 1, SRTP with rollover 0."""
    bridge, phone = sdes_pair("AES_CM_128_HMAC_SHA1_80")
    _, again = sdes_pair("AES_CM_128_HMAC_SHA1_80")
    for number in range(65_530, 65_540):
        assert bridge.unprotect_rtp(protected(phone, rtp_packet(number & 0xFFFF)))
        assert bridge.unprotect_rtcp(phone.protect_rtcp(receiver_report()) or b"")
    report = again.protect_rtcp(receiver_report()) or b""
    assert bridge.unprotect_rtcp(report) is None
    bridge.renew()
    assert bridge.unprotect_rtcp(report) == receiver_report()
    assert bridge.unprotect_rtcp(report) is None, "a replay all the same"
    for number in range(4, 10):
        assert bridge.unprotect_rtp(protected(again, rtp_packet(number))) == rtp_packet(number)


def test_forgeries_do_not_buy_a_search_each() -> None:
    bridge, phone = sdes_pair("AES_CM_128_HMAC_SHA1_80")
    for number in range(MAX_SEARCHES):
        assert bridge.unprotect_rtp(rtp_packet(number) + bytes(10)) is None
    protected(phone, rtp_packet(1))
    phone.set_stream_roc(0x1234, 1)
    assert bridge.unprotect_rtp(protected(phone, rtp_packet(2))) is None
    assert bridge.auth_failures == MAX_SEARCHES + 1


def test_forgeries_of_strangers_use_no_search_up() -> None:
    bridge, phone = pair(default_backend())
    protected(phone, rtp_packet(0))
    phone.set_stream_roc(0x1234, 2)
    for number in range(2 * MAX_SEARCHES):
        assert bridge.unprotect_rtp(rtp_packet(number) + bytes(10), may_search=False) is None
    assert bridge.unprotect_rtp(protected(phone, rtp_packet(1))) is not None


def test_keys_are_never_shown() -> None:
    keys = suite_keys("AES_CM_128_HMAC_SHA1_80", b"K" * 30, b"L" * 30)
    assert "KKK" not in repr(keys)
    assert "LLL" not in str(keys)


def test_keying_material_is_cut_as_rfc_5764_says() -> None:
    material = b"C" * 16 + b"S" * 16 + b"c" * 14 + b"s" * 14
    client = split_keying_material(AES128_CM_SHA1_80, material, server=False)
    server = split_keying_material(AES128_CM_SHA1_80, material, server=True)
    assert client.send == server.receive == b"C" * 16 + b"c" * 14
    assert client.receive == server.send == b"S" * 16 + b"s" * 14


def test_a_key_of_the_wrong_size_is_our_mistake() -> None:
    for backend in BACKENDS:
        with pytest.raises(ValueError, match="key"):
            backend.sender(AES128_CM_SHA1_80, b"short")


def test_all_profiles_work_here_and_in_place_is_the_default() -> None:
    assert supported_profiles() == PROFILES
    assert default_backend().name.endswith("in place")
