"""The people of the crash test: phones that call, agents with browsers, and a client that asks for changes."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
from websockets.exceptions import WebSocketException

from bridge.errors import BridgeError, CallFailedError
from bridge.peers.browser.browser import Appearance, SyntheticBrowser, synthetic_browser
from bridge.peers.browser.signaling_client import CommandFailedError, SignalingClient, signaling_client
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.phone.caller import CallerSettings, SyntheticCaller
from tests.load.ledger import NOTE, Call, Ledger, Told

TONES = {"anybody": 440.0}
RETRY_S = 0.1
PATIENCE_S = 40.0  # longer than an INVITE is sent again (64*T1): what has no answer by then never gets one
LIVE = ("connecting", "in-session", "held")
# What a client meets while the bridge is away.
AWAY = (BridgeError, OSError, WebSocketException, EOFError, httpx.HTTPError)


class Phone:
    """A phone that is used for one call. Its user name says whose interaction it is."""

    def __init__(self, name: str, ledger: Ledger) -> None:
        self.call = ledger.calls.setdefault(name, Call(name))
        self.caller = SyntheticCaller((440.0,), TONES, CallerSettings(user=name, patience_s=PATIENCE_S))
        self._tasks = contextlib.AsyncExitStack()

    async def open(self) -> None:
        await self._tasks.enter_async_context(self.caller.running())

    async def dial(self, target: str) -> None:
        """Calls, and writes down what came of it."""
        try:
            await self.caller.call(target)
        except CallFailedError as error:
            self.call.refused = True
            self.call.unanswered = error.status == 408
        else:
            self.call.answered = True

    async def hang_up(self) -> None:
        self.call.hung_up = True
        await self.caller.hang_up()

    async def aclose(self) -> None:
        self.call.hung_up = True
        await self._tasks.aclose()

    @property
    def is_up(self) -> bool:
        """Answered, and nobody hung up."""
        return self.call.answered and not self.call.hung_up and self.caller.answered.is_set()

    @property
    def packets(self) -> int:
        return self.caller.traffic.packets_received


class Agent:
    """A desktop that takes every offer, comes back after every restart, and then makes its media anew."""

    def __init__(self, name: str, frequency_hz: float, daemon: DaemonProcess, ledger: Ledger) -> None:
        self.name = name
        self._daemon = daemon
        self._ledger = ledger
        self._appearance = Appearance((frequency_hz,), {})
        self._token = daemon.token(name)
        self.browser: SyntheticBrowser | None = None
        self.interaction_id = ""
        self.offered: list[str] = []
        self.boots: list[str] = []

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(*AWAY, TimeoutError):
                await self._work_one_boot()
            self.browser, self.interaction_id = None, ""
            await asyncio.sleep(RETRY_S)

    @property
    def is_connected(self) -> bool:
        return self.browser is not None and self.browser.connected_at is not None

    async def _work_one_boot(self) -> None:
        url = self._daemon.websocket_url
        async with synthetic_browser(url, self._token, self._appearance) as browser:
            self.browser = browser
            watch = browser.client
            watch.on_event = self._ledger_and(watch.on_event)
            self.boots.append(str(watch.identity.get("bootId", "")))
            await browser.go_ready("agent")
            while True:
                interaction_id = await self._own_interaction(watch) or await self._accept(watch)
                await self._serve(browser, interaction_id)

    def _ledger_and(self, tell: Callable[[dict[str, object]], None]) -> Callable[[dict[str, object]], None]:
        def receive(event: dict[str, object]) -> None:
            self._ledger.receive_event(event)
            tell(event)

        return receive

    async def _own_interaction(self, client: SignalingClient) -> str:
        """The interaction one takes part in already: after a restart one is still in it."""
        for interaction in (await client.command("listInteractions"))["interactions"]:
            for participant in interaction["participants"]:
                if participant["userId"] == self.name and participant["state"] in LIVE:
                    return str(interaction["interactionId"])
        return ""

    async def _accept(self, client: SignalingClient) -> str:
        while True:
            made = await _next_offer(client)
            with contextlib.suppress(CommandFailedError):
                self.offered.append(made["interactionId"])
                await client.command("acceptOffer", offerId=made["offer"]["offerId"])
                return str(made["interactionId"])

    async def _serve(self, browser: SyntheticBrowser, interaction_id: str) -> None:
        """Joins and stays until the interaction ends or one is out of it."""
        self.interaction_id = interaction_id
        browser.connected_at = None
        try:
            await browser.join(interaction_id)
            while True:
                await asyncio.sleep(0.5)
                if await self._own_interaction(browser.client) != interaction_id:
                    return
        except CommandFailedError as error:
            if error.refusal == "no_reply":
                raise
        finally:
            self.interaction_id = ""
            await browser.close_media()


async def _next_offer(client: SignalingClient) -> dict[str, Any]:
    """The newest offer that is still alive, now or to come. Raises CommandFailedError when the bridge is gone."""
    while True:
        ended = {
            heard.event["offer"]["offerId"] for heard in client.events if heard.event["event"] == "offerEnded"
        }
        for heard in reversed(client.events):
            if heard.event["event"] == "offerMade" and heard.event["offer"]["offerId"] not in ended:
                return heard.event
        await asyncio.sleep(RETRY_S)
        await client.command("ping")


class Supervisor:
    """A client that sees everything, asks for changes and remembers what was confirmed."""

    def __init__(self, client: SignalingClient, ledger: Ledger) -> None:
        self.client = client
        self._ledger = ledger
        client.on_event = ledger.receive_event

    async def list_interactions(self) -> list[dict[str, object]]:
        """The live ones; the ledger takes note."""
        found: list[dict[str, object]] = (await self.client.command("listInteractions"))["interactions"]
        for interaction in found:
            self._ledger.receive_interaction(interaction)
        return found

    async def find(self, interaction_id: str) -> dict[str, object] | None:
        try:
            result = await self.client.command("getInteraction", interactionId=interaction_id)
        except CommandFailedError as error:
            if error.refusal == "not_found":
                return None
            raise
        found: dict[str, object] = result["interaction"]
        return found

    async def note(self, told: Told) -> None:
        """Counts the note of one interaction up."""
        told.sent += 1
        number = told.sent
        with contextlib.suppress(CommandFailedError):
            await self.client.command(
                "setAttributes", interactionId=told.interaction_id, attributes={NOTE: str(number)}
            )
            told.noted = max(told.noted, number)

    async def burst(self, chance: random.Random, size: int) -> None:
        """Many commands at once; the bridge may die in the middle."""
        living = [told for told in self._ledger.told.values() if told.state in ("waiting", "in-progress")]
        chosen = [chance.choice(living) for _ in range(size)] if living else []
        await asyncio.gather(*(self.note(told) for told in chosen))


@contextlib.asynccontextmanager
async def supervisor(daemon: DaemonProcess, ledger: Ledger) -> AsyncIterator[Supervisor]:
    async with signaling_client(daemon.websocket_url, daemon.token("supervisor")) as client:
        yield Supervisor(client, ledger)


async def until(what: Callable[[], bool], timeout_s: float) -> bool:
    """Whether it became true in time."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not what():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


async def quietly(work: Awaitable[object]) -> None:
    """For work that the kill may interrupt."""
    with contextlib.suppress(*AWAY):
        await work
