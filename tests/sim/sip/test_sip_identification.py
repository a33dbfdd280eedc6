"""A trunk that asks who calls, and a bridge that says so: two agents in virtual time."""

import dataclasses

import pytest

from bridge.errors import NotFoundError
from bridge.ids import TrunkId
from signaling.sip.event import CallAnswered, CallArrived, CallRefused, ReofferAnswered
from signaling.sip.gate import NONCE_LIFETIME_S
from signaling.sip.settings import AgentSettings
from signaling.sip.trunk import Trunk, Trunks
from tests.unit.sip.line import ALICE, ANSWER, BOB, OFFER, Line, RawPhone, make_agent, tag_of

CARRIER = Trunk(TrunkId("carrier"), (f"{BOB}/32",), f"sip:{BOB}", username="alice", password="correct horse")
CUSTOMER = Trunk(
    TrunkId("customer"), (f"{ALICE}/32",), username="alice", password="correct horse", authenticate=True
)


def make_line(transport: str = "udp", *, carrier: Trunk = CARRIER, customer: Trunk = CUSTOMER) -> Line:
    line = Line(transport)
    line.agents = {
        ALICE: make_agent(ALICE, AgentSettings(trunks=Trunks([carrier]))),
        BOB: make_agent(BOB, AgentSettings(trunks=Trunks([customer]))),
    }
    return line


def call(line: Line) -> None:
    suffix = ";transport=tcp" if line.transport == "tcp" else ""
    line.alice.invite(f"sip:bob@{BOB}{suffix}", OFFER, line.now, trunk_id=TrunkId("carrier"))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_is_challenged_and_goes_once_more(transport: str) -> None:
    line = make_line(transport)
    call(line)
    line.settle()
    assert line.take_log()[:4] == ["alice INVITE", "bob 401 INVITE", "alice ACK", "alice INVITE"]
    (arrived,) = [event for event in line.take(BOB) if isinstance(event, CallArrived)]
    assert arrived.trunk_id == "customer"
    assert "Authorization" not in dict(arrived.headers)
    line.bob.accept(arrived.call, ANSWER, line.now)
    line.settle()
    (answered,) = [event for event in line.take(ALICE) if isinstance(event, CallAnswered)]
    assert answered.answer == ANSWER
    line.alice.reinvite(answered.call, OFFER, line.now)
    line.settle()
    line.bob.answer_reinvite(arrived.call, ANSWER, line.now)
    line.settle()
    assert any(isinstance(event, ReofferAnswered) for event in line.take(ALICE))
    line.bob.hang_up(arrived.call, "", line.now)
    line.run(60)
    assert line.alice.calls() == line.bob.calls() == ()


def test_what_follows_is_not_challenged_again_until_the_nonce_is_old() -> None:
    line = make_line()
    for expected in (1, 0, 0):
        call(line)
        line.settle()
        assert line.take_log().count("bob 401 INVITE") == expected
    line.run(NONCE_LIFETIME_S + 1)
    line.take_log()
    call(line)
    line.settle()
    assert line.take_log().count("bob 401 INVITE") == 1
    assert len([event for event in line.take(BOB) if isinstance(event, CallArrived)]) == 4
    assert line.bob.counters()["sip_replayed_credentials"] == 0


def test_a_wrong_password_is_tried_once() -> None:
    line = make_line(carrier=dataclasses.replace(CARRIER, password="guessed"))
    call(line)
    line.run(60)
    assert line.log.count("alice INVITE") <= 3
    (refused,) = [event for event in line.take(ALICE) if isinstance(event, CallRefused)]
    assert refused.status == 401
    assert line.take(BOB) == []
    assert line.alice.counters()["sip_refused_credentials"] == 1


def test_a_trunk_without_a_user_answers_no_challenge() -> None:
    line = make_line(carrier=dataclasses.replace(CARRIER, username=""))
    call(line)
    line.run(60)
    assert line.log.count("alice INVITE") == 1
    assert any(isinstance(event, CallRefused) and event.status == 401 for event in line.take(ALICE))


def test_a_call_that_is_taken_back_while_it_is_challenged_does_not_ring() -> None:
    line = make_line()
    line.lost = lambda entry: entry == "bob 401 INVITE"
    line.alice.invite(f"sip:bob@{BOB}", OFFER, line.now, trunk_id=TrunkId("carrier"))
    line.settle()
    (ours,) = line.alice.calls()
    line.alice.hang_up(ours, "", line.now)
    line.lost = lambda _: False
    line.run(60)
    assert line.take(BOB) == []
    with pytest.raises(NotFoundError):
        line.alice.call_id(ours)


def test_calls_of_a_trunk_that_roams_may_come_from_anywhere_and_only_its() -> None:
    roaming = dataclasses.replace(CUSTOMER, networks=())
    line = make_line(customer=roaming)
    call(line)
    line.settle()
    (arrived,) = [event for event in line.take(BOB) if isinstance(event, CallArrived)]
    assert arrived.trunk_id == "customer"
    phone = RawPhone(line.bob)
    padding = f"X: {'x' * 500}\r\n"  # over UDP a stranger gets no more than it sent
    (challenged,) = phone.send("INVITE", 1, body=OFFER, call_id="other", extra=padding)
    assert challenged.first("WWW-Authenticate").startswith("Digest ")
    assert tag_of(challenged)
    assert phone.send("ACK", 1, to_tag=tag_of(challenged), call_id="other") == []
    assert phone.send("CANCEL", 1, call_id="other") == []
    assert phone.send("BYE", 2, to_tag="x", call_id="other", extra=padding)[0].first("WWW-Authenticate")
    assert not [event for event in line.bob.events() if isinstance(event, CallArrived)]
