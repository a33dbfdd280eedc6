"""What nobody here wants, and what strangers get for it."""

import dataclasses

import pytest

from bridge.ids import TrunkId
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.inspection.porter import GUESSES
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallArrived
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.identity import LocalIdentity
from tests.unit.sip.line import ALICE, BOB, OFFER, RawPhone, names

SETTINGS = AgentSettings(scanners=("Friendly-Scanner",), destinations=("support", "+49*"))
ROAMING = Trunk(TrunkId("phones"), username="anna", password="secret", authenticate=True)


def make_agent(settings: AgentSettings) -> UserAgent:
    return UserAgent(settings, LocalIdentity(BOB, 5060, lambda count: "ab" * count))


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize(
    ("method", "extra", "user"),
    [
        ("OPTIONS", "User-Agent: friendly-scanner\r\n", "support"),
        ("INVITE", "User-Agent: old FRIENDLY-SCANNER 2\r\n", "support"),
        ("INVITE", "", "00972595"),
        ("INVITE", "", "xsupport"),
        ("INVITE", "", "support%0Ax"),
    ],
)
def test_what_nobody_wants_hears_403_or_nothing(method: str, extra: str, user: str, *, answers: bool) -> None:
    agent = make_agent(dataclasses.replace(SETTINGS, answers_unwanted=answers))
    heard = RawPhone(agent).send(method, 1, extra=extra, body=OFFER, uri=f"sip:{user}@192.0.2.2")
    assert names(heard) == ([f"403 {method}"] if answers else [])
    assert agent.events() == []
    counters = agent.counters()
    assert (counters["sip_screened"], counters["sip_transactions"], counters["sip_calls"]) == (1, 0, 0)


@pytest.mark.parametrize("user", ["support", "+4930123"])
def test_calls_to_a_destination_arrive(user: str) -> None:
    agent = make_agent(SETTINGS)
    RawPhone(agent).send(
        "INVITE", 1, extra="User-Agent: a phone\r\n", body=OFFER, uri=f"sip:{user}@192.0.2.2"
    )
    assert [event.called for event in agent.events() if isinstance(event, CallArrived)] == [user]


def short_request(padding: int) -> bytes:
    return (
        "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n"
        f"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nX: {'x' * padding}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("padding", [0, 1000])
def test_over_udp_a_stranger_gets_no_more_than_it_sent(transport: str, padding: int) -> None:
    data, flow = short_request(padding), Flow(transport, ALICE, 5060, 1 if transport == "tcp" else 0)
    challenging = make_agent(AgentSettings(trunks=Trunks([ROAMING])))
    challenging.receive_message(data, flow, 0.0)
    forbidding = make_agent(AgentSettings())
    forbidding.refuse_stranger(data, flow)
    for agent in (challenging, forbidding):
        sent = agent.messages_to_send()
        unanswered = agent.counters()["sip_unanswered_strangers"]
        assert len(sent) + unanswered == 1
        if transport == "udp":
            assert all(len(answer) <= len(data) for answer, _ in sent)
        if transport == "tcp" or padding:
            assert sent


def test_noise_is_not_answered() -> None:
    agent = make_agent(AgentSettings())
    for data in (
        b"",
        b"\x00" * 100,
        b"GET / HTTP/1.1\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"INVITE sip:a SIP/2.0\r\n\r\n",
    ):
        agent.receive_message(data, Flow("udp", ALICE, 5060), 0.0)
        agent.refuse_stranger(data, Flow("udp", ALICE, 5060))
    assert agent.messages_to_send() == []


def test_whoever_guesses_passwords_soon_hears_nothing() -> None:
    agent = make_agent(AgentSettings(trunks=Trunks([ROAMING])))
    phone = RawPhone(agent)
    wrong = 'Authorization: Digest username="anna", realm="warmbridge", nonce="1", uri="sip:a", response="0", nc=1\r\n'
    heard = [phone.send("INVITE", 1, extra=wrong + "X: " + "x" * 500 + "\r\n") for _ in range(GUESSES + 5)]
    assert [len(answers) for answers in heard] == [1] * GUESSES + [0] * 5
    assert agent.counters()["sip_wrong_credentials"] == GUESSES + 5
    phone.now = 11.0
    assert len(phone.send("INVITE", 1, extra=wrong + "X: " + "x" * 500 + "\r\n")) == 1
