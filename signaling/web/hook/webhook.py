"""Webhooks: subscriptions, what each is to get, and how a delivery is signed and tried again. No I/O here."""

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from bridge.errors import NotAllowedError
from bridge.ids import UserId
from bridge.switchboard.door.doors import Audience
from bridge.switchboard.door.principal import TokenKind
from signaling.web.protocol.history import Place

SIGNATURE_HEADER = "Warmbridge-Signature"
EVERYTHING = "*"


class Subscription(msgspec.Struct, frozen=True):
    """Who wants to be told what, and where. `scopes` are those the owner had, by a token of this `kind`: nothing beyond
    them is told."""

    subscription_id: str
    owner: str
    scopes: tuple[str, ...]
    url: str
    secret: str
    created_at: float
    events: tuple[str, ...] = (EVERYTHING,)
    description: str = ""
    active: bool = True
    kind: TokenKind = TokenKind.OURS

    def wants(self, name: str, audience: Audience, rights: frozenset[str]) -> bool:
        """`rights` are the scopes that its owner has now."""
        return (
            self.active
            and (EVERYTHING in self.events or name in self.events)
            and audience.includes(UserId(self.owner), "", rights)
        )

    def needs(self, audience: Audience) -> str:
        """The scope without which its owner would not be told; "" for who takes part."""
        return "" if audience.includes(UserId(self.owner), "", frozenset()) else audience.scope


@dataclass(frozen=True)
class DeadLetter:
    """A delivery that was given up."""

    delivery_id: int
    number: int
    part: int
    event: str
    attempts: int
    reason: str
    body: str


class Letter(msgspec.Struct, frozen=True):
    """A delivery as it lies in the outbox: the event's text, what the headers say, and the scope it was told by."""

    event: str
    number: int
    part: int
    body: str
    scope: str = ""


def signature(secret: str, at: int, body: bytes) -> str:
    """The header's value: a receiver recomputes it and refuses an old `t`, so that nothing can be played again."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def retry_delay_s(attempts: int, first_s: float, longest_s: float) -> float:
    """The pause before the next try after `attempts` failures: doubling, up to the longest."""
    return min(longest_s, first_s * 2.0 ** min(attempts - 1, 32))


def check_url(url: str, allowed_hosts: tuple[str, ...]) -> None:
    """Raises NotAllowedError for what cannot or must not be delivered to."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise NotAllowedError(f"url: {error}") from None
    if parts.scheme not in ("https", "http") or not host:
        raise NotAllowedError("url: an absolute http or https URL is needed")
    if parts.username or parts.password or parts.fragment:
        raise NotAllowedError("url: no user, password or fragment")
    if allowed_hosts and host not in allowed_hosts:
        raise NotAllowedError(f"url: webhooks may not go to {host}; see webhooks.allowed_hosts")


def letter_of(event: str, place: Place, text: str, scope: str = "") -> bytes:
    return msgspec.json.encode(Letter(event, place.number, place.part, text, scope))


def parse_letter(body: bytes) -> Letter:
    return msgspec.json.decode(body, type=Letter)
