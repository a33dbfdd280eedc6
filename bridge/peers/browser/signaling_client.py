"""A client of the websocket protocol (signaling/PROTOCOL.md), as a desktop would write it."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bridge.errors import BridgeError
from bridge.peers.beside import beside
from bridge.peers.within import within
from signaling.web.protocol.messages import SUBPROTOCOL

REPLY_S = 15.0  # a reply later than this is a fault of the bridge, not patience to be had
EVENTS_KEPT = 10_000
EVENT_MAX_BYTES = 1 << 20  # an interaction with many participants and full attributes, with room to grow

Event = dict[str, Any]


class CommandFailedError(BridgeError):
    """The bridge refused a command, or did not answer it. `refusal` is the code of its reply."""

    code = "command_failed"

    def __init__(self, command: str, code: str, reason: str) -> None:
        super().__init__(f"{command}: {code}: {reason}")
        self.refusal = code


def all_in_session(event: Event) -> bool:
    """Three live participants, each of them in the conversation."""
    if event["event"] != "interactionUpdated":
        return False
    live = [p for p in event["interaction"]["participants"] if p["state"] != "disconnected"]
    return len(live) == 3 and all(p["state"] == "in-session" for p in live)


def has_ended(event: Event) -> bool:
    """The interaction is over for everybody."""
    return event["event"] == "interactionUpdated" and bool(event["interaction"]["state"] == "ended")


@dataclass(frozen=True)
class Heard:
    """An event and when it came."""

    at: float
    event: Event


def unaltered(event: Event) -> Event:
    return event


def ignored(_event: Event) -> None:
    pass


class SignalingClient:
    """One authenticated websocket. Commands one at a time or many at once; events are kept and told.

    `on_event` is told of each event. `alter` sees it before anybody else: the demo injects faults there.
    """

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self.on_event: Callable[[Event], None] = ignored
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Event]] = {}
        self._changed = asyncio.Event()
        self.alter: Callable[[Event], Event] = unaltered
        self.events: list[Heard] = []
        self.dropped = 0
        self.identity: Event = {}  # what `authenticate` said

    async def command(self, command: str, **fields: object) -> Event:
        """Sends one command with its camelCase fields and returns the result of its reply."""
        loop = asyncio.get_running_loop()
        identifier = next(self._ids)
        reply: asyncio.Future[Event] = loop.create_future()
        self._waiting[identifier] = reply
        try:
            await self._websocket.send(json.dumps({"id": identifier, "command": command, **fields}))
            answer = await within(REPLY_S, reply)
        except (TimeoutError, ConnectionClosed, ConnectionResetError) as error:
            raise CommandFailedError(command, "no_reply", str(error) or "no reply in time") from error
        finally:
            del self._waiting[identifier]
        if not answer["ok"]:
            raise CommandFailedError(command, answer["error"]["code"], answer["error"]["reason"])
        result: Event = answer.get("result") or {}
        return result

    async def wait_for(self, what: Callable[[Event], bool], timeout_s: float) -> Event:
        """The first event, past or to come, of which `what` is true. Raises TimeoutError."""
        seen = 0
        async with asyncio.timeout(timeout_s):
            while True:
                for heard in self.events[seen:]:
                    if what(heard.event):
                        return heard.event
                seen = len(self.events)
                self._changed.clear()
                await self._changed.wait()

    async def run(self) -> None:
        """Reads until the websocket closes; commands that still wait then have failed."""
        with contextlib.suppress(ConnectionClosed):
            async for text in self._websocket:
                self._receive(json.loads(text))
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(ConnectionResetError("the bridge closed the connection"))

    async def closed(self) -> None:
        """Returns once the connection is over."""
        await self._websocket.wait_closed()

    def _receive(self, message: Event) -> None:
        if "event" not in message:
            waiting = self._waiting.get(message.get("id", -1))
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            return
        event = self.alter(message)
        if len(self.events) < EVENTS_KEPT:
            self.events.append(Heard(asyncio.get_running_loop().time(), event))
        else:
            self.dropped += 1
        self._changed.set()
        self.on_event(event)


@contextlib.asynccontextmanager
async def signaling_client(url: str, token: str) -> AsyncIterator[SignalingClient]:
    """Connects and authenticates; the reader ends with the block."""
    async with connect(
        url, subprotocols=[Subprotocol(SUBPROTOCOL)], max_size=EVENT_MAX_BYTES, proxy=None
    ) as websocket:
        client = SignalingClient(websocket)
        async with beside(client.run()):
            client.identity = await client.command("authenticate", token=token)
            yield client


@contextlib.asynccontextmanager
async def guest_client(url: str, token: str, secret: str) -> AsyncIterator[SignalingClient]:
    """Connects and presses join on a companion link; `identity` says whose companion it is."""
    async with connect(
        url, subprotocols=[Subprotocol(SUBPROTOCOL)], max_size=EVENT_MAX_BYTES, proxy=None
    ) as websocket:
        client = SignalingClient(websocket)
        async with beside(client.run()):
            client.identity = await client.command("joinCompanion", token=token, secret=secret)
            yield client
