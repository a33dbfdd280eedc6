"""Accounts over REST: make, read, change, give a password, disable and enable."""

from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from bridge.ids import UserId
from bridge.switchboard.principal import USER_READ, USER_WRITE
from bridge.switchboard.view import AccountView
from signaling.web import account_message as message
from signaling.web.body import Body
from signaling.web.enrolling import account_of, changes, created
from signaling.web.rest import (
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    Call,
    account_etag,
    api_router,
    model_response,
    needs,
    problems,
)

ROUTER = api_router("accounts", "/accounts")

Reader = Annotated[Call, needs(USER_READ)]
Administrator = Annotated[Call, needs(USER_WRITE)]
UserInPath = Annotated[str, Path(alias="userId", min_length=1, max_length=128, examples=["eve"])]


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
    cursor: Annotated[str, Query(max_length=512, description="`nextCursor` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    page = await call.board.accounts.list(call.principal, cursor, limit)
    found = tuple(account_of(view) for view in page.accounts)
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
    responses={
        **problems(READ_PROBLEMS),
        304: {"description": "Not changed since the ETag in `If-None-Match`"},
    },
)
async def get_account(call: Reader, user_id: UserInPath) -> Response:
    view = await call.board.accounts.get(call.principal, UserId(user_id))
    if call.has(account_etag(view)):
        return Response(status_code=304, headers={"ETag": account_etag(view)})
    return _response(view)


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
    return _response(call.board.accounts.snapshot(UserId(user_id)), status)


def _response(view: AccountView, status: int = 200) -> Response:
    return model_response(account_of(view), status, {"ETag": account_etag(view)})
