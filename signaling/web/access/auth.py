"""Access tokens: JWT (RFC 7519). Ours are signed with HS256 under one secret; a foreign issuer's by its keys."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import jwt

from bridge.clock import Clock
from bridge.errors import SettingsError, UnauthorizedError
from bridge.ids import InteractionId, LinkId, ParticipantId, UserId
from bridge.switchboard.browser.companions import Ticket
from bridge.switchboard.door.doors import SignedLink
from bridge.switchboard.door.principal import (
    INTERACTION_ALL,
    INTERACTION_READ,
    INTERACTION_SUPERVISE,
    INTERACTION_WRITE,
    METRICS_READ,
    QUEUE_WRITE,
    ROUTING_WRITE,
    TRUNK_ADMIN,
    USER_READ,
    USER_WRITE,
    VIDEO_USE,
    WEBHOOK_READ,
    WEBHOOK_WRITE,
    Principal,
    TokenKind,
)
from signaling.web.access.claims import check_times, read_claims, read_header, seconds
from signaling.web.access.issuer import ForeignIssuer

SCOPES = {
    INTERACTION_READ: "see interactions and users",
    INTERACTION_WRITE: "change interactions and take part with media",
    ROUTING_WRITE: "go ready, accept and reject offers",
    VIDEO_USE: "ask for and join with video",
    INTERACTION_ALL: "the same for interactions one takes no part in, and to supervise them",
    INTERACTION_SUPERVISE: "see all interactions, listen in and whisper",
    QUEUE_WRITE: "make, change and remove queues",
    USER_READ: "see accounts",
    USER_WRITE: "make, change and disable accounts; set skills and licences",
    TRUNK_ADMIN: "see the trunks, and hear of those that go and come back",
    METRICS_READ: "read /metrics from another machine",
    WEBHOOK_READ: "see webhook subscriptions and dead letters",
    WEBHOOK_WRITE: "subscribe webhooks, change them, send dead letters again",
}
ALGORITHM = "HS256"
MAKE_A_KEY = (
    "make a key with `head -c 32 /dev/urandom | base64 > secret`, and give it to this command and to serve by "
    "auth.secret_file in their configuration, or by --set auth.secret_file=secret"
)
SECRET_MIN_BYTES = 32  # RFC 7518 section 3.2: no shorter than the hash
_COMPANION = "warmbridge-companion"  # the audience of links: neither kind of token passes for the other
_REFRESH = "warmbridge-refresh"  # the audience of what only renews
_OURS = "warmbridge"  # issuer and audience: a token of another system under the same secret is not for us


@dataclass(frozen=True)
class Identity:
    """Who a token speaks for, and until when by the wall clock.

    `scopes` are what it may do now, `granted` what it says: of a person's token, the account may have lost some since.
    """

    user_id: UserId
    name: str
    scopes: frozenset[str]
    expires_at: float
    issued_at: float = 0.0
    kind: TokenKind = TokenKind.OURS
    granted: frozenset[str] = frozenset()

    def principal(self, connection_id: str = "") -> Principal:
        return Principal(self.user_id, self.name, self.scopes, connection_id, self.kind)


@dataclass(frozen=True)
class Refresh:
    """Who signed in, and when by the wall clock."""

    user_id: UserId
    signed_in_at: float


def read_secret(path: Path) -> bytes:
    """The key in a file, blanks around it removed. Raises SettingsError if it is missing or too short."""
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"auth.secret_file: {path}: {error.strerror}") from error
    if len(secret) < SECRET_MIN_BYTES:
        raise SettingsError(
            f"auth.secret_file: {path} holds {len(secret)} bytes, at least {SECRET_MIN_BYTES} are needed: "
            f"head -c {SECRET_MIN_BYTES} /dev/urandom | base64 > {path}"
        )
    return secret


class Signer:
    """Issues tokens that a `Verifier` with the same secret accepts."""

    __slots__ = ("_clock", "_secret")

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def issue(self, subject: str, scopes: Iterable[str], lifetime_s: float, name: str = "") -> str:
        return jwt.encode(self._claims(subject, scopes, lifetime_s, name), self._secret, ALGORITHM)

    def issue_personal(self, subject: str, scopes: Iterable[str], lifetime_s: float, name: str) -> str:
        """For an account; it does not outlive that."""
        claims = {**self._claims(subject, scopes, lifetime_s, name), "personal": True}
        return jwt.encode(claims, self._secret, ALGORITHM)

    def issue_to_machine(self, subject: str, scopes: Iterable[str], lifetime_s: float, name: str) -> str:
        """For a client of the configuration."""
        claims = {**self._claims(subject, scopes, lifetime_s, name), "machine": True}
        return jwt.encode(claims, self._secret, ALGORITHM)

    def issue_refresh(self, subject: str, signed_in_at: float, lifetime_s: float) -> str:
        """Good for a fresh token and nothing else: its audience is another."""
        claims = {
            "iss": _OURS,
            "aud": _REFRESH,
            "sub": subject,
            "auth_time": signed_in_at,  # OpenID Connect Core section 2
            "exp": signed_in_at + lifetime_s,
        }
        return jwt.encode(claims, self._secret, ALGORITHM)

    def read_refresh(self, token: str) -> Refresh:
        """Raises UnauthorizedError."""
        claims = read_claims(token, self._secret, ALGORITHM, audience=_REFRESH, issuer=_OURS)
        identity, signed_in_at = _identity(claims, self._clock.wall()), seconds(claims.get("auth_time"))
        if self._clock.wall() >= identity.expires_at:
            raise UnauthorizedError("the session is over: sign in again")
        return Refresh(identity.user_id, signed_in_at)

    def _claims(self, subject: str, scopes: Iterable[str], lifetime_s: float, name: str) -> dict[str, Any]:
        wall = self._clock.wall()
        return {
            "iss": _OURS,
            "aud": _OURS,
            "sub": subject,
            "name": name or subject,
            "scope": " ".join(sorted(set(scopes))),  # RFC 8693 section 4.2
            "iat": wall,  # exactly: what was issued in the second of a revocation is before it or after it
            "exp": int(wall + lifetime_s),
        }


class CompanionSigner:
    """Implements `CompanionDoor`: tokens of a kind of their own, which open no desktop and no API."""

    __slots__ = ("_public_url", "_secret")

    def __init__(self, secret: bytes, public_url: str) -> None:
        """`public_url` is where customers reach this bridge, "" for an address without a host."""
        self._secret = secret
        self._public_url = public_url.rstrip("/")

    def sign_link(
        self, link_id: LinkId, interaction_id: InteractionId, participant_id: ParticipantId, expires_at: float
    ) -> SignedLink:
        claims = {
            "iss": _OURS,
            "aud": _COMPANION,
            "sub": participant_id,
            "jti": link_id,
            "interaction": interaction_id,
            "exp": int(expires_at),
        }
        token = jwt.encode(claims, self._secret, ALGORITHM)
        return SignedLink(f"{self._public_url}/companion#{token}", token)


class Register(Protocol):
    """Knows what has become of a token's user since it was issued."""

    def why_void(self, user_id: UserId, issued_at: float, kind: TokenKind) -> str:
        """ "" lets it pass."""

    def entitlement(self, user_id: UserId) -> frozenset[str]:
        """What the account gives a right to now."""

    def ready_roles(self, user_id: UserId) -> tuple[str, ...]:
        """In which roles one may be offered calls."""


