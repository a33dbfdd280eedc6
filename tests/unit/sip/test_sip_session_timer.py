"""Calls that end when nobody refreshes them (RFC 4028), both roles."""

import pytest

from bridge.ids import TrunkId
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import (
    AgentEvent,
    CallArrived,
    CallEnded,
    CallKey,
    CallRefused,
    RefreshDue,
    ReofferAnswered,
)
from signaling.sip.session.session_timer import (
    MAX_INTERVAL_S,
    MIN_SE_S,
    Interval,
    SessionTimer,
    agree,
    parse_session_expires,
)
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.message import Request, Response, parse_message
from tests.unit.sip.line import ALICE, ANSWER, BOB, OFFER, Line, RawPhone, make_agent, names, tag_of

TARGET = "sip:bob@192.0.2.2"
TRUNK = TrunkId("t")
SUPPORTED = "Supported: timer\r\n"


def settings(session_expires_s: int) -> AgentSettings:
    trunk = Trunk(TRUNK, ("192.0.2.0/24",), session_expires_s=session_expires_s)
    return AgentSettings(trunks=Trunks((trunk,) if session_expires_s else ()))


def talking(alice_s: int = 1800, bob_s: int = 0) -> tuple[Line, CallKey, CallKey]:
    """A call of Alice's; the intervals are those of their trunks."""
    line = Line()
    line.agents = {ALICE: make_agent(ALICE, settings(alice_s)), BOB: make_agent(BOB, settings(bob_s))}
    ours = line.alice.invite(TARGET, OFFER, line.now, trunk_id=TRUNK)
    line.settle()
    (arrived,) = line.take(BOB)
    assert isinstance(arrived, CallArrived)
    line.bob.accept(arrived.call, ANSWER, line.now)
    line.settle()
    for taken in (line.take(ALICE), line.take(BOB)):
        assert taken
    line.take_log()
    return line, ours, arrived.call


def ends(events: list[AgentEvent]) -> list[tuple[str, str]]:
    return [(event.by, event.reason) for event in events if isinstance(event, CallEnded)]


def echoed(request: Request | Response) -> str:
    """What every response repeats."""
    return "".join(f"{name}: {request.first(name)}\r\n" for name in ("Via", "From", "To", "Call-ID", "CSeq"))


def test_who_asked_for_the_timer_refreshes_by_update_at_half_time() -> None:
    line, ours, theirs = talking()
    line.run(899)
    assert line.take_log() == []
    line.run(2)
    assert line.take_log() == ["alice UPDATE", "bob 200 UPDATE"]
    line.run(4 * 1800)
    assert line.take_log() == ["alice UPDATE", "bob 200 UPDATE"] * 8
    assert (line.alice.calls(), line.bob.calls()) == ((ours,), (theirs,))


def test_the_shorter_wish_holds_and_who_answers_refreshes_if_only_it_asked() -> None:
    line, _, _ = talking(1800, 600)
    line.run(301)
    assert line.take_log() == ["alice UPDATE", "bob 200 UPDATE"]
    line, _, _ = talking(0, 600)
    line.run(301)
    assert line.take_log() == ["bob UPDATE", "alice 200 UPDATE"]


def test_a_call_without_wishes_has_no_timer() -> None:
    line, _, _ = talking(0, 0)
    line.run(100_000)
    assert line.take_log() == []


def test_without_refreshes_both_sides_hang_up_a_little_before_the_end() -> None:
    line, _, _ = talking(90)
    line.lost = lambda entry: "UPDATE" in entry
    line.run(59)
    assert set(line.take_log()) == {"alice UPDATE"}
    line.run(2)
    assert {"alice BYE", "bob BYE"} & set(line.take_log())
    assert line.alice.calls() == line.bob.calls() == ()
    why = ends(line.take(ALICE)) + ends(line.take(BOB))
    assert ("timeout", "the session timer ran out: nobody refreshed the call") in why


def test_a_phone_that_never_refreshes_is_hung_up_with_a_reason() -> None:
    raw = RawPhone(make_agent(BOB))
    answered(raw, f"{SUPPORTED}Session-Expires: 120;refresher=uac\r\n")
    assert raw.wait(87) == []
    bye = raw.wait(2)[0]
    assert names([bye]) == ["BYE"]
    assert "session timer ran out" in bye.first("Reason")


