"""Peers that mean harm: each does one thing too much, and harms its own call at most."""

import pytest

from bridge.ids import TrunkId
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallArrived, CallEnded, CallKey, CallRefused, DigitPressed
from signaling.sip.session.session_timer import MAX_RAISES
from signaling.sip.transaction.transaction_layer import MAX_OF_ONE_CALL
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.message import Request, parse_message
from tests.unit.sip.line import ANSWER, BOB, OFFER, RawPhone, make_agent, names, tag_of

TARGET = "sip:alice@192.0.2.1"
RELAY = "application/dtmf-relay"


def call_up(raw: RawPhone, call_id: str = "call-1") -> tuple[CallKey, str]:
    """A call of the raw phone that is answered and acknowledged."""
    raw.send("INVITE", 1, body=OFFER, call_id=call_id)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    raw.agent.accept(event.call, ANSWER, raw.now)
    (success,) = raw.heard()
    raw.send("ACK", 1, to_tag=tag_of(success), call_id=call_id)
    raw.agent.events()
    return event.call, tag_of(success)


def reply(raw: RawPhone, request: Request, status: int, extra: str = "") -> list[Request]:
    """Answers a request of the agent by hand; returns the requests it sends at once."""
    text = f"SIP/2.0 {status} Whatever\r\n"
    for name in ("Via", "From", "Call-ID", "CSeq"):
        text += f"{name}: {request.first(name)}\r\n"
    to = request.first("To")
    text += f"To: {to if 'tag=' in to else to + ';tag=far'}\r\nContact: <{TARGET}>\r\n"
    raw.agent.receive_message(f"{text}{extra}Content-Length: 0\r\n\r\n".encode(), raw.flow, raw.now)
    return [message for message in raw.heard() if isinstance(message, Request)]


def sent(raw: RawPhone) -> list[Request]:
    messages = [parse_message(data) for data, _ in raw.agent.messages_to_send()]
    return [message for message in messages if isinstance(message, Request)]


def nothing_is_left(raw: RawPhone) -> None:
    raw.wait(100)
    assert (raw.agent.calls(), raw.agent.counters()["sip_transactions"]) == ((), 0)


# --- session timers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_session_of_no_length_gets_the_least_there_is(method: str) -> None:
    raw = RawPhone(make_agent(BOB))
    call, tag = call_up(raw)
    heard = raw.send(
        method, 2, to_tag=tag, extra="Session-Expires: 0\r\n", body=OFFER if method == "INVITE" else ""
    )
    if method == "INVITE":
        raw.agent.answer_reinvite(call, ANSWER, raw.now)
        heard = raw.heard()
    assert names(heard) == [f"200 {method}"]
    assert heard[0].first("Session-Expires") == "90;refresher=uas"


def test_an_interval_that_is_never_long_enough_is_raised_a_few_times_only() -> None:
    trunk = Trunk(TrunkId("t"), ("192.0.2.0/24",), "sip:192.0.2.1", session_expires_s=90)
    raw = RawPhone(make_agent(BOB, AgentSettings(trunks=Trunks([trunk]))))
    call = raw.agent.invite(TARGET, OFFER, raw.now, trunk_id=TrunkId("t"))
    (invite,) = sent(raw)
    for least in range(91, 91 + MAX_RAISES):
        _, invite = reply(raw, invite, 422, f"Min-SE: {least}\r\n")
        assert (invite.method, invite.first("Session-Expires")) == ("INVITE", str(least))
    assert [request.method for request in reply(raw, invite, 422, "Min-SE: 4000\r\n")] == ["ACK"]
    assert raw.agent.events() == [CallRefused(call, 422, "Whatever")]
    nothing_is_left(raw)


# --- what never ends --------------------------------------------------------------------------------------


def test_a_phone_that_rings_on_whatever_it_is_told_leaves_nothing() -> None:
    raw = RawPhone(make_agent(BOB))
    call = raw.agent.invite(TARGET, OFFER, raw.now)
    (invite,) = sent(raw)
    reply(raw, invite, 180)
    raw.agent.cancel(call, raw.now)
    (cancel,) = sent(raw)
    reply(raw, cancel, 200)
    reply(raw, invite, 180)
    nothing_is_left(raw)


@pytest.mark.parametrize("before", [True, False], ids=["100, BYE", "BYE, 100"])
@pytest.mark.parametrize("ours", [True, False], ids=["our BYE", "its BYE"])
def test_a_reinvite_that_is_never_answered_ends_with_its_call(*, ours: bool, before: bool) -> None:
    raw = RawPhone(make_agent(BOB))
    call, tag = call_up(raw)
    raw.agent.reinvite(call, OFFER, raw.now)
    (invite,) = sent(raw)
    if before:
        reply(raw, invite, 100)
    if ours:
        raw.agent.hang_up(call, "", raw.now)
        (bye,) = sent(raw)
        reply(raw, bye, 200)
    else:
        raw.send("BYE", 2, to_tag=tag)
    if not before:
        reply(raw, invite, 100)
    nothing_is_left(raw)


