"""A call that is sent elsewhere by 3xx (RFC 3261 section 8.1.3.4), and answers that ask for patience."""

from typing import TYPE_CHECKING

import pytest

from signaling.sip.agent.invite.redirection import MAX_TARGETS
from signaling.sip.session.event import AgentEvent, CallAnswered, CallProgressed, CallRefused
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import Request, parse_message
from tests.unit.sip.line import ALICE, OFFER, make_agent

if TYPE_CHECKING:
    from signaling.sip.agent.agent import UserAgent

FIRST = "192.0.2.9"


class Switch:
    """Alice calls; each of her INVITEs is answered by hand."""

    def __init__(self) -> None:
        self.agent: UserAgent = make_agent(ALICE)
        self.call = self.agent.invite(f"sip:bob@{FIRST}", OFFER, 0.0)

    def sent(self) -> list[tuple[Request, Flow]]:
        messages = [(parse_message(data), flow) for data, flow in self.agent.messages_to_send()]
        return [(message, flow) for message, flow in messages if isinstance(message, Request)]

    def answer(self, request: Request, status: str, *, extra: str = "", tag: str = "t") -> None:
        text = f"SIP/2.0 {status}\r\n"
        for name in ("Via", "From", "Call-ID", "CSeq"):
            text += f"{name}: {request.first(name)}\r\n"
        text += f"To: {request.first('To')};tag={tag}\r\n{extra}Content-Length: 0\r\n\r\n"
        self.agent.receive_message(text.encode(), Flow("udp", FIRST, 5060), 0.0)

    def events(self) -> list[AgentEvent]:
        return self.agent.events()


def contacts(*values: str) -> str:
    return "".join(f"Contact: {value}\r\n" for value in values)


def test_a_moved_phone_is_called_where_it_is() -> None:
    switch = Switch()
    ((first, _),) = switch.sent()
    switch.answer(first, "302 Moved Temporarily", extra=contacts("<sip:bob@192.0.2.20:5070>"))
    (ack, _), (second, flow) = switch.sent()
    assert (ack.method, second.method, second.uri) == ("ACK", "INVITE", "sip:bob@192.0.2.20:5070")
    assert (flow.host, flow.port) == ("192.0.2.20", 5070)
    for name in ("From", "To", "Call-ID", "Contact"):
        assert second.first(name) == first.first(name)
    assert (second.first("CSeq"), second.body) == ("2 INVITE", first.body)
    assert second.first("Via") != first.first("Via")
    switch.answer(second, "200 OK", extra=contacts("<sip:bob@192.0.2.20:5070>"))
    assert switch.events() == [CallProgressed(switch.call, 181), CallAnswered(switch.call, "")]
    assert [request.first("CSeq") for request, _ in switch.sent()] == ["2 ACK"]


def test_contacts_are_tried_best_first_until_one_answers() -> None:
    switch = Switch()
    ((first, _),) = switch.sent()
    choices = contacts("<sip:c@192.0.2.3>;q=0.1, <sip:a@192.0.2.1>;q=0.9", "<sip:b@192.0.2.2>;q=0.5")
    switch.answer(first, "300 Multiple Choices", extra=choices)
    tried = []
    for _ in range(3):
        request, _ = switch.sent()[-1]
        tried.append(request.uri)
        switch.answer(request, "486 Busy Here")
    assert tried == ["sip:a@192.0.2.1", "sip:b@192.0.2.2", "sip:c@192.0.2.3"]
    assert switch.events()[-1] == CallRefused(switch.call, 486, "Busy Here")
    assert switch.agent.calls() == ()


def test_a_600_ends_the_search() -> None:
    switch = Switch()
    ((first, _),) = switch.sent()
    switch.answer(first, "302 Moved", extra=contacts("<sip:a@192.0.2.1>, <sip:b@192.0.2.2>"))
    request, _ = switch.sent()[-1]
    switch.answer(request, "603 Decline")
    assert switch.events()[-1] == CallRefused(switch.call, 603, "Decline")


@pytest.mark.parametrize(
    "contact",
    [
        f"<sip:bob@{FIRST}>",
        "<tel:+4930123>",
        "<sips:bob@192.0.2.20;transport=udp>",
        "<sip:bob@192.0.2.20;transport=sctp>",
        "<nonsense",
        "<http://192.0.2.20/>",
        "*",
    ],
    ids=["itself", "tel", "sips over udp", "sctp", "malformed", "http", "star"],
)
def test_what_cannot_be_followed_is_a_failure(contact: str) -> None:
    switch = Switch()
    ((first, _),) = switch.sent()
    switch.answer(first, "302 Moved", extra=contacts(contact))
    assert [request.method for request, _ in switch.sent()] in (["ACK"], [])
    if contact != "<nonsense":  # the whole response is none then
        assert switch.events() == [CallRefused(switch.call, 302, "Moved")]


def test_servers_that_send_a_call_round_and_round_are_left() -> None:
    switch = Switch()
    calls = 0
    while invites := [request for request, _ in switch.sent() if request.method == "INVITE"]:
        calls += 1
        there = f"<sip:bob@192.0.2.{calls + 100}>"
        switch.answer(invites[0], "302 Moved", extra=contacts(f"<sip:bob@{FIRST}>", there))
    assert calls == MAX_TARGETS
    assert switch.events()[-1] == CallRefused(switch.call, 302, "Moved")


def test_a_call_taken_back_is_not_sent_elsewhere() -> None:
    switch = Switch()
    ((first, _),) = switch.sent()
    switch.answer(first, "180 Ringing")
    switch.agent.cancel(switch.call, 0.0)
    switch.answer(first, "302 Moved", extra=contacts("<sip:bob@192.0.2.20>"))
    assert [request.method for request, _ in switch.sent()] == ["CANCEL", "ACK"]
    assert switch.agent.calls() == ()


def test_a_redirected_call_that_is_taken_back_cancels_where_it_rings() -> None:
    switch = Switch()
    ((first, _),) = switch.sent()
    switch.answer(first, "180 Ringing")
    switch.answer(first, "302 Moved", extra=contacts("<sip:bob@192.0.2.20>"))
    second, _ = switch.sent()[-1]
    switch.agent.cancel(switch.call, 0.0)
    assert switch.sent() == []  # nothing to cancel before a provisional response (section 9.1)
    switch.answer(second, "180 Ringing")
    ((cancel, flow),) = switch.sent()
    assert (cancel.method, cancel.uri, flow.host) == ("CANCEL", "sip:bob@192.0.2.20", "192.0.2.20")
    assert cancel.first("CSeq") == "2 CANCEL"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("18 (in a meeting)", 18), ("120;duration=60", 120), ("99999999", 3600), ("soon", 0), ("", 0)],
)
def test_how_long_the_other_side_wants_to_be_left_alone_is_told(value: str, seconds: int) -> None:
    switch = Switch()
    ((first, _),) = switch.sent()
    switch.answer(first, "503 Service Unavailable", extra=f"Retry-After: {value}\r\n" if value else "")
    assert switch.events() == [CallRefused(switch.call, 503, "Service Unavailable", seconds)]
