"""Asks a running daemon for the SIP messages of an interaction, as `warmbridge trace` does."""

from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from bridge.clock import SystemClock
from bridge.errors import SettingsError
from bridge.settings.settings import Settings
from bridge.switchboard.door.principal import INTERACTION_ALL, INTERACTION_READ
from signaling.web.access.auth import MAKE_A_KEY, Signer, read_secret
from signaling.web.protocol.reply import TraceResult
from signaling.web.protocol.wire_view import Signal

TIMEOUT_S = 10.0
TOKEN_S = 60.0
EVERYWHERE = ("0.0.0.0", "::")  # where the daemon listens; we ask on loopback


def fetch_trace(settings: Settings, interaction_id: str, url: str = "") -> tuple[Signal, ...]:
    """Signs a token for one minute with the daemon's own key. Raises SettingsError with what to do."""
    if not settings.auth.secret_file:
        raise SettingsError(
            f"auth.secret_file is empty, so the running daemon knows no token of this command: {MAKE_A_KEY}"
        )
    signer = Signer(read_secret(Path(settings.auth.secret_file)), SystemClock())
    token = signer.issue("trace", (INTERACTION_READ, INTERACTION_ALL), TOKEN_S, name="trace")
    base = url or _base(settings)
    try:
        answer = httpx.get(
            f"{base}/api/v2/interactions/{quote(interaction_id, safe='')}/trace",
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
            verify=settings.http.certificate or True,
        )
    except httpx.HTTPError as error:
        raise SettingsError(
            f"{base} does not answer ({error}): is the daemon running? Else give --url http://HOST:PORT"
        ) from error
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise SettingsError(
            f"{base} says 404: {_detail(answer)}. The id, int_..., is at the top of a call on the page and in the log"
        )
    if answer.is_error:
        raise SettingsError(f"{base} says {answer.status_code}: {_detail(answer)}")
    try:
        return TraceResult.model_validate_json(answer.content).signals
    except ValidationError as error:
        raise SettingsError(
            f"{base} is no warmbridge of this version: {error.error_count()} mistakes"
        ) from error


def _base(settings: Settings) -> str:
    http = settings.http
    host = "127.0.0.1" if http.address in EVERYWHERE else http.address
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if http.certificate else 'http'}://{host}:{http.port}"


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", ""))
    except ValueError:
        return answer.reason_phrase
