"""The REST API: who asks, may they, did they ask before; the routes themselves are in `signaling.web.rest.routes`."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

import structlog
from fastapi import APIRouter, FastAPI, Request, Security
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.routing import APIRoute
from fastapi.security import OAuth2, SecurityScopes
from pydantic import Field
from starlette.responses import Response

from bridge.clock import Clock
from bridge.errors import BridgeError, ParseError, UnauthorizedError
from bridge.ids import InteractionId, UserId
from bridge.journal.schema import Write
from bridge.switchboard.door.principal import Principal
from bridge.switchboard.door.receipt import receipt_for
from bridge.switchboard.switchboard import Switchboard
from bridge.switchboard.view.view import AccountView, InteractionView
from signaling.web.access.auth import SCOPES, Verifier
from signaling.web.access.handshake import bearer_token
from signaling.web.access.rate import RateLimits
from signaling.web.command.dispatch import Dispatch
from signaling.web.command.noticing import Notices
from signaling.web.hook.hooking import Hooks
from signaling.web.http.metrics import Metrics
from signaling.web.http.problem import PreconditionError, TooManyRequestsError, refusal
from signaling.web.protocol.wire import WireModel
from signaling.web.rest.idempotence import Idempotence, PendingAnswer, Render

PREFIX = "/api/v2"
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# A request's fingerprint lies on disk, and a quick one of a password could be tried out; twice is once anyway.
_NEVER_KEPT = frozenset({"setAccountPassword"})

log = structlog.get_logger()


class Problem(WireModel):
    """RFC 9457. `code` is for programs, `reason` a sentence for people."""

    type: Annotated[str, Field(examples=["about:blank"])]
    title: Annotated[str, Field(examples=["Not Found"])]
    status: Annotated[int, Field(examples=[404])]
    detail: Annotated[str, Field(examples=["no interaction int_5f0c9a1e2b3d4c5f"])]
    code: Annotated[str, Field(examples=["not_found"])]
    reason: Annotated[str, Field(examples=["no interaction int_5f0c9a1e2b3d4c5f"])]


@dataclass(frozen=True)
class Api:
    """What a request needs besides itself; lies in `app.state.api`."""

    switchboard: Switchboard
    verifier: Verifier
    metrics: Metrics
    clock: Clock
    limits: RateLimits
    idempotence: Idempotence | None
    hooks: Hooks
    notices: Notices
    dispatch: Dispatch

    async def handle(
        self, request: Request, endpoint: Callable[[Request], Coroutine[Any, Any, Response]]
    ) -> Response:
        """Authenticates, then carries out; with an Idempotency-Key once only."""
        started, name = self.clock.now(), _operation(request)
        try:
            response = await self._handle(request, endpoint)
        except BridgeError as error:
            self.metrics.command_done(name, error.code, self.clock.now() - started)
            raise
        outcome = "ok" if response.status_code < HTTPStatus.BAD_REQUEST else str(response.status_code)
        self.metrics.command_done(name, outcome, self.clock.now() - started)
        return response

    async def _handle(
        self, request: Request, endpoint: Callable[[Request], Coroutine[Any, Any, Response]]
    ) -> Response:
        request.state.principal = principal = await self._authenticate(request)
        body = await request.body()  # kept by the request for the endpoint
        key = request.headers.get("idempotency-key")
        unkept = request.method not in _CHANGING or _operation(request) in _NEVER_KEPT
        if key is None or unkept or self.idempotence is None:
            return await _carry_out(request, endpoint, PendingAnswer())
        same = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + body

        async def once(pending: PendingAnswer) -> Response:
            try:
                return await _carry_out(request, endpoint, pending)
            except (ParseError, UnauthorizedError):
                raise
            except BridgeError as error:
                # A refusal is an answer: the same request again must not be carried out later after all.
                return refusal(error)

        return await self.idempotence.answer(principal.user_id, key, same, once)

    async def _authenticate(self, request: Request) -> Principal:
        token = bearer_token(request)
        if not token:
            raise UnauthorizedError("send a token: Authorization: Bearer …")
        await self.verifier.prepare(token)
        principal = self.verifier.verify(token, self.clock.wall()).principal()
        if not self.limits.take(principal.user_id, self.clock.now()):
            self.metrics.trouble("requests")
            raise TooManyRequestsError("too many requests a second; this one was not carried out")
        return principal


async def _carry_out(
    request: Request, endpoint: Callable[[Request], Coroutine[Any, Any, Response]], pending: PendingAnswer
) -> Response:
    request.state.pending = pending
    return await endpoint(request)


class CommandRoute(APIRoute):
    """A route behind `Api.handle`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = super().get_route_handler()

        async def handle(request: Request) -> Response:
            api: Api = request.app.state.api
            return await api.handle(request, endpoint)

        return handle


