"""Signing in over REST: the only routes that ask for no token."""

import math
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from signaling.web.access.sign_in import Grant, SignIn, TooManyTriesError
from signaling.web.http.problem import problem
from signaling.web.protocol.account_message import PASSWORD_MAX, Password
from signaling.web.protocol.wire import WireModel
from signaling.web.rest.body import Body
from signaling.web.rest.rest import PREFIX, model_response, problems

TOKEN_MAX = 4096
_NO_STORE = {"Cache-Control": "no-store"}


class PasswordSignIn(Body):
    """`user` is a user id or an e-mail address."""

    user: Annotated[str, Field(min_length=1, max_length=254, examples=["alice"])]
    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_MAX, examples=["correct horse battery"])]


class PasswordChange(PasswordSignIn):
    """The old one proves who asks."""

    new_password: Password


class Renewal(Body):
    refresh_token: Annotated[str, Field(min_length=1, max_length=TOKEN_MAX)]


class SignInWays(WireModel):
    """What the sign-in page offers; `issuer` is its name, null if there is none."""

    password: bool
    issuer: str | None


class Beginning(WireModel):
    """Send the browser to `authorization_url`; it comes back to the page with `code` and `state`."""

    authorization_url: str
    state: str


class Return(Body):
    """What the browser brought back; `iss` only if it did."""

    code: Annotated[str, Field(min_length=1, max_length=TOKEN_MAX)]
    state: Annotated[str, Field(min_length=1, max_length=128)]
    iss: Annotated[str, Field(max_length=512)] = ""


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
        name = sign_in.issuer.name if sign_in.issuer is not None else None
        return model_response(SignInWays(password=True, issuer=name), headers=_NO_STORE)

    @router.post(
        "",
        operation_id="signIn",
        summary="Sign in by password",
        response_model=SignedIn,
        responses=problems((400, 401, 403, 429, 503)),
    )
    async def by_password(request: Request, wish: PasswordSignIn) -> Response:
        try:
            return _signed_in(await sign_in.by_password(wish.user, wish.password, _address(request)))
        except TooManyTriesError as error:
            return _too_many(error)

    @router.post(
        "/issuer",
        operation_id="beginIssuerSignIn",
        summary="Begin to sign in at the issuer (authorization code with PKCE)",
        response_model=Beginning,
        responses=problems((404, 429, 502)),
    )
    async def begin(request: Request) -> Response:
        try:
            begun = await sign_in.begin_at_issuer(_address(request))
        except TooManyTriesError as error:
            return _too_many(error)
        return model_response(Beginning(authorization_url=begun.url, state=begun.state), headers=_NO_STORE)

    @router.post(
        "/issuer/return",
        operation_id="finishIssuerSignIn",
        summary="Finish with what the issuer sent the browser back with",
        response_model=SignedIn,
        responses=problems((400, 401, 403, 404, 502)),
    )
    async def finish(wish: Return) -> Response:
        return _signed_in(await sign_in.by_issuer(wish.code, wish.state, wish.iss))

    @router.post(
        "/password",
        operation_id="changeOwnPassword",
        summary="Change one's password; all tokens from before are void",
        status_code=204,
        responses=problems((400, 401, 403, 409, 429, 503)),
    )
    async def change_password(request: Request, wish: PasswordChange) -> Response:
        try:
            await sign_in.change_password(wish.user, wish.password, wish.new_password, _address(request))
        except TooManyTriesError as error:
            return _too_many(error)
        return Response(status_code=204)

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


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _too_many(error: TooManyTriesError) -> Response:
    headers = {**_NO_STORE, "Retry-After": str(math.ceil(error.wait_s))}
    return problem(429, error.code, error.reason, headers)


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
