"""ICE, DTLS and SRTP of one leg together, against a simulated browser, with time moved by hand."""

import pytest

from bridge.plane.messages import IceCredentials
from bridge.transport.address import Address
from bridge.transport.dtls_transport import (
    Connected,
    DtlsTransport,
    Failed,
    RemoteParameters,
    TransportCallbacks,
)
from tests.unit.transport.browser import (
    BRIDGE_IDENTITY,
    BROWSER,
    BROWSER_IDENTITY,
    LOCAL,
    REMOTE,
    STRANGER,
    SimulatedBrowser,
    check,
    receiver_report,
    rtp_packet,
)

MOVED = ("192.0.2.7", 50_001)
NEW_LOCAL = IceCredentials("bridgeU2", "bridge-password-2-123456789")
NEW_REMOTE = IceCredentials("brwsU2", "browser-password-2-123456789")
PASSIVE = RemoteParameters(REMOTE, (BROWSER_IDENTITY.fingerprint,), dtls_server=True)
ACTIVE = RemoteParameters(REMOTE, (BROWSER_IDENTITY.fingerprint,), dtls_server=False)


class Leg:
    """A transport with everything that came out of it."""

    def __init__(self, remote: RemoteParameters = PASSIVE, local: IceCredentials = LOCAL) -> None:
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.wire: list[tuple[bytes, Address]] = []
        callbacks = TransportCallbacks(
            on_rtp=lambda packet, now: self.rtp.append(packet),
            on_rtcp=lambda packet, now: self.rtcp.append(packet),
            send=lambda datagram, address: self.wire.append((datagram, address)),
        )
        self.transport = DtlsTransport(BRIDGE_IDENTITY, local, remote, callbacks, now=0.0)
        self.events: list[Connected | Failed] = []

    def take_wire(self) -> list[tuple[bytes, Address]]:
        wire, self.wire = self.wire, []
        return wire

    def nominate(self, now: float = 0.0, source: Address = BROWSER) -> None:
        self.transport.receive_datagram(bytes(check(use_candidate=True)), source, now)

    def exchange(self, browser: SimulatedBrowser, now: float = 0.0) -> None:
        for _ in range(20):
            down = self.take_wire()
            up = browser.dtls.datagrams_to_send()
            for datagram, address in down:
                assert address == browser.address
                browser.receive(datagram, now)
            for datagram in up:
                self.transport.receive_datagram(datagram, browser.address, now)
            if not down and not up:
                break
        self.events += self.transport.events()


def connected(*, bridge_is_server: bool = True) -> tuple[Leg, SimulatedBrowser]:
    leg = Leg(PASSIVE if bridge_is_server else ACTIVE)
    browser = SimulatedBrowser(0.0, server=not bridge_is_server)
    leg.nominate()
    leg.exchange(browser)
    assert leg.events == [Connected()]
    leg.events.clear()
    return leg, browser


@pytest.mark.parametrize("bridge_is_server", [True, False])
def test_a_browser_connects_and_media_flows_both_ways(bridge_is_server: bool) -> None:
    leg, browser = connected(bridge_is_server=bridge_is_server)
    assert leg.transport.connected
    assert leg.transport.srtp_profile == "SRTP_AEAD_AES_128_GCM"
    leg.transport.send_rtp(rtp_packet(1))
    leg.transport.receive_datagram(browser.protect(rtp_packet(7)), BROWSER, 1.0)
    leg.transport.receive_datagram(browser.protect_rtcp(receiver_report()), BROWSER, 1.0)
    leg.exchange(browser)
    assert browser.rtp == [rtp_packet(1)]
    assert leg.rtp == [rtp_packet(7)]
    assert leg.rtcp == [receiver_report()]


def test_a_leg_alone_says_nothing_and_counts_what_cannot_leave() -> None:
    leg = Leg()
    leg.transport.send_rtp(rtp_packet(1))
    leg.transport.send_rtcp(receiver_report())
    assert leg.wire == []
    assert leg.transport.counters()["unsent"] == 2


def test_a_dtls_client_waits_for_the_first_check() -> None:
    leg = Leg(ACTIVE)
    assert leg.wire == []
    leg.transport.receive_datagram(bytes(check()), BROWSER, 0.0)
    kinds = [datagram[0] for datagram, _ in leg.wire]
    assert kinds[0] == 1  # the answer to the check first
    assert kinds[1] == 22  # then our ClientHello


