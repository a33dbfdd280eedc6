"""What a phone may send, in and out of turn, and what it is answered (RFC 3261 sections 8.2, 9.2, 12.2, 17.2)."""

import pytest

from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.inspection.inspection import METHODS
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.agent.user_agent_server import MAX_UNANSWERED
from signaling.sip.session.event import CallAcknowledged, CallArrived, CallEnded, CallKey, CallReoffered
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import Request, Response, SipParseError, parse_message
from tests.unit.sip.line import ALICE, ANSWER, BOB, OFFER, RawPhone, make_agent, names, tag_of


def phone(transport: str = "udp", max_calls: int = 10) -> RawPhone:
    return RawPhone(make_agent(BOB, AgentSettings(max_calls=max_calls)), transport)


def arrived(agent: UserAgent) -> CallKey:
    (event,) = agent.events()
    assert isinstance(event, CallArrived)
    return event.call


def connected(raw: RawPhone, extra: str = "") -> tuple[CallKey, str]:
    """A call that is up, and our tag."""
    raw.send("INVITE", 1, body=OFFER, extra=extra)
    call = arrived(raw.agent)
    raw.agent.accept(call, ANSWER, raw.now)
    (ok,) = raw.heard()
    assert raw.send("ACK", 1, to_tag=tag_of(ok)) == []
    assert raw.agent.events() == [CallAcknowledged(call, "")]
    return call, tag_of(ok)


def test_a_retransmitted_invite_is_one_call_and_gets_the_same_answer_once_there_is_one() -> None:
    raw = phone()
    for _ in range(3):
        assert raw.send("INVITE", 1, body=OFFER, branch="z9hG4bKx") == []
    call = arrived(raw.agent)
    assert names(raw.wait(0.3)) == ["100 INVITE"]
    assert names(raw.send("INVITE", 1, body=OFFER, branch="z9hG4bKx")) == ["100 INVITE"]
    raw.agent.accept(call, ANSWER, raw.now)
    assert names(raw.heard()) == ["200 INVITE"]
    # RFC 6026: after a 2xx the transaction absorbs the copies; the 2xx has its own timer.
    assert raw.send("INVITE", 1, body=OFFER, branch="z9hG4bKx") == []


def test_the_200_has_what_a_dialog_needs() -> None:
    raw = phone()
    routes = "Record-Route: <sip:p2.example.net;lr>, <sip:p1.example.net;lr>\r\n"
    raw.send("INVITE", 1, body=OFFER, extra=routes)
    raw.agent.accept(arrived(raw.agent), ANSWER, raw.now)
    (ok,) = raw.heard()
    assert ok.every("Record-Route") == ("<sip:p2.example.net;lr>", "<sip:p1.example.net;lr>")
    assert ok.first("Contact") == "<sip:b@192.0.2.2:5060>"
    assert ok.first("Content-Type") == "application/sdp"
    assert ok.first("Via").endswith(";received=192.0.2.1;rport=5060")
    assert "INVITE" in ok.first("Allow")
    assert (ok.body, len(tag_of(ok)) > 5) == (ANSWER.encode(), True)


@pytest.mark.parametrize(
    ("routes", "uri", "route", "hop"),
    [
        ((), "sip:alice@192.0.2.1:5060", (), ("192.0.2.1", 5060)),
        (
            ("<sip:192.0.2.7:5070;lr>", "<sip:192.0.2.8;lr>"),
            "sip:alice@192.0.2.1:5060",
            ("<sip:192.0.2.7:5070;lr>", "<sip:192.0.2.8;lr>"),
            ("192.0.2.7", 5070),
        ),
        (
            ("<sip:192.0.2.7>", "<sip:192.0.2.8;lr>"),
            "sip:192.0.2.7",
            ("<sip:192.0.2.8;lr>", "<sip:alice@192.0.2.1:5060>"),
            ("192.0.2.7", 5060),
        ),
    ],
    ids=["direct", "loose", "strict"],
)
def test_our_bye_follows_the_route_set(
    routes: tuple[str, ...], uri: str, route: tuple[str, ...], hop: tuple[str, int]
) -> None:
    raw = phone()
    call, tag = connected(raw, "".join(f"Record-Route: {one}\r\n" for one in routes))
    raw.agent.hang_up(call, "", raw.now)
    ((data, flow),) = raw.agent.messages_to_send()
    bye = parse_message(data)
    assert not isinstance(bye, Response)
    assert (bye.method, bye.uri, bye.every("Route")) == ("BYE", uri, route)
    assert (flow.host, flow.port) == hop
    assert bye.first("From").endswith(f";tag={tag}")
    assert bye.first("To").endswith(";tag=alice")


