"""UPDATE in a call that is up (RFC 3311)."""

import pytest

from bridge.errors import ConflictError, NotAllowedError
from signaling.sip.session.event import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallKey,
    CallReoffered,
    ReofferAnswered,
    ReofferRefused,
)
from tests.unit.sip.line import ALICE, ANSWER, BOB, OFFER, Line

TARGET = "sip:bob@192.0.2.2"


def talking() -> tuple[Line, CallKey, CallKey]:
    line = Line()
    line.alice.invite(TARGET, OFFER, line.now)
    line.settle()
    (arrived,) = line.take(BOB)
    assert isinstance(arrived, CallArrived)
    line.bob.accept(arrived.call, ANSWER, line.now)
    line.settle()
    (answered,) = line.take(ALICE)
    assert isinstance(answered, CallAnswered)
    line.take(BOB)
    line.take_log()
    return line, answered.call, arrived.call


def test_an_update_carries_an_offer_and_its_answer_without_ack() -> None:
    line, ours, theirs = talking()
    line.alice.update(ours, "new offer", line.now)
    line.settle()
    assert line.take(BOB) == [CallReoffered(theirs, "new offer")]
    line.bob.answer_reinvite(theirs, "new answer", line.now)
    line.settle()
    assert line.take(ALICE) == [ReofferAnswered(ours, "new answer")]
    assert line.take_log() == ["alice UPDATE", "bob 200 UPDATE"]
    line.bob.reinvite(theirs, "next", line.now)  # nothing is in the way of the next
    line.settle()
    assert line.take(ALICE) == [CallReoffered(ours, "next")]


def test_only_the_answer_to_an_invite_waits_for_an_ack() -> None:
    line, ours, theirs = talking()
    line.alice.update(ours, "new offer", line.now)
    line.settle()
    line.bob.answer_reinvite(theirs, "new answer", line.now)
    assert line.bob.awaits_ack(theirs) is False
    line.settle()
    line.alice.reinvite(ours, "next", line.now)
    line.settle()
    line.bob.answer_reinvite(theirs, "answer", line.now)
    assert line.bob.awaits_ack(theirs) is True
    line.settle()
    assert line.bob.awaits_ack(theirs) is False


def test_a_refused_update_changes_nothing() -> None:
    line, ours, theirs = talking()
    line.alice.update(ours, "new offer", line.now)
    line.settle()
    line.bob.reject_reinvite(theirs, 488, line.now, "no codec")
    line.settle()
    assert line.take(ALICE) == [ReofferRefused(ours, 488, "Not Acceptable Here", 0.0)]
    assert (line.alice.is_confirmed(ours), line.bob.is_confirmed(theirs)) == (True, True)


@pytest.mark.parametrize("first", ["update", "reinvite"])
@pytest.mark.parametrize("second", ["update", "reinvite"])
def test_offers_that_cross_are_refused_by_both(first: str, second: str) -> None:
    line, ours, theirs = talking()
    getattr(line.alice, first)(ours, "from alice", line.now)
    getattr(line.bob, second)(theirs, "from bob", line.now)
    with pytest.raises(ConflictError):
        line.alice.update(ours, "one more", line.now)
    line.settle()
    (alice,), (bob,) = line.take(ALICE), line.take(BOB)
    assert isinstance(alice, ReofferRefused)
    assert isinstance(bob, ReofferRefused)
    assert (alice.status, bob.status) == (491, 491)
    assert 2.1 <= alice.retry_after_s <= 4.0
    assert 0.0 <= bob.retry_after_s <= 2.0
    assert line.alice.is_confirmed(ours)
    line.alice.update(ours, "later", line.now)
    line.settle()
    assert line.take(BOB) == [CallReoffered(theirs, "later")]


def test_a_call_that_ends_answers_the_update_that_waits() -> None:
    line, ours, theirs = talking()
    line.alice.update(ours, "new offer", line.now)
    line.settle()
    line.bob.hang_up(theirs, "", line.now)
    line.settle()
    assert sorted(line.take_log()) == ["alice 200 BYE", "alice UPDATE", "bob 487 UPDATE", "bob BYE"]
    assert line.alice.calls() == line.bob.calls() == ()


def test_a_phone_that_forgot_the_call_ends_it() -> None:
    line, ours, theirs = talking()
    line.lost = lambda _: True
    line.bob.hang_up(theirs, "", line.now)
    line.run(40)
    assert (line.bob.calls(), line.alice.calls()) == ((), (ours,))
    line.lost = lambda _: False
    line.alice.update(ours, "still there?", line.now)
    line.settle()
    refused, ended = line.take(ALICE)
    assert isinstance(refused, ReofferRefused)
    assert isinstance(ended, CallEnded)
    assert (refused.status, ended.by) == (481, "timeout")


def test_only_a_call_that_is_up_can_be_updated() -> None:
    line = Line()
    call = line.alice.invite(TARGET, OFFER, line.now)
    with pytest.raises(NotAllowedError):
        line.alice.update(call, "new", line.now)


def test_a_lost_update_is_sent_again() -> None:
    line, ours, theirs = talking()
    lost = iter([True])
    line.lost = lambda entry: entry == "alice UPDATE" and next(lost, False)
    line.alice.update(ours, "new offer", line.now)
    line.run(1)
    assert line.take(BOB) == [CallReoffered(theirs, "new offer")]
