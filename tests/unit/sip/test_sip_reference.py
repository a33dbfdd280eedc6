"""REFER and its NOTIFYs (RFC 3515), and calls that take the place of others (RFC 3891)."""

import pytest

from bridge.errors import NotAllowedError
from bridge.ids import TrunkId
from signaling.sip.agent.invite.replaces import parse_replaces, replacing_headers
from signaling.sip.agent.request.reference import SUBSCRIBED_S
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallArrived, CallEnded, CallKey, ReferralArrived
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import Request, Response, parse_message
from signaling.sip.wire.response import make_response
from tests.unit.sip.line import ALICE, ANSWER, BOB, OFFER, RawPhone, make_agent, names, tag_of

TO_CAROL = "Refer-To: <sip:carol@192.0.2.30>\r\n"


class InCall:
    """A phone in a call that is up; it answers the NOTIFYs it gets."""

    def __init__(self, settings: AgentSettings | None = None) -> None:
        self.raw = RawPhone(make_agent(BOB, settings))
        self.raw.send("INVITE", 1, body=OFFER)
        (event,) = self.raw.agent.events()
        assert isinstance(event, CallArrived)
        self.call: CallKey = event.call
        self.raw.agent.accept(self.call, ANSWER, 0.0)
        (ok,) = self.raw.heard()
        self.tag = tag_of(ok)
        self.raw.send("ACK", 1, to_tag=self.tag)
        self.raw.agent.events()

    def send(self, method: str, number: int, extra: str = "") -> list[Request | Response]:
        return self.raw.send(method, number, to_tag=self.tag, extra=extra)

    def refer(self, number: int = 2, extra: str = TO_CAROL) -> None:
        """Sends a REFER that waits for its answer."""
        assert self.send("REFER", number, extra) == []

    def accept(self) -> list[Request | Response]:
        self.raw.agent.accept_referral(self.call, self.raw.now)
        return self.raw.heard()

    def finish(self, status: int, number: int = 2) -> list[Request | Response]:
        self.raw.agent.finish_referral(self.call, number, status, self.raw.now)
        return self.raw.heard()

    def answer(self, request: Request | Response, status: str = "200 OK") -> None:
        text = f"SIP/2.0 {status}\r\n"
        for name in ("Via", "From", "To", "Call-ID", "CSeq"):
            text += f"{name}: {request.first(name)}\r\n"
        self.raw.agent.receive_message(
            f"{text}Content-Length: 0\r\n\r\n".encode(), self.raw.flow, self.raw.now
        )


def test_a_referral_is_accepted_and_its_outcome_told() -> None:
    phone = InCall()
    phone.refer()
    assert phone.raw.agent.events() == [ReferralArrived(phone.call, "sip:carol@192.0.2.30")]
    accepted, trying = phone.accept()
    assert names([accepted, trying]) == ["202 REFER", "NOTIFY"]
    assert accepted.first("Contact") != ""
    assert (trying.first("Event"), trying.body) == ("refer;id=2", b"SIP/2.0 100 Trying\r\n")
    assert trying.first("Subscription-State") == f"active;expires={SUBSCRIBED_S}"
    assert trying.first("Content-Type") == "message/sipfrag;version=2.0"
    phone.answer(trying)
    (done,) = phone.finish(200)
    assert (done.body, done.first("Subscription-State")) == (
        b"SIP/2.0 200 OK\r\n",
        "terminated;reason=noresource",
    )
    phone.answer(done)
    assert phone.finish(200) == []  # told once
    phone.refer(3)  # and the next may come


@pytest.mark.parametrize(
    ("said", "trusted", "told"),
    [
        ("Alice <sip:alice@EXAMPLE.org;x=1>;cid=2@h", False, "sip:alice@EXAMPLE.org;x=1"),
        ("<sip:boss@example.org>", False, ""),
        ("<sip:boss@example.org>", True, "sip:boss@example.org"),
        ("<sip:boss@example.org?Route=x>", True, "sip:boss@example.org"),
        ("<sip:b\u00f6ss@example.org>", True, ""),
        ("<sip:boss@example.org>, <sip:alice@example.org>", True, ""),
        ("nonsense", True, ""),
    ],
)
def test_who_sends_a_call_elsewhere_is_told_by_rule_of_trust(said: str, told: str, *, trusted: bool) -> None:
    """The dialog knows the phone as alice@example.org."""
    trunk = Trunk(TrunkId("t"), ("192.0.2.0/24",), trusted=trusted)
    phone = InCall(AgentSettings(trunks=Trunks((trunk,))))
    phone.refer(extra=f"{TO_CAROL}Referred-By: {said}\r\n")
    assert phone.raw.agent.events() == [ReferralArrived(phone.call, "sip:carol@192.0.2.30", told)]