def test_our_bye_goes_to_no_headers_of_a_route() -> None:
    """Section 19.1.1 allows them in a Record-Route, and in no Request-URI."""
    raw = phone()
    call, _ = connected(raw, "Record-Route: <sip:192.0.2.7?Subject=hello>\r\n")
    raw.agent.hang_up(call, "", raw.now)
    ((data, _),) = raw.agent.messages_to_send()
    bye = parse_message(data)  # refuses a Request-URI with headers
    assert not isinstance(bye, Response)
    assert bye.uri == "sip:192.0.2.7"


def test_our_bye_goes_to_no_headers_of_a_contact() -> None:
    raw = phone()
    call, tag = connected(raw)
    moved = "<sip:who?@192.0.2.55;x=1?Subject=hello&Priority=low>"
    raw.send("INVITE", 2, to_tag=tag, body="hold", contact=moved)
    raw.agent.answer_reinvite(call, "held", raw.now)
    raw.heard()
    raw.send("ACK", 2, to_tag=tag)
    raw.agent.hang_up(call, "", raw.now)
    ((data, _),) = raw.agent.messages_to_send()
    bye = parse_message(data)
    assert not isinstance(bye, Response)
    assert bye.uri == "sip:who?@192.0.2.55;x=1"


def test_a_phone_behind_nat_is_answered_and_called_the_way_it_came() -> None:
    raw = phone()
    raw.flow = Flow("udp", "203.0.113.9", 41000)  # its Via and Contact say 192.0.2.1
    raw.send("INVITE", 1, body=OFFER)
    call = arrived(raw.agent)
    raw.agent.accept(call, ANSWER, raw.now)
    ((data, flow),) = raw.agent.messages_to_send()
    assert flow == raw.flow
    raw.send("ACK", 1, to_tag=tag_of(parse_message(data)))
    raw.agent.events()
    raw.agent.hang_up(call, "", raw.now)
    assert [flow for _, flow in raw.agent.messages_to_send()] == [raw.flow]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Flow("udp", "203.0.113.9", 41000), Flow("udp", "203.0.113.9", 52000)),
        (Flow("tcp", "203.0.113.9", 41000, 1), Flow("tcp", "203.0.113.9", 52000, 2)),
        (Flow("tcp", "192.0.2.1", 41000, 1), Flow("tcp", "203.0.113.9", 52000, 2)),
    ],
    ids=["its mapping was made anew", "its connection broke", "it went behind NAT"],
)
def test_a_phone_that_comes_by_another_way_is_called_by_that_one(
    method: str, before: Flow, after: Flow
) -> None:
    raw = phone()
    raw.flow = before
    call, tag = connected(raw)
    raw.flow = after
    raw.send(method, 2, to_tag=tag, body="hold", contact="<sip:alice@192.0.2.1:5060>")
    raw.agent.answer_reinvite(call, "held", raw.now)
    raw.heard()
    if method == "INVITE":
        raw.send("ACK", 2, to_tag=tag)
    raw.agent.hang_up(call, "", raw.now)
    assert [flow for _, flow in raw.agent.messages_to_send()] == [after]


