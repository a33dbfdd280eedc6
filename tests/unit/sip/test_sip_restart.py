"""An agent that is killed and started anew on what it remembered: calls go on, or end cleanly.

Elsewhere: state lost on restart, and a recovery that sends a CSeq that was used before.
"""

import pytest

from bridge.errors import ParseError
from bridge.ids import TrunkId
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import (
    CallAcknowledged,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallKey,
    CallReoffered,
    ReofferAnswered,
)
from signaling.sip.session.memory import CSEQ_GAP, arriving_call_id
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.identity import LocalIdentity
from tests.unit.sip.line import ALICE, ANSWER, BOB, OFFER, Line, RawPhone, counting_hex, make_agent
from tests.unit.sip.test_sip_calls import connect, dial


def reborn(line: Line, body: bytes) -> CallKey | None:
    """Bob forgets everything but `body`."""
    line.agents[BOB] = make_agent(BOB)
    return line.bob.restore(body, line.now)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_goes_on_with_numbers_that_were_not_used_yet(transport: str) -> None:
    line = Line(transport)
    ours, theirs = connect(line)
    line.bob.reinvite(theirs, OFFER, line.now)
    line.settle()
    line.take(ALICE)
    body = line.bob.remember(theirs)
    call = reborn(line, body)
    assert call is not None
    line.alice.answer_reinvite(ours, ANSWER, line.now)  # of the offer before the crash: nobody takes it
    line.settle()
    line.run(40)
    line.bob.reinvite(call, OFFER, line.now)
    line.settle()
    assert CallReoffered(ours, OFFER) in line.take(ALICE)
    line.alice.answer_reinvite(ours, ANSWER, line.now)
    line.settle()
    assert ReofferAnswered(call, ANSWER) in line.take(BOB)
    line.bob.hang_up(call, "", line.now)
    line.settle()
    assert line.take(ALICE)[-1] == CallEnded(ours, "remote", "hung up")


def test_each_restart_leaves_a_gap_in_the_numbers() -> None:
    line = Line()
    _, theirs = connect(line)
    body = line.bob.remember(theirs)
    for expected in (CSEQ_GAP, 2 * CSEQ_GAP):
        call = reborn(line, body)
        assert call is not None
        body = line.bob.remember(call)
        assert f'"local_cseq":{expected}'.encode() in body


def test_the_phone_may_go_on_with_its_own_requests() -> None:
    line = Line()
    ours, theirs = connect(line)
    call = reborn(line, line.bob.remember(theirs))
    line.alice.hang_up(ours, "", line.now)
    line.settle()
    assert call is not None
    assert line.take(BOB) == [CallEnded(call, "remote", "hung up")]


def test_a_200_that_was_not_acknowledged_is_sent_again() -> None:
    line = Line()
    ours, theirs = dial(line)
    body = line.bob.remember_answer(theirs, ANSWER)
    line.lost = lambda entry: entry == "bob 200 INVITE"
    line.bob.accept(theirs, ANSWER, line.now)
    line.settle()
    line.lost = lambda _: False
    call = reborn(line, body)
    line.settle()
    assert call is not None
    assert line.take(BOB) == [CallAcknowledged(call, "")]
    line.alice.hang_up(ours, "", line.now)
    line.settle()
    assert line.take(BOB) == [CallEnded(call, "remote", "hung up")]


def test_a_retransmitted_invite_meets_the_restored_call() -> None:
    line = Line()
    _, theirs = dial(line)
    body = line.bob.remember_answer(theirs, ANSWER)
    line.lost = lambda entry: entry.startswith("bob")
    reborn(line, body)
    line.run(1.0)  # Alice heard nothing and asks again
    assert line.take(BOB) == []
    line.lost = lambda _: False
    line.run(4.0)
    assert [type(event) for event in line.take(BOB)] == [CallAcknowledged]


def test_a_call_that_was_acknowledged_but_not_noted_so_is_acknowledged_again() -> None:
    line = Line()
    _, theirs = dial(line)
    body = line.bob.remember_answer(theirs, ANSWER)
    line.bob.accept(theirs, ANSWER, line.now)
    line.settle()
    call = reborn(line, body)
    line.settle()
    assert call is not None
    assert CallAcknowledged(call, "") in line.take(BOB)


