"""Which interaction data the page shows and lets one set, as the configuration says; in real Chromium."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page

from bridge.switchboard.view.sidebar import Sidebar, SidebarField
from tests.interop.web.front_desk import front_desk
from tests.interop.web.test_web_page import agent_in_call, chromium, complaints, open_desktop

CASE, PRIORITY = SidebarField("case_number", "Case"), SidebarField("priority", "How urgent", ("High", "Low"))
CAPABLE = SidebarField("customer_video_capable", "Customer has video", settable=False)


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as found:
        yield found


async def facts(page: Page, card: str) -> list[str]:
    return await page.locator(f"{card} [data-part=facts] dt").all_inner_texts()


async def test_fields_have_labels_order_and_choices_and_nothing_else_is_shown(browser: Browser) -> None:
    async with front_desk(sidebar=Sidebar((PRIORITY, CASE, CAPABLE), others=False)) as desk:
        agent = await agent_in_call(browser, desk)
        form = agent.locator("[data-part=note]")
        names = await form.get_by_role("combobox", name="Name").locator("option").all_inner_texts()
        assert names == ["How urgent", "Case"], "what cannot be set is no choice"
        await form.get_by_role("combobox", name="Value").select_option("Low")
        await form.locator("button").click()
        await agent.wait_for_selector("dl:has-text('How urgent') >> text=Low")
        await form.get_by_role("combobox", name="Name").select_option("case_number")
        await form.get_by_role("textbox", name="Value").fill("12345")
        await form.get_by_role("textbox", name="Value").press("Enter")
        await agent.wait_for_selector("dl:has-text('Case') >> text=12345")
        assert await facts(agent, ".interaction") == ["Called", "How urgent", "Case", "Customer has video"]
        expert = await open_desktop(browser, desk, "eve")
        await expert.click("text=Ready as expert")
        await agent.wait_for_selector('.users li:has-text("Eve") >> text=ready')
        await agent.fill('input[data-part="expert"]', "eve")
        await agent.click('[data-part="add"] button')
        await expert.wait_for_selector(".offer >> text=12345")
        assert await facts(expert, ".offer") == ["How urgent", "Case", "Customer has video"]
        assert await complaints(agent) == []


async def test_other_names_may_be_set_where_that_is_allowed_but_not_those_that_are_fixed(
    browser: Browser,
) -> None:
    async with front_desk(sidebar=Sidebar((CAPABLE, PRIORITY), others=True)) as desk:
        agent = await agent_in_call(browser, desk)
        form = agent.locator("[data-part=note]")
        await form.get_by_role("combobox", name="Name").fill("customer_video_capable")
        await form.locator("button").click()
        refused = await form.get_by_role("combobox", name="Name").evaluate("field => field.validationMessage")
        assert refused == "Customer has video is not set here."
        await form.get_by_role("combobox", name="Name").fill("priority")
        await form.get_by_role("combobox", name="Value").select_option("High")
        await form.locator("button").click()
        await agent.wait_for_selector("dl:has-text('How urgent') >> text=High")
        await form.get_by_role("combobox", name="Name").fill("mood")
        await form.get_by_role("textbox", name="Value").fill("fine")
        await form.locator("button").click()
        await agent.wait_for_selector("dl:has-text('mood') >> text=fine")
        shown = await facts(agent, ".interaction")
        assert shown[:3] == ["Called", "Customer has video", "How urgent"]
        assert "mood" in shown