@pytest.mark.parametrize(("method", "kind"), [("INFO", "application/dtmf"), ("OPTIONS", "")])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_phone_behind_nat_that_says_anything_by_a_new_way_is_hung_up_by_it(
    method: str, kind: str, transport: str
) -> None:
    """It presses a key after its connection broke: the BYE over the dead one would not reach it."""
    raw = phone()
    raw.flow = Flow(transport, "203.0.113.9", 41000, 1 if transport == "tcp" else 0)
    call, tag = connected(raw)
    raw.flow = after = Flow(transport, "203.0.113.9", 52000, 2 if transport == "tcp" else 0)
    assert names(raw.send(method, 2, to_tag=tag, body="5" if kind else "", kind=kind)) == [f"200 {method}"]
    raw.agent.hang_up(call, "", raw.now)
    assert [flow for _, flow in raw.agent.messages_to_send()] == [after]


def test_a_phone_of_rfc_2543_that_never_gave_a_contact_is_called_the_way_it_came() -> None:
    raw = phone()
    raw.send("INVITE", 1, body=OFFER, contact="", branch="1")
    call = arrived(raw.agent)
    raw.agent.accept(call, ANSWER, raw.now)
    (ok,) = raw.heard()
    raw.send("ACK", 1, to_tag=tag_of(ok))
    raw.send("INVITE", 2, to_tag=tag_of(ok), body="hold", contact="", branch="2")
    raw.agent.answer_reinvite(call, "held", raw.now)
    raw.heard()
    raw.send("ACK", 2, to_tag=tag_of(ok))
    raw.agent.hang_up(call, "", raw.now)
    assert [flow for _, flow in raw.agent.messages_to_send()] == [raw.flow]


def test_over_tcp_our_requests_take_the_connection_of_the_call() -> None:
    raw = phone("tcp")
    call, _ = connected(raw)
    raw.agent.hang_up(call, "", raw.now)
    assert [flow.connection for _, flow in raw.agent.messages_to_send()] == [1]


def test_a_reinvite_moves_the_phone() -> None:
    raw = phone()
    call, tag = connected(raw)
    raw.send("INVITE", 2, to_tag=tag, body="hold", extra="Contact: <sip:alice@192.0.2.55>\r\n")
    raw.agent.answer_reinvite(call, "held", raw.now)
    raw.heard()
    raw.send("ACK", 2, to_tag=tag)
    raw.agent.hang_up(call, "", raw.now)
    ((_, flow),) = raw.agent.messages_to_send()
    # The helper's own Contact stands first: the second value must not win.
    assert flow.host == "192.0.2.1"


@pytest.mark.parametrize(
    ("contact", "branch", "uri", "host"),
    [
        ("<sip:alice@192.0.2.9:5062>", "", "sip:alice@192.0.2.9:5062", "192.0.2.9"),
        ("sip:192.0.2.9", "", "sip:192.0.2.9", "192.0.2.9"),  # neither user nor brackets
        (
            "<sip:alice@192.0.2.9;gr=urn:uuid:f81d4fae>;ob",
            "",
            "sip:alice@192.0.2.9;gr=urn:uuid:f81d4fae",
            "192.0.2.9",
        ),
        ("", "rfc2543", "sip:alice@example.org", ALICE),  # by the way it came, whoever that name is
    ],
)
def test_whatever_a_contact_says_the_phone_is_found_again(
    contact: str, branch: str, uri: str, host: str
) -> None:
    raw = phone()
    raw.send("INVITE", 1, body=OFFER, contact=contact, branch=branch)
    call = arrived(raw.agent)
    raw.agent.accept(call, ANSWER, 0.0)
    (ok,) = raw.heard()
    raw.send("ACK", 1, to_tag=tag_of(ok))
    raw.agent.hang_up(call, "", 0.0)
    ((data, flow),) = raw.agent.messages_to_send()
    bye = parse_message(data)
    assert isinstance(bye, Request)
    assert (bye.method, bye.uri, flow.host) == ("BYE", uri, host)