def test_an_invite_without_an_answer_arrives_once_more() -> None:
    line = Line()
    ours, theirs = dial(line)
    line.run(0.3)  # the 100 is out: Alice will not ask again by herself
    body = line.bob.remember(theirs)
    assert reborn(line, body) is None
    line.settle()
    (arrived,) = line.take(BOB)
    assert isinstance(arrived, CallArrived)
    line.bob.accept(arrived.call, ANSWER, line.now)
    line.settle()
    assert line.take(BOB) == [CallAcknowledged(arrived.call, "")]
    line.alice.hang_up(ours, "", line.now)
    line.settle()


def test_a_call_that_was_hung_up_meanwhile_ends_at_the_first_question() -> None:
    line = Line()
    ours, theirs = connect(line)
    body = line.bob.remember(theirs)
    line.lost = lambda _: True
    line.alice.hang_up(ours, "", line.now)
    line.run(40)
    line.lost = lambda _: False
    call = reborn(line, body)
    assert call is not None
    line.bob.reinvite(call, OFFER, line.now)
    line.run(5)
    assert isinstance(line.take(BOB)[-1], CallEnded)


def test_a_call_of_ours_that_still_rings_is_canceled() -> None:
    line = Line()
    call = line.bob.invite("sip:alice@192.0.2.1", OFFER, line.now)
    line.settle()
    (arrived,) = line.take(ALICE)
    assert isinstance(arrived, CallArrived)
    line.alice.ring(arrived.call, line.now)
    line.settle()
    body = line.bob.remember(call)
    assert reborn(line, body) is None
    line.settle()
    assert line.take(ALICE) == [CallEnded(arrived.call, "remote", "canceled")]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[1]", b'{"phase": "confirmed"}', b'{"phase": "arriving"}', b"\xff"]
)
def test_what_is_no_memory_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        make_agent(BOB).restore(body, 0.0)


def test_numbers_go_on_though_much_was_said_that_is_not_remembered() -> None:
    """Refreshes, keys and wishes for a picture each take a number, and nobody writes that down."""
    line = Line()
    ours, theirs = connect(line)
    body = line.bob.remember(theirs)
    for _ in range(300):
        line.bob.ask_for_picture(theirs, line.now)
        line.settle()
        line.run(60)
    line.take(ALICE)
    call = reborn(line, body)
    assert call is not None
    line.bob.hang_up(call, "", line.now)
    line.settle()
    assert line.take(ALICE)[-1] == CallEnded(ours, "remote", "hung up")


def test_who_proved_who_they_are_is_not_asked_again_by_the_next_process() -> None:
    """The nonce was signed by the one before, and the phone waits for an answer to this INVITE."""
    line = Line()
    caller = Trunk(TrunkId("carrier"), (f"{BOB}/32",), f"sip:{BOB}", username="alice", password="horse")
    called = Trunk(
        TrunkId("customer"), (f"{ALICE}/32",), username="alice", password="horse", authenticate=True
    )
    settings = AgentSettings(trunks=Trunks([called]))
    line.agents = {
        ALICE: make_agent(ALICE, AgentSettings(trunks=Trunks([caller]))),
        BOB: make_agent(BOB, settings),
    }
    line.alice.invite(f"sip:bob@{BOB}", OFFER, line.now, trunk_id=TrunkId("carrier"))
    line.settle()
    (arrived,) = [event for event in line.take(BOB) if isinstance(event, CallArrived)]
    body = line.bob.remember(arrived.call)
    line.agents[BOB] = UserAgent(settings, LocalIdentity(BOB, 5060, counting_hex("c")))
    line.take_log()
    assert line.bob.restore(body, line.now) is None
    line.settle()
    assert line.take_log() == []
    (again,) = [event for event in line.take(BOB) if isinstance(event, CallArrived)]
    assert again.trunk_id == "customer"
    line.bob.accept(again.call, ANSWER, line.now)
    line.settle()
    assert any(isinstance(event, CallAnswered) for event in line.take(ALICE))


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_call_id_that_is_no_text_does_not_keep_the_next_process_from_starting(*, is_answered: bool) -> None:
    """What the door writes into logs and traces is readable, whatever a phone calls its call."""
    agent = make_agent(BOB)
    invite = RawPhone(agent).send
    invite("INVITE", 1, body=OFFER, call_id="call-\udcff")
    (arrived,) = agent.events()
    assert isinstance(arrived, CallArrived)
    body = agent.remember_answer(arrived.call, ANSWER) if is_answered else agent.remember(arrived.call)
    agent = make_agent(BOB)
    call = agent.restore(body, 0.0)
    if call is None:
        (arrived,) = agent.events()
        assert isinstance(arrived, CallArrived)
        assert arrived.call_id == arriving_call_id(body)
        call = arrived.call
    assert agent.call_id(call) == "call-\ufffd"
