"""The keys of a foreign token issuer: its JWKS (RFC 7517), fetched when a key is asked for that is not here."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
import structlog

from bridge.clock import Clock
from bridge.settings.web import Issuer

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
KEYS_MAX = 64
BODY_MAX_BYTES = 256 * 1024
FETCH_TIMEOUT_S = 5.0
# A token with an invented key id must not make us a client that knocks without end.
FETCH_PAUSE_S = 10.0
KEYS_LIVE_S = 3600.0  # a key that the issuer has withdrawn is forgotten by then

log = structlog.get_logger()


class ForeignIssuer:
    """Knows keys by their ids. `prepare` fetches, `key` looks up and never waits."""

    __slots__ = ("_clock", "_fetching", "_keys", "_next_fetch_at", "_stale_at", "fetches", "settings")

    def __init__(self, settings: Issuer, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetching = asyncio.Lock()
        self._next_fetch_at = 0.0
        self._stale_at = 0.0
        self.fetches = 0

    def key(self, header: Mapping[str, Any]) -> jwt.PyJWK | None:
        """The key a token's header names; without a `kid`, the only one there is."""
        if header.get("alg") not in ALGORITHMS:
            return None
        key_id = header.get("kid")
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id) if isinstance(key_id, str) else None

    def lacks(self, header: Mapping[str, Any]) -> bool:
        """Whether the issuer should be asked, and may be asked again by now."""
        if header.get("alg") not in ALGORITHMS:
            return False
        now = self._clock.now()
        return now >= self._next_fetch_at and (self.key(header) is None or now >= self._stale_at)

    async def prepare(self, header: Mapping[str, Any]) -> None:
        """Fetches the keys if the one wanted is not here. A failure is logged; the token then finds no key."""
        async with self._fetching:
            if self.lacks(header):
                await self._fetch()

    async def _fetch(self) -> None:
        now = self._clock.now()
        self._next_fetch_at = now + FETCH_PAUSE_S
        self.fetches += 1
        try:
            self._keys = _parse_keys((await ask("GET", self.settings.jwks_url)).raise_for_status().json())
        except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
            log.warning("! issuer", url=self.settings.jwks_url, reason=str(error) or type(error).__name__)
            return
        self._stale_at = now + KEYS_LIVE_S
        log.info("= issuer", url=self.settings.jwks_url, keys=len(self._keys))


async def ask(method: str, url: str, **sent: Any) -> httpx.Response:
    """An answer of bounded size. Raises httpx.HTTPError, or ValueError for a larger one."""
    async with (
        httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, trust_env=False) as client,
        client.stream(method, url, headers={"Accept": "application/json"}, **sent) as response,
    ):
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > BODY_MAX_BYTES:
                raise ValueError(f"more than {BODY_MAX_BYTES} bytes")
        return httpx.Response(response.status_code, content=body, request=response.request)


def _parse_keys(listed: object) -> dict[str, jwt.PyJWK]:
    """The keys for signatures that we understand; others are no reason to refuse the rest."""
    found: dict[str, jwt.PyJWK] = {}
    entries = listed.get("keys") if isinstance(listed, dict) else None
    if not isinstance(entries, list):
        raise ValueError("no JWK set: it has no list `keys`")
    for entry in entries[:KEYS_MAX]:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or entry.get("kty") == "oct":
            continue
        try:
            key = jwt.PyJWK.from_dict(entry)
        except jwt.PyJWTError:
            continue
        found[str(entry.get("kid", ""))] = key
    return found