@pytest.mark.parametrize("extra", ["Require: Timer\r\n", "Accept: \r\n", "Require: \r\n"])
def test_words_in_capitals_and_headers_without_words_cost_no_call(extra: str) -> None:
    raw = phone()
    assert raw.send("INVITE", 1, body=OFFER, extra=extra) == []
    arrived(raw.agent)


@pytest.mark.parametrize("contact", ["", "*", "<sip:>", "<mailto:alice@example.org>", "nobody"])
def test_a_call_that_could_not_be_hung_up_is_not_taken(contact: str) -> None:
    raw = phone()
    (refusal,) = raw.send("INVITE", 1, body=OFFER, contact=contact)
    assert names([refusal]) == ["400 INVITE"]
    assert refusal.first("Warning")
    assert raw.agent.events() == []


def test_the_same_call_by_two_ways_is_one_call() -> None:
    raw = phone()
    assert raw.send("INVITE", 1, body=OFFER) == []
    assert names(raw.send("INVITE", 1, body=OFFER)) == ["482 INVITE"]
    arrived(raw.agent)


def test_a_proxy_may_try_a_second_number_here_after_the_first_was_refused() -> None:
    """It forks one after the other: the same INVITE but for its branch and Request-URI."""
    raw = phone()
    raw.send("INVITE", 1, body=OFFER, uri="sip:sales@192.0.2.2")
    raw.agent.reject(arrived(raw.agent), 480, raw.now)
    assert names(raw.heard()) == ["480 INVITE"]
    assert raw.send("INVITE", 1, body=OFFER, uri="sip:support@192.0.2.2") == []
    call = arrived(raw.agent)
    raw.agent.accept(call, ANSWER, raw.now)
    assert names(raw.heard()) == ["200 INVITE"]
    assert names(raw.send("INVITE", 1, body=OFFER, uri="sip:sales@192.0.2.2")) == ["482 INVITE"]


@pytest.mark.parametrize(
    ("method", "extra", "uri", "answer"),
    [
        ("OPTIONS", "", "sip:bridge@192.0.2.2", "200 OPTIONS"),
        # What a proxy would have to know is no reason for a phone to refuse (RFC 3261 section 20.29).
        ("OPTIONS", "Proxy-Require: privacy\r\n", "sip:bridge@192.0.2.2", "200 OPTIONS"),
        ("INFO", "", "sip:bridge@192.0.2.2", "481 INFO"),
        ("REGISTER", "", "sip:192.0.2.2", "405 REGISTER"),
        ("DANCE", "", "sip:bridge@192.0.2.2", "501 DANCE"),
        ("INVITE", "Require: 100rel, dancing\r\nRequire: singing\r\n", "sip:bridge@192.0.2.2", "420 INVITE"),
        ("INVITE", "", "im:bridge@192.0.2.2", "416 INVITE"),
        ("BYE", "", "sip:bridge@192.0.2.2", "481 BYE"),
        ("CANCEL", "", "sip:bridge@192.0.2.2", "481 CANCEL"),
        ("INVITE", "Record-Route: <tel:1>\r\n", "sip:bridge@192.0.2.2", "400 INVITE"),
        ("INVITE", "Record-Route: <sip:p;lr>\r\n" * 33, "sip:bridge@192.0.2.2", "400 INVITE"),
    ],
)
def test_requests_are_answered_by_what_they_ask(method: str, extra: str, uri: str, answer: str) -> None:
    raw = phone()
    heard = raw.send(method, 1, extra=extra, uri=uri)
    assert names(heard) == [answer]
    assert tag_of(heard[0]) != ""
    if answer[:3] in ("405", "501", "200"):
        assert heard[0].first("Allow") == ", ".join(METHODS)
    if answer[:3] == "420":
        assert heard[0].first("Unsupported") == "dancing, singing"
    assert raw.agent.events() == []


