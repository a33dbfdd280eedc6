"""Whole calls between two of our user agents (RFC 3261 sections 9, 13, 14, 15)."""

import pytest

from bridge.errors import ConflictError, NotAllowedError, NotFoundError, ParseError
from signaling.sip.session.event import (
    CallAcknowledged,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallKey,
    CallProgressed,
    CallRefused,
    CallReoffered,
    ReofferAnswered,
    ReofferRefused,
)
from tests.unit.sip.line import ALICE, ANSWER, BOB, OFFER, Line

TARGET = "sip:bob@192.0.2.2"


def dial(line: Line, target: str = TARGET) -> tuple[CallKey, CallKey]:
    """Alice calls; Bob has not answered yet."""
    call = line.alice.invite(target, OFFER, line.now)
    line.settle()
    (arrived,) = line.take(BOB)
    assert isinstance(arrived, CallArrived)
    assert (arrived.caller, arrived.called, arrived.offer) == ("a", "bob", OFFER)
    return call, arrived.call


def connect(line: Line) -> tuple[CallKey, CallKey]:
    ours, theirs = dial(line, TARGET + (";transport=tcp" if line.transport == "tcp" else ""))
    line.bob.accept(theirs, ANSWER, line.now)
    line.settle()
    assert line.take(ALICE) == [CallAnswered(ours, ANSWER)]
    assert line.take(BOB) == [CallAcknowledged(theirs, "")]
    line.take_log()
    return ours, theirs


def assert_all_forgotten(line: Line, *hosts: str) -> None:
    line.run(100)
    for agent in [line.agents[host] for host in hosts or (ALICE, BOB)]:
        assert (agent.counters()["sip_calls"], agent.counters()["sip_transactions"]) == (0, 0)
        assert agent.timer() is None  # Bob's end, where it is not asked for, is the media's to notice


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_is_answered_acknowledged_and_hung_up(transport: str) -> None:
    line = Line(transport)
    ours, theirs = connect(line)
    line.alice.hang_up(ours, "", line.now)
    line.settle()
    assert line.take_log() == ["alice BYE", "bob 200 BYE"]
    assert line.take(ALICE) == [CallEnded(ours, "local", "")]
    assert line.take(BOB) == [CallEnded(theirs, "remote", "hung up")]
    assert_all_forgotten(line)


def test_the_callee_hangs_up_and_says_why() -> None:
    line = Line()
    _, theirs = connect(line)
    line.bob.hang_up(theirs, 'closed "for\r\n today"', line.now)
    line.settle()
    (ended,) = line.take(ALICE)
    assert isinstance(ended, CallEnded)
    assert (ended.by, ended.reason) == ("remote", r'SIP;cause=200;text="closed \"for today\""')
    assert_all_forgotten(line)


def test_both_hang_up_at_once() -> None:
    line = Line()
    ours, theirs = connect(line)
    line.alice.hang_up(ours, "", line.now)
    line.bob.hang_up(theirs, "", line.now)
    line.settle()
    assert line.take(ALICE) == [CallEnded(ours, "local", "")]
    assert line.take(BOB) == [CallEnded(theirs, "local", "")]
    assert_all_forgotten(line)


def test_hanging_up_twice_is_fine_and_a_call_that_is_over_is_not_found() -> None:
    line = Line()
    ours, theirs = connect(line)
    line.alice.hang_up(ours, "", line.now)
    line.alice.hang_up(ours, "", line.now)
    line.settle()
    with pytest.raises(NotFoundError):
        line.alice.hang_up(ours, "", line.now)
    with pytest.raises(NotFoundError):
        line.bob.accept(theirs, ANSWER, line.now)


def test_ringing_is_heard() -> None:
    line = Line()
    ours, theirs = dial(line)
    line.bob.ring(theirs, line.now)
    line.settle()
    assert line.take(ALICE) == [CallProgressed(ours, 180)]
    line.bob.accept(theirs, ANSWER, line.now)
    line.settle()
    with pytest.raises(NotAllowedError):
        line.bob.ring(theirs, line.now)


def test_a_refusal_is_acknowledged_and_its_reason_is_told() -> None:
    line = Line()
    ours, theirs = dial(line)
    line.bob.reject(theirs, 503, line.now, "all lines are busy", retry_after_s=5)
    line.settle()
    assert line.take_log() == ["alice INVITE", "bob 503 INVITE", "alice ACK"]
    assert line.take(ALICE) == [CallRefused(ours, 503, "Service Unavailable", 5)]
    assert line.take(BOB) == []
    assert_all_forgotten(line)


