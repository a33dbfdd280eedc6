"""SIP URIs and name-addresses."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from signaling.sip.agent.inspection.inspection import display_user
from signaling.sip.wire.flow import Flow, Lookup, flow_to
from signaling.sip.wire.uri import SipUri, bracket, parse_name_address, parse_parameters, parse_uri, unescape


def test_a_uri_has_its_parts() -> None:
    assert parse_uri("SIPS:al%69ce:pw@[2001:db8::1]:5081;transport=TCP;lr?Subject=x") == SipUri(
        "sips", "al%69ce:pw", "2001:db8::1", 5081, (("transport", "TCP"), ("lr", "")), "Subject=x"
    )
    assert parse_uri("sip:example.org").parameter("lr") is None
    assert parse_uri("sip:büro@fritz.box").user == "büro"
    assert parse_uri("sip:@192.0.2.1;;lr;") == SipUri("sip", "", "192.0.2.1", None, (("lr", ""),))
    assert parse_uri("sip:*21*+4930#@example.org:5062") == SipUri("sip", "*21*+4930#", "example.org", 5062)
    assert bracket("2001:db8::1") == "[2001:db8::1]"


@pytest.mark.parametrize(
    "text",
    ["", "sip:", "sip:@", "sip:a b@host", "sip:a@host:123456", "sip:a@host:70000", "sip:%zz@host", "x:y"],
)
def test_what_is_no_sip_uri_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_uri(text)


@pytest.mark.parametrize(
    ("text", "uri", "name", "tag"),
    [
        ('"Al \\"x\\" <y>" <sip:a@b;tag=no>;tag=1', "sip:a@b;tag=no", 'Al "x" <y>', "1"),
        ("Jürgen M. <sip:a@b> ; Tag = 2", "sip:a@b", "Jürgen M.", "2"),
        ("sip:a@b;tag=3", "sip:a@b", "", "3"),
        ("Müller & Co. (Berlin) <sip:a@b>;tag=5", "sip:a@b", "Müller & Co. (Berlin)", "5"),
        ("[Sales] #1/2? <sip:*21*30#@b>;tag=6", "sip:*21*30#@b", "[Sales] #1/2?", "6"),
        ('"" <sip:@192.0.2.1;;user=phone;>; ;x=;tag=7;', "sip:@192.0.2.1;;user=phone;", "", "7"),
        ("<tel:+49301234>", "tel:+49301234", "", None),
        ('<sip:a@b>;x="a;tag=9";tag=4', "sip:a@b", "", "4"),
    ],
)
def test_a_name_address_has_its_parts(text: str, uri: str, name: str, tag: str | None) -> None:
    address = parse_name_address(text)
    assert (address.uri, address.display_name, address.parameter("tag")) == (uri, name, tag)


@pytest.mark.parametrize(
    "text",
    [
        '"open <sip:a@b>',
        "a, b <sip:a@b>",
        "< sip:a@b >",
        "sip:a@b?x=y",
        "",
        "<>",
        "<sip:a@b>;,x",
        "<sip:a@b>x",
    ],
)
def test_a_broken_name_address_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_name_address(text)


@given(st.text(alphabet='<>"\\;,=@:? \taA1%', max_size=60))
@settings(max_examples=200)
def test_noise_raises_nothing_but_parse_errors(text: str) -> None:
    for parse in (parse_name_address, parse_uri, parse_parameters):
        try:
            parse(text)
        except ParseError:
            continue


# A quoted string that begins in one part and ends in another has the white space within it.
_PARTS = st.text(alphabet='aT.1=<>,[]:%"ü', max_size=8).filter(lambda part: part.count('"') % 2 == 0)


@given(st.lists(_PARTS, max_size=5))
@settings(max_examples=300)
def test_parameters_mean_the_same_with_white_space_between_them(parts: list[str]) -> None:
    def understood(text: str) -> object:
        with contextlib.suppress(ParseError):
            return parse_parameters(text)
        return "refused"

    plain, spaced = "".join(f";{part}" for part in parts), "".join(f" ; {part}" for part in parts)
    assert understood(plain) == understood(spaced)


def test_what_is_asked_for_again_is_the_same_and_what_is_wrong_stays_wrong() -> None:
    text = "sip:again@192.0.2.1"
    assert parse_uri(text) is parse_uri(text)
    assert parse_name_address(f"<{text}>;tag=1") == parse_name_address(f"<{text}>;tag=1")
    for _ in range(2):
        with pytest.raises(ParseError):
            parse_uri("sip:again@")
    long = "sip:" + "a" * 1000 + "@192.0.2.1"
    assert parse_uri(long) == parse_uri(long)
    assert parse_uri(long) is not parse_uri(long), "what is long is not kept"


@pytest.mark.parametrize(
    "text",
    [
        '"' + "\\" * 60_000,
        "a" * 60_000,
        ";a" * 30_000 + ";",
        "sip:" + "a" * 60_000,
        " " * 60_000 + ";",
        "%41" * 20_000,
    ],
    ids=["quotes", "tokens", "parameters", "user", "space", "escapes"],
)
def test_long_nonsense_takes_linear_time(text: str) -> None:
    started = time.process_time()
    for parse in (parse_name_address, parse_uri, parse_parameters):
        with contextlib.suppress(ParseError):
            parse(text)
    # Quadratic work on this much text takes seconds; linear work a few milliseconds.
    assert time.process_time() - started < 1.0


def test_escapes_are_undone_for_people_only() -> None:
    assert unescape("J%C3%BCrgen%20%zz%FF") == "Jürgen %zz\ufffd"
    assert display_user("sip:%2B49301234:secret@example.org") == "+49301234"
    assert display_user("sip:example.org") == "sip:example.org"
    assert display_user("tel:+49301234;phone-context=x") == "+49301234"


@pytest.mark.parametrize(
    ("uri", "flow"),
    [
        ("sip:a@192.0.2.1", Flow("udp", "192.0.2.1", 5060)),
        ("sip:a@192.0.2.1:5070;transport=TCP", Flow("tcp", "192.0.2.1", 5070)),
        ("sip:a@example.org;maddr=192.0.2.7", Flow("udp", "192.0.2.7", 5060)),
        ("sip:a@example.org;maddr=[2001:db8::7]", Flow("udp", "2001:db8::7", 5060)),
    ],
)
def test_a_uri_says_where_to_send(uri: str, flow: Flow) -> None:
    assert flow_to(parse_uri(uri)) == flow


@pytest.mark.parametrize(
    ("text", "flow"),
    [
        ("sips:a@example.org", Flow("tls", "example.org", 5061, lookup=Lookup.ANY)),
        ("sips:a@example.org;transport=tcp", Flow("tls", "example.org", 5061, lookup=Lookup.SERVICE)),
        ("sip:a@example.org:5071;transport=tls", Flow("tls", "example.org", 5071)),
        ("sip:a@example.org;transport=TLS;maddr=192.0.2.7", Flow("tls", "192.0.2.7", 5061, 0, "example.org")),
    ],
)
def test_a_secure_uri_says_where_to_and_who_must_be_there(text: str, flow: Flow) -> None:
    assert flow_to(parse_uri(text)) == flow


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sip:+12155551212;verstat=TN-Validation-Passed@example.com;user=phone", "+12155551212"),
        ("sip:+493012345;npdi;rn=+4932100@example.com", "+493012345"),
        ("sip:%2B4930%23;tgrp=one;trunk-context=example.com@192.0.2.1", "+4930#"),
        ("tel:+49-30-12345;phone-context=+49", "+49-30-12345"),
        ("sip:user;par=u%40example.net@example.com", "user;par=u@example.net"),
        ("sip:Sales;1@example.com", "Sales;1"),
    ],
)
def test_a_number_is_shown_without_what_networks_tell_each_other(uri: str, shown: str) -> None:
    """A queue is found by the number that was called, and who called is called back by theirs."""
    assert display_user(uri) == shown