@pytest.mark.parametrize("method", ["INVITE", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK"])
def test_a_request_of_a_dialog_nobody_knows_is_answered_481(method: str) -> None:
    assert names(phone().send(method, 7, to_tag="nobody")) == [f"481 {method}"]


def test_an_ack_of_nothing_is_counted() -> None:
    raw = phone()
    assert raw.send("ACK", 1, to_tag="nobody") == []
    call, tag = connected(raw)
    raw.send("ACK", 1, to_tag=tag)
    raw.send("ACK", 9, to_tag=tag)
    assert raw.agent.counters()["sip_stray_acks"] == 3
    assert raw.agent.calls() == (call,)


def test_an_ack_with_the_branch_of_its_invite_counts() -> None:
    raw = phone()
    raw.send("INVITE", 1, body=OFFER, branch="z9hG4bKsame")
    raw.agent.accept(arrived(raw.agent), ANSWER, raw.now)
    (ok,) = raw.heard()
    raw.send("ACK", 1, to_tag=tag_of(ok), branch="z9hG4bKsame")
    assert isinstance(raw.agent.events()[0], CallAcknowledged)
    assert raw.wait(10) == []


def test_the_answer_of_a_late_offer_is_in_the_ack() -> None:
    raw = phone()
    raw.send("INVITE", 1)
    call = arrived(raw.agent)
    raw.agent.accept(call, OFFER, raw.now)
    (ok,) = raw.heard()
    raw.send("ACK", 1, to_tag=tag_of(ok), body=ANSWER)
    assert raw.agent.events() == [CallAcknowledged(call, ANSWER, owed=True)]


def test_cancel_ends_a_call_that_was_not_answered() -> None:
    raw = phone()
    raw.send("INVITE", 1, body=OFFER, branch="z9hG4bKc")
    call = arrived(raw.agent)
    heard = raw.send("CANCEL", 1, branch="z9hG4bKc")
    assert names(heard) == ["200 CANCEL", "487 INVITE"]
    assert tag_of(heard[0]) == tag_of(heard[1])
    assert raw.agent.events() == [CallEnded(call, "remote", "canceled")]
    assert names(raw.wait(0.6)) == ["487 INVITE"]
    raw.send("ACK", 1, branch="z9hG4bKc", to_tag=tag_of(heard[1]))
    assert raw.wait(40) == []


def test_cancel_of_an_answered_call_means_nothing() -> None:
    raw = phone()
    raw.send("INVITE", 1, body=OFFER, branch="z9hG4bKc")
    raw.agent.accept(arrived(raw.agent), ANSWER, raw.now)
    raw.heard()
    assert names(raw.send("CANCEL", 1, branch="z9hG4bKc")) == ["200 CANCEL"]
    assert raw.agent.events() == []
    assert len(raw.agent.calls()) == 1


def test_bye_before_the_answer_ends_the_call_too() -> None:
    raw = phone()
    raw.send("INVITE", 1, body=OFFER)
    call = arrived(raw.agent)
    raw.agent.ring(call, raw.now)
    (ringing,) = raw.heard()
    assert names(raw.send("BYE", 2, to_tag=tag_of(ringing))) == ["200 BYE", "487 INVITE"]
    assert raw.agent.events() == [CallEnded(call, "remote", "hung up")]


def test_bye_before_the_ack_ends_the_call_and_its_200() -> None:
    raw = phone()
    raw.send("INVITE", 1, body=OFFER)
    call = arrived(raw.agent)
    raw.agent.accept(call, ANSWER, raw.now)
    (ok,) = raw.heard()
    assert names(raw.send("BYE", 2, to_tag=tag_of(ok))) == ["200 BYE"]
    assert raw.agent.events() == [CallEnded(call, "remote", "hung up")]
    assert raw.wait(40) == []


def test_requests_out_of_order_are_refused() -> None:
    raw = phone()
    call, tag = connected(raw)
    assert names(raw.send("OPTIONS", 5, to_tag=tag)) == ["200 OPTIONS"]
    assert names(raw.send("BYE", 4, to_tag=tag)) == ["500 BYE"]
    assert raw.agent.calls() == (call,)
    assert names(raw.send("BYE", 6, to_tag=tag)) == ["200 BYE"]


def test_a_second_reinvite_must_wait_for_the_first() -> None:
    raw = phone()
    call, tag = connected(raw)
    raw.send("INVITE", 2, to_tag=tag, body="one")
    assert raw.agent.events() == [CallReoffered(call, "one")]
    (heard,) = raw.send("INVITE", 3, to_tag=tag, body="two")
    assert names([heard]) == ["500 INVITE"]
    assert 0 <= int(heard.first("Retry-After")) <= 10
    raw.agent.answer_reinvite(call, "answer to one", raw.now)
    assert raw.heard()[0].body == b"answer to one"
    # Its ACK is not there yet: the dialog still works on the first one.
    assert names(raw.send("INVITE", 4, to_tag=tag, body="three")) == ["491 INVITE"]
    raw.send("ACK", 2, to_tag=tag)
    raw.send("INVITE", 5, to_tag=tag, body="four")
    assert raw.agent.events() == [CallAcknowledged(call, ""), CallReoffered(call, "four")]


def test_a_reinvite_needs_no_contact() -> None:
    raw = phone()
    call, tag = connected(raw)
    assert raw.send("INVITE", 2, to_tag=tag, body="hold", contact="") == []
    assert raw.agent.events() == [CallReoffered(call, "hold")]


def test_a_reinvite_taken_back_leaves_the_call_up() -> None:
    raw = phone()
    call, tag = connected(raw)
    raw.send("INVITE", 2, to_tag=tag, body="one", branch="z9hG4bKr")
    raw.agent.events()
    assert names(raw.send("CANCEL", 2, to_tag=tag, branch="z9hG4bKr")) == ["200 CANCEL", "487 INVITE"]
    assert raw.agent.events() == []
    assert raw.agent.calls() == (call,)


def test_a_reinvite_to_a_call_that_is_ending_is_refused() -> None:
    raw = phone()
    call, tag = connected(raw)
    raw.agent.hang_up(call, "", raw.now)
    raw.heard()
    assert names(raw.send("INVITE", 2, to_tag=tag, body="one")) == ["481 INVITE"]


def refusals(raw: RawPhone) -> dict[str, int]:
    counted = raw.agent.counters().items()
    return {name: count for name, count in counted if name.startswith("sip_refused") and count}


def test_at_the_bound_a_call_is_told_to_try_later() -> None:
    raw = phone(max_calls=1)
    connected(raw)
    (heard,) = raw.send("INVITE", 1, body=OFFER, call_id="call-2")
    assert names([heard]) == ["503 INVITE"]
    assert heard.first("Retry-After") == "5"
    assert refusals(raw) == {"sip_refused_full": 1}


def test_while_draining_new_calls_are_refused_and_old_ones_go_on() -> None:
    raw = phone()
    _, tag = connected(raw)
    raw.agent.drain()
    assert names(raw.send("OPTIONS", 1, call_id="ping")) == ["503 OPTIONS"]
    assert names(raw.send("INVITE", 1, body=OFFER, call_id="call-2")) == ["503 INVITE"]
    assert refusals(raw) == {"sip_refused_draining": 1}
    assert names(raw.send("OPTIONS", 2, to_tag=tag)) == [
        "200 OPTIONS"
    ]  # a PBX asks whether its call is there
    assert names(raw.send("BYE", 3, to_tag=tag)) == ["200 BYE"]


def test_a_stranger_is_refused_without_a_trace() -> None:
    raw = phone()
    raw.agent.refuse_stranger(
        b"INVITE sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK1\r\nFrom: <sip:x@y>"
        b"\r\nTo: <sip:b@c>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nX: " + b"x" * 100 + b"\r\n\r\n",
        raw.flow,
    )
    assert names(raw.heard()) == ["403 INVITE"]
    raw.agent.refuse_stranger(b"SIP/2.0 200 OK\r\n\r\n", raw.flow)
    raw.agent.refuse_stranger(b"\x00\x01\x02", raw.flow)
    assert raw.heard() == []
    assert raw.agent.counters()["sip_strangers"] == 3
    assert raw.agent.counters()["sip_transactions"] == 0


def test_what_the_shell_could_not_frame_is_refused_with_its_status() -> None:
    raw = phone()
    head = (
        b"INVITE sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK1\r\nFrom: <sip:x@y>"
        b"\r\nTo: <sip:b@c>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 1048576\r\n\r\n"
    )
    raw.agent.refuse_malformed(head, raw.flow, SipParseError("message too large", 513))
    assert names(raw.heard()) == ["513 INVITE"]
    raw.agent.refuse_malformed(b"INVITE", raw.flow, SipParseError("headers too large", 513))
    assert raw.heard() == []
    assert raw.agent.counters()["sip_malformed"] == 2


def test_a_response_to_nothing_is_counted() -> None:
    raw = phone()
    raw.agent.receive_message(
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKz\r\nFrom: <sip:x@y>;tag=1\r\n"
        b"To: <sip:b@c>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n",
        raw.flow,
        0.0,
    )
    assert raw.agent.counters()["sip_unmatched_responses"] == 1


def test_what_a_phone_writes_can_be_stored_and_shown() -> None:
    raw = phone()
    nasty = b"\x1b[2J\x00\xff\xfe J\xc3\xbcrgen" + b"x" * 2000
    data = (
        b"INVITE sip:b%00%1B@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKn\r\n"
        b"From: <sip:%C3%BC%FF%00@x>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: \xff\r\nCSeq: 1 INVITE\r\n"
        b"Contact: <sip:a@192.0.2.1>\r\nSubject: " + nasty + b"\r\n\r\n"
    )
    raw.agent.receive_message(data, raw.flow, 0.0)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    texts = [
        event.caller,
        event.called,
        event.call_id,
        *(text for header in event.headers for text in header),
    ]
    for text in texts:
        text.encode()
        assert text.isprintable()
        assert len(text) <= 512
    assert event.caller.startswith("\u00fc")
    assert "J\u00fcrgen" in dict(event.headers)["Subject"]


@pytest.mark.parametrize(
    ("contact", "claimed"),
    [
        ("<sip:alice@192.0.2.1>;audio;video", True),
        ('<sip:alice@192.0.2.1>;video="TRUE"', True),
        ('<sip:alice@192.0.2.1>;video="FALSE"', False),
        ("<sip:alice@192.0.2.1;video>", False),
        ("<sip:alice@192.0.2.1>", False),
    ],
)
def test_a_phone_may_say_of_itself_that_it_does_video(contact: str, claimed: bool) -> None:
    raw = phone()
    raw.send("INVITE", 1, body=OFFER, contact=contact)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    assert event.claims_video is claimed


def test_a_bridge_that_is_behind_with_its_answers_refuses_at_once() -> None:
    raw = phone(max_calls=2 * MAX_UNANSWERED)
    for number in range(MAX_UNANSWERED):
        assert raw.send("INVITE", 1, call_id=f"waits-{number}", body=OFFER) == []
    (refusal,) = raw.send("INVITE", 1, call_id="one-too-many", body=OFFER)
    assert (names([refusal]), refusal.first("Retry-After")) == (["503 INVITE"], "5")
    assert refusals(raw) == {"sip_refused_behind": 1}
    (first, *_) = [event for event in raw.agent.events() if isinstance(event, CallArrived)]
    raw.agent.accept(first.call, ANSWER, raw.now)
    raw.heard()
    assert raw.send("INVITE", 1, call_id="the-next", body=OFFER) == []