class Verifier:
    """Tells who a token speaks for."""

    __slots__ = ("_foreign", "_register", "_secret")

    def __init__(
        self, secret: bytes, foreign: ForeignIssuer | None = None, register: Register | None = None
    ) -> None:
        """Without a `register` every token is worth what it says."""
        self._secret = secret
        self._foreign = foreign
        self._register = register

    def verify(self, token: str, wall: float) -> Identity:
        """Raises UnauthorizedError; the reason never quotes the token."""
        header = read_header(token)
        # Which key is used follows from the algorithm, and no key serves two: a token that names HS256 is
        # never checked against a public key, which everybody has.
        if self._foreign is not None and header.get("alg") != ALGORITHM:
            identity = self._verify_foreign(self._foreign, token, header, wall)
        else:
            claims = read_claims(token, self._secret, ALGORITHM, audience=_OURS, issuer=_OURS)
            identity = _identity(claims, wall, _kind_of(claims))
        return self.judged(identity)

    def judged(self, identity: Identity) -> Identity:
        """With the rights of now. Raises UnauthorizedError if nothing is left of them."""
        if self._register is None:
            return identity
        reason = self._register.why_void(identity.user_id, identity.issued_at, identity.kind)
        if reason:
            raise UnauthorizedError(reason)
        if identity.kind is not TokenKind.PERSONAL:
            return identity
        return replace(identity, scopes=identity.granted & self._register.entitlement(identity.user_id))

    def ready_roles(self, user_id: UserId) -> tuple[str, ...]:
        """In which roles a user may be offered calls; () without a `register`, which knows none."""
        return self._register.ready_roles(user_id) if self._register is not None else ()

    def verify_companion(self, token: str) -> Ticket:
        """Whose link it is. Whether it can still be used the desk knows: a bound browser may come back later.
        Raises UnauthorizedError."""
        claims = read_claims(token, self._secret, ALGORITHM, audience=_COMPANION, issuer=_OURS)
        names = [claims.get("jti"), claims.get("interaction"), claims["sub"]]
        if not all(isinstance(name, str) and 0 < len(name) <= 128 for name in names):
            raise UnauthorizedError("the token is not valid: it names no link")
        link_id, interaction_id, participant_id = names
        return Ticket(LinkId(link_id), InteractionId(interaction_id), ParticipantId(participant_id))

    def lacks_key(self, token: str) -> bool:
        """Whether `prepare` should be awaited before `verify`."""
        if self._foreign is None:
            return False
        try:
            return self._foreign.lacks(read_header(token))
        except UnauthorizedError:
            return False

    async def prepare(self, token: str) -> None:
        """Fetches the foreign issuer's key if this token needs one that is not here."""
        if self._foreign is not None and self.lacks_key(token):
            await self._foreign.prepare(read_header(token))

    def _verify_foreign(
        self, foreign: ForeignIssuer, token: str, header: dict[str, Any], wall: float
    ) -> Identity:
        key = foreign.key(header)
        if key is None:
            raise UnauthorizedError("the token is not valid: its issuer has no such key")
        settings, algorithm = foreign.settings, str(header["alg"])
        claims = read_claims(token, key, algorithm, audience=settings.audience, issuer=settings.name)
        # `scope` is RFC 8693; `scp`, as text or list, is what some issuers write instead.
        scope = claims.get("scope", claims.get("scp", ""))
        if isinstance(scope, list) and all(isinstance(one, str) for one in scope):
            scope = " ".join(scope)
        identity = _identity({**claims, "scope": scope}, wall, TokenKind.FOREIGN)
        if not settings.scopes:
            return identity
        scopes = identity.scopes & frozenset(settings.scopes)
        return replace(identity, scopes=scopes, granted=scopes)


def _kind_of(claims: dict[str, Any]) -> TokenKind:
    marks = (TokenKind.PERSONAL, TokenKind.MACHINE)
    return next((kind for kind in marks if claims.get(kind.value) is True), TokenKind.OURS)


def _identity(claims: dict[str, Any], wall: float, kind: TokenKind = TokenKind.OURS) -> Identity:
    expires_at = check_times(claims, wall)
    subject, name, scope = claims["sub"], claims.get("name") or claims["sub"], claims.get("scope", "")
    if not isinstance(subject, str) or not 0 < len(subject) <= 128 or not subject.isprintable():
        raise UnauthorizedError("the token's subject must be a user id of 1 to 128 printable characters")
    if not isinstance(name, str) or not isinstance(scope, str):
        raise UnauthorizedError("the token's name and scope must be text")
    issued_at, granted = seconds(claims.get("iat", 0)), frozenset(scope.split())
    return Identity(UserId(subject), name[:256], granted, expires_at, issued_at, kind, granted)
