"""The web door: HTTP, websocket and the desktop page on one port."""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI, Request, WebSocket
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

import signaling
from bridge.clock import Clock
from bridge.errors import ForbiddenError, SettingsError, UnauthorizedError, cannot_listen
from bridge.journal.answer import IdempotencyMemory
from bridge.notification.notifications import Notifications
from bridge.settings.web import Http
from bridge.switchboard.door.changes import Changes
from bridge.switchboard.door.doors import Audience
from bridge.switchboard.door.principal import METRICS_READ
from bridge.switchboard.switchboard import Switchboard
from bridge.switchboard.view.event import AccountUpdated, DesktopEvent
from signaling.web.access.auth import Verifier
from signaling.web.access.handshake import bearer_token, is_welcome_origin, offers_subprotocol
from signaling.web.access.rate import RateLimits
from signaling.web.access.secret import SecretCheck
from signaling.web.access.sign_in import SignIn
from signaling.web.access.token import TokenEndpoint
from signaling.web.command.dispatch import Dispatch
from signaling.web.command.noticing import Notices
from signaling.web.hook.hooking import Hooks
from signaling.web.hook.webhooks import Webhooks
from signaling.web.http.connection import bounded_http, bounded_websocket
from signaling.web.http.header import BodyLimit, SecurityHeaders
from signaling.web.http.metrics import Metrics
from signaling.web.http.problem import install_problems, problem
from signaling.web.protocol.event_writer import EventWriter
from signaling.web.protocol.history import History, Numbering, Place, Told
from signaling.web.protocol.messages import MESSAGE_MAX_BYTES, SUBPROTOCOL
from signaling.web.rest import openapi
from signaling.web.rest.idempotence import Idempotence
from signaling.web.rest.rest import Api, install_api
from signaling.web.rest.routes import ROUTERS
from signaling.web.rest.routes.sign_in import sign_in_router
from signaling.web.session import CloseCode, Session
from signaling.web.socket import Socket

CONNECTIONS_MAX = 2000  # a descriptor and up to 4 MB of queue each; beyond that more nodes are wanted
STRANGERS_MAX = 200  # connections that have not authenticated yet
PING_INTERVAL_S = 20.0  # below the 60 s after which proxies cut idle connections
GRACEFUL_S = 5.0
TCP_USER_TIMEOUT_MS = 30_000  # RFC 5482: a peer that stops reading cannot keep its connection for ever

log = structlog.get_logger()


@dataclass(frozen=True)
class WebParts:
    """What the composition root hands to the door. `not_ready` returns the reasons why calls cannot be taken."""

    switchboard: Switchboard
    verifier: Verifier
    metrics: Metrics
    clock: Clock
    token_hex: Callable[[int], str]
    not_ready: Callable[[], Sequence[str]]
    answers: IdempotencyMemory | None = None
    tokens: TokenEndpoint | None = None
    webhooks: Webhooks | None = None
    notifications: Notifications | None = None
    secrets: SecretCheck = field(default_factory=SecretCheck)
    sign_in: SignIn | None = None


