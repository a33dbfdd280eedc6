"""Offers go only where somebody proved seconds ago that they can be taken: real Chromium, hidden, asleep, blocked."""

import asyncio
import contextlib
import itertools
import json
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright
from websockets.asyncio.client import connect

from bridge.peers.browser.signaling_client import signaling_client
from bridge.peers.daemon_process import HOST, DaemonProcess
from bridge.peers.ports import free_port
from tests.interop.baresip import baresip
from tests.interop.chromium import FLAGS, Tab, chromium, make_media, tab
from tests.interop.desktop import AGENT_HZ, CUSTOMER_HZ
from tests.interop.programs import POLL_S, program
from tests.interop.test_conference import AGENT_PICTURE, go_ready

LIFETIME_S = 6.0
PATIENCE_S = 20.0
# Playwright keeps tabs from being hidden or held back; here they shall be, and at once instead of after 5 minutes.
HIDING_FLAGS = (
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)
IMPATIENT = "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1"


@pytest.fixture
def settings() -> dict[str, object]:
    return {"desk.proof_lifetime_s": LIFETIME_S}


class RawTab:
    """A tab by the DevTools protocol alone: Playwright would pretend that it is always in front."""

    def __init__(self, port: int, target: dict[str, Any]) -> None:
        self._port = port
        self._target = target
        self._ids = itertools.count(1)

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        async with connect(self._target["webSocketDebuggerUrl"], max_size=None, proxy=None) as websocket:
            identifier = next(self._ids)
            await websocket.send(json.dumps({"id": identifier, "method": method, "params": parameters}))
            while True:
                message: dict[str, Any] = json.loads(await websocket.recv())
                if message.get("id") == identifier:
                    # An error means that the page has just made way for the next one.
                    result: dict[str, Any] = message.get("result", {"result": {}})
                    return result

    async def evaluate(self, expression: str) -> Any:
        answer = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        return answer["result"].get("value")

    async def eventually(self, expression: str) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while not await self.evaluate(f"Boolean({expression})"):
            assert asyncio.get_running_loop().time() < deadline, expression
            await asyncio.sleep(POLL_S)


@contextlib.asynccontextmanager
async def raw_browser(folder: Path) -> AsyncIterator[int]:
    """A Chromium whose tabs can be hidden; yields its DevTools port."""
    await make_media(folder, AGENT_PICTURE, AGENT_HZ)
    port = free_port()
    flags = [*FLAGS, IMPATIENT, f"--remote-debugging-port={port}", "--use-fake-ui-for-media-stream"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program("chromium"),
            headless=True,
            chromium_sandbox=False,
            args=flags,
            ignore_default_args=list(HIDING_FLAGS),
        )
        try:
            yield port
        finally:
            await browser.close()


async def devtools(port: int, path: str, method: str = "PUT") -> bytes:
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", method=method)

    def ask() -> bytes:
        with urllib.request.urlopen(request) as answer:
            body: bytes = answer.read()
            return body

    return await asyncio.to_thread(ask)


async def open_tab(port: int, url: str) -> RawTab:
    return RawTab(port, json.loads(await devtools(port, f"/json/new?{url}")))


async def ready_tab(port: int, daemon: DaemonProcess) -> RawTab:
    opened = await open_tab(port, f"{daemon.http_url}/%23token={daemon.token('agent')}")
    await opened.eventually("window.warmbridge?.state.connection === 'online'")
    await opened.evaluate("document.querySelector('[data-presence=ready][data-role=agent]').click()")
    await opened.eventually("warmbridge.readiness.troubles !== null")
    return opened


async def state_of(daemon: DaemonProcess, user_id: str = "agent") -> dict[str, Any]:
    async with signaling_client(daemon.websocket_url, daemon.token("watcher")) as client:
        user: dict[str, Any] = (await client.command("getUser", userId=user_id))["user"]
        return user


async def until_proved(daemon: DaemonProcess, *, proved: bool) -> dict[str, Any]:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while (state := await state_of(daemon))["proved"] is not proved:
        assert asyncio.get_running_loop().time() < deadline, state
        await asyncio.sleep(0.2)
    return state


