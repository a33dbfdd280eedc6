"""The page's line to the bridge breaks in the middle of a call: nothing is missed, nothing comes twice, media go on."""

from pathlib import Path
from typing import Any

from bridge.peers.browser.signaling_client import signaling_client
from bridge.peers.daemon_process import DaemonProcess
from tests.interop.baresip import baresip
from tests.interop.chromium import Tab, chromium, make_media, tab
from tests.interop.desktop import AGENT_HZ, CUSTOMER_HZ
from tests.interop.network_line import NetworkLine
from tests.interop.test_conference import AGENT_PICTURE, accept, go_ready
from tests.interop.test_restart import assert_phone_hears_something

CRM = ("interaction:read", "interaction:write", "interaction:all")
NOTED = """
    warmbridge.state.events.filter((e) => e.change === 'attributes_set').map((e) => e.interaction.attributes.note)
"""
# The next offer of media gets lost with the line.
LOSE_OFFER = """() => {
    const { socket } = warmbridge;
    const request = socket.request.bind(socket);
    const lost = Object.assign(new Error("cut"), { code: "closed" });
    window.cut = new Promise((resolve) => {
        socket.request = (command, fields) => {
            if (command !== "offerMedia") return request(command, fields);
            socket.request = request;
            resolve(true);
            return new Promise((_, reject) => setTimeout(() => reject(lost), 200));
        };
    });
}"""

NOTES = 5


async def packets_heard(page: Tab) -> int:
    figures: dict[str, Any] = await page.page.evaluate("warmbridge.stats()")
    return int(figures["audio"]["down"]["packets"])


async def test_a_dropped_line_costs_neither_events_nor_media(daemon: DaemonProcess, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    folder.mkdir()
    await make_media(folder, AGENT_PICTURE, AGENT_HZ)
    async with (
        NetworkLine(daemon.http_port).running() as line,
        chromium(folder) as browser,
        tab(browser, f"http://127.0.0.1:{line.port}/#token={daemon.token('agent')}&processing=off") as page,
        baresip(tmp_path / "phone", CUSTOMER_HZ) as phone,
        signaling_client(
            daemon.websocket_url,
            daemon.token("crm", CRM),
        ) as crm,
    ):
        await page.eventually("warmbridge.state.connection === 'online'")
        await go_ready(page, "agent")
        await phone.dial(daemon.sip_uri())
        interaction_id = await accept(page)
        await page.page.evaluate("window.pcBefore = warmbridge.pc; window.legBefore = warmbridge.leg().legId")
        connection = await page.page.evaluate("warmbridge.socket.identity.connectionId")
        await page.eventually("warmbridge.stats().then((s) => s.audio.down.packets > 0)")
        with line.held():
            await page.eventually("warmbridge.state.connection === 'connecting'")
            before = await packets_heard(page)
            for number in range(NOTES):
                await crm.command(
                    "setAttributes", interactionId=interaction_id, attributes={"note": f"number {number}"}
                )
            await page.eventually(f"warmbridge.stats().then((s) => s.audio.down.packets > {before + 20})")
        await page.eventually(
            f"warmbridge.state.connection === 'online' && warmbridge.socket.identity.connectionId !== '{connection}'"
        )
        assert await page.page.evaluate("warmbridge.socket.identity.resumed")
        await page.eventually(
            f"warmbridge.state.events.some((e) => e.interaction?.attributes.note === 'number {NOTES - 1}')"
        )
        places = await page.page.evaluate(
            "warmbridge.state.events.filter((e) => e.number !== undefined).map((e) => [e.number, e.part])"
        )
        assert places == sorted(places)
        assert len({tuple(place) for place in places}) == len(places)
        notes = await page.page.evaluate(NOTED)
        assert [note for note in notes if note] == [f"number {number}" for number in range(NOTES)]
        assert await page.page.evaluate("warmbridge.pc === pcBefore && warmbridge.leg().legId === legBefore")
        assert await page.page.evaluate("warmbridge.pc.connectionState") == "connected"
        await assert_phone_hears_something(phone)
        await phone.hang_up()
        await page.eventually("warmbridge.state.interactions.size === 0")


async def test_a_line_that_broke_while_media_were_negotiated_is_made_good(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "agent"
    folder.mkdir()
    await make_media(folder, AGENT_PICTURE, AGENT_HZ)
    async with (
        NetworkLine(daemon.http_port).running() as line,
        chromium(folder) as browser,
        tab(browser, f"http://127.0.0.1:{line.port}/#token={daemon.token('agent')}&processing=off") as page,
        baresip(tmp_path / "phone", CUSTOMER_HZ) as phone,
    ):
        await page.eventually("warmbridge.state.connection === 'online'")
        await go_ready(page, "agent")
        await phone.dial(daemon.sip_uri())
        await page.page.wait_for_selector(".offer [data-part=accept]", timeout=30_000)
        await page.page.evaluate(LOSE_OFFER)
        await page.page.click(".offer [data-part=accept]")
        assert await page.page.evaluate("cut")
        line.cut()
        await page.eventually("warmbridge.pc?.connectionState === 'connected'")
        await assert_phone_hears_something(phone)
