"""The token endpoint: OAuth 2.0 client credentials (RFC 6749 section 4.4) for machines."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from bridge.clock import Clock
from bridge.settings.web import Auth, Client
from bridge.switchboard.door.principal import INTERACTION_ALL, INTERACTION_WRITE, ROUTING_WRITE, VIDEO_USE
from signaling.web.access.auth import Signer
from signaling.web.access.rate import RateLimits
from signaling.web.access.secret import SecretCheck

BODY_MAX_BYTES = 16 * 1024
# A secret is guessed by trying; a machine needs one token an hour.
TRIES_PER_SECOND = 0.2
TRIES_BURST = 10.0
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749 section 5.1


class TokenAnswer(BaseModel):
    """RFC 6749 section 5.1."""

    access_token: str
    token_type: Annotated[str, Field(examples=["Bearer"])]
    expires_in: Annotated[int, Field(examples=[3600])]
    scope: Annotated[str, Field(examples=["interaction:read interaction:write routing:write"])]


class TokenTrouble(BaseModel):
    """RFC 6749 section 5.2, with our `code` and `reason` beside it."""

    error: Annotated[str, Field(examples=["invalid_client"])]
    error_description: str
    code: str
    reason: str


class RefusedError(Exception):
    """A request that gets no token. `status` and `error` are those of RFC 6749 section 5.2."""

    def __init__(self, status: int, error: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.error = error
        self.reason = reason


@dataclass(frozen=True)
class _Form:
    """The request as far as it matters. The client names itself in the header or in the body, not in both."""

    grant_type: str
    client_id: str
    client_secret: str
    scope: str


class TokenEndpoint:
    """Gives tokens to the machines of the configuration."""

    def __init__(self, settings: Auth, signer: Signer, clock: Clock, secrets: SecretCheck) -> None:
        self._clients = {client.id: client for client in settings.clients}
        self._lifetime_s = settings.token_lifetime_s
        self._signer = signer
        self._clock = clock
        self._check = secrets
        self._tries = RateLimits(TRIES_PER_SECOND, TRIES_BURST)

    def router(self) -> APIRouter:
        router = APIRouter(tags=["tokens"])
        router.add_api_route(
            "/oauth/token",
            self._token,
            methods=["POST"],
            response_model=TokenAnswer,
            operation_id="issueToken",
            summary="A token for a machine (client credentials)",
            responses={
                status: {"model": TokenTrouble, "description": text} for status, text in _REFUSALS.items()
            },
            openapi_extra={"requestBody": _REQUEST_BODY, "security": [{"client": []}, {}]},
        )
        return router

    async def _token(self, request: Request) -> Response:
        try:
            return JSONResponse(await self._answer(request), headers=_NO_STORE)
        except RefusedError as refused:
            return _refusal(refused)

    async def _answer(self, request: Request) -> dict[str, Any]:
        form = _parse(request.headers, await _read(request))
        client = await self._authenticated(form, request.client.host if request.client else "")
        if form.grant_type != "client_credentials":
            raise RefusedError(400, "unsupported_grant_type", "grant_type must be client_credentials")
        scopes = _granted(client, form.scope)
        return {
            "access_token": self._signer.issue_to_machine(
                client.id, scopes, self._lifetime_s, client.name or client.id
            ),
            "token_type": "Bearer",
            "expires_in": int(self._lifetime_s),
            "scope": " ".join(sorted(scopes)),
        }

    async def _authenticated(self, form: _Form, host: str) -> Client:
        if not form.client_id or not form.client_secret:
            raise RefusedError(401, "invalid_client", "the client's id and secret are missing")
        # Counted by who asks, too: a stranger must not be able to lock a client out by failing in its name.
        if not self._tries.take(f"{host} {form.client_id[:128]}", self._clock.now()):
            raise RefusedError(429, "slow_down", "too many requests for tokens; keep the one you have")
        client = self._clients.get(form.client_id)
        if not await self._check.matches(form.client_secret, client.secret_hash if client else None):
            raise RefusedError(401, "invalid_client", "no such client, or its secret is another one")
        assert client is not None
        return client


_REFUSALS = {
    400: "The request is malformed, or asks for what there is not",
    401: "The client is unknown or its secret wrong",
    413: "The body is too large",
    429: "Too many requests",
}
_REQUEST_BODY = {
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "required": ["grant_type"],
                "properties": {
                    "grant_type": {"type": "string", "enum": ["client_credentials"]},
                    "client_id": {"type": "string"},
                    "client_secret": {"type": "string"},
                    "scope": {"type": "string"},
                },
            },
            "example": {
                "grant_type": "client_credentials",
                "client_id": "crm",
                "client_secret": "…",
                "scope": "interaction:write routing:write",
            },
        }
    },
}


def scopes_of_clients(settings: Auth) -> Mapping[str, frozenset[str]]:
    """All that the tokens of each may have."""
    return {client.id: _granted(client, "") for client in settings.clients}


def _granted(client: Client, wished: str) -> frozenset[str]:
    """What was asked for, or all the client may have.

    A machine takes part in nothing itself, so its scopes hold for all interactions; and the licence for video
    is a person's, who is asked for it when joining.
    """
    asked = frozenset(wished.split()) or frozenset(client.scopes)
    reach = {INTERACTION_ALL}
    if {INTERACTION_WRITE, ROUTING_WRITE} <= frozenset(client.scopes):
        reach.add(VIDEO_USE)
    missing = asked - frozenset(client.scopes) - reach
    if missing:
        raise RefusedError(
            400, "invalid_scope", f"client {client.id} has no scope {' '.join(sorted(missing))}"
        )
    if {INTERACTION_WRITE, ROUTING_WRITE} <= asked:
        asked |= {VIDEO_USE}
    return asked | {INTERACTION_ALL}


async def _read(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            raise RefusedError(413, "invalid_request", f"more than {BODY_MAX_BYTES} bytes")
    return body


def _parse(headers: Mapping[str, str], body: bytes) -> _Form:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise RefusedError(400, "invalid_request", "the body must be application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=16)
    except ValueError:
        raise RefusedError(400, "invalid_request", "the body cannot be read as a form") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RefusedError(400, "invalid_request", "a parameter is there twice")  # RFC 6749 section 3.2
    client_id, client_secret = fields.get("client_id", ""), fields.get("client_secret", "")
    basic = _basic(headers.get("authorization", ""))
    if basic is not None and client_secret:
        raise RefusedError(
            400, "invalid_request", "the client names itself twice: in the header and the body"
        )
    client_id, client_secret = basic or (client_id, client_secret)
    return _Form(fields.get("grant_type", ""), client_id, client_secret, fields.get("scope", ""))


def _basic(authorization: str) -> tuple[str, str] | None:
    """Id and secret of HTTP Basic; both are form-encoded in it (RFC 6749 section 2.3.1)."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise RefusedError(401, "invalid_client", "the Authorization header cannot be read") from None
    return unquote_plus(client_id), unquote_plus(secret)


def _refusal(refused: RefusedError) -> JSONResponse:
    headers: dict[str, str] = dict(_NO_STORE)
    if refused.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="warmbridge"'
    if refused.status == 429:
        headers["Retry-After"] = "1"
    trouble = TokenTrouble(
        error=refused.error, error_description=refused.reason, code=refused.error, reason=refused.reason
    )
    return JSONResponse(trouble.model_dump(), refused.status, headers)
