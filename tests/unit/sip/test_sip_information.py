"""INFO within a call (RFC 6086): keys, wishes for a picture, and what nobody here understands."""

import pytest

from bridge.errors import ParseError
from signaling.sip.agent.request.information import parse_key, parse_relay
from signaling.sip.session.event import AgentEvent, CallArrived, DigitPressed, PictureWanted
from signaling.sip.wire.message import Request, Response
from tests.unit.sip.line import ANSWER, BOB, OFFER, RawPhone, make_agent, names, tag_of

PICTURE = (
    '<?xml version="1.0" encoding="utf-8"?><media_control><vc_primitive><to_encoder>'
    "<picture_fast_update/></to_encoder></vc_primitive></media_control>"
)


def inform(kind: str, body: str, extra: str = "") -> tuple[Request | Response, list[AgentEvent]]:
    """The answer to one INFO in a call that is up, and what it came to."""
    raw = RawPhone(make_agent(BOB))
    raw.send("INVITE", 1, body=OFFER)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    raw.agent.accept(event.call, ANSWER, raw.now)
    (ok,) = raw.heard()
    raw.send("ACK", 1, to_tag=tag_of(ok))
    raw.agent.events()
    extra += f"Content-Type: {kind}\r\n" if kind else ""
    text = (
        "INFO sip:bridge@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKinfo\r\n"
        f"Max-Forwards: 70\r\nFrom: Alice <sip:alice@example.org>;tag=alice\r\n"
        f"To: <sip:bridge@example.net>;tag={tag_of(ok)}\r\nCall-ID: call-1\r\nCSeq: 2 INFO\r\n{extra}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    raw.agent.receive_message(text.encode(), raw.flow, raw.now)
    (answer,) = raw.heard()
    return answer, raw.agent.events()


@pytest.mark.parametrize(
    ("kind", "body", "digit", "duration_ms"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "5", 160),
        ("application/dtmf-relay", "Signal= 5\nDuration= 250", "5", 250),
        ("Application/DTMF-Relay; charset=x", "duration=99999999\r\nSIGNAL=#\r\n", "#", 160),
        ("application/dtmf-relay", "Signal=11\r\nDuration=60000\r\n", "#", 10_000),
        ("application/dtmf-relay", "Signal=d\r\n", "D", 160),
        ("application/dtmf", "7", "7", 160),
        ("application/dtmf", " * \r\n", "*", 160),
    ],
)
def test_keys(kind: str, body: str, digit: str, duration_ms: int) -> None:
    answer, events = inform(kind, body)
    assert names([answer]) == ["200 INFO"]
    (event,) = events
    assert isinstance(event, DigitPressed)
    assert (event.digit, event.duration_ms) == (digit, duration_ms)


@pytest.mark.parametrize("body", ["Signal=\r\n", "Signal=55\r\n", "x", "\xff\xfe", "Signal 5", "Signal=5 6"])
def test_what_is_on_no_keypad_is_refused_without_repeating_it(body: str) -> None:
    answer, events = inform("application/dtmf-relay", body)
    assert (names([answer]), events, answer.body) == (["400 INFO"], [], b"")
    assert answer.first("Warning") == ""


def test_hook_flash_is_no_key() -> None:
    answer, events = inform("application/dtmf-relay", "Signal=16\r\nDuration=100\r\n")
    assert (names([answer]), events) == (["200 INFO"], [])


def test_a_phone_asks_for_a_picture() -> None:
    answer, events = inform("application/media_control+xml", PICTURE)
    assert names([answer]) == ["200 INFO"]
    assert [type(event) for event in events] == [PictureWanted]


def test_an_empty_info_asks_whether_the_call_is_there() -> None:
    answer, events = inform("", "")
    assert (names([answer]), events) == (["200 INFO"], [])


def test_other_bodies_are_refused_with_those_that_are_understood() -> None:
    answer, events = inform("application/json", "{}")
    assert (names([answer]), events) == (["415 INFO"], [])
    assert "application/dtmf-relay" in answer.every("Accept")


def test_packages_are_refused_with_those_that_are_taken() -> None:
    answer, events = inform("application/dtmf-relay", "Signal=5\r\n", "Info-Package: conference\r\n")
    assert (names([answer]), events) == (["469 INFO"], [])
    assert [name for name, _ in answer.headers if name == "Recv-Info"] == ["Recv-Info"]


def test_an_info_of_no_call_is_refused() -> None:
    raw = RawPhone(make_agent(BOB))
    assert names(raw.send("INFO", 2, to_tag="nobody")) == ["481 INFO"]
    assert names(raw.send("INFO", 3)) == ["481 INFO"]
    raw.send("INVITE", 1, body=OFFER)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    raw.agent.ring(event.call, raw.now)
    (ringing,) = raw.heard()
    assert names(raw.send("INFO", 2, to_tag=tag_of(ringing))) == ["481 INFO"]


@pytest.mark.parametrize("text", ["", "55", "E", "\u0665", "1 ", "10"])
def test_keys_are_read_with_care(text: str) -> None:
    if text.strip() in ("1", "10"):
        assert parse_key(text) in ("1", "*")
    else:
        with pytest.raises(ParseError) as caught:
            parse_key(text)
        assert text == "" or text not in caught.value.reason


def test_a_relay_body_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(ParseError):
        parse_relay(b"x" * 1_000_000 + b"\nSignal=5")


def test_a_picture_is_asked_for_in_a_call_that_is_up() -> None:
    raw = RawPhone(make_agent(BOB))
    raw.send("INVITE", 1, body=OFFER)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    raw.agent.ask_for_picture(event.call, raw.now)
    assert names(raw.heard()) == [], "not before it is"
    raw.agent.accept(event.call, ANSWER, raw.now)
    (ok,) = raw.heard()
    raw.send("ACK", 1, to_tag=tag_of(ok))
    raw.agent.events()
    raw.agent.ask_for_picture(event.call, raw.now)
    (info,) = raw.heard()
    assert isinstance(info, Request)
    assert (info.method, info.first("Content-Type")) == ("INFO", "application/media_control+xml")
    assert b"<picture_fast_update/>" in info.body
