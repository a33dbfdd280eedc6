"""What tokens are signed with, and the issuers whose word is taken."""

import secrets
from pathlib import Path

from bridge.clock import Clock
from bridge.configured.secret_file import read_secret_file
from bridge.settings.settings import Settings
from bridge.switchboard.door.entitlement import require_scopes
from signaling.web.access.auth import read_secret
from signaling.web.access.issuer import ForeignIssuer
from signaling.web.access.oidc import OpenIdSignIn


def configured_issuer(settings: Settings, clock: Clock) -> ForeignIssuer | None:
    return ForeignIssuer(settings.issuer, clock) if settings.issuer.name else None


def configured_sign_in_issuer(settings: Settings, clock: Clock) -> OpenIdSignIn | None:
    if not settings.sign_in.issuer:
        return None
    path = settings.sign_in.client_secret_file
    secret = read_secret_file("sign_in.client_secret_file", path) if path else ""
    return OpenIdSignIn(settings.sign_in, secret, settings.http.public_url, clock, secrets.token_urlsafe)


def configured_secret(settings: Settings) -> bytes:
    if settings.auth.secret_file:
        return read_secret(Path(settings.auth.secret_file))
    return secrets.token_bytes(32)


def check_scopes(settings: Settings) -> None:
    """Raises SettingsError for a scope that nobody knows: a machine would lack it without a word."""
    require_scopes("issuer.scopes", settings.issuer.scopes)
    for index, client in enumerate(settings.auth.clients):
        require_scopes(f"auth.clients.{index}.scopes", client.scopes)
