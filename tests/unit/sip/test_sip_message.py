"""Messages and headers: text to values and back."""

import contextlib
import string
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import (
    MAX_HEADERS,
    MAX_MESSAGE_BYTES,
    Request,
    Response,
    parse_essentials,
    parse_message,
    quote,
    readable,
    salvage_request,
    serialize_message,
    split_commas,
)
from signaling.sip.wire.stream import StreamFramer
from signaling.sip.wire.uri import parse_name_address
from signaling.sip.wire.via import annotate_via, parse_via, response_flow

REQUEST = (
    b"INVITE sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@example.org>;tag=1\r\nTo: <sip:bob@example.net>\r\nCall-ID: x@y\r\nCSeq: 1 INVITE\r\n"
    b"Contact: <sip:alice@192.0.2.1>\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n"
)
FLOW = Flow("udp", "192.0.2.1", 5060)

header_values = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\x85"), max_size=40
).map(str.strip)
tokens = st.text(string.ascii_letters + string.digits + "-.!%*_+`'~", min_size=1, max_size=20)


def test_compact_names_folding_and_bare_line_feeds_are_understood() -> None:
    data = (
        b"\r\n\r\nOPTIONS sip:b@c SIP/2.0\nv: SIP/2.0/UDP h;branch=z9hG4bKx\nf: <sip:a@b>\n ;tag=1\n"
        b"t: <sip:b@c>\ni: 1\nCSEQ:\t7\tOPTIONS\nl: 2\n\nokREST"
    )
    message = parse_message(data)
    essentials = parse_essentials(message)
    assert isinstance(message, Request)
    assert message.body == b"ok"
    assert (essentials.cseq_number, essentials.cseq_method) == (7, "OPTIONS")
    assert (essentials.from_tag, essentials.to_tag, essentials.call_id) == ("1", "", "1")
    assert [name for name, _ in message.headers][:2] == ["Via", "From"]


def test_bytes_that_are_not_utf_8_come_back_as_they_came() -> None:
    data = REQUEST.replace(b"<sip:alice@example.org>", b'"J\xfcrgen" <sip:alice@example.org>')
    message = parse_message(data)
    assert b'"J\xfcrgen"' in serialize_message(message)


@given(
    headers=st.lists(st.tuples(tokens, header_values), max_size=10),
    body=st.binary(max_size=50),
    status=st.integers(100, 699),
)
@settings(max_examples=60)
def test_what_is_written_is_read_back(headers: list[tuple[str, str]], body: bytes, status: int) -> None:
    long_names = [(f"X-{name}", value) for name, value in headers]
    message = Response(headers=tuple(long_names), body=body, status=status, reason="Fine")
    again = parse_message(serialize_message(message))
    assert isinstance(again, Response)
    assert (again.status, again.reason, again.body) == (status, "Fine", body)
    assert again.headers[:-1] == message.headers


@pytest.mark.parametrize("name", ["Via", "via", "VIA", "v", "V", "cAll-ID", "X-Own", "x"])
@pytest.mark.parametrize("value", ["", "a", "a: b", " \t a \t "])
def test_a_name_means_the_same_however_it_is_written(name: str, value: str) -> None:
    def read(line: str) -> tuple[tuple[str, str], ...]:
        return parse_message(f"OPTIONS sip:b@c SIP/2.0\r\n{line}\r\n\r\n".encode()).headers

    assert read(f"{name}:{value}") == read(f"{name} \t: {value}")


@given(st.binary(max_size=300))
@example(b"")
@example(b"SIP/2.0 200 OK\r\n\r\n")
@settings(max_examples=150)
def test_noise_raises_nothing_but_parse_errors(data: bytes) -> None:
    try:
        parse_essentials(parse_message(data))
    except ParseError:
        salvage_request(data)


@given(at=st.integers(0, len(REQUEST) - 1), value=st.integers(0, 255), cut=st.integers(0, len(REQUEST)))
@settings(max_examples=250)
def test_an_agent_survives_any_damaged_invite(at: int, value: int, cut: int) -> None:
    agent = UserAgent(AgentSettings(), LocalIdentity("192.0.2.2", 5060, lambda count: "ab" * count))
    damaged = bytearray(REQUEST)
    damaged[at] = value
    for data in (
        bytes(damaged),
        REQUEST[:cut],
        REQUEST[cut:],
        REQUEST[:cut] + bytes([value]) + REQUEST[cut:],
    ):
        agent.receive_message(data, FLOW, 0.0)
    for data, _ in agent.messages_to_send():
        parse_message(data)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"x" * (MAX_MESSAGE_BYTES + 1), 513),
        (b"OPTIONS sip:b@c SIP/2.0\r\n" + b"X: y\r\n" * (MAX_HEADERS + 1) + b"\r\n", 513),
        (b"OPTIONS sip:b@c SIP/3.0\r\n\r\n", 505),
        (b"OPTIONS sip:b@c HTTP/1.1\r\n\r\n", 400),
        (b"OPTIONS sip:b@c SIP/2.0\r\nno colon\r\n\r\n", 400),
        (b"OPTIONS sip:b@c SIP/2.0\r\nX: a\rb\r\n\r\n", 400),
        (b"OPTIONS sip:b@c SIP/2.0\r\nX: y\r\n", 400),
        (b"OPTIONS sip:b@c SIP/2.0\r\nContent-Length: 1e3\r\n\r\n", 400),
    ],
    ids=["size", "headers", "version", "http", "colon", "carriage return", "no end", "length"],
)
def test_the_refusal_says_what_is_wrong(data: bytes, status: int) -> None:
    with pytest.raises(ParseError) as caught:
        parse_message(data)
    assert getattr(caught.value, "status", 400) == status


