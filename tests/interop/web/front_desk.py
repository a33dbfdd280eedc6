"""A web door on loopback before a real switchboard, and clients that speak the protocol by hand."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bridge.clock import SystemClock
from bridge.desk.centre.policy import DeskPolicy
from bridge.journal.answer import JournaledAnswers
from bridge.journal.outbox import Outbox
from bridge.peers.within import within
from bridge.settings.user import User
from bridge.settings.web import Auth, Client, Http
from bridge.settings.web import SignIn as SignInSettings
from bridge.settings.web import Webhooks as WebhookSettings
from bridge.switchboard.door.doors import Audience, DesktopDoor
from bridge.switchboard.door.entitlement import configured_accounts
from bridge.switchboard.view.event import DesktopEvent
from bridge.switchboard.view.sidebar import Sidebar
from signaling.web.access.auth import Signer, Verifier
from signaling.web.access.issuer import ForeignIssuer
from signaling.web.access.oidc import OpenIdSignIn
from signaling.web.access.secret import SecretCheck, hash_secret
from signaling.web.access.sign_in import SignIn
from signaling.web.access.token import TokenEndpoint, scopes_of_clients
from signaling.web.app import WebDoor, WebParts
from signaling.web.hook.owner import Owners
from signaling.web.hook.webhooks import WebhookParts, Webhooks
from signaling.web.http.metrics import Metrics
from signaling.web.protocol.messages import SUBPROTOCOL
from tests.unit.switchboard.theatre import ALL_SCOPES, Theatre, theatre

if TYPE_CHECKING:
    import ssl

SECRET = secrets.token_hex(16).encode()
REPLY_S = 30.0
HOOK_SETTINGS = WebhookSettings(first_retry_s=0.05, longest_retry_s=0.1, max_attempts=3, timeout_s=2.0)
ISSUER_SECRET = "a secret that the issuer gave"
CRM_SECRET = secrets.token_urlsafe(24)
CRM_SCOPES = (*ALL_SCOPES, "interaction:all", "webhook:read", "webhook:write")
CLIENTS = (
    Client(
        id="crm",
        secret_hash=hash_secret(CRM_SECRET),
        scopes=("interaction:read", "interaction:write", "routing:write", "webhook:read", "webhook:write"),
        name="The CRM",
    ),
    Client(id="wallboard", secret_hash=hash_secret("wallboard secret"), scopes=("interaction:read",)),
)


def token(subject: str, *scopes: str, lifetime_s: float = 600.0) -> str:
    return Signer(SECRET, SystemClock()).issue(subject, scopes or ALL_SCOPES, lifetime_s, subject.title())


class Visitor:
    """One websocket: replies by id, the rest in `events`."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.events: list[dict[str, Any]] = []
        self._id = 0

    async def say(self, command: str, **fields: object) -> dict[str, Any]:
        """Sends one command and returns its reply."""
        self._id += 1
        await self.websocket.send(json.dumps({"id": self._id, "command": command, **fields}))
        while True:
            message = await self.hear()
            if message.get("id") == self._id:
                return message
            self.events.append(message)

    async def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await within(REPLY_S, self.websocket.recv()))
        return message

    async def event(self, name: str) -> dict[str, Any]:
        """The first event of that name that was not taken yet."""
        while True:
            for index, event in enumerate(self.events):
                if event.get("event") == name:
                    return self.events.pop(index)
            self.events.append(await self.hear())

    async def closed(self) -> int:
        """Reads on until the bridge closes, and returns the close code."""
        try:
            while True:
                await self.hear()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006


