"""Errors over HTTP: application/problem+json (RFC 9457), with the `code` of bridge.errors beside the status."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from bridge.desk.interaction.attributes import AttributeLimitError
from bridge.errors import (
    BridgeError,
    CallFailedError,
    CapacityError,
    ConflictError,
    ForbiddenError,
    NegotiationError,
    NotAllowedError,
    NotFoundError,
    ParseError,
    PlaneLostError,
    UnauthorizedError,
)


class PreconditionError(BridgeError):
    """`If-Match` names another state than the present one."""

    code = "precondition_failed"


class ReusedKeyError(BridgeError):
    """An Idempotency-Key came again with another request."""

    code = "idempotency_key_reused"


class InFlightError(ConflictError):
    """The first request with this Idempotency-Key is still being carried out."""

    code = "in_flight"


class TooManyRequestsError(BridgeError):
    """Over the rate; the request was not read."""

    code = "too_many_requests"


class IssuerError(BridgeError):
    """An issuer people sign in at did not answer as one does: its mistake or its settings, not the person's."""

    code = "issuer_failed"


class TooLargeError(BridgeError):
    """The body is over the limit."""

    code = "too_large"


_STATUS: tuple[tuple[type[BridgeError], int], ...] = (
    (ParseError, 400),
    (UnauthorizedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (NotAllowedError, 409),
    (PreconditionError, 412),
    (AttributeLimitError, 413),  # before its root: trying again later is no remedy
    (TooLargeError, 413),
    (ReusedKeyError, 422),
    (NegotiationError, 422),
    (TooManyRequestsError, 429),
    (CallFailedError, 502),
    (IssuerError, 502),
    (PlaneLostError, 503),
    (CapacityError, 503),
)
_RETRY_AFTER_S = {InFlightError: "1", TooManyRequestsError: "1", CapacityError: "5", PlaneLostError: "2"}


def problem(
    status: int, code: str, reason: str, headers: Mapping[str, str] | None = None, **members: Any
) -> JSONResponse:
    """`detail` is RFC 9457's name for what is a `reason` everywhere else here."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": reason}
    challenge = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(
        {**body, "code": code, "reason": reason, **members},
        status,
        headers={**challenge, **(headers or {})},
        media_type="application/problem+json",
    )


def refusal(error: BridgeError, **members: Any) -> JSONResponse:
    """The problem document of an error of ours."""
    retry_after = _RETRY_AFTER_S.get(type(error))
    headers = {"Retry-After": retry_after} if retry_after else {}
    return problem(status_of(error), error.code, error.reason, headers, **members)


def status_of(error: BridgeError) -> int:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def install_problems(app: FastAPI) -> None:
    """Every error response of `app` becomes a problem document."""

    @app.exception_handler(BridgeError)
    async def bridge_error(_request: Request, error: BridgeError) -> JSONResponse:
        return refusal(error)

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> JSONResponse:
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return problem(error.status_code, code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part)[:64] for part in first["loc"])
        return problem(400, ParseError.code, f"{where}: {first['msg']}")

    @app.exception_handler(Exception)
    async def failure(_request: Request, _error: Exception) -> JSONResponse:
        return problem(500, BridgeError.code, "the bridge failed; its log says where")
