"""Digest as text: the examples of RFC 7616, and what is no digest."""

import pytest

from bridge.errors import ParseError
from signaling.sip.wire.digest import (
    Challenge,
    Credentials,
    compute_response,
    parse_challenges,
    parse_credentials,
    serialize_challenge,
    serialize_credentials,
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616_section_3_9_1(algorithm: str, response: str) -> None:
    credentials = Credentials(
        username="Mufasa",
        realm="http-auth@example.org",
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        uri="/dir/index.html",
        response="",
        algorithm=algorithm,
        qop="auth",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        nonce_count="00000001",
        opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    )
    assert compute_response(credentials, "GET", "Circle of Life") == response


def test_a_server_without_qop_is_answered_as_rfc_2069_wants_it() -> None:
    plain = Credentials(
        "Mufasa", "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "/dir/index.html", "", "MD5"
    )
    # RFC 2069 section 2.4 with the password of its erratum
    assert compute_response(plain, "GET", "CircleOfLife") == "1949323746fe6a43ef61f9606e7febea"


def test_challenges_are_read_and_those_that_cannot_be_answered_left_out() -> None:
    values = [
        'Digest realm="a", nonce="1", algorithm=SHA-512-256, qop="auth"',
        'Digest realm="a \\"b\\", c", nonce="2", algorithm=sha-256, qop="auth-int,auth", opaque="o", stale=TRUE',
        "Digest realm=a, nonce=3",
        'Digest realm="a", nonce="4", qop="auth-int"',
        'Digest realm="a", qop="auth"',
        "Basic abc",
        "Digest ,,,",
    ]
    assert parse_challenges(values) == (
        Challenge('a "b", c', "2", "SHA-256", "o", has_qop=True, stale=True),
        Challenge("a", "3", "MD5", has_qop=False),
    )


def test_what_is_written_is_read_again() -> None:
    challenge = Challenge("a\\b", "1", "SHA-256", stale=True)
    assert parse_challenges([serialize_challenge(challenge)]) == (challenge,)
    credentials = Credentials('u"1', "r", "n", "sip:a@b", "ff", "MD5", "auth", "c", "0000000a", "o")
    assert parse_credentials(serialize_credentials(credentials)) == credentials


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Digest",
        "Basic a",
        'Digest username="a"',
        'Digest username="a',
        "Digest " + "a=b," * 2000,
        "Digest a b c",
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_credentials(text)
