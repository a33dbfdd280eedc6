"""Accounts: administered by whoever has the scope for it, looked at by whoever lets people in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from bridge.desk import commands
from bridge.desk.centre.account import Account, Registration
from bridge.desk.centre.queue import Profile
from bridge.desk.centre.role import ParticipantRole
from bridge.errors import ForbiddenError, NotAllowedError, NotFoundError
from bridge.ids import UserId
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.door.entitlement import account_view, ready_roles, scopes_of
from bridge.switchboard.door.principal import (
    EVERY_SCOPE,
    INTERACTION_SUPERVISE,
    USER_READ,
    USER_WRITE,
    Principal,
    TokenKind,
    allows,
)
from bridge.switchboard.view.cursor import make_cursor, parse_cursor
from bridge.switchboard.view.search import PAGE_MAX
from bridge.switchboard.view.view import AccountView
from bridge.switchboard.wiring import Wiring

NO_SUPERVISOR = "may not supervise any more"


@dataclass(frozen=True)
class AccountPage:
    """`next_cursor` is "" on the last page."""

    accounts: tuple[AccountView, ...]
    next_cursor: str


class Accounts:
    """Nobody gives, or takes the place of, rights beyond their own: whoever administers an account has all of its
    scopes. Scope user:write to change, user:read to look."""

    __slots__ = ("_desktops", "_wiring")

    def __init__(self, wiring: Wiring, desktops: Desktops) -> None:
        self._wiring = wiring
        self._desktops = desktops

    # --- administration -----------------------------------------------------------------------------------

    async def create(self, principal: Principal, account: Account, profile: Profile) -> AccountView:
        self._desktops.seen(principal)
        principal.require(USER_WRITE)
        wanted = Registration(account, profile, self._wiring.desk.standing(account.user_id))
        _check_scopes(principal, wanted, account.permissions)
        await self._carry_out(commands.CreateAccount(account, profile, principal.user_id))
        return self.snapshot(account.user_id)

    async def change(
        self,
        principal: Principal,
        user_id: UserId,
        account_changes: Mapping[str, Any],
        profile_changes: Mapping[str, Any],
    ) -> AccountView:
        """New values of fields of the account and the profile; what is not named stays."""
        was = self.administered(principal, user_id)
        account, profile = replace(was.account, **account_changes), replace(was.profile, **profile_changes)
        becomes = replace(was, account=account, profile=profile)
        _check_scopes(principal, becomes, set(account.permissions) - set(was.account.permissions))
        command = commands.ChangeAccount(user_id, account_changes, profile_changes, principal.user_id)
        await self._carry_out(command)
        if not allows(self.entitlement(user_id), INTERACTION_SUPERVISE):
            await self._end_listening(user_id, principal.user_id)
        return self.snapshot(user_id)

    async def _end_listening(self, user_id: UserId, by: str) -> None:
        """Who may not supervise any more hears no more of what goes on at this moment."""
        for interaction in self._wiring.desk.live_interactions():
            for party in interaction.staff():
                if party.user_id == user_id and party.role is ParticipantRole.SUPERVISOR and party.is_live:
                    command = commands.DisconnectParticipant(
                        interaction.interaction_id, party.participant_id, by, NO_SUPERVISOR
                    )
                    await self._wiring.do(interaction.interaction_id, command)

    async def set_password(self, principal: Principal, user_id: UserId, password_hash: str) -> None:
        self.administered(principal, user_id)
        wall = self._wiring.clock.wall()
        await self._carry_out(commands.SetPassword(user_id, password_hash, wall, principal.user_id))

    async def disable(self, principal: Principal, user_id: UserId) -> AccountView:
        """Signs the user out: no offer, no token, no open connection is left."""
        self.administered(principal, user_id)
        if user_id == principal.user_id:
            raise NotAllowedError("nobody disables their own account: there might be nobody left to undo it")
        wall = self._wiring.clock.wall()
        await self._carry_out(commands.DisableAccount(user_id, wall, principal.user_id))
        return self.snapshot(user_id)

    async def enable(self, principal: Principal, user_id: UserId) -> AccountView:
        self.administered(principal, user_id)
        await self._carry_out(commands.EnableAccount(user_id, principal.user_id))
        return self.snapshot(user_id)

    async def get(self, principal: Principal, user_id: UserId) -> AccountView:
        self._desktops.seen(principal)
        principal.require(USER_READ)
        await self._wiring.read()
        return self.snapshot(user_id)

    async def list(self, principal: Principal, cursor: str = "", limit: int = PAGE_MAX) -> AccountPage:
        """By user id: who is added meanwhile shifts nobody from one page to another."""
        self._desktops.seen(principal)
        principal.require(USER_READ)
        await self._wiring.read()
        after = parse_cursor(cursor)
        left = [account.user_id for account in self._wiring.desk.accounts() if account.user_id > after]
        page = left[: max(1, min(limit, PAGE_MAX))]
        next_cursor = make_cursor(page[-1]) if len(page) < len(left) else ""
        return AccountPage(tuple(map(self.snapshot, page)), next_cursor)

    def administered(self, principal: Principal, user_id: UserId) -> Registration:
        """The account, if the principal may change it."""
        self._desktops.seen(principal)
        principal.require(USER_WRITE)
        registration = self._wiring.desk.registration(user_id)
        _check_scopes(principal, registration)
        return registration

    def snapshot(self, user_id: UserId) -> AccountView:
        """At this very moment, for the answer to a command that was allowed."""
        return account_view(self._wiring.desk.registration(user_id))

    # --- letting people in --------------------------------------------------------------------------------

    def registration(self, user_id: UserId) -> Registration | None:
        try:
            return self._wiring.desk.registration(user_id)
        except NotFoundError:
            return None

    def signing_in_as(self, name: str) -> Registration | None:
        """By user id or e-mail address: no search, so a name nobody has is found out as fast as another."""
        return self.registration(UserId(name)) or self.with_email(name)

    def with_email(self, email: str) -> Registration | None:
        account = self._wiring.desk.account_with_email(email) if email else None
        return self.registration(account.user_id) if account is not None else None

    def known_as(self, name: str) -> Registration | None:
        """By user id or external id: how an issuer names somebody."""
        return self.registration(self._wiring.desk.user_named(name))

    async def change_own_password(self, user_id: UserId, password_hash: str) -> None:
        """For who has proved to know the old one. Raises ForbiddenError for a disabled account."""
        if self._wiring.desk.standing(user_id).disabled:
            raise ForbiddenError("the account is disabled")
        await self._carry_out(
            commands.SetPassword(user_id, password_hash, self._wiring.clock.wall(), user_id)
        )

    def why_void(self, user_id: UserId, issued_at: float, kind: TokenKind) -> str:
        """Why a token of this user is not accepted any more; "" if it is."""
        if kind is TokenKind.PERSONAL and self.registration(user_id) is None:
            return "there is no such account any more"
        if kind is TokenKind.FOREIGN:
            user_id = self._wiring.desk.user_named(user_id)  # there, people have the names of there
        standing = self._wiring.desk.standing(user_id)
        if standing.disabled:
            return "the account is disabled"
        if issued_at < standing.tokens_from:
            return (
                "the token was issued before the account was disabled or its password changed: sign in again"
            )
        return ""

    def entitlement(self, user_id: UserId) -> frozenset[str]:
        """What the account gives a right to, at this very moment."""
        registration = self.registration(user_id)
        return scopes_of(registration) if registration is not None else frozenset()

    def ready_roles(self, user_id: UserId) -> tuple[str, ...]:
        return ready_roles(self.registration(user_id))

    async def _carry_out(self, command: commands.DeskCommand) -> None:
        await self._wiring.ledger.carry_out(command)


def check_profile(principal: Principal, was: Registration, profile: Profile) -> None:
    """The licence is a right, and who bears an external id signs in with it: the same rule as for the account."""
    _check_scopes(principal, was)
    _check_scopes(principal, replace(was, profile=profile))


def _check_scopes(principal: Principal, registration: Registration, granted: Iterable[str] = ()) -> None:
    unknown = sorted(set(granted) - EVERY_SCOPE)
    if unknown:
        raise NotAllowedError(f"there is no scope {' '.join(unknown)}")
    missing = sorted(scope for scope in scopes_of(registration) & EVERY_SCOPE if not principal.may(scope))
    if missing:
        user_id = registration.account.user_id
        raise ForbiddenError(f"the account of {user_id} has rights beyond yours: {' '.join(missing)}")
