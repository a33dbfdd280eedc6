"""The view for accounts, in real Chromium: by keyboard and label, down to the sign-in of whom it made."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page

from bridge.settings.user import User
from bridge.switchboard.door.principal import EVERY_SCOPE
from signaling.web.access.secret import hash_secret
from tests.interop.web.front_desk import FrontDesk, front_desk, token
from tests.interop.web.test_web_page import WAIT_S, chromium, until

PASSWORD, NEW_PASSWORD = "correct horse battery", "staple of another horse"
ADMIN_SCOPES = tuple(sorted(EVERY_SCOPE))
USERS = (User(id="root", name="Root", roles=("administrator",), password_hash=hash_secret(PASSWORD)),)


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as found:
        yield found


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk(users=USERS) as found:
        yield found


async def open_as(browser: Browser, desk: FrontDesk, fragment: str = "") -> Page:
    page = await (await browser.new_context(permissions=["camera", "microphone"])).new_page()
    page.set_default_timeout(WAIT_S * 1000)
    await page.goto(f"{desk.url}/{fragment}")
    return page


async def administrator(browser: Browser, desk: FrontDesk) -> Page:
    page = await open_as(browser, desk, f"#token={token('root', *ADMIN_SCOPES)}")
    await page.click("#views >> text=Accounts")
    await page.wait_for_selector('tr:has-text("Root")')
    return page


async def make_eve(page: Page) -> None:
    """By the keyboard alone, from the button on."""
    await page.focus("#new-account")
    await page.keyboard.press("Enter")
    await until(page, "document.activeElement.id === 'account-user'")
    await page.keyboard.type("eve")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Eve Example")
    await page.locator("#account-form").get_by_label("E-mail address").fill("eve@example.org")
    await page.locator("#account-form").get_by_label("expert").check()
    await page.locator("#account-form").get_by_label("agent").uncheck()
    await page.locator("#account-form").get_by_label("Skills").fill("Billing, Video_Escalation 3")
    await page.locator("#account-form").get_by_label("Ids in other systems").fill("00u1, crm-7")
    await page.keyboard.press("Enter")
    assert "Write each skill" in await page.locator("#account-form").get_by_label("Skills").evaluate(
        "field => field.validationMessage"
    )
    await page.locator("#account-form").get_by_label("Skills").fill("Billing 5, Video_Escalation 3")
    await page.keyboard.press("Enter")
    await until(page, "document.activeElement.id === 'account-password'")


async def test_an_account_is_made_and_its_user_signs_in(browser: Browser, desk: FrontDesk) -> None:
    page = await administrator(browser, desk)
    await make_eve(page)
    async with desk.crm(token("root", *ADMIN_SCOPES)) as crm:
        told = (await crm.get("/api/v2/accounts/eve")).json()
    assert (told["roles"], told["skills"]) == (["sme"], {"Billing": 5, "Video_Escalation": 3})
    assert (told["externalIds"], told["video"], told["hasPassword"]) == (["00u1", "crm-7"], True, False)
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("text=eve has a new password")
    await until(page, "document.activeElement.getAttribute('aria-label') === 'Change eve'")
    eve = await open_as(browser, desk)
    await eve.fill("#user", "eve@example.org")
    await eve.fill("#password", PASSWORD)
    await eve.press("#password", "Enter")
    await eve.wait_for_selector("#who-name:has-text('Eve Example')")
    assert not await eve.is_visible("#views"), "who administers nothing sees no way there"
    await page.click("[aria-label='Change eve']")
    await page.click("#account-disable")
    await page.wait_for_selector('tr:has-text("Eve Example") >> text=disabled')
    await eve.wait_for_selector("text=Signed out: the account is disabled")
    await page.click('#account-disable:has-text("Enable")')
    await page.wait_for_selector('tr:has-text("Eve Example") >> text=enabled')


async def test_an_account_is_changed_and_others_changes_show(browser: Browser, desk: FrontDesk) -> None:
    page = await administrator(browser, desk)
    await make_eve(page)
    await page.click("#account-cancel")
    await page.click("[aria-label='Change eve']")
    await page.locator("#account-form").get_by_label("May use video").uncheck()
    await page.locator("#account-form").get_by_label("Calls at once").fill("2")
    await page.locator("#account-form").get_by_label("Rights beyond the roles").fill("queue:write")
    await page.click("text=Save")
    await page.wait_for_selector("text=eve is saved")
    async with desk.crm(token("root", *ADMIN_SCOPES)) as crm:
        told = (await crm.get("/api/v2/accounts/eve")).json()
        assert (told["video"], told["capacity"], told["permissions"]) == (False, 2, ["queue:write"])
        assert told["skills"] == {"Billing": 5, "Video_Escalation": 3}, "what was not touched stays"
        assert (await crm.patch("/api/v2/accounts/eve", json={"name": "Eva"})).status_code == 200
    await page.wait_for_selector('tr:has-text("Eva")')


async def test_a_configured_account_cannot_be_changed_here(browser: Browser, desk: FrontDesk) -> None:
    page = await administrator(browser, desk)
    await page.click("[aria-label='Look at root']")
    await page.wait_for_selector("text=stands in the configuration")
    assert await page.locator("#account-form").get_by_label("Name", exact=True).is_disabled()
    assert not await page.is_visible("#account-save")
    assert not await page.is_visible("#account-password")


async def test_who_may_only_look_is_shown_no_button(browser: Browser, desk: FrontDesk) -> None:
    page = await open_as(browser, desk, f"#token={token('auditor', 'interaction:read', 'user:read')}")
    await page.click("#views >> text=Accounts")
    await page.click("[aria-label='Look at root']")
    for name in ("#new-account", "#account-save", "#account-disable", "#account-password"):
        assert not await page.is_visible(name), name


async def test_a_refusal_is_told_and_the_form_stays(browser: Browser, desk: FrontDesk) -> None:
    page = await administrator(browser, desk)
    await make_eve(page)
    await page.click("#account-cancel")
    await page.click("#new-account")
    await page.fill("#account-user", "eve")
    await page.locator("#account-form").get_by_label("Name", exact=True).fill("Another Eve")
    await page.click("#account-save")
    await page.wait_for_selector("#notices >> text=eve")
    assert await page.locator("#account-form").get_by_label("Name", exact=True).input_value() == "Another Eve"