def test_nobody_answers_the_invite() -> None:
    line = Line()
    line.lost = lambda entry: entry.startswith("alice")
    ours = line.alice.invite(TARGET, OFFER, line.now)
    line.run(40)
    assert line.take_log() == ["alice INVITE"] * 7
    assert line.take(ALICE) == [CallRefused(ours, 408, "no answer")]
    assert_all_forgotten(line)


def test_a_call_that_rings_too_long_is_taken_back_and_counts_as_no_answer() -> None:
    line = Line()
    ours, theirs = dial(line)
    line.bob.ring(theirs, line.now)
    line.run(61)
    assert line.take_log()[-5:] == [
        "bob 180 INVITE",
        "alice CANCEL",
        "bob 200 CANCEL",
        "bob 487 INVITE",
        "alice ACK",
    ]
    assert line.take(ALICE) == [CallProgressed(ours, 180), CallRefused(ours, 408, "rang without an answer")]
    assert line.take(BOB) == [CallEnded(theirs, "remote", "canceled")]
    assert_all_forgotten(line)


def test_a_cancel_waits_for_a_provisional_response() -> None:
    line = Line()
    ours, theirs = dial(line)
    line.alice.cancel(ours, line.now)
    line.settle()
    assert "alice CANCEL" not in line.take_log()
    line.run(0.3)  # Bob's transaction says 100 after 200 ms
    assert line.take_log() == [
        "bob 100 INVITE",
        "alice CANCEL",
        "bob 200 CANCEL",
        "bob 487 INVITE",
        "alice ACK",
    ]
    assert line.take(ALICE) == [CallEnded(ours, "local", "")]
    assert line.take(BOB) == [CallEnded(theirs, "remote", "canceled")]
    assert_all_forgotten(line)


def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up() -> None:
    line = Line()
    ours, theirs = dial(line)
    line.run(0.3)
    line.alice.cancel(ours, line.now)
    line.bob.accept(theirs, ANSWER, line.now)
    line.settle()
    log = line.take_log()
    assert log.index("alice ACK") < log.index("alice BYE") < log.index("bob 200 BYE")
    assert line.take(ALICE) == [CallEnded(ours, "local", "")]
    assert line.take(BOB)[-1] == CallEnded(theirs, "remote", "hung up")
    assert_all_forgotten(line)


def test_a_cancel_nobody_acts_on_ends_the_call_after_64_t1() -> None:
    line = Line()
    ours, _ = dial(line)
    line.run(0.3)
    line.lost = lambda entry: "CANCEL" in entry
    line.alice.cancel(ours, line.now)
    line.run(40)
    assert line.take(ALICE) == [CallEnded(ours, "local", "")]


def test_hanging_up_an_arriving_call_refuses_it() -> None:
    line = Line()
    ours, theirs = dial(line)
    line.bob.hang_up(theirs, "", line.now)
    line.settle()
    assert line.take(ALICE) == [CallRefused(ours, 480, "Temporarily Unavailable")]
    assert line.take(BOB) == [CallEnded(theirs, "local", "")]
    assert_all_forgotten(line)


def test_a_lost_200_is_sent_again_until_the_ack_and_a_lost_ack_too() -> None:
    line = Line()
    ours, theirs = dial(line)
    line.bob.accept(theirs, ANSWER, line.now)
    losses = iter([True, False, True, True, False])  # the 200, then two ACKs
    line.lost = lambda entry: entry in ("bob 200 INVITE", "alice ACK") and next(losses, False)
    line.run(10)
    assert line.take(ALICE) == [CallAnswered(ours, ANSWER)]
    assert line.take(BOB) == [CallAcknowledged(theirs, "")]
    log = line.take_log()
    assert log.count("bob 200 INVITE") >= 3
    assert log.count("alice ACK") >= 2


def test_a_200_that_is_never_acknowledged_ends_the_call() -> None:
    line = Line()
    _, theirs = dial(line)
    line.bob.accept(theirs, ANSWER, line.now)
    line.lost = lambda entry: entry == "alice ACK"
    line.run(40)
    assert line.take(BOB) == [CallEnded(theirs, "timeout", "the phone stopped answering")]
    log = line.take_log()
    assert log.count("bob 200 INVITE") == 11
    assert "bob BYE" in log


