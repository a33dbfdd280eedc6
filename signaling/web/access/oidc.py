"""Signing in by an issuer of one's own: OpenID Connect, authorization code with PKCE (S256), state and nonce.

The browser carries a code and a state to us; who somebody is we hear from the issuer alone, over a connection of
our own. The code is in no log: neither requests nor their bodies are written anywhere.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import structlog

from bridge.clock import Clock
from bridge.errors import UnauthorizedError
from bridge.settings.web import Issuer
from bridge.settings.web import SignIn as SignInSettings
from signaling.web.access.claims import check_times, read_claims, read_header
from signaling.web.access.issuer import ForeignIssuer, ask
from signaling.web.http.problem import IssuerError

PENDING_MAX = 1000  # who began and did not come back yet; the oldest gives way
PENDING_S = 600.0  # time to type a password and a second factor there
METADATA_S = 3600.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Metadata:
    """Of OpenID Connect Discovery 1.0, what is needed here."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    posts_secret: bool  # in the body, because the header is not taken there


@dataclass(frozen=True)
class _Pending:
    nonce: str
    verifier: str
    expires_at: float


@dataclass(frozen=True)
class Begun:
    """Where to send the browser; it has to bring `state` back."""

    url: str
    state: str


class OpenIdSignIn:
    """`begin`, and `finish` with what the browser brought back."""

    __slots__ = (
        "_clock",
        "_keys",
        "_metadata",
        "_metadata_at",
        "_pending",
        "_redirect_uri",
        "_secret",
        "_settings",
        "_token_urlsafe",
        "displaced",
    )

    def __init__(
        self,
        settings: SignInSettings,
        secret: str,
        public_url: str,
        clock: Clock,
        token_urlsafe: Callable[[int], str],
    ) -> None:
        """`secret` "" is a public client; `public_url` is where the page is, for the browser and the issuer."""
        self._settings = settings
        self._secret = secret
        self._redirect_uri = public_url.rstrip("/") + "/"
        self._clock = clock
        self._token_urlsafe = token_urlsafe
        self._pending: dict[str, _Pending] = {}
        self._metadata: Metadata | None = None
        self._metadata_at = 0.0
        self._keys: ForeignIssuer | None = None
        self.displaced = 0

    @property
    def name(self) -> str:
        """For the button."""
        return self._settings.issuer_name or urlsplit(self._settings.issuer).hostname or self._settings.issuer

    async def begin(self) -> Begun:
        """Raises IssuerError."""
        metadata = await self._discovered()
        state, nonce, verifier = (self._token_urlsafe(32) for _ in range(3))
        self._remember(state, _Pending(nonce, verifier, self._clock.now() + PENDING_S))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(dict.fromkeys(("openid", *self._settings.issuer_scopes))),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,  # RFC 7636 section 4.2
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        return Begun(f"{metadata.authorization_endpoint}{joint}{urlencode(query)}", state)

    async def finish(self, code: str, state: str, issuer: str = "") -> Mapping[str, Any]:
        """The claims of whoever signed in there. `issuer` is the `iss` of the redirect, "" if it had none.

        Raises UnauthorizedError, or IssuerError.
        """
        pending = self._pending.pop(state, None)  # once only, whatever comes of it
        if pending is None or self._clock.now() >= pending.expires_at:
            raise UnauthorizedError("this sign-in was begun too long ago, or elsewhere: begin again")
        if issuer and issuer != self._settings.issuer:  # RFC 9207: another issuer's code is not for ours
            raise UnauthorizedError("the answer comes from another issuer")
        metadata = await self._discovered()
        token = await self._exchange(metadata, code, pending.verifier)
        return await self._claims(token, pending.nonce)

    def _remember(self, state: str, pending: _Pending) -> None:
        now = self._clock.now()
        for old in [key for key, begun in self._pending.items() if now >= begun.expires_at]:
            del self._pending[old]
        if len(self._pending) >= PENDING_MAX:
            del self._pending[next(iter(self._pending))]
            self.displaced += 1
        self._pending[state] = pending

    async def _discovered(self) -> Metadata:
        now = self._clock.now()
        if self._metadata is not None and now < self._metadata_at + METADATA_S:
            return self._metadata
        url = self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            said = (await ask("GET", url)).raise_for_status().json()
            self._metadata = _parse_metadata(said, self._settings.issuer)
        except (httpx.HTTPError, ValueError) as error:
            log.warning("! issuer", url=url, reason=str(error) or type(error).__name__)
            raise IssuerError("the issuer cannot be asked at this moment; the log says why") from None
        self._metadata_at = now
        keys = Issuer(
            name=self._settings.issuer, audience=self._settings.client_id, jwks_url=self._metadata.jwks_uri
        )
        if self._keys is None or self._keys.settings != keys:
            self._keys = ForeignIssuer(keys, self._clock)
        return self._metadata

    async def _exchange(self, metadata: Metadata, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        basic = self._secret and not metadata.posts_secret
        if not basic:
            form["client_id"] = self._settings.client_id
        if self._secret and metadata.posts_secret:
            form["client_secret"] = self._secret
        # Both are form-encoded inside HTTP Basic (RFC 6749 section 2.3.1).
        name, secret = quote(self._settings.client_id, ""), quote(self._secret, "")
        sent: dict[str, Any] = (
            {"data": form, "auth": httpx.BasicAuth(name, secret)} if basic else {"data": form}
        )
        try:
            answer = await ask("POST", metadata.token_endpoint, **sent)
            said = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            log.warning("! issuer", url=metadata.token_endpoint, reason=str(error) or type(error).__name__)
            raise IssuerError("the issuer gave no token; the log says why") from None
        if answer.status_code == httpx.codes.BAD_REQUEST and isinstance(said, dict):
            log.info("x issuer", error=str(said.get("error"))[:64])
            raise UnauthorizedError("the issuer does not know this code any more: begin again")
        token = said.get("id_token") if isinstance(said, dict) else None
        if not answer.is_success or not isinstance(token, str):
            log.warning("! issuer", url=metadata.token_endpoint, status=answer.status_code)
            raise IssuerError(f"the issuer gave no token but {answer.status_code}")
        return token

    async def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        """OpenID Connect Core section 3.1.3.7."""
        assert self._keys is not None
        header = read_header(token)
        await self._keys.prepare(header)
        key = self._keys.key(
            header
        )  # None for `none`, HS256 and whatever else is not signed by a key of theirs
        if key is None:
            raise UnauthorizedError("the token is not valid: its issuer has no such key")
        client_id, algorithm = self._settings.client_id, str(header["alg"])
        claims = read_claims(token, key, algorithm, audience=client_id, issuer=self._settings.issuer)
        check_times(claims, self._clock.wall())
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else client_id) != client_id:
            raise UnauthorizedError("the token is not valid: it was made for another client")
        said = claims.get("nonce")
        if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
            raise UnauthorizedError("the token is not valid: it belongs to another sign-in")
        return claims


def _parse_metadata(said: object, issuer: str) -> Metadata:
    if not isinstance(said, dict):
        raise ValueError("no metadata: not an object")
    if said.get("issuer") != issuer:  # Discovery section 4.3: exactly, or somebody speaks in its name
        raise ValueError(f"the metadata is of {str(said.get('issuer'))[:128]!r}")
    methods = said.get("token_endpoint_auth_methods_supported")
    posts = (
        isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
    )
    return Metadata(
        _endpoint(said, "authorization_endpoint"),
        _endpoint(said, "token_endpoint"),
        _endpoint(said, "jwks_uri"),
        posts_secret=posts,
    )


def _endpoint(said: Mapping[str, Any], name: str) -> str:
    url = said.get(name)
    if not isinstance(url, str) or not is_safe(url):
        raise ValueError(f"{name} is no https address")
    return url


def is_safe(url: str) -> bool:
    """Encrypted, or on this machine."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    return (parts.scheme == "https" and bool(parts.hostname)) or local
