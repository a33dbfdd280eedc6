"""An account: that a user may sign in, how, and with which rights; and the directory of all of them."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from bridge.desk.centre.queue import Profile
from bridge.desk.value import repr_without
from bridge.errors import NotFoundError
from bridge.ids import UserId


class AccountRole(StrEnum):
    """What a user is: which offers they may take, and which rights come with it."""

    AGENT = "agent"
    SME = "sme"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"


class Account(msgspec.Struct, frozen=True, gc=False):
    """`permissions` are scopes beyond those of the roles. Without a password only an issuer signs the user in."""

    user_id: UserId
    name: str
    roles: tuple[AccountRole, ...] = (AccountRole.AGENT,)
    permissions: tuple[str, ...] = ()
    email: str = ""
    password_hash: str = ""

    def __repr__(self) -> str:
        return repr_without(self, "password_hash")


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What became of an account. Tokens issued before `tokens_from` (wall time) are void; `version` counts changes."""

    user_id: UserId
    disabled: bool = False
    tokens_from: float = 0.0
    version: int = 0


class Registration(msgspec.Struct, frozen=True, gc=False):
    """All that is known of one user's account. One of the configuration is changed there and not by the API."""

    account: Account
    profile: Profile
    standing: Standing
    configured: bool = False


class Directory:
    """Accounts by user id. The word of the configuration stands before that of the API."""

    __slots__ = ("_with_email", "accounts", "configured", "standings")

    def __init__(self) -> None:
        self.configured: Mapping[UserId, tuple[Account, Profile]] = {}
        self.accounts: dict[UserId, Account] = {}
        self.standings: dict[UserId, Standing] = {}
        self._with_email: dict[str, UserId] = {}  # whoever may type a wrong name must not make us search

    def configure(self, accounts: Iterable[tuple[Account, Profile]]) -> None:
        self.configured = {account.user_id: (account, profile) for account, profile in accounts}
        for account, _ in self.configured.values():
            self._note_email(account)

    def put(self, account: Account) -> None:
        was = self.accounts.get(account.user_id)
        if was is not None and self._with_email.get(was.email.casefold()) == account.user_id:
            del self._with_email[was.email.casefold()]
        self.accounts[account.user_id] = account
        self._note_email(account)

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
        user_id = self._with_email.get(email.casefold())
        account = self.find(user_id) if user_id is not None else None
        same = account is not None and account.email.casefold() == email.casefold()
        return account if same else None

    def _note_email(self, account: Account) -> None:
        if not account.email or (
            account.user_id not in self.configured and self._is_configured(account.email)
        ):
            return
        self._with_email[account.email.casefold()] = account.user_id

    def _is_configured(self, email: str) -> bool:
        return self._with_email.get(email.casefold()) in self.configured