class WebDoor:
    """Construct, `bind`, `run` in a task group; it is the switchboard's `DesktopDoor`."""

    def __init__(self, settings: Http, parts: WebParts) -> None:
        self._settings = settings
        self._parts = parts
        self._sockets: dict[str, Socket] = {}
        self._listener: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._closing = False
        self._numbering = Numbering()
        self._writer = EventWriter()
        self._history = History(parts.switchboard.boot_id)
        self._hooks = Hooks(parts.webhooks)
        self._notices = Notices(parts.notifications)
        self.app = self._build()

    # --- the switchboard's side ---------------------------------------------------------------------------

    def on_events(self, told: Sequence[tuple[DesktopEvent, Audience]]) -> None:
        """Queues events at every connection that may see them. Never blocks and never raises."""
        if isinstance(told, Changes) and not self._viewers(told.audience):
            # Of a waiting call this is all: making and writing each event took a twelfth of its CPU (measured).
            self._numbering.skip_to(told.numbers[-1])
            self._history.add_unread(told)
            return
        audience, viewers = None, list[Socket]()
        for event, wanted in told:
            if wanted is not audience:  # not for each of the ten events of a step
                audience, viewers = wanted, self._viewers(wanted)
            number: int | None = getattr(event, "number", None)
            place = self._numbering.place(number) if number is not None else None
            text = self._push(event, place, viewers) if viewers else ""
            if place is not None and text is not None:
                self._history.add(Told(place, event, wanted, text))
            if isinstance(event, AccountUpdated):
                # All of them: by a foreign issuer's token one goes by another name than the account's.
                for connection in self._sockets.values():
                    connection.judge()

    def _viewers(self, audience: Audience) -> list[Socket]:
        return [socket for socket in self._sockets.values() if socket.may_see(audience)]

    def _push(self, event: DesktopEvent, place: Place | None, viewers: Sequence[Socket]) -> str | None:
        """Returns the text; None if a mistake of ours kept it from being written."""
        try:
            text = self._writer.write(event, place.part if place else None)
        except Exception:
            # It must not stop the desk, whose event is on disk already.
            log.exception("! event", event_type=type(event).__name__)
            return None
        for connection in viewers:
            connection.push(text)
        return text

    # --- the daemon's side --------------------------------------------------------------------------------

    def bind(self) -> int:
        """Opens the port and returns its number. Raises SettingsError: the start ends here, not later."""
        self._server = _Server(self._configuration())
        logging.getLogger("uvicorn.error").addFilter(_is_worth_a_line)
        try:
            self._server.config.load()
        except OSError as error:
            files = f"{self._settings.certificate} and {self._settings.private_key}"
            reason = f"{files}: {error.strerror or error}"
            raise SettingsError(f"http.certificate and http.private_key: {reason}") from error
        try:
            self._listener = self._listen()
        except OSError as error:
            settings, where = self._settings, "http.address and http.port"
            raise cannot_listen(where, settings.address, settings.port, error) from error
        self._history.begin(self._parts.switchboard.last_number)
        port: int = self._listener.getsockname()[1]
        return port

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._settings.address else socket.AF_INET
        listener = socket.create_server((self._settings.address, self._settings.port), family=family)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
        return listener

    async def run(self) -> None:
        """Serves until `close`; then lets the desktops go and returns."""
        if self._listener is None:
            self.bind()
        assert self._listener is not None
        assert self._server is not None
        if self._closing:
            self._listener.close()
            return
        async with asyncio.TaskGroup() as tasks:
            couriers = tasks.create_task(self._run_webhooks())
            await self._server.serve(sockets=[self._listener])
            couriers.cancel()

    async def _run_webhooks(self) -> None:
        if self._parts.webhooks is not None:
            await self._parts.webhooks.run()

    def close(self) -> None:
        """Begins the end: no new connections, 1001 to every desktop. Twice is fine."""
        self._closing = True
        for connection in self._sockets.values():
            connection.shut(CloseCode.GOING_AWAY, "the bridge shuts down")
        if self._server is not None:
            self._server.should_exit = True

    def _configuration(self) -> uvicorn.Config:
        settings = self._settings
        return uvicorn.Config(
            self.app,
            loop="none",
            http=bounded_http(self._parts.metrics.trouble),
            ws=bounded_websocket(self._parts.metrics.trouble),
            ws_max_size=MESSAGE_MAX_BYTES,
            ws_ping_interval=PING_INTERVAL_S,
            ws_ping_timeout=PING_INTERVAL_S,
            # Compression would let 256 kB on the wire unpack to more and costs a state per connection.
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            forwarded_allow_ips="127.0.0.1",
            timeout_graceful_shutdown=int(GRACEFUL_S),
            ssl_certfile=settings.certificate or None,
            ssl_keyfile=settings.private_key or None,
        )

    # --- HTTP ---------------------------------------------------------------------------------------------

    def _build(self) -> FastAPI:
        app = FastAPI(
            title=openapi.TITLE,
            version=openapi.VERSION,
            description=openapi.DESCRIPTION,
            docs_url=None,
            redoc_url=None,
            openapi_url="/openapi.json",
            # A slash too many is a wrong path, not a second request.
            redirect_slashes=False,
        )
        install_problems(app)
        app.add_middleware(BodyLimit)
        app.add_middleware(SecurityHeaders)
        for path, endpoint in (
            ("/healthz", self._healthz),
            ("/readyz", self._readyz),
            ("/metrics", self._metrics),
        ):
            app.add_api_route(path, endpoint, methods=["GET"], response_model=None, include_in_schema=False)
        install_api(app, self._api(), ROUTERS)
        if self._parts.tokens is not None:
            app.include_router(self._parts.tokens.router())
        if self._parts.sign_in is not None:
            app.include_router(sign_in_router(self._parts.sign_in))
        openapi.install_openapi(app)
        app.add_api_websocket_route("/ws", self._websocket)
        app.mount("/", StaticFiles(directory=Path(signaling.__path__[0]) / "static", html=True))
        return app

    def _api(self) -> Api:
        parts, settings = self._parts, self._settings
        idempotence = None
        if parts.answers is not None:
            idempotence = Idempotence(parts.answers, parts.clock, settings.idempotency_s)
        limits = RateLimits(settings.requests_per_second, 2 * settings.requests_per_second)
        return Api(
            parts.switchboard,
            parts.verifier,
            parts.metrics,
            parts.clock,
            limits,
            idempotence,
            self._hooks,
            self._notices,
            Dispatch(parts.switchboard, self._hooks, self._notices, parts.secrets),
        )

    async def _healthz(self) -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    async def _readyz(self) -> Response:
        """Calls can be taken."""
        reasons = ["the bridge shuts down"] if self._closing else list(self._parts.not_ready())
        if reasons:
            return problem(503, "not_ready", "; ".join(reasons))
        return JSONResponse({"status": "ready"})

    async def _metrics(self, request: Request) -> Response:
        """From this machine, or with a token that has metrics:read."""
        if not _is_local(request):
            await self._require_metrics_scope(bearer_token(request))
        body = self._parts.metrics.exposition()
        return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _require_metrics_scope(self, token: str) -> None:
        if not token:
            raise UnauthorizedError(f"from another machine /metrics wants a token with {METRICS_READ}")
        await self._parts.verifier.prepare(token)
        identity = self._parts.verifier.verify(token, self._parts.clock.wall())
        if METRICS_READ not in identity.scopes:
            raise ForbiddenError(f"the token of {identity.user_id} lacks the scope {METRICS_READ}")

    # --- websocket ----------------------------------------------------------------------------------------

    async def _websocket(self, websocket: WebSocket) -> None:
        refusal = self._refusal(websocket)
        if refusal is not None:
            self._parts.metrics.trouble("handshake")
            await websocket.send_denial_response(refusal)
            return
        parts = self._parts
        connection_id = "con_" + parts.token_hex(8)
        session = Session(
            connection_id,
            parts.verifier,
            self._settings.messages_per_second,
            parts.clock.now(),
            parts.metrics.trouble,
            self._history,
        )
        connection = Socket(
            websocket,
            session,
            parts.switchboard,
            Dispatch(parts.switchboard, self._hooks, self._notices, parts.secrets),
            parts.verifier,
            parts.metrics,
            parts.clock,
        )
        self._sockets[connection_id] = connection
        parts.metrics.connections.set(len(self._sockets))
        try:
            await websocket.accept(subprotocol=SUBPROTOCOL)
            await connection.run(bearer_token(websocket))
        finally:
            del self._sockets[connection_id]
            parts.metrics.connections.set(len(self._sockets))

    def _refusal(self, websocket: WebSocket) -> Response | None:
        if not is_welcome_origin(websocket, self._settings.allowed_origins):
            return problem(403, "forbidden", "this origin is not listed in http.allowed_origins")
        if not offers_subprotocol(websocket):
            return problem(400, "malformed", f"the websocket subprotocol must be {SUBPROTOCOL}")
        strangers = sum(connection.session.identity is None for connection in self._sockets.values())
        if self._closing or len(self._sockets) >= CONNECTIONS_MAX or strangers >= STRANGERS_MAX:
            return problem(503, "at_capacity", "too many connections: try later")
        return None


class _Server(uvicorn.Server):
    """Leaves the signals to the daemon, which drains its calls first."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


_COUNTED_INSTEAD = (
    "ASGI callable returned without completing handshake.",  # refused with a response of ours
    "Invalid HTTP request received.",
    "Unsupported upgrade request.",
)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """uvicorn has a line for each mistake of a client: a stranger would write our log."""
    return record.msg not in _COUNTED_INSTEAD


def _is_local(request: Request) -> bool:
    """From this machine itself, not through a proxy on it."""
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    host = request.client.host if request.client else ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
