"""From the commands of accounts to the methods of the switchboard; `dispatch` hands them here."""

from typing import Any, assert_never

from bridge.desk.centre.account import Account, AccountRole
from bridge.desk.centre.queue import Profile
from bridge.ids import UserId
from bridge.switchboard.door.principal import Principal
from bridge.switchboard.switchboard import Switchboard
from signaling.web.access.secret import SecretCheck
from signaling.web.protocol import account_message as message

_OF_THE_PROFILE = frozenset({"skills", "video", "capacity", "external_ids"})


async def carry_out_enrolling(
    board: Switchboard, secrets: SecretCheck, principal: Principal, command: message.Enrolling
) -> message.AccountResult | message.AccountsResult | None:
    accounts = board.accounts
    if isinstance(command, message.ListAccounts):
        page = await accounts.list(principal, command.cursor, command.limit)
        found = tuple(map(message.Account.of, page.accounts))
        return message.AccountsResult(accounts=found, next_cursor=page.next_cursor or None)
    user_id = UserId(command.user_id)
    match command:
        case message.CreateAccount():
            view = await accounts.create(principal, *created(command))
        case message.ChangeAccount():
            view = await accounts.change(principal, user_id, *changes(command))
        case message.SetAccountPassword():
            accounts.administered(
                principal, user_id
            )  # before the work: a hash is not for everybody to ask for
            await accounts.set_password(principal, user_id, await secrets.hash(command.password))
            return None
        case message.DisableAccount():
            view = await accounts.disable(principal, user_id)
        case message.EnableAccount():
            view = await accounts.enable(principal, user_id)
        case message.GetAccount():
            view = await accounts.get(principal, user_id)
        case _:
            assert_never(command)
    return message.AccountResult(account=message.Account.of(view))


def created(wish: message.AccountWish) -> tuple[Account, Profile]:
    account, profile = changes(wish)
    user_id = UserId(wish.user_id)
    return Account(user_id, **account), Profile(user_id, **profile)


def changes(wish: message.AccountWish | message.AccountChange) -> tuple[dict[str, Any], dict[str, Any]]:
    """New values of the fields of an account, and of those of a profile."""
    named = wish.model_dump(exclude={"command", "id", "user_id"}, exclude_none=True)
    if "roles" in named:
        named["roles"] = tuple(AccountRole(role) for role in dict.fromkeys(named["roles"]))
    profile = {name: value for name, value in named.items() if name in _OF_THE_PROFILE}
    return {name: value for name, value in named.items() if name not in _OF_THE_PROFILE}, profile