@pytest.mark.parametrize("answers_bye", [True, False])
def test_a_phone_that_died_is_told_of_when_its_session_expires_not_when_its_bye_does(
    answers_bye: bool,
) -> None:
    raw = RawPhone(make_agent(BOB))
    answered(raw, f"{SUPPORTED}Session-Expires: 120;refresher=uac\r\n")
    bye, *_ = raw.wait(89)  # and again
    told = [("timeout", "the session timer ran out: nobody refreshed the call")]
    assert ends(raw.agent.events()) == told
    assert len(raw.agent.calls()) == 1  # its BYE is on its way
    if answers_bye:
        raw.agent.receive_message(f"SIP/2.0 200 OK\r\n{echoed(bye)}\r\n".encode(), raw.flow, raw.now)
    else:
        raw.wait(33)
    assert ends(raw.agent.events()) == []  # once
    assert raw.agent.calls() == ()


def answered(raw: RawPhone, extra: str) -> tuple[CallKey, str]:
    raw.send("INVITE", 1, body=OFFER, extra=extra)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    raw.agent.accept(event.call, ANSWER, raw.now)
    (ok,) = raw.heard()
    raw.send("ACK", 1, to_tag=tag_of(ok))
    raw.agent.events()
    return event.call, tag_of(ok)


def test_an_update_of_the_phone_begins_the_interval_anew() -> None:
    raw = RawPhone(make_agent(BOB))
    extra = f"{SUPPORTED}Session-Expires: 120;refresher=uac\r\n"
    _, tag = answered(raw, extra)
    for number in range(2, 6):
        assert raw.wait(60) == []
        (ok,) = raw.send("UPDATE", number, to_tag=tag, extra=extra)
        assert ok.first("Session-Expires") == "120;refresher=uac"
    assert raw.wait(87) == []
    assert names(raw.wait(1.4)) == ["BYE"]


def test_a_phone_that_takes_no_update_is_to_be_offered_anew() -> None:
    raw = RawPhone(make_agent(BOB))
    extra = f"{SUPPORTED}Session-Expires: 120;refresher=uas\r\nAllow: INVITE, ACK, BYE\r\n"
    call, _ = answered(raw, extra)
    assert raw.wait(61) == []
    assert raw.agent.events() == [RefreshDue(call)]
    raw.agent.reinvite(call, OFFER, raw.now)
    (invite,) = raw.heard()
    assert invite.first("Session-Expires") == "120;refresher=uac"
    text = f"SIP/2.0 200 OK\r\n{echoed(invite)}"
    text += "Contact: <sip:alice@192.0.2.1>\r\nSession-Expires: 120;refresher=uac\r\n"
    text += f"Content-Type: application/sdp\r\nContent-Length: {len(ANSWER)}\r\n\r\n{ANSWER}"
    raw.agent.receive_message(text.encode(), raw.flow, raw.now)
    assert names(raw.heard()) == ["ACK"]
    assert raw.agent.events() == [ReofferAnswered(call, ANSWER)]
    assert raw.wait(59) == []
    raw.wait(2)
    assert raw.agent.events() == [RefreshDue(call)]


def test_a_refresh_that_a_proxy_finds_too_frequent_is_offered_anew_with_its_interval() -> None:
    """Asked for the same again and again until the session expires, it would end the call."""
    raw = RawPhone(make_agent(BOB))
    extra = f"{SUPPORTED}Session-Expires: 120;refresher=uas\r\nAllow: INVITE, ACK, BYE\r\n"
    call, _ = answered(raw, extra)
    raw.wait(61)
    raw.agent.reinvite(call, OFFER, raw.now)
    (invite,) = raw.heard()
    refusal = f"SIP/2.0 422 Too Small\r\n{echoed(invite)}Min-SE: 600\r\n\r\n"
    raw.agent.receive_message(refusal.encode(), raw.flow, raw.now)
    raw.heard()
    raw.wait(11)
    assert [event for event in raw.agent.events() if isinstance(event, RefreshDue)][-1:] == [RefreshDue(call)]
    raw.agent.reinvite(call, OFFER, raw.now)
    (again,) = raw.heard()
    assert again.first("Session-Expires") == "600;refresher=uac"