def test_bye_waits_for_the_ack() -> None:
    line = Line()
    _, theirs = dial(line)
    line.lost = lambda entry: entry == "alice ACK" and line.now < 1
    line.bob.accept(theirs, ANSWER, line.now)
    line.settle()
    line.bob.hang_up(theirs, "", line.now)
    line.settle()
    assert "bob BYE" not in line.log
    line.run(5)
    assert line.log.index("bob BYE") > line.log.index("alice ACK")
    assert line.take(BOB) == [CallEnded(theirs, "local", "")]


def test_a_phone_that_vanished_does_not_keep_a_call_alive() -> None:
    line = Line()
    ours, _ = connect(line)
    line.lost = lambda _: True
    line.alice.hang_up(ours, "", line.now)
    line.run(40)
    assert line.take(ALICE) == [CallEnded(ours, "local", "")]
    assert_all_forgotten(line, ALICE)


def test_hold_and_resume_from_either_side() -> None:
    line = Line()
    ours, theirs = connect(line)
    line.alice.reinvite(ours, "hold", line.now)
    line.settle()
    assert line.take(BOB) == [CallReoffered(theirs, "hold")]
    line.bob.answer_reinvite(theirs, "held", line.now)
    line.settle()
    assert line.take(ALICE) == [ReofferAnswered(ours, "held")]
    assert line.take(BOB) == [CallAcknowledged(theirs, "")]
    line.bob.reinvite(theirs, "hold too", line.now)
    line.settle()
    assert line.take(ALICE) == [CallReoffered(ours, "hold too")]
    line.alice.answer_reinvite(ours, "held too", line.now)
    line.settle()
    assert line.take(BOB) == [ReofferAnswered(theirs, "held too")]
    assert line.take_log() == [
        "alice INVITE",
        "bob 200 INVITE",
        "alice ACK",
        "bob INVITE",
        "alice 200 INVITE",
        "bob ACK",
    ]


def test_a_refused_reoffer_leaves_the_call_as_it_was() -> None:
    line = Line()
    ours, theirs = connect(line)
    line.alice.reinvite(ours, "video", line.now)
    line.settle()
    line.bob.reject_reinvite(theirs, 488, line.now, "no video here")
    line.settle()
    assert line.take(ALICE) == [ReofferRefused(ours, 488, "Not Acceptable Here", 0.0)]
    line.take(BOB)
    line.alice.reinvite(ours, "again", line.now)
    line.settle()
    assert line.take(BOB) == [CallReoffered(theirs, "again")]


def test_offers_that_cross_are_both_refused_and_wait_differently() -> None:
    line = Line()
    ours, theirs = connect(line)
    line.alice.reinvite(ours, "one", line.now)
    line.bob.reinvite(theirs, "two", line.now)
    line.settle()
    (for_alice,) = line.take(ALICE)
    (for_bob,) = line.take(BOB)
    assert isinstance(for_alice, ReofferRefused)
    assert isinstance(for_bob, ReofferRefused)
    assert for_alice.status == for_bob.status == 491
    assert 2.1 <= for_alice.retry_after_s <= 4.0  # she made the Call-ID
    assert 0.0 <= for_bob.retry_after_s <= 2.0
    line.bob.reinvite(theirs, "two", line.now)
    line.settle()
    assert line.take(ALICE) == [CallReoffered(ours, "two")]


def test_a_second_offer_of_ours_must_wait() -> None:
    line = Line()
    ours, theirs = connect(line)
    line.alice.reinvite(ours, "one", line.now)
    with pytest.raises(ConflictError):
        line.alice.reinvite(ours, "two", line.now)
    line.settle()
    with pytest.raises(ConflictError):
        line.bob.reinvite(theirs, "three", line.now)


def test_a_call_that_is_not_up_cannot_be_changed() -> None:
    line = Line()
    ours, theirs = dial(line)
    with pytest.raises(NotAllowedError):
        line.alice.reinvite(ours, "one", line.now)
    with pytest.raises(NotAllowedError):
        line.bob.answer_reinvite(theirs, "one", line.now)