def test_a_failure_is_told_with_its_status() -> None:
    phone = InCall()
    phone.refer()
    phone.accept()
    (done,) = phone.finish(486)
    assert done.body == b"SIP/2.0 486 Busy Here\r\n"


def test_a_refusal_needs_no_notify() -> None:
    phone = InCall()
    phone.refer()
    phone.raw.agent.reject_referral(phone.call, 603, phone.raw.now, "not you")
    (refusal,) = phone.raw.heard()
    assert (names([refusal]), "not you" in refusal.first("Warning")) == (["603 REFER"], True)
    with pytest.raises(NotAllowedError):
        phone.raw.agent.accept_referral(phone.call, phone.raw.now)


def test_who_wants_no_subscription_gets_none() -> None:
    phone = InCall()
    phone.refer(extra=f"{TO_CAROL}Refer-Sub: false\r\nSupported: norefersub\r\n")
    (accepted,) = phone.accept()
    assert accepted.first("Refer-Sub") == "false"
    assert phone.finish(200) == []


def test_a_subscription_ends_by_itself() -> None:
    phone = InCall()
    phone.refer()
    phone.answer(phone.accept()[1])
    assert phone.raw.wait(SUBSCRIBED_S - 1) == []
    over = phone.raw.wait(1)[0]
    assert over.first("Subscription-State") == "terminated;reason=timeout"
    assert phone.finish(200) == []


def test_the_end_of_a_referral_is_not_told_of_the_next_one() -> None:
    """Its subscription was over, so the phone may have sent the call elsewhere meanwhile."""
    phone = InCall()
    phone.refer()
    phone.answer(phone.accept()[1], "481 Subscription Does Not Exist")
    phone.refer(3)
    phone.answer(phone.accept()[1])
    assert phone.finish(486, 2) == []
    (notify,) = phone.finish(200, 3)
    assert notify.first("Event") == "refer;id=3"
    assert b"200 OK" in notify.body


def test_one_referral_at_a_time() -> None:
    phone = InCall()
    phone.refer()
    assert names(phone.send("REFER", 3, TO_CAROL)) == ["491 REFER"]


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ("", "400"),
        (TO_CAROL * 2, "400"),
        ("Refer-To: <sip:>\r\n", "400"),
        ("Refer-To: <http://192.0.2.30/>\r\n", "603"),
        ("Refer-To: <sip:carol@192.0.2.30;method=BYE>\r\n", "603"),
    ],
)
def test_what_is_no_call_is_refused(extra: str, status: str) -> None:
    assert names(InCall().send("REFER", 2, extra)) == [f"{status} REFER"]


def test_outside_a_call_nobody_is_called_for_others() -> None:
    raw = RawPhone(make_agent(BOB))
    assert names(raw.send("REFER", 1, extra=TO_CAROL)) == ["603 REFER"]
    assert names(raw.send("SUBSCRIBE", 2, extra="Event: presence\r\n")) == ["489 SUBSCRIBE"]


def test_a_phone_that_hangs_up_after_202_hears_no_more() -> None:
    phone = InCall()
    phone.refer()
    phone.answer(phone.accept()[1])
    assert names(phone.send("BYE", 3)) == ["200 BYE"]
    assert any(isinstance(event, CallEnded) for event in phone.raw.agent.events())
    assert phone.raw.wait(200) == []
    assert phone.raw.agent.counters()["sip_transactions"] == 0


def test_a_phone_that_hangs_up_before_its_refer_is_answered_gets_its_answer() -> None:
    phone = InCall()
    phone.refer()
    assert names(phone.send("BYE", 3)) == ["200 BYE", "481 REFER"]


def test_who_refuses_notify_is_told_no_more() -> None:
    phone = InCall()
    phone.refer()
    phone.answer(phone.accept()[1], "481 Gone")
    assert phone.finish(200) == []


def test_phones_that_subscribe_once_more_are_told_again() -> None:
    phone = InCall()
    phone.refer()
    phone.answer(phone.accept()[1])
    phone.raw.now = 10.0
    ok, told = phone.send("SUBSCRIBE", 3, "Event: refer\r\nExpires: 600\r\n")
    assert (names([ok, told]), ok.first("Expires")) == (["200 SUBSCRIBE", "NOTIFY"], "50")
    assert told.body == b"SIP/2.0 100 Trying\r\n"
    assert names(phone.send("SUBSCRIBE", 4, "Event: presence\r\n")) == ["489 SUBSCRIBE"]
    ok, last = phone.send("SUBSCRIBE", 5, "Event: refer\r\nExpires: 0\r\n")
    assert last.first("Subscription-State") == "terminated;reason=timeout"
    assert names(phone.send("SUBSCRIBE", 6, "Event: refer\r\n")) == ["481 SUBSCRIBE"]


