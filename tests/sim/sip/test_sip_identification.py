"""A trunk that asks who calls, and a bridge that says so: two agents in virtual time."""

import dataclasses

import pytest

from bridge.errors import NotFoundError
from bridge.ids import TrunkId
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallAnswered, CallArrived, CallKey, CallRefused, ReofferAnswered
from signaling.sip.trunk.gate import NONCE_LIFETIME_S
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import Headers, Request, parse_message
from signaling.sip.wire.response import make_response
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


def pump(line: Line) -> list[Request]:
    """Delivers until nobody has anything to say; what alice asked."""
    asked: list[Request] = []
    for _ in range(10):
        for data, _ in line.alice.messages_to_send():
            message = parse_message(data)
            asked += [message] if isinstance(message, Request) else []
            line.bob.receive_message(data, Flow("udp", ALICE, 5060), line.now)
        for data, _ in line.bob.messages_to_send():
            line.alice.receive_message(data, Flow("udp", BOB, 5060), line.now)
    return asked


def arrival(line: Line) -> CallKey:
    (arrived,) = [event for event in line.bob.events() if isinstance(event, CallArrived)]
    return arrived.call


def test_every_ack_has_the_credentials_of_its_invite() -> None:
    """RFC 3261 section 22.1: that of a 401, of a 200, of a re-INVITE's 200, and of a refusal."""
    line = make_line()
    call(line)
    asked = pump(line)
    theirs = arrival(line)
    line.bob.accept(theirs, ANSWER, line.now)
    asked += pump(line)
    (ours,) = line.alice.calls()
    line.alice.reinvite(ours, OFFER, line.now)
    asked += pump(line)
    line.bob.answer_reinvite(theirs, ANSWER, line.now)
    asked += pump(line)
    call(line)
    asked += pump(line)
    line.bob.reject(arrival(line), 486, line.now)
    asked += pump(line)

    def proofs(method: str) -> dict[tuple[str, str], str]:
        return {
            (request.first("Call-ID"), request.first("CSeq").split()[0]): request.first("Authorization")
            for request in asked
            if request.method == method
        }

    assert proofs("ACK") == proofs("INVITE")
    assert [bool(proof) for proof in proofs("ACK").values()] == [False, True, True, True]
    assert len(set(proofs("ACK").values())) == 4


def test_who_hangs_up_after_the_challenge_cancels_what_was_answered_only() -> None:
    """Section 9.1: the 100 before the challenge was for another INVITE than the one that is out now."""
    agent = make_agent(ALICE, AgentSettings(trunks=Trunks([CARRIER])))
    ours = agent.invite(f"sip:bob@{BOB}", OFFER, 0.0, trunk_id=TrunkId("carrier"))

    def take() -> list[Request]:
        found = [parse_message(data) for data, _ in agent.messages_to_send()]
        return [message for message in found if isinstance(message, Request)]

    def answer(invite: Request, status: int, headers: Headers = ()) -> None:
        agent.receive_message(make_response(invite, status, headers=headers), Flow("udp", BOB, 5060), 0.0)

    (first,) = take()
    answer(first, 100)
    answer(first, 407, (("Proxy-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),))
    agent.hang_up(ours, "", 0.0)
    _, second = take()
    assert second.method == "INVITE"
    assert second.first("Proxy-Authorization")
    answer(second, 100)
    (cancel,) = take()
    assert (cancel.method, cancel.first("Via")) == ("CANCEL", second.first("Via"))
    answer(cancel, 200)
    answer(second, 487)
    agent.handle_timer(60.0)
    assert agent.calls() == ()
