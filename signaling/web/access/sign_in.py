"""How a person signs in: a password, or the word of an issuer, for a short token that can be renewed for a while."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from bridge.clock import Clock
from bridge.desk.centre.account import Registration
from bridge.errors import BridgeError, ForbiddenError, NotFoundError, UnauthorizedError
from bridge.ids import UserId
from bridge.settings.web import SignIn as SignInSettings
from bridge.switchboard.centre.accounts import Accounts
from bridge.switchboard.door.entitlement import scopes_of
from bridge.switchboard.door.principal import TokenKind
from signaling.web.access.auth import Signer
from signaling.web.access.oidc import Begun, OpenIdSignIn
from signaling.web.access.rate import RateLimits
from signaling.web.access.secret import SecretCheck
from signaling.web.access.throttle import Throttle, source_of

# Each beginning is remembered for ten minutes, and the first asks the issuer.
BEGINNINGS_PER_SECOND = 1.0
BEGINNINGS_BURST = 20.0
WRONG = "the user or the password is wrong"

log = structlog.get_logger()


class TooManyTriesError(BridgeError):
    """Nothing was compared."""

    code = "too_many_tries"

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many tries: wait {wait_s:.0f} seconds")
        self.wait_s = wait_s


@dataclass(frozen=True)
class Grant:
    """`token` for everything, `refresh_token` for the next one; it does not outlive `refresh_s`."""

    user_id: UserId
    name: str
    scopes: frozenset[str]
    token: str
    token_s: float
    refresh_token: str
    refresh_s: float


class SignIn:
    """Lets people in. What is refused says no more than it must: not whether there is such a user."""

    __slots__ = (
        "_accounts",
        "_beginnings",
        "_clock",
        "_secrets",
        "_settings",
        "_signer",
        "issuer",
        "throttle",
    )

    def __init__(
        self,
        settings: SignInSettings,
        accounts: Accounts,
        signer: Signer,
        clock: Clock,
        secrets: SecretCheck,
        issuer: OpenIdSignIn | None = None,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._signer = signer
        self._clock = clock
        self._secrets = secrets
        self.issuer = issuer
        self._beginnings = RateLimits(BEGINNINGS_PER_SECOND, BEGINNINGS_BURST)
        self.throttle = Throttle()

    async def by_password(self, name: str, password: str, address: str) -> Grant:
        """`name` is a user id or an e-mail address. Raises UnauthorizedError, TooManyTriesError, CapacityError."""
        user_id = await self._proved(name, password, address)
        return self.grant(user_id)

    async def change_password(self, name: str, password: str, new: str, address: str) -> None:
        """By whoever knows the old one; all tokens from before are void. Raises what `by_password` raises, and
        NotAllowedError for an account of the configuration."""
        user_id = await self._proved(name, password, address)
        await self._accounts.change_own_password(user_id, await self._secrets.hash(new))

    async def _proved(self, name: str, password: str, address: str) -> UserId:
        known = self._accounts.signing_in_as(name)
        user = known.account.user_id if known else name.casefold()
        wait_s = self.throttle.begin(user, address, self._clock.now())
        if wait_s > 0:
            raise TooManyTriesError(wait_s)
        if not await self._secrets.matches(password, known.account.password_hash if known else None):
            # No name: people type their password there.
            log.info("x sign-in", address=address, reason="unknown user or wrong password")
            raise UnauthorizedError(WRONG)
        assert known is not None
        self.throttle.succeed(user, address)
        return known.account.user_id

    async def begin_at_issuer(self, address: str) -> Begun:
        """Raises NotFoundError without an issuer, TooManyTriesError, IssuerError."""
        if not self._beginnings.take(source_of(address), self._clock.now()):
            raise TooManyTriesError(1.0)
        return await self._issuer().begin()

    async def by_issuer(self, code: str, state: str, issuer: str) -> Grant:
        """Raises UnauthorizedError, ForbiddenError for somebody without an account here, IssuerError."""
        claims = await self._issuer().finish(code, state, issuer)
        registration = self._claimed(claims)
        if registration is None:
            reason = "whom the issuer names has no account here"
            log.info(
                "x sign-in", issuer=self._settings.issuer, claim=self._settings.user_claim, reason=reason
            )
            raise ForbiddenError("the issuer knows you, but there is no account for you here")
        return self.grant(registration.account.user_id)

    def _issuer(self) -> OpenIdSignIn:
        if self.issuer is None:
            raise NotFoundError("no issuer is configured")
        return self.issuer

    def _claimed(self, claims: Mapping[str, Any]) -> Registration | None:
        claim = self._settings.user_claim
        name = claims.get(claim)
        if not isinstance(name, str) or not name:
            return None
        if claim != "email":
            return self._accounts.known_as(name)
        # Whoever may write any address into a profile there must not become its owner here.
        return self._accounts.with_email(name) if claims.get("email_verified") is True else None

    def grant(self, user_id: UserId) -> Grant:
        """For who has shown to be this user. Raises ForbiddenError if the account is disabled."""
        registration = self._accounts.registration(user_id)
        if registration is None or registration.standing.disabled:
            raise ForbiddenError("the account is disabled")
        log.info("= signed in", user=user_id)
        wall = self._clock.wall()
        refresh_token = self._signer.issue_refresh(user_id, wall, self._settings.session_s)
        return self._granted(registration, refresh_token, wall)

    def renew(self, refresh_token: str) -> Grant:
        """A fresh token with the rights of now. Raises UnauthorizedError once the session is over."""
        refresh = self._signer.read_refresh(refresh_token)
        reason = self._accounts.why_void(refresh.user_id, refresh.signed_in_at, TokenKind.PERSONAL)
        if reason:
            raise UnauthorizedError(reason)
        registration = self._accounts.registration(refresh.user_id)
        assert registration is not None
        return self._granted(registration, refresh_token, refresh.signed_in_at)

    def _granted(self, registration: Registration, refresh_token: str, signed_in_at: float) -> Grant:
        account, scopes = registration.account, scopes_of(registration)
        left_s = signed_in_at + self._settings.session_s - self._clock.wall()
        token_s = min(self._settings.token_s, left_s)
        token = self._signer.issue_personal(account.user_id, scopes, token_s, account.name)
        return Grant(account.user_id, account.name, scopes, token, token_s, refresh_token, left_s)