@pytest.mark.parametrize(("status", "keeps"), [(488, True), (491, True), (408, False), (503, False)])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_phone_that_refuses_every_refresh_keeps_its_call_as_long_as_it_is_there(
    method: str, status: int, *, keeps: bool
) -> None:
    raw = RawPhone(make_agent(BOB))
    call, _ = answered(raw, f"Session-Expires: 120\r\nAllow: ACK, BYE, {method}\r\n")
    ended = False
    for _ in range(300):
        heard = raw.wait(1)
        if any(isinstance(event, RefreshDue) for event in raw.agent.events()):
            raw.agent.reinvite(call, OFFER, raw.now)
            heard = [*heard, *raw.heard()]
        for request in heard:
            assert isinstance(request, Request)
            ended = ended or request.method == "BYE"
            if request.method == method:
                refusal = f"SIP/2.0 {status} No\r\n{echoed(request)}\r\n"
                raw.agent.receive_message(refusal.encode(), raw.flow, raw.now)
    assert ended is not keeps


def test_a_refresh_that_is_not_made_is_asked_for_again_until_the_call_ends() -> None:
    raw = RawPhone(make_agent(BOB))
    call, _ = answered(raw, f"{SUPPORTED}Session-Expires: 120;refresher=uas\r\nAllow: INVITE\r\n")
    assert raw.wait(87.9) == []
    assert raw.agent.events() == [RefreshDue(call)] * 3
    assert set(names(raw.wait(1))) == {"BYE"}


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_too_short_an_interval_is_refused_with_the_least(method: str) -> None:
    raw = RawPhone(make_agent(BOB))
    _, tag = answered(raw, "")
    (heard,) = raw.send(method, 2, to_tag=tag, body="new", extra=f"{SUPPORTED}Session-Expires: 60\r\n")
    assert names([heard]) == [f"422 {method}"]
    assert heard.first("Min-SE") == "90"
    assert raw.agent.events() == []


def test_a_proxy_that_wants_longer_intervals_is_given_them() -> None:
    agent = make_agent(ALICE, settings(90))
    call = agent.invite(TARGET, OFFER, 0.0, trunk_id=TRUNK)
    for least in ("600", "1200"):
        ((data, flow),) = [(data, flow) for data, flow in agent.messages_to_send() if b"INVITE sip" in data]
        refusal = f"SIP/2.0 422 Too Small\r\n{echoed(parse_message(data))}Min-SE: {least}\r\n\r\n"
        agent.receive_message(refusal.encode(), flow, 0.0)
    invite = parse_message(agent.messages_to_send()[-1][0])
    assert (invite.first("Session-Expires"), invite.first("CSeq")) == ("1200", "3 INVITE")
    assert agent.calls() == (call,)


def test_a_422_that_asks_for_nothing_longer_ends_the_call() -> None:
    line = Line()
    line.agents = {ALICE: make_agent(ALICE, settings(1800)), BOB: make_agent(BOB)}
    call = line.alice.invite(TARGET, OFFER, line.now, trunk_id=TRUNK)
    line.settle()
    (arrived,) = line.take(BOB)
    assert isinstance(arrived, CallArrived)
    line.bob.reject(arrived.call, 422, line.now)
    line.settle()
    assert line.take(ALICE) == [CallRefused(call, 422, "Session Interval Too Small")]


def test_a_phone_that_forgot_the_call_is_found_out_by_the_refresh() -> None:
    line, _, theirs = talking(90)
    line.lost = lambda entry: "BYE" in entry
    line.bob.hang_up(theirs, "", line.now)
    line.run(40)
    line.lost = lambda _: False
    line.run(10)
    assert ends(line.take(ALICE)) == [("timeout", "the phone does not know the call any more")]


def test_a_restart_keeps_the_interval() -> None:
    line, ours, _ = talking(600)
    memory = line.alice.remember(ours)
    line.agents[ALICE] = make_agent(ALICE, settings(600))
    assert line.alice.restore(memory, line.now) is not None
    line.run(301)
    assert line.take_log() == ["alice UPDATE", "bob 200 UPDATE"]


