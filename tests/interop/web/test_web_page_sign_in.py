"""Signing in at the page, in real Chromium: by password, through reload and renewal, until disabled."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page

from bridge.switchboard.principal import EVERY_SCOPE
from bridge.user import SignIn, User
from signaling.web.secret import hash_secret
from tests.interop.web.front_desk import FrontDesk, front_desk, token
from tests.interop.web.test_web_page import WAIT_S, chromium, until

PASSWORD = "correct horse battery"
USERS = (User(id="alice", name="Alice Example", password_hash=hash_secret(PASSWORD)),)


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as found:
        yield found


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk(users=USERS) as found:
        yield found


async def open_page(browser: Browser, desk: FrontDesk) -> Page:
    page = await (await browser.new_context(permissions=["camera", "microphone"])).new_page()
    page.set_default_timeout(WAIT_S * 1000)
    await page.goto(desk.url)
    return page


async def sign_in(page: Page, password: str = PASSWORD) -> None:
    await page.fill("#user", "alice")
    await page.fill("#password", password)
    await page.press("#password", "Enter")


async def test_a_password_signs_in_and_a_reload_asks_for_none(browser: Browser, desk: FrontDesk) -> None:
    page = await open_page(browser, desk)
    await sign_in(page, "wrong horse battery")
    await page.wait_for_selector("text=Not signed in: the user or the password is wrong")
    assert await page.input_value("#password") == ""
    await sign_in(page)
    await page.wait_for_selector("#who-name:has-text('Alice Example')")
    assert await page.evaluate("document.querySelectorAll('.notice').length") == 0
    assert PASSWORD not in await page.evaluate("JSON.stringify(sessionStorage)")
    await page.reload()
    await page.wait_for_selector("#who-name:has-text('Alice Example')")
    await page.click("#sign-out")
    await page.wait_for_selector("#password-form")
    assert await page.evaluate("sessionStorage.length") == 0
    await page.reload()
    await page.wait_for_selector("#password-form")


async def test_a_token_is_renewed_on_the_living_connection(browser: Browser) -> None:
    async with front_desk(users=USERS, sign_in=SignIn(token_s=2.0)) as desk:
        page = await open_page(browser, desk)
        await sign_in(page)
        await until(page, "warmbridge.state.connection === 'online'")
        first = await page.evaluate("({...warmbridge.socket.identity})")
        for _ in range(3):
            before = await page.evaluate("warmbridge.socket.identity.expiresAt")
            await until(page, f"warmbridge.socket.identity.expiresAt > '{before}'")
        assert await page.evaluate("warmbridge.socket.identity.connectionId") == first["connectionId"]
        assert await page.evaluate("warmbridge.state.notices") == []


async def test_a_token_that_grew_old_while_the_page_slept_is_renewed(
    browser: Browser, desk: FrontDesk
) -> None:
    page = await open_page(browser, desk)
    await sign_in(page)
    await until(page, "warmbridge.state.connection === 'online'")
    before = await page.evaluate("warmbridge.socket.identity.connectionId")
    for connection in desk.door._sockets.values():
        connection.shut(4401, "the token has expired")
    await until(
        page,
        f"warmbridge.socket.identity?.connectionId > '' && warmbridge.socket.identity.connectionId !== '{before}'",
    )
    await until(page, "warmbridge.state.connection === 'online'")
    assert await page.evaluate("warmbridge.state.notices") == []


async def test_a_disabled_user_is_told_and_cannot_come_back(browser: Browser, desk: FrontDesk) -> None:
    page = await open_page(browser, desk)
    await sign_in(page)
    await until(page, "warmbridge.state.connection === 'online'")
    async with desk.crm(token("admin", *EVERY_SCOPE)) as admin:
        assert (await admin.post("/api/v2/accounts/alice/disable")).status_code == 200
    await page.wait_for_selector("text=Signed out: the account is disabled")
    await page.wait_for_selector("#password-form")
    assert await page.evaluate("sessionStorage.length") == 0
    await sign_in(page)
    await page.wait_for_selector("text=Not signed in: the account is disabled")
