"""An OpenID Connect issuer on loopback that checks PKCE and lies as told."""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from bridge.clock import SystemClock
from tests.interop.web.http_stub import HttpStub, Received, http_stub

CLIENT_ID = "warmbridge at the desk"
Claims = dict[str, Any]


@dataclass
class IssuerStub:
    """`claims` are changed by `lie`, the token by `forge`, and the metadata by `metadata`."""

    stub: HttpStub
    key: rsa.RSAPrivateKey
    claims: Claims = field(default_factory=dict)
    lie: Callable[[Claims], Claims] = lambda claims: claims
    forge: Callable[[Claims], str] | None = None
    metadata: Claims = field(default_factory=dict)
    status: int = 200
    begun: Claims = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)

    def authorize(self, url: str) -> tuple[str, str]:
        """What the person does there. Returns code and state, as the redirect would carry them."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        self.begun = query
        self.codes.append(secrets.token_urlsafe(16))
        return self.codes[-1], query["state"]

    def answer(self, request: Received) -> tuple[int, bytes]:
        if request.path == "/.well-known/openid-configuration":
            return 200, json.dumps(self._metadata()).encode()
        if request.path == "/keys":
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            return 200, json.dumps({"keys": [{**public, "kid": "one", "use": "sig"}]}).encode()
        if request.path == "/token":
            return self._token(request)
        return 404, b"{}"

    def _metadata(self) -> Claims:
        said = {
            "issuer": self.stub.url,
            "authorization_endpoint": f"{self.stub.url}/authorize",
            "token_endpoint": f"{self.stub.url}/token",
            "jwks_uri": f"{self.stub.url}/keys",
        }
        return said | self.metadata

    def _token(self, request: Received) -> tuple[int, bytes]:
        if self.status != 200:
            return self.status, b"{}"
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        basic = request.headers.get("authorization", "").removeprefix("Basic ")
        client_id, _, secret = base64.b64decode(basic).decode().partition(":")
        self.secrets.append(
            f"{unquote(client_id)}:{unquote(secret)}" if basic else form.get("client_secret", "")
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        proves = challenge.rstrip(b"=").decode() == self.begun["code_challenge"]
        same_place = form["redirect_uri"] == self.begun["redirect_uri"]
        if form["code"] not in self.codes or not proves or not same_place:
            return 400, b'{"error": "invalid_grant"}'
        self.codes.remove(form["code"])
        return 200, json.dumps({"id_token": self._id_token(), "access_token": "x"}).encode()

    def _id_token(self) -> str:
        wall = SystemClock().wall()
        claims = {
            "iss": self.stub.url,
            "aud": CLIENT_ID,
            "sub": "00uE",
            "iat": wall,
            "exp": wall + 300,
            "nonce": self.begun["nonce"],
            **self.claims,
        }
        if self.forge is not None:
            return self.forge(claims)
        return jwt.encode(self.lie(claims), self.key, "RS256", {"kid": "one"})


@asynccontextmanager
async def issuer_stub() -> AsyncIterator[IssuerStub]:
    async with http_stub() as stub:
        issuer = IssuerStub(stub, rsa.generate_private_key(65537, 2048))
        stub.answer = issuer.answer
        yield issuer
