"""Whose call it is, by the network it comes from, and what a number is behind a trunk."""

import pytest

from bridge.ids import TrunkId
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallArrived
from signaling.sip.trunk.trunk import MAX_SOURCES, Trunk, Trunks
from signaling.sip.wire.identity import LocalIdentity
from tests.unit.sip.line import ALICE, BOB, RawPhone


def make_trunks() -> Trunks:
    return Trunks(
        [
            Trunk(TrunkId("wide"), ("192.0.0.0/8", "2001:db8::/32"), "sip:wide.example"),
            Trunk(TrunkId("narrow"), ("192.0.2.0/24", "2001:db8:1::/48")),
        ]
    )


@pytest.mark.parametrize(
    ("host", "trunk_id"),
    [
        ("192.0.2.9", "narrow"),
        ("192.0.3.9", "wide"),
        ("198.51.100.1", None),
        ("2001:db8:1::7", "narrow"),
        ("2001:db8:2::7", "wide"),
        ("fe80::1%eth0", None),
        ("trunk.example", None),
    ],
)
def test_the_smallest_network_decides(host: str, trunk_id: str | None) -> None:
    trunks = make_trunks()
    for _ in range(2):  # the second time from memory
        trunk = trunks.of(host)
        assert (trunk.trunk_id if trunk else None) == trunk_id


def test_sources_that_were_looked_up_are_forgotten_at_the_bound_and_found_again() -> None:
    trunks = make_trunks()
    for number in range(MAX_SOURCES + 10):
        assert trunks.of(f"10.0.{number // 250}.{number % 250}") is None
    assert trunks.of("192.0.2.9") is not None


@pytest.mark.parametrize(
    ("target", "number", "uri"),
    [
        ("sip:trunk.example", "+4930123", "sip:+4930123@trunk.example"),
        ("sip:trunk.example:5070;transport=tcp", "112", "sip:112@trunk.example:5070;transport=tcp"),
        ("sips:old@trunk.example", "112", "sips:112@trunk.example"),
        ("sip:0{number}@trunk.example", "112", "sip:0112@trunk.example"),
        ("sip:trunk.example", "#31#1@evil", "sip:%2331%231%40evil@trunk.example"),
        ("sip:[2001:db8::1]:5060", "1", "sip:1@[2001:db8::1]:5060"),
    ],
)
def test_a_number_becomes_a_uri(target: str, number: str, uri: str) -> None:
    assert Trunk(TrunkId("t"), target=target).address_of(number) == uri


def test_what_comes_from_a_target_is_its_trunks() -> None:
    trunks = Trunks(
        [
            Trunk(TrunkId("numeric"), target="sip:{number}@192.0.2.9:5070"),
            Trunk(TrunkId("named"), target="sips:Trunk.Example;transport=tls"),
            Trunk(TrunkId("six"), target="sip:[2001:db8::1]:5060"),
            Trunk(TrunkId("network"), ("198.51.100.0/24",)),
        ]
    )
    assert trunks.of("192.0.2.10") is trunks.of("192.0.2.11") is None
    trunks.learn("trunk.example", "192.0.2.10")
    trunks.learn("trunk.example", "198.51.100.7")
    trunks.learn("other.example", "192.0.2.11")
    assert [trunks.name_of(f"192.0.2.{last}") for last in (10, 11)] == ["trunk.example", ""]
    found = {
        host: trunk.trunk_id
        for host in ("192.0.2.9", "192.0.2.10", "192.0.2.11", "2001:db8::1", "198.51.100.7")
        if (trunk := trunks.of(host)) is not None
    }
    assert found == {
        "192.0.2.9": "numeric",
        "192.0.2.10": "named",
        "2001:db8::1": "six",
        "198.51.100.7": "network",
    }


def test_a_call_tells_its_trunk() -> None:
    home = Trunks([Trunk(TrunkId("home"), (f"{ALICE}/32",)), Trunk(TrunkId("all"), ("0.0.0.0/0",))])
    agent = UserAgent(AgentSettings(trunks=home), LocalIdentity(BOB, 5060, lambda count: "ab" * count))
    RawPhone(agent).send("INVITE", 1, body="v=0\r\n")
    (arrived,) = agent.events()
    assert isinstance(arrived, CallArrived)
    assert arrived.trunk_id == "home"
