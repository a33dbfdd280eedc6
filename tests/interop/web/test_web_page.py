"""The page in real Chromium tabs, before a real switchboard whose media worker only takes notes.

What is proved here is the conversation: offers, answers, whose picture is whose, glare, reload. That the
pictures move is proved with the whole daemon.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest_asyncio
from msgspec.structs import replace
from playwright.async_api import Browser, Page, async_playwright

from bridge.desk.centre.queue import default_queue
from bridge.plane import messages
from bridge.plane.messages import WebRtcLegSpec
from tests.interop.chromium import FLAGS
from tests.interop.programs import eventually, program
from tests.interop.web.front_desk import FrontDesk, front_desk, token
from tests.unit.switchboard.theatre import ALL_SCOPES, who

CRM = who("crm", scopes=ALL_SCOPES | {"interaction:all", "queue:write"})
WAIT_S = 30.0
NOTE_SOCKETS = """
    window.sockets = [];
    window.WebSocket = class extends WebSocket {
        constructor(...given) { super(...given); sockets.push(this); }
    };
"""


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program("chromium"), headless=True, chromium_sandbox=False, args=[*FLAGS, *flags]
        )
        try:
            yield browser
        finally:
            await browser.close()


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as found:
        yield found


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk() as found:
        yield found


async def open_desktop(browser: Browser, desk: FrontDesk, user: str) -> Page:
    """A tab of its own, signed in by fragment, with camera and microphone granted."""
    context = await browser.new_context(permissions=["camera", "microphone"])
    page = await context.new_page()
    page.set_default_timeout(WAIT_S * 1000)
    await page.add_init_script(NOTE_SOCKETS)
    await page.goto(f"{desk.url}/#token={token(user)}")
    await until(page, "warmbridge.state.connection === 'online'")
    return page


async def until(page: Page, expression: str) -> None:
    """Waits for a JavaScript expression. Playwright's own wait compiles text in the page, which its
    content security policy forbids."""
    async with asyncio.timeout(WAIT_S):
        while not await page.evaluate(f"Boolean({expression})"):  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.05)


async def media_of(desk: FrontDesk, page: Page) -> WebRtcLegSpec:
    """Waits for the page's leg to be declared, and tells the switchboard that it is connected."""
    await until(page, "warmbridge.leg()?.legId && warmbridge.pc.signalingState === 'stable'")
    leg_id = await page.evaluate("warmbridge.leg().legId")
    desk.stage.board.plane_event(messages.LegConnected(leg_id))
    spec = await eventually("the leg is declared", lambda: desk.stage.plane.legs.get(leg_id))
    assert isinstance(spec, WebRtcLegSpec)
    return spec


async def complaints(page: Page) -> Any:
    return await page.evaluate("warmbridge.state.notices")


async def agent_in_call(browser: Browser, desk: FrontDesk) -> Page:
    agent = await open_desktop(browser, desk, "alice")
    await agent.click("text=Ready as agent")
    await agent.wait_for_selector('[aria-pressed="true"]:has-text("Ready as agent")')
    await desk.stage.call()
    await agent.click('.offer:has-text("+4930123") >> text=Accept')
    await media_of(desk, agent)
    await agent.wait_for_selector('.participants li:has-text("(you)") >> text=in-session')
    return agent


async def test_agent_and_expert_see_each_other_named(browser: Browser, desk: FrontDesk) -> None:
    agent = await agent_in_call(browser, desk)
    assert "token" not in agent.url
    expert = await open_desktop(browser, desk, "eve")
    await expert.click("text=Ready as expert")
    await agent.wait_for_selector('.users li:has-text("Eve") >> text=ready')
    await agent.fill('input[data-part="name"]', "escalation_reason")
    await agent.fill('input[data-part="value"]', "Complex Case <b>")
    await agent.click('[data-part="note"] button')
    await agent.fill('input[data-part="expert"]', "eve")
    await agent.click('[data-part="add"] button')
    await expert.wait_for_selector('.offer:has-text("Complex Case <b>")')
    await expert.click(".offer >> text=Accept")
    await media_of(desk, expert)
    for page, other in ((agent, "Eve"), (expert, "Alice")):
        await page.wait_for_selector(f'.tile:not(.self) figcaption:has-text("{other}")')
        shown = await page.evaluate("warmbridge.video().srcObject.getVideoTracks()[0].readyState")
        assert shown == "live"
    await agent.click('.participants li:has-text("customer") >> text=Hold')
    await agent.wait_for_selector('.participants li:has-text("customer") >> text=On hold')
    await agent.click("text=Mute me")
    await until(agent, "warmbridge.leg().microphone.enabled === false")
    await expert.click("text=Leave")
    await expert.wait_for_selector("text=No call")
    await until(agent, "document.querySelectorAll('.tile:not(.self)').length === 0")
    await agent.click("text=Hang up for all")
    await until(agent, "warmbridge.state.interactions.size === 0")
    await eventually("the phone is told", lambda: desk.stage.doors.hung_up)
    assert await complaints(agent) == []
    assert await complaints(expert) == []