def test_a_reoffer_nobody_answers_leaves_the_call_as_it_was() -> None:
    line = Line()
    ours, theirs = connect(line)
    line.lost = lambda entry: entry.startswith("alice")
    line.alice.reinvite(ours, "one", line.now)
    line.run(70)
    assert line.take(ALICE) == [ReofferRefused(ours, 408, "no answer", 0.0)]
    line.lost = lambda _: False
    line.alice.reinvite(ours, "two", line.now)
    line.settle()
    assert line.take(BOB) == [CallReoffered(theirs, "two")]


def test_a_reoffer_answered_by_trying_only_is_taken_back() -> None:
    line = Line()
    ours, theirs = connect(line)
    line.take_log()
    line.alice.reinvite(ours, "one", line.now)
    line.run(31)  # Bob's application never answers; his 100 stopped our timer B
    assert line.take(ALICE) == []
    line.run(39)
    assert "alice CANCEL" in line.take_log()
    assert line.take(ALICE) == [ReofferRefused(ours, 487, "Request Terminated", 0.0)]
    line.take(BOB)
    line.alice.reinvite(ours, "two", line.now)
    line.settle()
    assert line.take(BOB) == [CallReoffered(theirs, "two")]


def test_a_reoffer_whose_cancel_is_lost_too_is_given_up_and_a_late_answer_acknowledged() -> None:
    line = Line()
    ours, theirs = connect(line)
    line.alice.reinvite(ours, "one", line.now)
    line.lost = lambda entry: entry == "alice CANCEL"
    line.run(66)
    assert line.take(ALICE) == [ReofferRefused(ours, 408, "no final response to CANCEL", 0.0)]
    line.take_log()
    line.bob.answer_reinvite(theirs, "late", line.now)
    line.settle()
    assert line.take_log() == ["bob 200 INVITE", "alice ACK"]
    assert line.take(ALICE) == []
    line.alice.hang_up(ours, "", line.now)
    line.settle()
    assert_all_forgotten(line)


def test_a_call_of_ours_that_rings_and_never_hears_our_cancel_leaves_nothing() -> None:
    line = Line()
    ours, _ = dial(line)
    line.run(1)  # his 100 stopped our timer B
    line.lost = lambda _: True
    line.alice.hang_up(ours, "enough", line.now)
    line.run(33)
    assert line.take(ALICE) == [CallEnded(ours, "local", "enough")]
    assert_all_forgotten(line, ALICE)


def test_hanging_up_during_a_reoffer_of_theirs_answers_it() -> None:
    line = Line()
    ours, theirs = connect(line)
    line.alice.reinvite(ours, "one", line.now)
    line.settle()
    line.bob.hang_up(theirs, "", line.now)
    line.settle()
    assert "bob 487 INVITE" in line.take_log()
    assert isinstance(line.take(ALICE)[-1], CallEnded)
    assert_all_forgotten(line)


def test_a_call_without_offer_gets_ours_and_answers_in_its_ack() -> None:
    line = Line()
    line.alice.invite(TARGET, "", line.now)
    line.settle()
    (arrived,) = line.take(BOB)
    assert isinstance(arrived, CallArrived)
    assert arrived.offer == ""
    line.bob.accept(arrived.call, OFFER, line.now)
    line.settle()
    assert isinstance(line.take(ALICE)[0], CallAnswered)


def test_at_the_bound_calls_are_refused_and_ours_not_made() -> None:
    line = Line()
    line.bob.drain()
    ours = line.alice.invite(TARGET, OFFER, line.now)
    line.settle()
    assert line.take(ALICE) == [CallRefused(ours, 503, "Service Unavailable", 5)]


@pytest.mark.parametrize("target", ["bob", "tel:+49301234", "sip:", "http://example.org", "sip:b@h:99999"])
def test_only_sip_uris_can_be_called(target: str) -> None:
    with pytest.raises(ParseError):
        Line().alice.invite(target, OFFER, 0.0)


def test_a_transport_we_do_not_speak_is_not_called() -> None:
    with pytest.raises(NotAllowedError):
        Line().alice.invite("sip:b@192.0.2.2;transport=sctp", OFFER, 0.0)


def test_a_destination_that_cannot_be_reached_fails_at_once() -> None:
    line = Line()
    ours = line.alice.invite(TARGET, OFFER, line.now)
    ((_, flow),) = line.alice.messages_to_send()
    line.alice.fail_flow(flow, line.now)
    assert line.alice.events() == [CallRefused(ours, 503, "cannot be reached")]
    assert line.alice.timer() is None