@pytest.mark.parametrize("name", ["From", "To", "Via", "Contact", "CSeq", "Call-ID", "Route", "X", "l"])
def test_a_huge_header_takes_linear_time(name: str) -> None:
    agent = UserAgent(AgentSettings(), LocalIdentity("192.0.2.2", 5060, lambda count: "ab" * count))
    kept = [line for line in REQUEST.split(b"\r\n") if not line.startswith(name.encode() + b":")]
    started = time.process_time()
    for fill in (
        b" ",
        b"\t",
        b";a",
        b'"',
        b"\\",
        b",",
        b"<",
        b"%",
        b"a",
        b"\n ",
        b"\r\n\t",
        b" ;",
        b"=",
        b"<a>,",
    ):
        nonsense = name.encode() + b": x" + fill * (60_000 // len(fill))
        data = b"\r\n".join([kept[0], nonsense, *kept[1:]])
        agent.receive_message(data, FLOW, 0.0)
        with contextlib.suppress(ParseError):
            StreamFramer().receive(data)
    # Fourteen messages of the largest size; quadratic work on one of them takes many seconds.
    assert time.process_time() - started < 4.0


def test_a_line_break_in_a_header_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="line break"):
        serialize_message(Response(headers=(("X", "a\r\nVia: evil"),), status=200, reason="OK"))


def test_commas_part_elements_but_not_in_quotes_or_brackets() -> None:
    assert split_commas(r'"a,\",b" <sip:c,d>;x="y,z", e ,<sip:f>') == [
        r'"a,\",b" <sip:c,d>;x="y,z"',
        "e",
        "<sip:f>",
    ]


@given(st.text(max_size=40))
@settings(max_examples=60)
def test_quoted_text_cannot_break_out(text: str) -> None:
    quoted = quote(text)
    assert split_commas(f"{quoted}, x")[1:] == ["x"]
    assert parse_name_address(f"{quoted} <sip:a@b>").uri == "sip:a@b"


@pytest.mark.parametrize(
    ("text", "flow", "annotated", "back"),
    [
        ("SIP/2.0/UDP 192.0.2.1;branch=b", Flow("udp", "192.0.2.1", 5071), None, ("192.0.2.1", 5060)),
        (
            "SIP/2.0/UDP 192.0.2.1:5080;branch=b;rport",
            Flow("udp", "192.0.2.1", 5071),
            "SIP/2.0/UDP 192.0.2.1:5080;branch=b;received=192.0.2.1;rport=5071",
            ("192.0.2.1", 5071),
        ),
        (
            "SIP/2.0/UDP phone.local:5080;branch=b;received=6.6.6.6",
            Flow("udp", "192.0.2.1", 5071),
            "SIP/2.0/UDP phone.local:5080;branch=b;received=192.0.2.1",
            ("192.0.2.1", 5080),
        ),
        (
            "SIP/2.0/UDP [2001:db8::1];branch=b",
            Flow("udp", "2001:db8::2", 5071),
            "SIP/2.0/UDP [2001:db8::1];branch=b;received=2001:db8::2",
            ("2001:db8::2", 5060),
        ),
        (
            "SIP/2.0/UDP [2001:db8::1]:5080;rport;branch=b",
            Flow("udp", "2001:db8::2", 5071),
            "SIP/2.0/UDP [2001:db8::1]:5080;branch=b;received=2001:db8::2;rport=5071",
            ("2001:db8::2", 5071),
        ),
        (
            "SIP/2.0/UDP [2001:db8::1]:5080;rport=1;received=192.0.2.9;branch=b",
            Flow("udp", "2001:db8::1", 5080),
            "SIP/2.0/UDP [2001:db8::1]:5080;branch=b;received=2001:db8::1;rport=5080",
            ("2001:db8::1", 5080),
        ),
        (
            "SIP/2.0/TLS phone.invalid;branch=b",
            Flow("tls", "192.0.2.1", 40_000, 7),
            "SIP/2.0/TLS phone.invalid;branch=b;received=192.0.2.1",
            ("192.0.2.1", 5061),
        ),
    ],
)
def test_via_tells_where_a_response_goes(
    text: str, flow: Flow, annotated: str | None, back: tuple[str, int]
) -> None:
    via = parse_via(text)
    assert annotate_via(via, flow) == annotated
    target = response_flow(via, flow)
    assert (target.host, target.port) == back


def test_text_for_people_has_no_characters_that_make_one_name_look_like_another() -> None:
    assert readable("\u202egpj.exe\x07\u2066x\udcff") == "\ufffdgpj.exe\ufffd\ufffdx\ufffd"
