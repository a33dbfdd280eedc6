"""What an agent and a supervisor do every day with a call, each by its button in real Chromium."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page

from bridge.desk.centre.flow import StepKind
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.role import MediaType
from tests.interop.programs import eventually
from tests.interop.web.front_desk import FrontDesk, front_desk, token
from tests.interop.web.test_web_page import (
    CRM,
    WAIT_S,
    agent_in_call,
    chromium,
    complaints,
    media_of,
    open_desktop,
    until,
)
from tests.unit.desk.flow_house import QUEUES, VIDEO_SME, flow, step
from tests.unit.switchboard.theatre import ALL_SCOPES

CUSTOMER = '.participants li:has-text("customer")'


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as found:
        yield found


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    seek = step("seek", StepKind.QUEUE, queue=VIDEO_SME, media=MediaType.VIDEO, timeout_s=60.0)
    async with front_desk(policy=DeskPolicy(queues=QUEUES, flows=(flow(seek),))) as found:
        yield found


async def expert_ready(browser: Browser, desk: FrontDesk, agent: Page) -> Page:
    expert = await open_desktop(browser, desk, "eve")
    await expert.click("text=Ready as expert")
    await agent.wait_for_selector('.users li:has-text("Eve") >> text=ready')
    return expert


async def consult(browser: Browser, desk: FrontDesk) -> tuple[Page, Page]:
    """The agent talks with Eve alone."""
    agent = await agent_in_call(browser, desk)
    expert = await expert_ready(browser, desk, agent)
    await agent.get_by_label("Bring in").fill("Eve")
    await agent.click("text=Ask first")
    await agent.wait_for_selector("text=Asking Eve")
    await expert.click(".offer >> text=Accept")
    await media_of(desk, expert)
    await agent.wait_for_selector("text=You talk with Eve alone")
    await agent.wait_for_selector(f"{CUSTOMER} >> text=On hold")
    return agent, expert


async def test_the_caller_is_put_on_hold_and_back_by_one_button(browser: Browser, desk: FrontDesk) -> None:
    agent = await agent_in_call(browser, desk)
    await agent.click("text=Hold caller")
    await agent.wait_for_selector(f"{CUSTOMER} >> text=On hold")
    await agent.click("text=Back from hold")
    await agent.wait_for_selector(f"{CUSTOMER} >> text=in-session")
    await agent.wait_for_selector("text=Hold caller")
    assert await complaints(agent) == []


async def test_ask_first_then_hand_over(browser: Browser, desk: FrontDesk) -> None:
    agent, expert = await consult(browser, desk)
    await agent.click("text=Hand over now")
    await until(agent, "warmbridge.state.interactions.size === 0")
    await expert.wait_for_selector(f"{CUSTOMER} >> text=in-session")
    assert await complaints(agent) == []


async def test_ask_first_then_all_together(browser: Browser, desk: FrontDesk) -> None:
    agent, _expert = await consult(browser, desk)
    await agent.click("text=All together")
    await agent.wait_for_selector(f"{CUSTOMER} >> text=in-session")
    await agent.wait_for_selector('.participants li:has-text("Eve") >> text=in-session')
    await agent.wait_for_selector("text=Add to call")


async def test_ask_first_and_back_to_the_caller(browser: Browser, desk: FrontDesk) -> None:
    agent, expert = await consult(browser, desk)
    await agent.click("text=Back to the caller")
    await agent.wait_for_selector(f"{CUSTOMER} >> text=in-session")
    await until(expert, "warmbridge.state.interactions.size === 0")


async def test_hand_over_to_a_colleague_without_asking(browser: Browser, desk: FrontDesk) -> None:
    agent = await agent_in_call(browser, desk)
    expert = await expert_ready(browser, desk, agent)
    await agent.get_by_label("Bring in").fill("eve")
    await agent.click("text=Hand over")
    await agent.wait_for_selector("text=The call goes to Eve")
    await expert.click(".offer >> text=Accept")
    await media_of(desk, expert)
    await until(agent, "warmbridge.state.interactions.size === 0")
    await expert.wait_for_selector(f"{CUSTOMER} >> text=in-session")


async def test_hand_over_to_a_queue_and_see_who_waits_there(browser: Browser, desk: FrontDesk) -> None:
    agent = await agent_in_call(browser, desk)
    line = QUEUES[-1]
    await agent.get_by_label("Bring in").fill(line.name)
    await agent.click("text=Hand over")
    await until(agent, "warmbridge.state.interactions.size === 0")
    await agent.wait_for_selector(f'#queue-rows tr:has-text("{line.name}") [data-part=waiting]:has-text("1")')
    (call,) = await desk.stage.board.interactions.list(CRM)
    assert [place.queue_id for place in call.waits_in] == [line.queue_id]


async def test_an_escalation_is_started_and_stopped(browser: Browser, desk: FrontDesk) -> None:
    agent = await agent_in_call(browser, desk)
    await agent.click("[data-part=flow] button")
    await agent.wait_for_selector("text=is at “seek”")
    (call,) = await desk.stage.board.interactions.list(CRM)
    assert [run.step for run in call.flows] == ["seek"]
    await agent.click("text=Stop it")
    await agent.wait_for_selector("[data-part=flow] button")
    (call,) = await desk.stage.board.interactions.list(CRM)
    assert call.flows == ()


async def test_the_caller_is_called_back_later(browser: Browser, desk: FrontDesk) -> None:
    agent = await agent_in_call(browser, desk)
    await agent.click("summary:has-text('Call back later')")
    await agent.get_by_label("Not before").fill("2040-01-02T03:04")
    await agent.click("text=Hang up and call back")
    await eventually("the caller is hung up on", lambda: desk.stage.doors.hung_up)
    (callback,) = await desk.stage.board.callbacks.list(CRM)
    assert callback.number == "+4930123"
    assert callback.not_before is not None
    assert await complaints(agent) == []


async def test_a_supervisor_finds_a_call_and_listens_whispers_and_coaches(
    browser: Browser, desk: FrontDesk
) -> None:
    agent = await agent_in_call(browser, desk)
    assert not await agent.is_visible("#all-calls"), "who supervises nothing sees no calls of others"
    page = await (await browser.new_context(permissions=["camera", "microphone"])).new_page()
    page.set_default_timeout(WAIT_S * 1000)
    await page.goto(f"{desk.url}/#token={token('sue', *ALL_SCOPES, 'interaction:supervise')}")
    await page.wait_for_selector('#call-rows tr:has-text("+4930123"):has-text("Alice")')
    await page.click("[aria-label='Listen in on +4930123']")
    await media_of(desk, page)
    for label, mode, shown in (
        ("Whisper", "whisper", False),
        ("Coach", "coach", True),
        ("Listen only", "monitor", False),
    ):
        await page.click(f"[data-part=supervision] >> text={label}")
        await page.wait_for_selector(f"[data-part={mode}][aria-pressed=true]")
        await until(page, f"Boolean(warmbridge.leg().camera?.enabled) === {str(shown).lower()}")
    await page.wait_for_selector('.participants li:has-text("Alice")')
    for what in ("text=Hang up for all", "text=Hold caller", "text=Add to call", f"{CUSTOMER} >> text=Mute"):
        assert not await page.is_visible(what), f"{what} is refused to a supervisor"
    assert await agent.evaluate("warmbridge.leg().camera") is None, "nobody's camera goes on for a listener"
    await page.click("text=Leave")
    await until(page, "warmbridge.state.interactions.size === 0")
    assert await complaints(page) == []
    assert await complaints(agent) == []


async def test_a_phone_is_called_into_the_call(browser: Browser, desk: FrontDesk) -> None:
    agent = await agent_in_call(browser, desk)
    await agent.get_by_label("Bring in").fill("+4940999")
    await agent.click("text=Add to call")
    await agent.wait_for_selector('.participants li:has-text("+4940999") >> text=alerting')
    assert [target for _, target in desk.stage.doors.dialed] == ["sip:+4940999@trunk.example"]