async def test_a_hidden_tab_that_the_browser_holds_back_is_proved_on_and_rung(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with raw_browser(tmp_path) as port, baresip(tmp_path / "phone", CUSTOMER_HZ) as phone:
        page = await ready_tab(port, daemon)
        await until_proved(daemon, proved=True)
        await page.evaluate("window.beats = 0; (function beat() { beats++; setTimeout(beat, 500); })()")
        other = await open_tab(port, "about:blank")
        await devtools(port, f"/json/activate/{other._target['id']}", "GET")
        await page.eventually("document.visibilityState === 'hidden'")
        await asyncio.sleep(3)
        beats, since_ms = await page.evaluate("[beats, performance.now()]")
        for _ in range(15):
            await asyncio.sleep(1)
            assert (await state_of(daemon))["proved"]
        beats_now, now_ms = await page.evaluate("[beats, performance.now()]")
        # Left alone it beats twice a second, held back once.
        rate = (beats_now - beats) / (now_ms - since_ms) * 1000
        assert rate < 1.5, "the browser did not hold this tab's timers back"
        await phone.dial(daemon.sip_uri())
        await page.eventually("document.title.startsWith('●')")


async def test_a_tab_that_sleeps_is_offered_nothing_until_it_wakes(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with raw_browser(tmp_path) as port, baresip(tmp_path / "phone", CUSTOMER_HZ) as phone:
        page = await ready_tab(port, daemon)
        await until_proved(daemon, proved=True)
        await page.call("Page.setWebLifecycleState", state="frozen")
        state = await until_proved(daemon, proved=False)
        assert (state["presence"], state["fault"]) == ("ready", "the desktop did not prove itself in time")
        await phone.dial(daemon.sip_uri())
        async with signaling_client(daemon.websocket_url, daemon.token("watcher")) as client:
            await asyncio.sleep(2)
            (waiting,) = (await client.command("listInteractions", state="waiting"))["interactions"]
            assert [seat["state"] for seat in waiting["waitsIn"]] == ["open"]
        await page.call("Page.setWebLifecycleState", state="active")
        await page.eventually("document.querySelector('.offer') !== null")


@contextlib.asynccontextmanager
async def page_of(daemon: DaemonProcess, folder: Path) -> AsyncIterator[Tab]:
    folder.mkdir()  # noqa: ASYNC240 - a test's own folder
    await make_media(folder, AGENT_PICTURE, AGENT_HZ)
    async with (
        chromium(folder) as browser,
        tab(browser, f"{daemon.http_url}/#token={daemon.token('agent')}") as page,
    ):
        await page.eventually("warmbridge.state.connection === 'online'")
        yield page


async def test_a_blocked_device_is_named_with_the_remedy_and_the_desk_knows(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with page_of(daemon, tmp_path / "agent") as page:
        context = page.page.context
        await context.clear_permissions()
        await context.grant_permissions(["microphone"])
        await go_ready(page, "agent")
        line = page.page.locator("#readiness")
        await line.get_by_text("You are offered no video: The browser blocks the camera. Allow it").wait_for()
        state = await until_proved(daemon, proved=True)
        assert state["fault"].startswith("no camera: The browser blocks the camera")
        await context.clear_permissions()
        await line.get_by_text(
            "You are offered nothing: The browser blocks the microphone. Allow it"
        ).wait_for()
        state = await until_proved(daemon, proved=False)
        assert "The browser blocks the microphone" in state["fault"]
        await context.grant_permissions(["microphone", "camera"])
        await line.wait_for(state="hidden")
        assert (await until_proved(daemon, proved=True))["fault"] == ""


@pytest.fixture
def blocked_path(settings: dict[str, object]) -> None:
    settings["webrtc.advertised_address"] = "192.0.2.1"  # RFC 5737: nobody is there


@pytest.mark.usefixtures("blocked_path")
async def test_media_that_do_not_reach_the_bridge_are_named(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with page_of(daemon, tmp_path / "agent") as page:
        await go_ready(page, "agent")
        line = page.page.locator("#readiness")
        await line.get_by_text("You are offered nothing: No media reaches the bridge").wait_for()
        state = await until_proved(daemon, proved=False)
        assert state["fault"].startswith("no media path (ICE): No media reaches the bridge")


async def test_a_page_that_is_ready_says_nothing_more(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with page_of(daemon, tmp_path / "agent") as page:
        await go_ready(page, "agent")
        state = await until_proved(daemon, proved=True)
        assert state["fault"] == ""
        await asyncio.sleep(LIFETIME_S + 1)
        assert (await state_of(daemon))["proved"]
        assert await page.page.locator("#readiness").is_hidden()
        assert page.complaints == []