def test_strangers_are_counted_and_heard_by_nobody() -> None:
    leg, browser = connected()
    hello = SimulatedBrowser(0.0, server=False).dtls.datagrams_to_send()[0]
    for datagram in (browser.protect(rtp_packet(1)), browser.protect_rtcp(receiver_report()), hello):
        leg.transport.receive_datagram(datagram, STRANGER, 1.0)
    assert leg.rtp == leg.rtcp == []
    assert leg.wire == []
    assert leg.transport.counters()["strangers"] == 3


def test_before_nomination_dtls_is_answered_to_its_own_source() -> None:
    leg = Leg()
    browser = SimulatedBrowser(0.0, server=False, address=MOVED)
    leg.transport.receive_datagram(bytes(check()), BROWSER, 0.0)
    leg.transport.receive_datagram(bytes(check()), MOVED, 0.0)
    leg.take_wire()
    for datagram in browser.dtls.datagrams_to_send():
        leg.transport.receive_datagram(datagram, MOVED, 0.0)
    assert {address for _, address in leg.take_wire()} == {MOVED}


def test_media_before_the_keys_is_counted() -> None:
    leg = Leg()
    leg.nominate()
    leg.transport.receive_datagram(rtp_packet(1), BROWSER, 0.0)
    leg.transport.receive_datagram(receiver_report(), BROWSER, 0.0)
    assert leg.transport.counters()["early"] == 2
    assert leg.rtp == leg.rtcp == []


def test_a_client_hello_that_overtakes_the_answer_is_kept() -> None:
    leg = Leg(RemoteParameters())
    browser = SimulatedBrowser(0.0, server=False)
    leg.nominate()
    for datagram in browser.dtls.datagrams_to_send():
        leg.transport.receive_datagram(datagram, BROWSER, 0.0)
    assert [datagram[0] for datagram, _ in leg.take_wire()] == [1]
    leg.transport.update_remote(LOCAL, PASSIVE, 0.01)
    leg.exchange(browser, 0.01)
    assert leg.events == [Connected()]


def test_early_datagrams_are_bounded() -> None:
    leg = Leg(RemoteParameters())
    leg.nominate()
    hello = SimulatedBrowser(0.0, server=False).dtls.datagrams_to_send()[0]
    for _ in range(20):
        leg.transport.receive_datagram(hello, BROWSER, 0.0)
    assert leg.transport.counters()["early"] == 12


def test_the_role_alone_lets_the_handshake_run_and_the_fingerprint_opens_it() -> None:
    leg = Leg(RemoteParameters(dtls_server=True))
    browser = SimulatedBrowser(0.0, server=False)
    leg.nominate()
    leg.exchange(browser)
    assert leg.events == []
    assert not leg.transport.connected
    leg.transport.update_remote(LOCAL, PASSIVE, 1.0)
    leg.exchange(browser, 1.0)
    assert leg.events == [Connected()]


def test_a_wrong_certificate_fails_once_with_the_reason() -> None:
    leg = Leg(RemoteParameters(REMOTE, (BRIDGE_IDENTITY.fingerprint,), dtls_server=True))
    browser = SimulatedBrowser(0.0, server=False)
    leg.nominate()
    leg.exchange(browser)
    leg.nominate(1.0)
    leg.exchange(browser, 1.0)
    (event,) = leg.events
    assert isinstance(event, Failed)
    assert event.code == "dtls_failed"
    assert "fingerprint" in event.reason


def test_silence_loses_consent_and_stops_media() -> None:
    leg, browser = connected()
    at = leg.transport.timer()
    assert at == 30.0
    leg.transport.handle_timer(at)
    leg.exchange(browser, at)
    (event,) = leg.events
    assert isinstance(event, Failed)
    assert event.code == "consent_lost"
    leg.transport.send_rtp(rtp_packet(1))
    assert leg.wire == []
    assert not leg.transport.connected


def test_an_ice_restart_revives_a_lost_leg_without_new_dtls() -> None:
    leg, browser = connected()
    leg.transport.handle_timer(30.0)
    leg.transport.update_remote(NEW_LOCAL, RemoteParameters(NEW_REMOTE, browser.fingerprints, True), 40.0)
    restarted = check(NEW_LOCAL, NEW_REMOTE, use_candidate=True)
    leg.transport.receive_datagram(bytes(restarted), BROWSER, 41.0)
    leg.transport.send_rtp(rtp_packet(2))
    leg.exchange(browser, 41.0)
    assert [type(event) for event in leg.events] == [Failed, Connected]
    assert browser.rtp == [rtp_packet(2)]