@pytest.mark.parametrize(
    ("method", "extra"),
    [("INVITE", ""), ("UPDATE", ""), ("REFER", "Refer-To: <sip:bridge@192.0.2.2>\r\n")],
)
def test_a_request_that_waits_when_its_call_is_lost_is_answered_all_the_same(method: str, extra: str) -> None:
    """The call ends by a timer of ours, and nobody is left to answer what the phone asked."""
    raw = RawPhone(make_agent(BOB))
    raw.send("INVITE", 1, body=OFFER, extra="Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n")
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    raw.agent.accept(event.call, ANSWER, raw.now)
    (success,) = raw.heard()
    tag = tag_of(success)
    raw.send("ACK", 1, to_tag=tag)
    assert raw.send(method, 2, to_tag=tag, extra=extra, body=OFFER if method != "REFER" else "") == []
    heard = raw.wait(100)  # it refreshes nothing, and does not answer our BYE either
    assert "BYE" in names(heard)
    assert {"487 INVITE", "487 UPDATE", "481 REFER"} & set(names(heard))
    nothing_is_left(raw)


# --- floods -----------------------------------------------------------------------------------------------


def test_a_call_full_of_keys_leaves_the_others_their_room() -> None:
    raw = RawPhone(make_agent(BOB))
    call, tag = call_up(raw)
    other, other_tag = call_up(raw, "beside")
    answers = [
        names(raw.send("INFO", 2 + number, to_tag=tag, kind=RELAY, body="Signal=5\r\n"))
        for number in range(MAX_OF_ONE_CALL + 100)
    ]
    assert answers.count(["200 INFO"]) == MAX_OF_ONE_CALL - 1  # the INVITE is one
    assert answers[-1] == ["503 INFO"]
    raw.agent.events()
    heard = raw.send("INFO", 2, to_tag=other_tag, kind=RELAY, body="Signal=7\r\n", call_id="beside")
    assert names(heard) == ["200 INFO"]
    assert raw.agent.events() == [DigitPressed(other, "7", 160)]
    assert names(raw.send("BYE", 9000, to_tag=tag)) == ["200 BYE"], "whoever is full can still hang up"
    assert raw.agent.events() == [CallEnded(call, "remote", "hung up")]
    raw.send("BYE", 9000, to_tag=other_tag, call_id="beside")
    nothing_is_left(raw)
    raw.agent.events()
    call_up(raw)  # the same Call-ID once more: its old requests are forgotten


def test_reinvites_on_each_others_heels_are_answered_one_at_a_time() -> None:
    raw = RawPhone(make_agent(BOB))
    call, tag = call_up(raw)
    heard = [names(raw.send("INVITE", 2 + number, to_tag=tag, body=OFFER)) for number in range(100)]
    assert heard == [[]] + [["500 INVITE"]] * 99
    assert len(raw.agent.events()) == 1
    raw.agent.answer_reinvite(call, ANSWER, raw.now)
    assert names(raw.heard()) == ["200 INVITE"]
    raw.send("ACK", 2, to_tag=tag)
    assert names(raw.send("BYE", 200, to_tag=tag)) == ["200 BYE"]
    nothing_is_left(raw)


def test_references_without_end_are_taken_one_at_a_time() -> None:
    raw = RawPhone(make_agent(BOB))
    _, tag = call_up(raw)
    extra = "Refer-To: <sip:bridge@192.0.2.2>\r\n"  # to ourselves: who is called refers on and on
    heard = [names(raw.send("REFER", 2 + number, to_tag=tag, extra=extra)) for number in range(50)]
    assert heard == [[]] + [["491 REFER"]] * 49
    assert len(raw.agent.events()) == 1


# --- who it pretends to be --------------------------------------------------------------------------------


def test_a_stranger_that_says_it_is_a_trunk_is_none() -> None:
    """Neither From nor P-Asserted-Identity nor Via makes a trunk: the address it came from does."""
    trunk = Trunk(TrunkId("t"), ("198.51.100.0/24",), "sip:198.51.100.1", trusted=True)
    roaming = Trunk(TrunkId("open"), ("192.0.2.0/24",))
    raw = RawPhone(make_agent(BOB, AgentSettings(trunks=Trunks([trunk, roaming]))))
    identity = (
        "P-Asserted-Identity: <sip:+49301@198.51.100.1>\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKx\r\n"
    )
    raw.send("INVITE", 1, body=OFFER, extra=identity)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    assert event.trunk_id == "open"
    assert "+49301" not in str(event.caller)