async def test_the_work_after_a_call_has_a_form_and_its_time(browser: Browser, desk: FrontDesk) -> None:
    line = replace(default_queue(), wrap_up_s=600.0, wrap_up_codes=("Solved", "Follow-up needed"))
    await desk.stage.board.queues.declare(CRM, line)
    agent = await agent_in_call(browser, desk)
    await agent.click("text=Leave")
    await agent.wait_for_selector('#wrap-ups h2:has-text("After the call from +4930123")')
    await agent.wait_for_selector('.users li:has-text("Alice") >> text=wrap-up')
    await agent.select_option('[data-part="code"]', "Solved")
    await agent.fill('[data-part="form"] [data-part="note"]', "fine now")
    await agent.click("#wrap-ups button")
    await until(agent, "document.querySelector('#wrap-ups article') === null")
    await agent.wait_for_selector('.offer:has-text("+4930123")')  # the caller was left waiting
    worked = next(view for view in await desk.stage.board.interactions.list(CRM))
    mine = next(party for party in worked.participants if party.role == "agent")
    assert (mine.wrap_up_code, mine.wrap_up_note) == ("Solved", "fine now")
    assert await complaints(agent) == []


async def test_what_rings_is_no_call_yet(browser: Browser, desk: FrontDesk) -> None:
    agent = await agent_in_call(browser, desk)
    expert = await open_desktop(browser, desk, "eve")
    await expert.click("text=Ready as expert")
    await agent.wait_for_selector('.users li:has-text("Eve") >> text=ready')
    await agent.fill('input[data-part="expert"]', "eve")
    await agent.click('[data-part="add"] button')
    await expert.wait_for_selector(".offer >> text=Accept")
    assert await expert.locator("text=Hang up for all").count() == 0


async def test_a_bridge_that_is_away_is_told_until_it_is_back(browser: Browser, desk: FrontDesk) -> None:
    page = await open_desktop(browser, desk, "alice")
    await page.context.set_offline(True)
    await page.evaluate("sockets.at(-1).close()")
    await page.wait_for_selector("text=The connection to the bridge broke")
    await page.context.set_offline(False)
    await until(page, "warmbridge.state.connection === 'online'")
    await page.wait_for_selector("#readiness", state="hidden")


async def test_offers_that_cross_end_in_one_agreement(browser: Browser, desk: FrontDesk) -> None:
    agent = await agent_in_call(browser, desk)
    expert = await open_desktop(browser, desk, "eve")
    await expert.click("text=Ready as expert")
    await agent.wait_for_selector('.users li:has-text("Eve") >> text=ready')
    await agent.evaluate(
        "warmbridge.actions.add(warmbridge.state.interactions.values().next().value, 'eve', 'video')"
    )
    await expert.click(".offer >> text=Accept")
    # The agent restarts ICE again and again while the bridge offers the expert's picture.
    storm = """async () => {
        for (let i = 0; i < 30; i++) { warmbridge.leg().restart(); await new Promise(r => setTimeout(r, 20)); }
    }"""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(agent.evaluate(storm))
        tasks.create_task(media_of(desk, expert))
    await agent.wait_for_selector('.tile:not(.self) figcaption:has-text("Eve")')
    await until(agent, "warmbridge.pc.signalingState === 'stable'")
    assert await complaints(agent) == []


async def test_a_reloaded_page_takes_its_place_again(browser: Browser, desk: FrontDesk) -> None:
    agent = await agent_in_call(browser, desk)
    before = await agent.evaluate("warmbridge.leg().legId")
    interaction = await agent.inner_text(".interaction .id")
    await agent.reload()
    spec = await media_of(desk, agent)
    assert spec.leg_id != before
    assert await agent.inner_text(".interaction .id") == interaction
    await agent.wait_for_selector('.participants li:has-text("(you)") >> text=in-session')
    await agent.wait_for_selector('[aria-pressed="true"]:has-text("Ready as agent")')


async def test_a_broken_websocket_comes_back_with_the_same_leg(browser: Browser, desk: FrontDesk) -> None:
    agent = await agent_in_call(browser, desk)
    leg_id = await agent.evaluate("warmbridge.leg().legId")
    connection = await agent.evaluate("warmbridge.socket.identity.connectionId")
    await agent.evaluate("sockets.at(-1).close()")
    await until(agent, f"warmbridge.socket.identity?.connectionId !== '{connection}'")
    await until(
        agent, "warmbridge.state.connection === 'online' && warmbridge.pc.signalingState === 'stable'"
    )
    assert await agent.evaluate("warmbridge.leg().legId") == leg_id
    await agent.click("text=Leave")
    await until(agent, "warmbridge.state.interactions.size === 0")


async def test_a_missing_camera_is_named_and_the_voice_goes_on(desk: FrontDesk) -> None:
    async with chromium("--use-fake-device-for-media-stream=device-count=0") as browser:
        agent = await open_desktop(browser, desk, "alice")
        await agent.click("text=Ready as agent")
        await agent.wait_for_selector("text=No camera was found")
        await desk.stage.call()
        await agent.click(".offer >> text=Accept")
        spec = await media_of(desk, agent)
        assert [track.kind for track in spec.down_tracks] == ["audio"]


async def test_a_blocked_camera_is_named_with_the_remedy(desk: FrontDesk) -> None:
    async with chromium("--use-fake-ui-for-media-stream=deny") as browser:
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{desk.url}/#token={token('alice')}")
        await page.click("text=Ready as agent")
        await page.wait_for_selector("text=The browser blocks the camera. Allow it")


async def test_a_bad_token_is_told_and_forgotten(browser: Browser, desk: FrontDesk) -> None:
    page = await (await browser.new_context()).new_page()
    await page.goto(f"{desk.url}/")
    await page.click("#token-details summary")
    await page.fill("#token", "not a token")
    await page.click("#token-form button")
    await page.wait_for_selector("text=Not signed in")
    assert await page.evaluate("sessionStorage.length") == 0
    assert await page.input_value("#token") == ""