@pytest.mark.parametrize(
    ("extra", "refreshes"),
    [
        ("Allow: UPDATE\r\n", ["UPDATE"]),
        (f"{SUPPORTED}Session-Expires: 600;refresher=uas\r\nAllow: UPDATE\r\n", ["UPDATE"]),
        (f"{SUPPORTED}Session-Expires: 600;refresher=uac\r\n", []),
    ],
)
def test_what_a_200_promised_holds_over_a_restart_before_its_ack(extra: str, refreshes: list[str]) -> None:
    """A phone that knows no timers as well: it is asked whether it is there."""
    raw = RawPhone(make_agent(BOB, settings(600)))
    raw.send("INVITE", 1, body=OFFER, extra=extra)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    body = raw.agent.remember_answer(event.call, ANSWER)
    raw.agent = make_agent(BOB, settings(1200))  # it is asked for something else by now
    raw.agent.restore(body, raw.now)
    raw.send("ACK", 1, to_tag=tag_of(raw.heard()[0]))
    assert raw.wait(299) == []
    assert names(raw.wait(1.1)) == refreshes
    raw.wait(270)
    raw.wait(32)
    assert raw.agent.calls() == ()


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("1800", (1800, "")),
        ("1800;refresher=uas", (1800, "uas")),
        (" 90 ; x=y ; Refresher = UAC ", (90, "uac")),
        ("90;refresher=nobody", (90, "")),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("999999999999", None),
    ],
)
def test_session_expires_is_read_with_care(text: str, parsed: tuple[int, str] | None) -> None:
    assert parse_session_expires(text) == parsed


@pytest.mark.parametrize(
    ("extra", "wanted_s", "expected"),
    [
        ("", 0, None),
        ("", 1800, Interval(1800, we_refresh=True)),
        (SUPPORTED, 1800, Interval(1800, we_refresh=True)),
        (f"{SUPPORTED}Session-Expires: 600\r\n", 1800, Interval(600, we_refresh=False)),
        (f"{SUPPORTED}Session-Expires: 600;refresher=uas\r\n", 0, Interval(600, we_refresh=True)),
        ("Session-Expires: 600\r\n", 0, Interval(600, we_refresh=True)),
        (f"{SUPPORTED}Session-Expires: 3600\r\nMin-SE: 2400\r\n", 1800, Interval(2400, we_refresh=False)),
        (f"{SUPPORTED}Session-Expires: 99999999\r\n", 0, Interval(86_400, we_refresh=False)),
    ],
)
def test_what_is_agreed(extra: str, wanted_s: int, expected: Interval | None) -> None:
    headers = tuple(
        (name, value.strip())
        for name, _, value in (line.partition(":") for line in extra.split("\r\n") if line)
    )
    assert agree(Request(method="INVITE", uri=TARGET, headers=headers), wanted_s) == expected


def test_an_interval_of_years_is_refreshed_within_a_day_and_one_below_the_least_is_stretched() -> None:
    timer = SessionTimer()
    for said, first_at in (("99999999999", MAX_INTERVAL_S / 2), ("1", MIN_SE_S / 2)):
        timer.learn(Response(headers=(("Session-Expires", said),), status=200, reason=""), 0.0)
        assert timer.timer() == first_at


@pytest.mark.parametrize(
    ("supported", "goes_on"), [("replaces", True), ("", True), ("replaces, timer", False)]
)
def test_a_phone_that_knows_no_timers_is_refreshed_again_and_again(supported: str, *, goes_on: bool) -> None:
    timer = SessionTimer()
    timer.start(Interval(90, we_refresh=True), 0.0)
    timer.learn(Response(headers=(("Supported", supported),), status=200, reason=""), 45.0)
    assert timer.timer() == (90.0 if goes_on else None)


def test_whoever_answers_our_first_offer_without_a_timer_has_none() -> None:
    timer = SessionTimer()
    timer.wanted_s = 90
    timer.learn(Response(headers=(), status=200, reason=""), 0.0)
    assert timer.timer() is None
