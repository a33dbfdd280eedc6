"""Provisional responses that must arrive (RFC 3262), ours and theirs, and sound before the answer."""

import itertools

import pytest

from bridge.ids import TrunkId
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallKey,
    CallProgressed,
    CallReoffered,
)
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import Request, Response, parse_message
from tests.unit.sip.line import ALICE, ANSWER, BOB, OFFER, RawPhone, make_agent, names, tag_of

REQUIRED = "Require: 100rel\r\n"


def arrived(agent: UserAgent) -> CallKey:
    (event,) = agent.events()
    assert isinstance(event, CallArrived)
    return event.call


def prove(raw: RawPhone, ringing: Request | Response, number: int = 2) -> list[str]:
    extra = f"RAck: {ringing.first('RSeq')} 1 INVITE\r\n"
    return names(raw.send("PRACK", number, to_tag=tag_of(ringing), extra=extra))


# --- ours -------------------------------------------------------------------------------------------------


def test_a_caller_that_insists_is_told_reliably_that_it_rings() -> None:
    raw = RawPhone(make_agent(BOB))
    (ringing,) = raw.send("INVITE", 1, body=OFFER, extra=REQUIRED)
    assert names([ringing]) == ["180 INVITE"]
    assert (ringing.first("Require"), int(ringing.first("RSeq")) > 0) == ("100rel", True)
    assert ringing.first("Contact") != ""
    call = arrived(raw.agent)
    raw.agent.accept(call, ANSWER, raw.now)
    assert raw.heard() == []  # the answer waits for the PRACK
    assert prove(raw, ringing) == ["200 PRACK", "200 INVITE"]
    assert raw.agent.calls() == (call,)


def test_the_180_is_sent_again_until_its_prack() -> None:
    raw = RawPhone(make_agent(BOB))
    (ringing,) = raw.send("INVITE", 1, body=OFFER, extra=REQUIRED)
    heard = raw.wait(4)
    assert names(heard) == ["180 INVITE"] * 3  # after 0.5, 1.5 and 3.5 s
    assert {message.first("RSeq") for message in heard} == {ringing.first("RSeq")}
    assert prove(raw, ringing) == ["200 PRACK"]
    assert raw.wait(30) == []


def test_without_a_prack_the_call_is_refused() -> None:
    raw = RawPhone(make_agent(BOB))
    raw.send("INVITE", 1, body=OFFER, extra=REQUIRED)
    call = arrived(raw.agent)
    raw.agent.accept(call, ANSWER, raw.now)
    heard = raw.wait(32.1)
    assert names(heard)[-1] == "504 INVITE"
    assert "200 INVITE" not in names(heard)
    assert raw.agent.events() == [CallEnded(call, "timeout", "the phone did not acknowledge that it rings")]
    raw.wait(70)
    assert raw.agent.counters()["sip_transactions"] == 0


@pytest.mark.parametrize(
    "rack", ["1 1 INVITE", "{rseq} 2 INVITE", "{rseq} 1 UPDATE", "{rseq} INVITE", "", "x y z"]
)
def test_a_prack_of_something_else_is_refused(rack: str) -> None:
    raw = RawPhone(make_agent(BOB))
    (ringing,) = raw.send("INVITE", 1, body=OFFER, extra=REQUIRED)
    extra = f"RAck: {rack.format(rseq=ringing.first('RSeq'))}\r\n"
    assert names(raw.send("PRACK", 2, to_tag=tag_of(ringing), extra=extra)) == ["481 PRACK"]
    assert prove(raw, ringing, 3) == ["200 PRACK"]
    assert prove(raw, ringing, 4) == ["481 PRACK"]  # it is proven already


def test_a_call_taken_back_before_the_prack_leaves_nothing() -> None:
    raw = RawPhone(make_agent(BOB))
    raw.send("INVITE", 1, body=OFFER, extra=REQUIRED, branch="z9hG4bKc")
    call = arrived(raw.agent)
    raw.agent.accept(call, ANSWER, raw.now)
    assert names(raw.send("CANCEL", 1, branch="z9hG4bKc")) == ["200 CANCEL", "487 INVITE"]
    assert raw.agent.events() == [CallEnded(call, "remote", "canceled")]
    assert "180 INVITE" not in names(raw.wait(40))


