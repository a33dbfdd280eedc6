"""One desktop and who uses it one after the other, in real Chromium: what stays, what is told, in how much room."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, ViewportSize

from bridge.desk.centre.policy import DeskPolicy
from bridge.settings.user import User
from bridge.switchboard.door.principal import EVERY_SCOPE
from tests.interop.web.front_desk import FrontDesk, front_desk, token
from tests.interop.web.test_web_page import agent_in_call, chromium, complaints, open_desktop, until

USERS = (User(id="eve", name="Eve Example", email="eve@example.org"),)
PASSWORD = "correct horse battery"
NARROW: ViewportSize = {"width": 400, "height": 800}
HOLD_PROOFS_BACK = """() => {
    const { socket } = warmbridge;
    const ask = socket.request.bind(socket);
    const released = new Promise((go) => { window.release = go; });
    socket.request = async (command, fields) => {
        if (command === 'proveReady') await released;
        return ask(command, fields);
    };
}"""


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as found:
        yield found


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk(users=USERS) as found:
        yield found


async def sign_in_as_administrator(page: Page) -> None:
    await page.evaluate(f"warmbridge.signIn('{token('root', *EVERY_SCOPE)}')")
    await until(page, "warmbridge.socket.identity?.userId === 'root'")
    await page.click("#views >> text=Accounts")
    await page.click('tr:has-text("Eve Example") >> button')
    assert (
        await page.locator("#account-form").get_by_label("E-mail address").input_value() == "eve@example.org"
    )


async def test_whoever_signs_out_leaves_nothing_in_the_tab(browser: Browser, desk: FrontDesk) -> None:
    page = await open_desktop(browser, desk, "root")
    await sign_in_as_administrator(page)
    await desk.stage.call()
    await until(page, "warmbridge.state.calls.size > 0 && warmbridge.state.events.length > 0")
    await page.click("#sign-out")
    await page.wait_for_selector("#password-form")
    for told in ("Eve Example", "eve@example.org", "+4930123"):
        assert told not in await page.inner_html("body")
    fields = await page.locator("#account-form input:not([type=checkbox]), #user").all()
    assert {await field.input_value() for field in fields} == {""}
    kept = "Object.values(warmbridge.state).filter((one) => one instanceof Map ? one.size : one?.length > 0)"
    assert [one for one in await page.evaluate(kept) if not isinstance(one, str)] == []
    await page.evaluate(f"warmbridge.signIn('{token('bob')}')")
    await until(page, "warmbridge.state.connection === 'online' && warmbridge.state.view === 'calls'")
    assert await complaints(page) == []


async def test_what_was_told_is_kept_within_bounds(browser: Browser, desk: FrontDesk) -> None:
    page = await open_desktop(browser, desk, "alice")
    await page.evaluate("""import('/notice.js').then(({ notify }) => {
        for (let i = 0; i < 5000; i++) notify('warning', `trouble ${i}`);
    })""")
    told = await complaints(page)
    assert 1 < len(told) <= 1000
    assert told[-1] == {"kind": "warning", "text": "trouble 4999"}


async def test_flows_that_are_others_now_are_offered(browser: Browser, desk: FrontDesk) -> None:
    agent = await agent_in_call(browser, desk)
    named = "[...document.querySelectorAll('[data-part=flowId] option')].map((one) => one.textContent)"
    for name in ("Specialist", "Another"):
        await agent.evaluate(
            """name => import('/state.js').then(({ state, changed }) => {
                state.flows = new Map([[name, { flowId: name, name, kind: 'escalation' }]]);
                changed();
            })""",
            name,
        )
        assert await agent.evaluate(named) == [name]


async def test_a_narrow_window_cuts_nothing_off(browser: Browser, desk: FrontDesk) -> None:
    page = await agent_in_call(browser, desk)
    await page.wait_for_selector("#queue-rows tr")
    await page.set_viewport_size(NARROW)
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= NARROW["width"]


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (
            DeskPolicy(),
            "Offers ring here, but a call would lack something: The browser blocks the microphone",
        ),
        (DeskPolicy(proof_s=30.0), "You are offered nothing: The browser blocks the microphone"),
    ],
)
async def test_a_blocked_microphone_keeps_offers_away_only_where_proofs_are_asked(
    policy: DeskPolicy, says: str
) -> None:
    async with chromium("--use-fake-ui-for-media-stream=deny") as browser, front_desk(policy=policy) as desk:
        page = await (await browser.new_context()).new_page()
        await page.goto(f"{desk.url}/#token={token('alice')}")
        await page.click("text=Ready as agent")
        await page.locator("#readiness").get_by_text(says).wait_for()


async def test_colleagues_see_who_is_still_checked_and_who_cannot(browser: Browser) -> None:
    async with front_desk(policy=DeskPolicy(proof_s=30.0)) as desk:
        agent = await open_desktop(browser, desk, "alice")
        expert = await open_desktop(browser, desk, "eve")
        await expert.evaluate(HOLD_PROOFS_BACK)
        await expert.click("text=Ready as expert")
        eve = agent.locator('.users li:has-text("Eve") .badge')
        await eve.get_by_text("checking").wait_for()
        await expert.evaluate("release()")
        # No media port answers behind this desk: the check finds that out, and the desk hears why.
        await eve.get_by_text("unable").wait_for()
        assert "no media path" in str(await eve.get_attribute("title"))
        await expert.locator("#readiness").get_by_text("You are offered nothing").wait_for()


async def test_the_page_goes_with_the_rights_of_its_person(browser: Browser, desk: FrontDesk) -> None:
    async with desk.crm(token("admin", *EVERY_SCOPE)) as admin:
        ann = "/api/v2/accounts/ann"
        await admin.post("/api/v2/accounts", json={"userId": "ann", "name": "Ann", "roles": ["supervisor"]})
        await admin.put(f"{ann}/password", json={"password": PASSWORD})
        await desk.stage.call()
        page = await (await browser.new_context(permissions=["camera", "microphone"])).new_page()
        await page.goto(desk.url)
        await page.fill("#user", "ann")
        await page.fill("#password", PASSWORD)
        await page.press("#password", "Enter")
        listed = page.locator('#call-rows tr:has-text("+4930123")')
        await listed.wait_for()
        connection = await page.evaluate("warmbridge.socket.identity.connectionId")
        await admin.patch(ann, json={"roles": ["agent"]})
        await listed.wait_for(state="detached")
        await page.locator("#all-calls").wait_for(state="hidden")
        await admin.patch(ann, json={"roles": ["administrator"]})
        await listed.wait_for()
        await page.click("#views >> text=Accounts")
        await page.wait_for_selector('tr:has-text("Eve Example")')
        assert await page.evaluate("warmbridge.socket.identity.connectionId") == connection
        assert await complaints(page) == []
