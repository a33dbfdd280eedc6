"""Who may open a websocket."""

import pytest
from starlette.requests import HTTPConnection

from signaling.web.access.handshake import bearer_token, is_welcome_origin, offers_subprotocol


def connection(scheme: str = "ws", subprotocols: tuple[str, ...] = (), **headers: str) -> HTTPConnection:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection(
        {"type": "websocket", "scheme": scheme, "headers": raw, "subprotocols": list(subprotocols)}
    )


@pytest.mark.parametrize(
    ("scheme", "origin", "host"),
    [
        ("ws", "http://bridge.example:8080", "bridge.example:8080"),
        ("ws", "http://bridge.example", "bridge.example"),
        ("ws", "http://bridge.example", "bridge.example:80"),
        ("wss", "https://bridge.example", "bridge.example:443"),
        ("wss", "https://Bridge.Example", "bridge.example"),
        ("ws", "http://[::1]:8080", "[::1]:8080"),
        ("ws", "https://crm.example", "bridge.example"),
    ],
)
def test_the_own_origin_and_a_listed_one_are_welcome(scheme: str, origin: str, host: str) -> None:
    assert is_welcome_origin(connection(scheme, origin=origin, host=host), ("https://crm.example/",))


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://bridge.example:8080",
        "http://bridge.example",
        "null",
        "",
        "http://[",
        "http://a:b",
    ],
)
def test_foreign_and_broken_origins_are_not(origin: str) -> None:
    assert not is_welcome_origin(connection(origin=origin, host="bridge.example:8080"), ())


def test_a_program_sends_no_origin_and_is_welcome() -> None:
    assert is_welcome_origin(connection(host="bridge.example"), ())


def test_the_subprotocol_must_be_offered() -> None:
    assert offers_subprotocol(connection(subprotocols=("chat", "warmbridge.v1")))
    assert not offers_subprotocol(connection(subprotocols=("warmbridge.v2",)))


@pytest.mark.parametrize(
    ("value", "token"), [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", ""), ("Bearer", "")]
)
def test_the_bearer_token_is_found(value: str, token: str) -> None:
    assert bearer_token(connection(authorization=value)) == token