class FrontDesk:
    """The door, what is behind it, and the way in."""

    def __init__(
        self, door: WebDoor, parts: WebParts, port: int, stage: Theatre, not_ready: list[str]
    ) -> None:
        self.door = door
        self.parts = parts
        self.port = port
        self.stage = stage
        self.metrics = parts.metrics
        self.not_ready = not_ready
        self.tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def stranger(self, **headers: str) -> AsyncIterator[Visitor]:
        """A connection that has said nothing yet."""
        address = self.url.replace("http", "ws", 1) + "/ws"
        protocols = [Subprotocol(SUBPROTOCOL)]
        async with connect(
            address, subprotocols=protocols, additional_headers=headers, ssl=self.tls, proxy=None
        ) as websocket:
            yield Visitor(websocket)

    @asynccontextmanager
    async def desktop(self, user: str, *scopes: str) -> AsyncIterator[Visitor]:
        async with self.stranger() as client:
            reply = await client.say("authenticate", token=token(user, *scopes))
            assert reply["ok"], reply
            yield client

    @asynccontextmanager
    async def crm(self, bearer: str = "") -> AsyncIterator[httpx.AsyncClient]:
        """An HTTP client with a token of its own."""
        headers = {"Authorization": f"Bearer {bearer or token('crm', *CRM_SCOPES)}"}
        async with httpx.AsyncClient(
            base_url=self.url, headers=headers, verify=self.tls or False, trust_env=False, timeout=REPLY_S
        ) as client:
            yield client

    def troubles(self, kind: str) -> float:
        return self.metrics.registry.get_sample_value("warmbridge_web_trouble_total", {"kind": kind}) or 0.0


class _Both:
    """Events go to the web door and to the theatre's notes, which its stories read."""

    def __init__(self, *doors: DesktopDoor) -> None:
        self._doors = doors

    def on_events(self, told: Sequence[tuple[DesktopEvent, Audience]]) -> None:
        for door in self._doors:
            door.on_events(told)


@asynccontextmanager
async def front_desk(
    settings: Mapping[str, object] | None = None,
    foreign: ForeignIssuer | None = None,
    users: Sequence[User] = (),
    sign_in: SignInSettings | None = None,
    sidebar: Sidebar | None = None,
    policy: DeskPolicy | None = None,
) -> AsyncIterator[FrontDesk]:
    desk_policy = replace(policy or DeskPolicy(), accounts=configured_accounts(users))
    async with theatre(desk_policy, sidebar=sidebar) as stage:
        not_ready: list[str] = []
        outbox = Outbox(stage.journal, SystemClock())
        await outbox.open()
        owners = Owners(stage.board.accounts, scopes_of_clients(Auth(clients=CLIENTS)))
        parts_of_hooks = WebhookParts(stage.journal, outbox, SystemClock(), secrets.token_hex, owners)
        hooks = Webhooks(HOOK_SETTINGS, parts_of_hooks)
        await hooks.open()
        signer, passwords = Signer(SECRET, SystemClock()), SecretCheck()
        letting_in = SignIn(
            sign_in or SignInSettings(), stage.board.accounts, signer, SystemClock(), passwords
        )
        parts = WebParts(
            switchboard=stage.board,
            verifier=Verifier(SECRET, foreign, stage.board.accounts),
            metrics=Metrics(),
            clock=SystemClock(),
            token_hex=secrets.token_hex,
            not_ready=lambda: not_ready,
            answers=JournaledAnswers(stage.journal),
            tokens=TokenEndpoint(Auth(clients=CLIENTS), signer, SystemClock(), passwords),
            secrets=passwords,
            sign_in=letting_in,
            webhooks=hooks,
        )
        door = WebDoor(Http.model_validate({"port": 0, **(settings or {})}), parts)
        stage.board.attach(stage.doors, _Both(stage.doors, door), hooks)
        port = door.bind()
        if sign_in is not None and sign_in.issuer:
            # Only now is it known where an issuer sends people back to.
            page = f"http://127.0.0.1:{port}"
            letting_in.issuer = OpenIdSignIn(
                sign_in, ISSUER_SECRET, page, SystemClock(), secrets.token_urlsafe
            )
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(door.run())
            yield FrontDesk(door, parts, port, stage, not_ready)
            door.close()
            await within(10.0, running)
