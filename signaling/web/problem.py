"""Errors over HTTP: application/problem+json (RFC 9457), with the `code` of bridge.errors beside the status."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from bridge.errors import (
    BridgeError,
    CapacityError,
    ConflictError,
    ForbiddenError,
    NotAllowedError,
    NotFoundError,
    ParseError,
    UnauthorizedError,
)

_STATUS: tuple[tuple[type[BridgeError], int], ...] = (
    (ParseError, 400),
    (UnauthorizedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (NotAllowedError, 409),
    (CapacityError, 503),
)


def problem(status: int, code: str, detail: str) -> JSONResponse:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(
        {**body, "code": code}, status, headers=headers, media_type="application/problem+json"
    )


def status_of(error: BridgeError) -> int:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def install_problems(app: FastAPI) -> None:
    """Every error response of `app` becomes a problem document."""

    @app.exception_handler(BridgeError)
    async def bridge_error(_request: Request, error: BridgeError) -> JSONResponse:
        return problem(status_of(error), error.code, error.reason)

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> JSONResponse:
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return problem(error.status_code, code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(400, ParseError.code, f"{where}: {first['msg']}")

    @app.exception_handler(Exception)
    async def failure(_request: Request, _error: Exception) -> JSONResponse:
        return problem(500, BridgeError.code, "the bridge failed; its log says where")
