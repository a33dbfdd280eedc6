"""An account: that a user may sign in, how, and with which rights; and the directory of all of them."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from bridge.desk.queue import Profile
from bridge.errors import NotFoundError
from bridge.ids import UserId

if TYPE_CHECKING:
    from collections.abc import Mapping


class AccountRole(StrEnum):
    """What a user is: which offers they may take, and which rights come with it."""

    AGENT = "agent"
    SME = "sme"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class Account:
    """`permissions` are scopes beyond those of the roles. Without a password only an issuer signs the user in."""

    user_id: UserId
    name: str
    roles: tuple[AccountRole, ...] = (AccountRole.AGENT,)
    permissions: tuple[str, ...] = ()
    email: str = ""
    password_hash: str = field(default="", repr=False)


@dataclass(frozen=True)
class Standing:
    """What became of an account. Tokens issued before `tokens_from` (wall time) are void; `version` counts changes."""

    user_id: UserId
    disabled: bool = False
    tokens_from: float = 0.0
    version: int = 0


@dataclass(frozen=True)
class Registration:
    """All that is known of one user's account. One of the configuration is changed there and not by the API."""

    account: Account
    profile: Profile
    standing: Standing
    configured: bool = False


class Directory:
    """Accounts by user id. The word of the configuration stands before that of the API."""

    __slots__ = ("accounts", "configured", "standings")

    def __init__(self) -> None:
        self.configured: Mapping[UserId, tuple[Account, Profile]] = {}
        self.accounts: dict[UserId, Account] = {}
        self.standings: dict[UserId, Standing] = {}

    def find(self, user_id: UserId) -> Account | None:
        if user_id in self.configured:
            return self.configured[user_id][0]
        return self.accounts.get(user_id)

    def account(self, user_id: UserId) -> Account:
        """Raises NotFoundError."""
        account = self.find(user_id)
        if account is None:
            raise NotFoundError(f"no account {user_id}")
        return account

    def all(self) -> tuple[Account, ...]:
        """By user id."""
        return tuple(self.account(user_id) for user_id in sorted({*self.configured, *self.accounts}))

    def standing(self, user_id: UserId) -> Standing:
        return self.standings.get(user_id) or Standing(user_id)

    def is_disabled(self, user_id: UserId) -> bool:
        return self.standing(user_id).disabled

    def with_email(self, email: str) -> Account | None:
        """Addresses are compared without regard to case, as every mail system in use does."""
        wanted = email.casefold()
        found = (account for account in self.all() if account.email and account.email.casefold() == wanted)
        return next(found, None)
