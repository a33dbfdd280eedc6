"""Accounts over REST: make, read, change, give a password, disable and enable."""

from typing import Annotated

from starlette.responses import Response

from bridge.ids import UserId
from bridge.switchboard.door.principal import USER_READ, USER_WRITE
from signaling.web.command.enrolling import changes, created
from signaling.web.protocol import account_message as message
from signaling.web.rest.body import Body
from signaling.web.rest.rest import (
    READ_PROBLEMS,
    STATE_RESPONSES,
    WRITE_PROBLEMS,
    Call,
    account_etag,
    api_router,
    model_response,
    needs,
    problems,
)
from signaling.web.rest.routes.parameter import Cursor, PageLimit, UserInPath

ROUTER = api_router("accounts", "/accounts")

Reader = Annotated[Call, needs(USER_READ)]
Administrator = Annotated[Call, needs(USER_WRITE)]


class NewAccount(message.AccountWish, Body):
    """An account as it is to be made."""


class Change(message.AccountChange, Body):
    """What is left out stays."""


class NewPassword(message.PasswordWish, Body):
    """Told here once and kept as its hash."""


@ROUTER.get(
    "",
    operation_id="listAccounts",
    summary="All accounts by user id",
    response_model=message.AccountsResult,
    responses=problems((*READ_PROBLEMS, 409)),
)
async def list_accounts(
    call: Reader,
    cursor: Cursor = "",
    limit: PageLimit = 50,
) -> Response:
    page = await call.board.accounts.list(call.principal, cursor, limit)
    found = tuple(map(message.Account.of, page.accounts))
    return model_response(message.AccountsResult(accounts=found, next_cursor=page.next_cursor or None))


@ROUTER.post(
    "",
    operation_id="createAccount",
    summary="Make an account",
    status_code=201,
    response_model=message.Account,
    responses=problems(WRITE_PROBLEMS),
)
async def create_account(call: Administrator, wish: NewAccount) -> Response:
    work = call.board.accounts.create(call.principal, *created(wish))
    return await call.answer(work, lambda _changed: _seen(call, wish.user_id, 201))


@ROUTER.get(
    "/{userId}",
    operation_id="getAccount",
    summary="One account",
    response_model=message.Account,
    responses=STATE_RESPONSES,
)
async def get_account(call: Reader, user_id: UserInPath) -> Response:
    view = await call.board.accounts.get(call.principal, UserId(user_id))
    return call.state(message.Account.of(view), account_etag(view))


@ROUTER.patch(
    "/{userId}",
    operation_id="changeAccount",
    summary="Change an account; what is left out stays",
    response_model=message.Account,
    responses=problems(WRITE_PROBLEMS),
)
async def change_account(call: Administrator, user_id: UserInPath, change: Change) -> Response:
    call.require_account_match(UserId(user_id))
    work = call.board.accounts.change(call.principal, UserId(user_id), *changes(change))
    return await call.answer(work, lambda _changed: _seen(call, user_id))


@ROUTER.put(
    "/{userId}/password",
    operation_id="setAccountPassword",
    summary="Give a password; tokens from before are void",
    status_code=204,
    responses=problems(WRITE_PROBLEMS),
)
async def set_password(call: Administrator, user_id: UserInPath, wish: NewPassword) -> Response:
    call.require_account_match(UserId(user_id))
    command = message.SetAccountPassword(
        command="setAccountPassword", id=0, user_id=user_id, password=wish.password
    )
    await call.dispatch.carry_out(call.principal, command)
    return Response(status_code=204)


@ROUTER.post(
    "/{userId}/disable",
    operation_id="disableAccount",
    summary="Sign the user out everywhere and let nobody in",
    response_model=message.Account,
    responses=problems(WRITE_PROBLEMS),
)
async def disable_account(call: Administrator, user_id: UserInPath) -> Response:
    call.require_account_match(UserId(user_id))
    work = call.board.accounts.disable(call.principal, UserId(user_id))
    return await call.answer(work, lambda _changed: _seen(call, user_id))


@ROUTER.post(
    "/{userId}/enable",
    operation_id="enableAccount",
    summary="Let the user in again",
    response_model=message.Account,
    responses=problems(WRITE_PROBLEMS),
)
async def enable_account(call: Administrator, user_id: UserInPath) -> Response:
    call.require_account_match(UserId(user_id))
    work = call.board.accounts.enable(call.principal, UserId(user_id))
    return await call.answer(work, lambda _changed: _seen(call, user_id))


def _seen(call: Call, user_id: str, status: int = 200) -> Response:
    """The state right after the caller's own step. Who may change it has been asked already."""
    view = call.board.accounts.snapshot(UserId(user_id))
    return model_response(message.Account.of(view), status, {"ETag": account_etag(view)})