class Call:
    """One request as a route sees it: who asks, of what, and how to answer."""

    __slots__ = ("_pending", "_request", "board", "dispatch", "hooks", "notices", "principal")

    def __init__(self, request: Request) -> None:
        api: Api = request.app.state.api
        self._request = request
        self._pending: PendingAnswer = request.state.pending
        self.board = api.switchboard
        self.hooks = api.hooks
        self.notices = api.notices
        self.dispatch = api.dispatch
        self.principal: Principal = request.state.principal

    async def answer(self, work: Awaitable[object], render: Render) -> Response:
        """Carries out one command. The answer is made by `render` at the moment of the desk's step, so that it
        tells what this command did and nothing that came later, and lies in the same commit."""
        self._pending.render = render
        with receipt_for(self._pending):
            await work
        if self._pending.response is None:
            self._pending.response = render(True)  # noqa: FBT003 - the signature is `Render`
        return self._pending.response

    async def answer_beside(
        self, work: Callable[[Sequence[Write]], Awaitable[None]], response: Response
    ) -> Response:
        """The same for a command that is no step of the desk: `work` takes the rows that keep the answer."""
        self._pending.render = lambda _changed: response
        await work(self._pending.writes(changed=True))
        return response

    async def carry_out(self, work: Awaitable[object]) -> Response:
        """The same for a command whose answer is that it was carried out."""
        return await self.answer(work, lambda _changed: Response(status_code=204))

    async def carry_out_beside(self, work: Callable[[Sequence[Write]], Awaitable[None]]) -> Response:
        return await self.answer_beside(work, Response(status_code=204))

    def require_match(self, interaction_id: InteractionId) -> None:
        """`If-Match`: the caller has seen the present state. No await may come between this and the command."""
        interactions = self.board.interactions
        self._require(
            f"interaction {interaction_id}",
            lambda: etag(interactions.peek(self.principal, interaction_id)),
        )

    def require_account_match(self, user_id: UserId) -> None:
        """The same for an account."""
        accounts = self.board.accounts

        def present() -> str:
            accounts.administered(self.principal, user_id)
            return account_etag(accounts.snapshot(user_id))

        self._require(f"the account {user_id}", present)

    def _require(self, what: str, present: Callable[[], str]) -> None:
        wanted = self._request.headers.get("if-match")
        if wanted is None:
            return
        tag = present()
        if wanted.strip() != "*" and tag not in _tags(wanted):
            raise PreconditionError(f"{what} is at {tag} by now: read it again")

    def state(self, model: WireModel, tag: str) -> Response:
        """The state at `tag`, or that nothing changed since (`If-None-Match`)."""
        known = self._request.headers.get("if-none-match", "")
        if known.strip() == "*" or tag in _tags(known):
            return Response(status_code=304, headers={"ETag": tag})
        return model_response(model, headers={"ETag": tag})


def _tags(header: str) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


def etag(interaction: InteractionView) -> str:
    return f'"{interaction.interaction_id}.{interaction.version}"'


def account_etag(account: AccountView) -> str:
    return f'"{quote(account.user_id)}.{account.version}"'


_OAUTH2 = OAuth2(
    flows=OAuthFlows(
        clientCredentials=OAuthFlowClientCredentials(tokenUrl="/oauth/token", scopes=SCOPES),
    ),
    scheme_name="oauth2",
    description="A token of /oauth/token, of `warmbridge token`, or of the issuer in the settings.",
    auto_error=False,
)


async def call(
    request: Request,
    needed: SecurityScopes,
    _scheme: Annotated[str | None, Security(_OAUTH2)],
) -> Call:
    """The dependency of every route; `Security(call, scopes=[…])` names the scopes."""
    found = Call(request)
    for scope in needed.scopes:
        found.principal.require(scope)
    return found


def needs(*scopes: str) -> Any:
    """How a route says which scopes it wants."""
    return Security(call, scopes=list(scopes))


_DESCRIPTIONS = {
    400: "The request is malformed",
    401: "No valid token",
    403: "A scope is missing, or the object is somebody else's",
    404: "No such object",
    409: "Not in this state, another got there first, or a request with this Idempotency-Key is in flight",
    412: "`If-Match` names another state than the present one",
    413: "A limit on interaction data, or a body over 256 kB",
    422: "The Idempotency-Key was used for another request",
    429: "Too many requests; see Retry-After",
    502: "The issuer did not answer as one does",
    503: "A limit of the bridge, or it is restarting media; see Retry-After",
}
READ_PROBLEMS = (400, 401, 403, 404, 429)
WRITE_PROBLEMS = (400, 401, 403, 404, 409, 412, 413, 422, 429, 503)


def problems(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """The error responses of a route for its OpenAPI document."""
    return {status: {"model": Problem, "description": _DESCRIPTIONS[status]} for status in statuses}


STATE_RESPONSES = {
    **problems(READ_PROBLEMS),
    304: {"description": "Not changed since the ETag in `If-None-Match`"},
}


def api_router(tag: str, path: str = "") -> APIRouter:
    """A router of the API: every route authenticated, rate-limited and idempotent where it changes something."""
    return APIRouter(prefix=PREFIX + path, tags=[tag], route_class=CommandRoute)


def model_response(model: WireModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        model.model_dump_json(by_alias=True), status, headers=headers, media_type="application/json"
    )


def install_api(app: FastAPI, api: Api, routers: Iterable[APIRouter]) -> None:
    app.state.api = api
    for router in routers:
        app.include_router(router)


def _operation(request: Request) -> str:
    route = request.scope.get("route")
    return route.operation_id or route.name if isinstance(route, APIRoute) else "unknown"
