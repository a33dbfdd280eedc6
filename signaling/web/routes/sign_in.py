"""Signing in over REST: the only routes that ask for no token."""

import math
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from signaling.web.account_message import PASSWORD_MAX
from signaling.web.body import Body
from signaling.web.problem import problem
from signaling.web.rest import PREFIX, model_response, problems
from signaling.web.sign_in import Grant, SignIn, TooManyTriesError
from signaling.web.wire import WireModel

TOKEN_MAX = 4096
_NO_STORE = {"Cache-Control": "no-store"}


class PasswordSignIn(Body):
    """`user` is a user id or an e-mail address."""

    user: Annotated[str, Field(min_length=1, max_length=254, examples=["alice"])]
    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_MAX, examples=["correct horse battery"])]


class Renewal(Body):
    refresh_token: Annotated[str, Field(min_length=1, max_length=TOKEN_MAX)]


class SignInWays(WireModel):
    """What the sign-in page offers."""

    password: bool


class SignedIn(WireModel):
    """`access_token` for everything, `refresh_token` for `/sign-in/renew` only; both times in seconds."""

    user_id: Annotated[str, Field(examples=["alice"])]
    name: Annotated[str, Field(examples=["Alice Example"])]
    scopes: tuple[str, ...]
    access_token: str
    expires_in: Annotated[int, Field(examples=[900])]
    refresh_token: str
    refresh_expires_in: Annotated[int, Field(examples=[43200])]


def sign_in_router(sign_in: SignIn) -> APIRouter:
    router = APIRouter(prefix=PREFIX + "/sign-in", tags=["sign-in"])

    @router.get("", operation_id="listSignInWays", summary="How one can sign in", response_model=SignInWays)
    async def ways() -> Response:
        return model_response(SignInWays(password=True), headers=_NO_STORE)

    @router.post(
        "",
        operation_id="signIn",
        summary="Sign in by password",
        response_model=SignedIn,
        responses=problems((400, 401, 403, 429, 503)),
    )
    async def by_password(request: Request, wish: PasswordSignIn) -> Response:
        address = request.client.host if request.client else ""
        try:
            grant = await sign_in.by_password(wish.user, wish.password, address)
        except TooManyTriesError as error:
            headers = {**_NO_STORE, "Retry-After": str(math.ceil(error.wait_s))}
            return problem(429, error.code, error.reason, headers)
        return _signed_in(grant)

    @router.post(
        "/renew",
        operation_id="renewSignIn",
        summary="A fresh token, as long as the session lasts",
        response_model=SignedIn,
        responses=problems((400, 401)),
    )
    async def renew(wish: Renewal) -> Response:
        return _signed_in(sign_in.renew(wish.refresh_token))

    return router


def _signed_in(grant: Grant) -> Response:
    answer = SignedIn(
        user_id=grant.user_id,
        name=grant.name,
        scopes=tuple(sorted(grant.scopes)),
        access_token=grant.token,
        expires_in=int(grant.token_s),
        refresh_token=grant.refresh_token,
        refresh_expires_in=int(grant.refresh_s),
    )
    return model_response(answer, headers=_NO_STORE)
