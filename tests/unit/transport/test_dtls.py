"""RFC 6347 and RFC 5764, and the traps OpenSSL's memory BIO sets."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.plane.messages import Fingerprint
from bridge.transport.dtls import (
    FIRST_RESEND_S,
    HANDSHAKE_TIMEOUT_S,
    MTU,
    Dtls,
    State,
    split_records,
)
from tests.unit.transport.browser import BRIDGE_IDENTITY, BROWSER_IDENTITY

BRIDGE_PRINTS = (BRIDGE_IDENTITY.fingerprint,)
BROWSER_PRINTS = (BROWSER_IDENTITY.fingerprint,)


def pair(
    now: float = 0.0,
    expected: tuple[Fingerprint, ...] = BROWSER_PRINTS,
    *,
    bridge_is_server: bool = True,
) -> tuple[Dtls, Dtls]:
    bridge = Dtls(BRIDGE_IDENTITY, expected, now, server=bridge_is_server)
    browser = Dtls(BROWSER_IDENTITY, BRIDGE_PRINTS, now, server=not bridge_is_server)
    return bridge, browser


def exchange(one: Dtls, other: Dtls, now: float = 0.0) -> list[bytes]:
    """Carries datagrams until both are quiet; returns them all."""
    carried = []
    for _ in range(20):
        batch = [(other, d) for d in one.datagrams_to_send()] + [(one, d) for d in other.datagrams_to_send()]
        if not batch:
            break
        for receiver, datagram in batch:
            carried.append(datagram)
            receiver.receive(datagram, now)
    return carried


def state(dtls: Dtls) -> State:
    return dtls.state


@pytest.mark.parametrize("bridge_is_server", [True, False])
def test_both_roles_connect_and_share_keys(bridge_is_server: bool) -> None:
    bridge, browser = pair(bridge_is_server=bridge_is_server)
    assert bridge.keys is None
    carried = exchange(bridge, browser)
    assert state(bridge) is state(browser) is State.CONNECTED
    assert bridge.keys is not None
    assert browser.keys is not None
    assert bridge.keys.profile.name == b"SRTP_AEAD_AES_128_GCM"
    assert (bridge.keys.send, bridge.keys.receive) == (browser.keys.receive, browser.keys.send)
    assert bridge.timer() is None
    assert max(map(len, carried)) <= MTU
    assert all(split_records(datagram) for datagram in carried)


def test_another_certificate_than_announced_fails_with_the_reason() -> None:
    bridge, browser = pair(expected=BRIDGE_PRINTS)
    exchange(bridge, browser)
    assert state(bridge) is State.FAILED
    assert "does not match the fingerprint" in bridge.failure
    assert bridge.keys is None


def test_a_fingerprint_of_an_unknown_hash_alone_fails() -> None:
    bridge, browser = pair(expected=(Fingerprint("md5", "00"),))
    exchange(bridge, browser)
    assert "sha-256" in bridge.failure


def test_any_one_of_several_fingerprints_may_match_in_any_case() -> None:
    right = Fingerprint("SHA-256", BROWSER_PRINTS[0].value.lower())
    bridge, browser = pair(expected=(Fingerprint("sha-512", "00"), right))
    exchange(bridge, browser)
    assert state(bridge) is State.CONNECTED


def test_the_handshake_may_finish_before_the_answer_brings_the_fingerprint() -> None:
    bridge, browser = pair(expected=())
    exchange(bridge, browser)
    assert state(bridge) is State.UNVERIFIED
    assert bridge.keys is None
    bridge.verify(BROWSER_PRINTS)
    assert state(bridge) is State.CONNECTED
    assert bridge.matches(BROWSER_PRINTS)
    assert not bridge.matches(BRIDGE_PRINTS)


def test_a_repeated_client_hello_is_answered_with_the_last_flight_again() -> None:
    bridge, browser = pair()
    hello = browser.datagrams_to_send()
    for datagram in hello:
        bridge.receive(datagram, 0.0)
    flight = bridge.datagrams_to_send()
    assert flight
    for datagram in hello:
        bridge.receive(datagram, 0.1)
    assert bridge.datagrams_to_send() == flight
    for datagram in hello:
        bridge.receive(datagram, 0.11)  # the other half of the same repetition
    assert bridge.datagrams_to_send() == []


def test_a_silent_server_is_asked_again_after_100_ms_and_then_slower() -> None:
    bridge, browser = pair(bridge_is_server=False)
    hello = bridge.datagrams_to_send()
    times = []
    for _ in range(4):
        at = bridge.timer()
        assert at is not None
        bridge.handle_timer(at)
        times.append(at)
        assert bridge.datagrams_to_send() == hello
    assert times[0] == FIRST_RESEND_S
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == pytest.approx([0.2, 0.4, 0.8])
    assert state(browser) is State.HANDSHAKING


def test_a_lost_last_flight_is_repaired_after_the_server_is_up() -> None:
    bridge, browser = pair()
    for _ in range(2):
        for datagram in browser.datagrams_to_send():
            bridge.receive(datagram, 0.0)
        if bridge.state is State.CONNECTED:
            break
        for datagram in bridge.datagrams_to_send():
            browser.receive(datagram, 0.0)
    assert bridge.datagrams_to_send()  # lost
    assert state(browser) is State.HANDSHAKING
    browser.handle_timer(FIRST_RESEND_S)
    exchange(bridge, browser, 0.1)
    assert state(browser) is State.CONNECTED


def test_no_answer_at_all_fails_after_the_deadline() -> None:
    bridge, _ = pair(bridge_is_server=False)
    while (at := bridge.timer()) is not None:
        bridge.handle_timer(at)
    assert at is None
    assert state(bridge) is State.FAILED
    assert f"{HANDSHAKE_TIMEOUT_S:.0f} s" in bridge.failure


def test_close_is_heard_by_the_peer_and_twice_is_fine() -> None:
    bridge, browser = pair()
    exchange(bridge, browser)
    bridge.close()
    bridge.close()
    exchange(bridge, browser)
    assert state(bridge) is state(browser) is State.CLOSED
    assert browser.keys is None


def test_closing_before_the_handshake_says_nothing() -> None:
    bridge, _ = pair()
    bridge.close()
    assert bridge.datagrams_to_send() == []
    assert state(bridge) is State.CLOSED


def test_datagrams_that_are_no_records_are_counted() -> None:
    bridge, browser = pair()
    hello = browser.datagrams_to_send()[0]
    for bad in (hello[:20], hello + b"x", b"\x16", b"\x63" + hello[1:], hello[:1] + b"\x03" + hello[2:]):
        bridge.receive(bad, 0.0)
    assert bridge.malformed == 5
    assert bridge.datagrams_to_send() == []


@settings(max_examples=60)
@given(st.data())
def test_noise_never_ends_an_association_that_is_up(data: st.DataObject) -> None:
    bridge, browser = CONNECTED
    carried = data.draw(st.sampled_from(CARRIED))
    position = data.draw(st.integers(0, len(carried) - 1))
    value = data.draw(st.integers(0, 255))
    bridge.receive(carried[:position] + bytes([value]) + carried[position + 1 :], 1.0)
    bridge.receive(data.draw(st.binary(max_size=60)), 1.0)
    bridge.datagrams_to_send()
    assert bridge.state is State.CONNECTED
    assert browser.state is State.CONNECTED


CONNECTED = pair()
CARRIED = exchange(*CONNECTED)


@settings(max_examples=40)
@given(st.binary(min_size=1, max_size=200), st.integers(20, 26))
def test_noise_in_a_handshake_never_raises(payload: bytes, content_type: int) -> None:
    bridge = Dtls(BRIDGE_IDENTITY, BROWSER_PRINTS, 0.0, server=True)
    record = bytes([content_type]) + b"\xfe\xfd" + bytes(8) + len(payload).to_bytes(2, "big") + payload
    bridge.receive(record, 0.0)
    bridge.receive(payload, 0.0)
    bridge.datagrams_to_send()
    assert bridge.keys is None


def test_records_are_cut_at_their_headers() -> None:
    record = b"\x16\xfe\xfd" + bytes(8) + b"\x00\x02ab"
    assert split_records(record + record) == [record, record]
    assert split_records(record + b"\x16") == []
    assert split_records(record[:-1]) == []
    assert split_records(b"") == []
    assert split_records(record * 65) == []
