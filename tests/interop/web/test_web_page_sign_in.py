"""Signing in at the page, in real Chromium: by password, at an issuer, through reload and renewal, until disabled."""

import json
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from bridge.settings.user import User
from bridge.settings.web import SignIn
from bridge.switchboard.door.principal import EVERY_SCOPE
from signaling.web.access.secret import hash_secret
from tests.interop.programs import eventually, running
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
    notices = "[...document.querySelectorAll('#notices .notice')].map((one) => one.textContent)"
    assert await page.evaluate(notices) == []
    assert await page.locator("#presence button:visible").all_inner_texts() == ["Ready as agent", "Away"]
    assert PASSWORD not in await page.evaluate("JSON.stringify(sessionStorage)")
    await page.reload()
    await page.wait_for_selector("#who-name:has-text('Alice Example')")
    await page.click("#sign-out")
    await page.wait_for_selector("#password-form")
    assert await page.evaluate("sessionStorage.length") == 0
    await page.reload()
    await page.wait_for_selector("#password-form")


async def test_who_signs_out_in_one_tab_is_signed_out_in_all(browser: Browser, desk: FrontDesk) -> None:
    pages = [await open_page(browser, desk)]
    context = pages[0].context
    pages += [await context.new_page() for _ in range(2)]
    for page in pages[:2]:
        await page.goto(desk.url)
        await sign_in(page)
        await until(page, "warmbridge.state.connection === 'online'")
    await pages[2].goto(f"{desk.url}/#token={token('bob')}")
    await until(pages[2], "warmbridge.state.connection === 'online'")
    await pages[0].click("#sign-out")
    await pages[1].wait_for_selector("text=You signed out in another tab")
    for page in pages[:2]:
        await page.wait_for_selector("#password-form")
        assert await page.evaluate("sessionStorage.length") == 0
    await pages[1].reload()
    await pages[1].wait_for_selector("#password-form")
    assert await pages[2].evaluate("warmbridge.socket.identity?.userId") == "bob"


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


async def test_who_comes_after_somebody_who_was_signed_out_is_not_ready_for_it(
    browser: Browser, desk: FrontDesk
) -> None:
    page = await open_page(browser, desk)
    await sign_in(page)
    await until(page, "warmbridge.state.connection === 'online'")
    await page.evaluate("warmbridge.setPresence('ready', 'agent')")
    await until(page, "warmbridge.state.presence.presence === 'ready'")
    async with desk.crm(token("admin", *EVERY_SCOPE)) as admin:
        assert (await admin.post("/api/v2/accounts/alice/disable")).status_code == 200
    await page.wait_for_selector("text=Signed out: the account is disabled")
    await page.evaluate(f"warmbridge.signIn('{token('bob')}')")
    await until(page, "warmbridge.socket.identity?.userId === 'bob'")
    await until(page, "warmbridge.state.presence.presence === 'offline' && warmbridge.state.queues.size > 0")
    users = await page.evaluate("warmbridge.socket.request('listUsers')")
    assert "bob" not in [user["userId"] for user in users["users"]]


@asynccontextmanager
async def provider(directory: Path) -> AsyncIterator[str]:
    """oidc-provider-mock as a process of its own; returns its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    person = json.dumps({"sub": "00uE", "email": "eve@example.org"})
    arguments = ("-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true")
    log = directory / "provider.log"
    async with running((sys.executable, *arguments, "--user-claims", person), log):
        url = f"http://127.0.0.1:{port}"
        await eventually("the provider answers", lambda: _answers(port))
        yield url


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@asynccontextmanager
async def desk_with_provider(directory: Path) -> AsyncIterator[tuple[FrontDesk, str]]:
    users = (User(id="eve", name="Eve Example", roles=("sme",), external_ids=("00uE",)),)
    async with provider(directory) as url:
        wish = SignIn(issuer=url, issuer_name="Example Login", client_id="warmbridge")
        async with front_desk(users=users, sign_in=wish) as desk:
            yield desk, url


async def test_the_button_goes_to_the_issuer_and_back(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk_with_provider(tmp_path) as (desk, url):
        page = await open_page(browser, desk)
        visited: list[str] = []
        page.on("framenavigated", lambda frame: visited.append(frame.url))
        await page.click("text=Sign in with Example Login")
        await page.wait_for_url(f"{url}/oauth2/authorize**")
        await page.click("button[value='00uE']")
        await page.wait_for_selector("#who-name:has-text('Eve Example')")
        assert page.url == f"{desk.url}/", "neither code nor state stays in the address bar"
        (code,) = {match for place in visited for match in re.findall(r"[?&]code=([^&]+)", place)}
        assert code not in capsys.readouterr().out
        assert await page.evaluate("warmbridge.socket.identity.userId") == "eve"
        await page.click("text=Ready as expert")
        await page.wait_for_selector('[aria-pressed="true"]:has-text("Ready as expert")')
        await page.reload()
        await page.wait_for_selector("#who-name:has-text('Eve Example')")
        await page.click("#sign-out")
        await page.wait_for_selector("#issuer-sign-in")


async def test_who_is_refused_there_is_told_so_here(browser: Browser, tmp_path: Path) -> None:
    async with desk_with_provider(tmp_path) as (desk, url):
        page = await open_page(browser, desk)
        await page.click("text=Sign in with Example Login")
        await page.wait_for_url(f"{url}/oauth2/authorize**")
        await page.click("text=Deny")
        await page.wait_for_selector("text=Not signed in: the issuer says access_denied")
        await page.click("text=Sign in with Example Login")
        await page.fill("input[name='sub']", "a stranger")
        await page.click("text=Authorize >> nth=-1")
        await page.wait_for_selector(
            "text=Not signed in: the issuer knows you, but there is no account for you"
        )


async def test_somebody_else_s_link_signs_nobody_in(browser: Browser, tmp_path: Path) -> None:
    async with desk_with_provider(tmp_path) as (desk, _url):
        page = await (await browser.new_context()).new_page()
        await page.goto(f"{desk.url}/?code=theirs&state=theirs")
        await page.wait_for_selector("text=Not signed in: this sign-in was not begun in this tab")
        assert page.url == f"{desk.url}/"