# --- Replaces ---------------------------------------------------------------------------------------------


def invite_in_place(phone: InCall, replaces: str, flow: Flow | None = None) -> list[Request | Response]:
    phone.raw.flow = flow or phone.raw.flow
    return phone.raw.send(
        "INVITE", 1, call_id="call-2", body=OFFER, extra=f"Require: replaces\r\nReplaces: {replaces}\r\n"
    )


def test_an_invite_may_take_the_place_of_a_call() -> None:
    phone = InCall()
    assert invite_in_place(phone, f"call-1;to-tag={phone.tag};from-tag=alice") == []
    (event,) = phone.raw.agent.events()
    assert isinstance(event, CallArrived)
    assert (event.replaces, event.call != phone.call) == (phone.call, True)


@pytest.mark.parametrize(
    ("replaces", "status"),
    [
        ("call-1;to-tag=other;from-tag=alice", "481"),
        ("call-9;to-tag={tag};from-tag=alice", "481"),
        ("call-1;to-tag={tag};from-tag=alice;early-only", "486"),
        ("call-1;to-tag={tag}", "400"),
        (";;", "400"),
        ("call-1;to-tag={tag};from-tag=alice\r\nReplaces: call-1;to-tag=a;from-tag=b", "400"),
    ],
)
def test_what_cannot_be_replaced_is_refused(replaces: str, status: str) -> None:
    phone = InCall()
    assert names(invite_in_place(phone, replaces.format(tag=phone.tag))) == [f"{status} INVITE"]
    assert phone.raw.agent.calls() == (phone.call,)


def test_a_call_of_another_trunk_cannot_be_taken() -> None:
    trunks = Trunks((Trunk(TrunkId("a"), ("192.0.2.0/24",)), Trunk(TrunkId("b"), ("198.51.100.0/24",))))
    phone = InCall()
    phone.raw.agent = make_agent(BOB, AgentSettings(trunks=trunks))
    phone.raw.send("INVITE", 1, body=OFFER)
    (event,) = phone.raw.agent.events()
    assert isinstance(event, CallArrived)
    phone.raw.agent.accept(event.call, ANSWER, 0.0)
    (ok,) = phone.raw.heard()
    phone.raw.send("ACK", 1, to_tag=tag_of(ok))
    thief = Flow("udp", "198.51.100.7", 5060)
    assert names(invite_in_place(phone, f"call-1;to-tag={tag_of(ok)};from-tag=alice", thief)) == [
        "403 INVITE"
    ]


class Ringing:
    """A call of the agent's that rings at two phones, as a proxy may arrange; their tags are r1 and r2."""

    def __init__(self, settings: AgentSettings | None = None) -> None:
        self.raw = RawPhone(make_agent(BOB, settings))
        self.call = self.raw.agent.invite("sip:team@192.0.2.1", OFFER, 0.0)
        (invite,) = self.raw.heard()
        assert isinstance(invite, Request)
        self.invite = invite
        for tag in ("r1", "r2"):
            self.answer(180, tag)
        self.raw.agent.events()

    def answer(self, status: int, tag: str) -> None:
        headers = (("Contact", "<sip:phone@192.0.2.1>"),)
        data = make_response(self.invite, status, to_tag=tag, headers=headers)
        self.raw.agent.receive_message(data, self.raw.flow, 0.0)

    def pick_up(self, tag: str, more: str = "", number: int = 1) -> list[Request | Response]:
        from_tag = tag_of_sender(self.invite)
        wanted = f"{self.invite.first('Call-ID')};to-tag={from_tag};from-tag={tag}{more}"
        extra = f"Require: replaces\r\nReplaces: {wanted}\r\n"
        return self.raw.send("INVITE", 1, call_id=f"other-{number}", body=OFFER, extra=extra)


def tag_of_sender(message: Request) -> str:
    return message.first("From").partition("tag=")[2]


@pytest.mark.parametrize("tag", ["r1", "r2"])
@pytest.mark.parametrize("more", ["", ";early-only"])
def test_a_call_of_ours_that_rings_may_be_picked_up_and_is_canceled_then(tag: str, more: str) -> None:
    phones = Ringing()
    assert phones.pick_up(tag, more) == []
    (event,) = phones.raw.agent.events()
    assert isinstance(event, CallArrived)
    assert (event.replaces, event.early_only) == (phones.call, bool(more))
    phones.raw.agent.accept(event.call, ANSWER, 0.0)
    phones.raw.agent.hang_up(phones.call, "picked up elsewhere", 0.0)
    ok, cancel = phones.raw.heard()
    assert names([ok, cancel]) == ["200 INVITE", "CANCEL"]
    assert 'text="picked up elsewhere"' in cancel.first("Reason")
    assert names(phones.pick_up(tag, more, 2)) == ["603 INVITE"]  # it is about to end
    phones.answer(487, "r1")
    assert names(phones.pick_up(tag, more, 3)) == ["ACK", "481 INVITE"]