def test_an_ice_restart_moves_media_only_with_its_own_nomination() -> None:
    leg, browser = connected()
    leg.transport.update_remote(NEW_LOCAL, RemoteParameters(NEW_REMOTE, browser.fingerprints, True), 1.0)
    assert leg.transport.local_ufrags == (NEW_LOCAL.ufrag, LOCAL.ufrag)
    leg.transport.send_rtp(rtp_packet(1))
    assert leg.take_wire()[-1][1] == BROWSER
    restarted = check(NEW_LOCAL, NEW_REMOTE, use_candidate=True)
    leg.transport.receive_datagram(bytes(restarted), MOVED, 2.0)
    leg.nominate(2.1)
    leg.take_wire()
    leg.transport.send_rtp(rtp_packet(2))
    assert [address for _, address in leg.take_wire()] == [MOVED]
    assert leg.transport.events() == []
    leg.transport.receive_datagram(browser.protect(rtp_packet(3)), MOVED, 2.2)
    assert leg.rtp == [rtp_packet(3)]


def test_declaring_the_same_remote_again_changes_nothing() -> None:
    leg, browser = connected()
    leg.transport.update_remote(LOCAL, PASSIVE, 5.0)
    assert leg.wire == []
    assert leg.transport.events() == []
    leg.transport.send_rtp(rtp_packet(1))
    leg.exchange(browser)
    assert browser.rtp == [rtp_packet(1)]


def test_another_certificate_in_the_sdp_starts_a_new_association() -> None:
    leg, _ = connected()
    other = RemoteParameters(REMOTE, (BRIDGE_IDENTITY.fingerprint,), dtls_server=True)
    leg.transport.update_remote(LOCAL, other, 1.0)
    assert not leg.transport.connected
    leg.transport.update_remote(LOCAL, PASSIVE, 1.1)
    again = SimulatedBrowser(1.0, server=False)
    leg.exchange(again, 1.2)
    assert leg.events == [Connected()]


def test_close_tells_the_browser_and_falls_silent() -> None:
    leg, _ = connected()
    leg.transport.close(1.0)
    leg.transport.close(1.0)
    ((alert, address),) = leg.take_wire()
    assert (alert[0], address) == (21, BROWSER)
    leg.nominate(2.0)
    leg.transport.send_rtp(rtp_packet(1))
    assert leg.wire == []
    assert leg.transport.timer() is None


def test_the_browser_closing_is_an_event() -> None:
    leg, browser = connected()
    browser.dtls.close()
    leg.exchange(browser)
    (event,) = leg.events
    assert isinstance(event, Failed)
    assert event.code == "peer_closed"


def test_bad_media_is_counted_and_harms_nobody() -> None:
    leg, browser = connected()
    good = browser.protect(rtp_packet(5))
    for datagram in (
        good[:-1] + bytes((good[-1] ^ 1,)),
        b"\x80\x60" + bytes(3),
        b"\xff" * 30,
        b"",
        bytes(600),
    ):
        leg.transport.receive_datagram(datagram, BROWSER, 1.0)
    leg.transport.receive_datagram(good, BROWSER, 1.0)
    leg.transport.receive_datagram(good, BROWSER, 1.0)
    assert leg.rtp == [rtp_packet(5)]
    counters = leg.transport.counters()
    assert counters["srtp_auth_failures"] == 1
    assert counters["srtp_replays"] == 1
    assert counters["malformed"] == 4
    leg.transport.close(2.0)
    assert leg.transport.counters() | {"sent": 0} == counters | {"sent": 0}, "all is still told at the end"


def test_a_rebound_nat_address_is_followed_at_the_next_check() -> None:
    leg, browser = connected()
    leg.transport.receive_datagram(browser.protect(rtp_packet(1)), MOVED, 1.0)
    assert leg.rtp == []
    leg.nominate(1.5, MOVED)
    leg.transport.receive_datagram(browser.protect(rtp_packet(2)), MOVED, 1.6)
    assert leg.rtp == [rtp_packet(2)]
    assert leg.transport.selected == MOVED