@pytest.mark.parametrize(
    ("asked", "supported", "reliable"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_a_trunk_may_ask_for_reliable_ringing(asked: bool, supported: bool, reliable: bool) -> None:
    trunk = Trunk(TrunkId("t"), ("192.0.2.0/24",), reliable_provisional=asked)
    raw = RawPhone(make_agent(BOB, AgentSettings(trunks=Trunks((trunk,)))))
    heard = raw.send("INVITE", 1, body=OFFER, extra="Supported: timer, 100rel\r\n" if supported else "")
    assert names(heard) == (["180 INVITE"] if reliable else [])


# --- theirs -----------------------------------------------------------------------------------------------


class Far:
    """Alice calls; phones behind a proxy ring and answer by hand."""

    def __init__(self) -> None:
        self.agent = make_agent(ALICE)
        self.call = self.agent.invite("sip:bob@192.0.2.9", OFFER, 0.0)
        (self.invite,) = self.sent()
        self.now = 0.0
        self._serial = itertools.count(1)

    def sent(self) -> list[Request]:
        messages = [parse_message(data) for data, _ in self.agent.messages_to_send()]
        return [message for message in messages if isinstance(message, Request)]

    def heard(self) -> list[Response]:
        messages = [parse_message(data) for data, _ in self.agent.messages_to_send()]
        return [message for message in messages if isinstance(message, Response)]

    def say(self, status: str, *, tag: str = "one", rseq: int = 0, sdp: str = "") -> list[Request]:
        """A response to the INVITE; returns what Alice sends at once."""
        text = f"SIP/2.0 {status}\r\n"
        for name in ("Via", "From", "Call-ID", "CSeq"):
            text += f"{name}: {self.invite.first(name)}\r\n"
        text += f"To: {self.invite.first('To')};tag={tag}\r\nContact: <sip:{tag}@192.0.2.20>\r\n"
        text += f"Require: 100rel\r\nRSeq: {rseq}\r\n" if rseq else ""
        text += "Content-Type: application/sdp\r\n" if sdp else ""
        text += f"Content-Length: {len(sdp)}\r\n\r\n{sdp}"
        self.agent.receive_message(text.encode(), Flow("udp", "192.0.2.9", 5060), self.now)
        return self.sent()

    def ask(self, method: str, number: int, *, tag: str = "one", sdp: str = "") -> list[str]:
        """A request of one of the phones within its dialog; what Alice answers."""
        text = (
            f"{method} sip:a@192.0.2.1 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bKf{next(self._serial)}\r\nMax-Forwards: 70\r\n"
            f"From: {self.invite.first('To')};tag={tag}\r\nTo: {self.invite.first('From')}\r\n"
            f"Call-ID: {self.invite.first('Call-ID')}\r\nCSeq: {number} {method}\r\n"
            f"Contact: <sip:{tag}@192.0.2.21>\r\n"
        )
        text += "Content-Type: application/sdp\r\n" if sdp else ""
        text += f"Content-Length: {len(sdp)}\r\n\r\n{sdp}"
        self.agent.receive_message(text.encode(), Flow("udp", "192.0.2.20", 5060), self.now)
        return names([*self.heard()])


def test_our_invite_says_that_it_can() -> None:
    assert "100rel" in Far().invite.every("Supported")


def test_a_reliable_183_is_acknowledged_and_its_answer_holds() -> None:
    far = Far()
    (prack,) = far.say("183 Session Progress", rseq=7, sdp=ANSWER)
    assert (prack.method, prack.first("RAck"), prack.first("CSeq")) == ("PRACK", "7 1 INVITE", "2 PRACK")
    assert prack.uri == "sip:one@192.0.2.20"
    assert prack.first("To").endswith(";tag=one")
    assert far.agent.events() == [CallProgressed(far.call, 183, ANSWER, binding=True)]
    (ack,) = far.say("200 OK", sdp="another")
    assert ack.first("CSeq") == "1 ACK"
    # RFC 3261 section 13.2.1: what the 200 says is a repetition, whatever it says.
    assert far.agent.events() == [CallAnswered(far.call, "")]
    far.agent.hang_up(far.call, "", 0.0)
    assert [request.first("CSeq") for request in far.sent()] == ["3 BYE"]


def test_reliable_responses_are_taken_in_order_only() -> None:
    far = Far()
    assert len(far.say("180 Ringing", rseq=7)) == 1
    assert far.say("180 Ringing", rseq=7) == []  # the PRACK sends itself again
    assert far.say("183 Session Progress", rseq=9, sdp=ANSWER) == []  # 8 is still to come
    assert len(far.say("180 Ringing", rseq=8)) == 1
    assert len(far.say("183 Session Progress", rseq=9, sdp=ANSWER)) == 1
    progressed = [event for event in far.agent.events() if isinstance(event, CallProgressed)]
    assert [(event.status, event.binding) for event in progressed] == [
        (180, False),
        (180, False),
        (183, True),
    ]


def test_an_unreliable_183_can_be_heard_but_does_not_bind() -> None:
    far = Far()
    assert far.say("183 Session Progress", sdp="early") == []
    assert far.agent.events() == [CallProgressed(far.call, 183, "early")]
    far.say("200 OK", sdp=ANSWER)
    assert far.agent.events() == [CallAnswered(far.call, ANSWER)]


def test_of_several_phones_each_has_its_own_order_and_the_first_200_wins() -> None:
    far = Far()
    (one,) = far.say("183 Session Progress", tag="one", rseq=5, sdp="from one")
    (two,) = far.say("183 Session Progress", tag="two", rseq=90, sdp="from two")
    assert [one.first("RAck"), two.first("RAck")] == ["5 1 INVITE", "90 1 INVITE"]
    assert (one.uri, two.uri) == ("sip:one@192.0.2.20", "sip:two@192.0.2.20")
    far.agent.events()
    assert [request.method for request in far.say("200 OK", tag="one")] == ["ACK"]
    assert far.agent.events() == [CallAnswered(far.call, "from one")]  # what was heard last was another's
    assert [request.method for request in far.say("200 OK", tag="two")] == ["ACK", "BYE"]
    assert far.ask("UPDATE", 1, tag="two") == ["481 UPDATE"]


def test_phones_without_end_do_not_grow_the_call() -> None:
    far = Far()
    sent = [far.say("180 Ringing", tag=f"t{number}", rseq=1) for number in range(12)]
    assert sum(map(len, sent)) == 8


@pytest.mark.parametrize("rseq", ["0", "-1", "99999999999999", "4294967296", "one"])
def test_a_number_without_sense_is_not_acknowledged(rseq: str) -> None:
    far = Far()
    assert far.say(f"180 Ringing\r\nRequire: 100rel\r\nRSeq: {rseq}") == []
    assert far.agent.events() == [CallProgressed(far.call, 180)]


# --- UPDATE before the answer (RFC 3311) ------------------------------------------------------------------


def test_a_phone_may_move_its_sound_before_it_answers() -> None:
    far = Far()
    assert far.ask("UPDATE", 1, sdp="moved") == ["481 UPDATE"]
    far.say("183 Session Progress", rseq=1, sdp=ANSWER)
    far.agent.events()
    assert far.ask("UPDATE", 2, sdp="moved") == []
    assert far.agent.events() == [CallReoffered(far.call, "moved")]
    assert far.ask("UPDATE", 3, sdp="again") == ["500 UPDATE"]
    far.agent.answer_reinvite(far.call, "answer to moved", 0.0)
    (answer,) = far.heard()
    assert (answer.status, answer.body, answer.first("Contact") != "") == (200, b"answer to moved", True)
    (ack,) = far.say("200 OK")
    assert ack.uri == "sip:one@192.0.2.20"
    assert far.agent.events() == [CallAnswered(far.call, "")]


def test_before_our_offer_is_answered_theirs_must_wait() -> None:
    far = Far()
    far.say("180 Ringing", rseq=1)
    assert far.ask("UPDATE", 1, sdp="moved") == ["491 UPDATE"]
    assert far.ask("UPDATE", 2) == ["200 UPDATE"]  # without an offer it only moves the target


def test_a_caller_that_updates_an_unanswered_offer_must_wait() -> None:
    raw = RawPhone(make_agent(BOB))
    (ringing,) = raw.send("INVITE", 1, body=OFFER, extra=REQUIRED)
    prove(raw, ringing)
    (heard,) = raw.send("UPDATE", 3, to_tag=tag_of(ringing), body="new")
    assert names([heard]) == ["500 UPDATE"]
    assert 0 <= int(heard.first("Retry-After")) <= 10