@pytest.mark.parametrize(("host", "heard"), [(ALICE, []), ("198.51.100.7", ["403 INVITE"])])
def test_a_call_to_a_uri_is_picked_up_by_phones_of_the_trunk_it_rings_at(host: str, heard: list[str]) -> None:
    """It goes by no trunk, but from there it could have been answered."""
    phones = Ringing(AgentSettings(trunks=Trunks((Trunk(TrunkId("phones"), ("192.0.2.0/24",)),))))
    phones.raw.flow = Flow("udp", host, 5060)
    assert names(phones.pick_up("r1")) == heard


def test_who_names_a_phone_that_does_not_ring_picks_up_nothing() -> None:
    phones = Ringing()
    assert names(phones.pick_up("r3")) == ["481 INVITE"]


def test_what_rings_here_is_not_taken_from_us() -> None:
    """RFC 3891 section 3: of early dialogs only those that we began."""
    raw = RawPhone(make_agent(BOB))
    raw.send("INVITE", 1, body=OFFER)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    raw.agent.ring(event.call, 0.0)
    (ringing,) = raw.heard()
    replaces = f"Replaces: call-1;to-tag={tag_of(ringing)};from-tag=alice\r\n"
    assert names(raw.send("INVITE", 1, call_id="call-2", body=OFFER, extra=replaces)) == ["481 INVITE"]


def test_a_call_that_was_answered_a_moment_ago_may_be_taken_over_before_its_ack() -> None:
    raw = RawPhone(make_agent(BOB))
    raw.send("INVITE", 1, body=OFFER)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    raw.agent.accept(event.call, ANSWER, 0.0)
    (ok,) = raw.heard()
    replaces = f"Replaces: call-1;to-tag={tag_of(ok)};from-tag=alice\r\n"
    assert raw.send("INVITE", 1, call_id="call-2", body=OFFER, extra=replaces) == []
    (other,) = raw.agent.events()
    assert isinstance(other, CallArrived)
    assert other.replaces == event.call


def test_a_call_that_is_about_to_end_is_declined() -> None:
    phone = InCall()
    phone.raw.agent.hang_up(phone.call, "", 0.0)
    assert names(phone.raw.heard()) == ["BYE"]
    assert names(invite_in_place(phone, f"call-1;to-tag={phone.tag};from-tag=alice")) == ["603 INVITE"]


def test_our_invite_to_a_reference_asks_to_take_its_place() -> None:
    agent = make_agent(ALICE)
    agent.invite("sip:carol@192.0.2.30?Replaces=c%40x%3Bto-tag%3Da%3Bfrom-tag%3Db&Subject=hi", OFFER, 0.0)
    ((data, _),) = agent.messages_to_send()
    invite = parse_message(data)
    assert isinstance(invite, Request)
    assert invite.uri == "sip:carol@192.0.2.30"
    assert (invite.first("Replaces"), invite.first("Require")) == ("c@x;to-tag=a;from-tag=b", "replaces")
    assert invite.first("Subject") == ""


@pytest.mark.parametrize(
    "headers",
    ["", "Replaces=", "Replaces=x", "Replaces=x%0D%0AEvil%3A1%3Bto-tag%3Da%3Bfrom-tag%3Db", "Route=%3Cx%3E"],
)
def test_other_headers_of_a_uri_are_not_said(headers: str) -> None:
    assert replacing_headers(f"sip:carol@192.0.2.30?{headers}") == ()


def test_replaces_is_read_with_care() -> None:
    assert parse_replaces("x" * 10_000) is None
    assert parse_replaces("a;to-tag=1;from-tag=2;early-only").early_only  # type: ignore[union-attr]


def test_a_target_without_angle_brackets_keeps_its_replaces() -> None:
    phone = InCall()
    replaces = "Replaces=call-2%3Bto-tag%3Dx%3Bfrom-tag%3Dy"
    phone.refer(extra=f"Refer-To: sip:carol@192.0.2.30;transport=tcp?{replaces}\r\n")
    (event,) = phone.raw.agent.events()
    assert isinstance(event, ReferralArrived)
    assert event.target == f"sip:carol@192.0.2.30;transport=tcp?{replaces}"
