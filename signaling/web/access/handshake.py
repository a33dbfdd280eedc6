"""Who may open a websocket: subprotocol, origin, bearer token of the handshake."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from signaling.web.protocol.messages import SUBPROTOCOL

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def offers_subprotocol(connection: HTTPConnection) -> bool:
    return SUBPROTOCOL in connection.scope.get("subprotocols", ())


def is_welcome_origin(connection: HTTPConnection, allowed_origins: Iterable[str]) -> bool:
    """Whether the page that opens the socket is ours or a listed one. Programs send no Origin and pass.

    Tokens travel in messages, not in cookies, so this is the second lock, not the first (RFC 6455 section 10.2).
    """
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    if origin in {allowed.rstrip("/") for allowed in allowed_origins}:
        return True
    try:
        ours = _place(f"{connection.scope['scheme']}://{connection.headers.get('host', '')}")
        return ours is not None and _place(origin) == ours
    except ValueError:
        return False


def _place(origin: str) -> tuple[bool, str, int] | None:
    """Security, host and port: `ws` and `http` of one host and port are the same place. ValueError if malformed."""
    parts = urlsplit(origin)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return parts.scheme in ("https", "wss"), parts.hostname, port


def bearer_token(connection: HTTPConnection) -> str:
    """The token of `Authorization: Bearer` (RFC 6750 section 2.1), "" if there is none."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
