"""Pictures come back: after reloads, with another expert, a late camera, hold, a new network.

They are read from the pixels of the page's own <video>. What a browser decodes and does not show is not seen.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bridge.peers.browser.browser import Appearance, SyntheticBrowser, synthetic_browser
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.phone.caller import synthetic_caller
from tests.interop.chromium import Tab
from tests.interop.desktop import CUSTOMER_HZ, TONES_HZ, desktop
from tests.interop.programs import POLL_S, eventually
from tests.interop.test_conference import (
    AGENT_PICTURE,
    EXPERT_PICTURE,
    STRANGER_HZ,
    accept,
    browser_desktop,
    go_ready,
)

SECOND_PICTURE = 99
LATER_COUNTER = 1000
FRESH_FRAMES = 10  # this many different frames in a row of looks: it moves
SHOWN_WITHIN_S = 10.0  # a second on a quiet machine; a stream begun anew stayed dark as long as it had run
STILL_S = 1.5  # 22 frames of the camera
CONNECTED = "window.warmbridge?.pc?.connectionState === 'connected'"


async def look_at(opened: Tab) -> tuple[int, int] | None:
    """Picture id and counter of what the page shows of somebody else at this moment."""
    reading = await opened.page.evaluate("probe.readShown(warmbridge.video())")
    return None if reading is None else (reading[0], reading[1])


async def shows(opened: Tab, picture_id: int) -> None:
    """Waits until the page shows one camera, and that it moves."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + SHOWN_WITHIN_S
    seen: set[tuple[int, int]] = set()
    while sum(picture == picture_id for picture, _ in seen) < FRESH_FRAMES:
        reading = await look_at(opened)
        if reading is not None:
            seen.add(reading)
        if clock() > deadline:
            received = [entry for entry in await opened.statistics("inbound-rtp") if entry["kind"] == "video"]
            pytest.fail(
                f"no moving picture {picture_id} within {SHOWN_WITHIN_S:g} s: {sorted(seen)} {received}"
            )
        await asyncio.sleep(POLL_S)


async def stands_still(opened: Tab) -> None:
    """Waits until nothing new is shown for a while."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + SHOWN_WITHIN_S
    last, since = await look_at(opened), clock()
    while clock() - since < STILL_S:
        assert clock() < deadline, "the picture still moves"
        await asyncio.sleep(POLL_S)
        reading = await look_at(opened)
        if reading != last:
            last, since = reading, clock()


@dataclass
class Call:
    """The customer, the agent and whoever the agent asks."""

    agent: Tab
    interaction_id: str

    async def ask(self, user: str, kind: str = "video") -> None:
        await self.agent.page.set_checked("[data-part=add] [data-part=video]", kind == "video")
        await self.agent.page.fill("[data-part=add] [data-part=expert]", user)
        await self.agent.page.click("[data-part=add] button[type=submit]")

    async def press(self, user: str, button: str) -> None:
        """A button in the row of one participant on the agent's page."""
        participant_id = await self.agent.page.evaluate(
            """user => [...warmbridge.state.interactions.values()][0].participants
                .find(p => p.userId === user && p.state !== 'disconnected').participantId""",
            user,
        )
        await self.agent.page.click(f"[data-participant={participant_id}] [data-part={button}]")


@contextlib.asynccontextmanager
async def answered_call(daemon: DaemonProcess, directory: Path, codec: str) -> AsyncIterator[Call]:
    async with (
        browser_desktop(daemon, directory / "agent", "agent", AGENT_PICTURE, codec) as agent,
        synthetic_caller((CUSTOMER_HZ,), TONES_HZ) as caller,
    ):
        await go_ready(agent, "agent")
        await caller.call(daemon.sip_uri())
        yield Call(agent, await accept(agent))
        assert agent.complaints == []


@contextlib.asynccontextmanager
async def ready_expert(
    daemon: DaemonProcess, directory: Path, codec: str, user: str = "expert", picture_id: int = EXPERT_PICTURE
) -> AsyncIterator[Tab]:
    async with browser_desktop(daemon, directory / user, user, picture_id, codec) as expert:
        await go_ready(expert, "sme")
        yield expert
        assert expert.complaints == []


@contextlib.asynccontextmanager
async def conference(
    daemon: DaemonProcess, directory: Path, codec: str = "VP8"
) -> AsyncIterator[tuple[Call, Tab, Tab]]:
    """Agent and expert see each other. The agent's camera comes on when the expert is asked."""
    async with (
        answered_call(daemon, directory, codec) as call,
        ready_expert(daemon, directory, codec) as expert,
    ):
        await call.ask("expert")
        assert await accept(expert) == call.interaction_id
        await both_show(call.agent, expert)
        yield call, call.agent, expert


async def both_show(agent: Tab, expert: Tab) -> None:
    await asyncio.gather(shows(agent, EXPERT_PICTURE), shows(expert, AGENT_PICTURE))


async def reload(opened: Tab) -> None:
    await opened.page.reload()
    await opened.eventually(CONNECTED)


def refused_by_srtp(daemon: DaemonProcess) -> list[str]:
    """The ends of browser legs in the log whose packets SRTP refused: a stream began again behind itself."""
    ends = [line for line in daemon.log.read_text().splitlines() if "webrtc leg closed" in line]
    assert ends
    return [line for line in ends if '"webrtc_srtp_protect_failures": 0,' not in line]


async def break_websocket(opened: Tab) -> None:
    """The page keeps its socket to itself: it is caught at the next ping."""
    await opened.page.evaluate(
        """async () => {
            const { send } = WebSocket.prototype;
            const caught = new Promise((resolve) => {
                WebSocket.prototype.send = function (text) { resolve(this); return send.call(this, text); };
            });
            await warmbridge.socket.request("ping");
            WebSocket.prototype.send = send;
            (await caught).close(4000);
        }"""
    )
    await opened.eventually("warmbridge.state.connection === 'connecting'")


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_pictures_come_back_after_either_page_was_reloaded(
    daemon: DaemonProcess, tmp_path: Path, codec: str
) -> None:
    async with conference(daemon, tmp_path, codec) as (_, agent, expert):
        # Long enough that a stream which began anew would be dark for longer than we wait.
        await asyncio.sleep(SHOWN_WITHIN_S)
        for reloaded in (expert, expert, agent):
            await reload(reloaded)
            await both_show(agent, expert)
        # What is not negotiated any more costs nothing: one picture down on each side.
        for opened in (agent, expert):
            pictures = await opened.page.evaluate("warmbridge.leg().pictures.size")
            assert pictures == 1
    assert refused_by_srtp(daemon) == []


async def test_a_second_expert_is_seen_where_the_first_was(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with conference(daemon, tmp_path) as (call, agent, expert):
        sections = await agent.page.evaluate("warmbridge.pc.getTransceivers().length")
        await expert.page.click("[data-part=leave]")
        await agent.eventually("warmbridge.leg().pictures.size === 0")
        async with ready_expert(daemon, tmp_path, "VP8", "second", SECOND_PICTURE) as second:
            await call.ask("second")
            await accept(second)
            await asyncio.gather(shows(agent, SECOND_PICTURE), shows(second, AGENT_PICTURE))
            assert await agent.page.evaluate("warmbridge.pc.getTransceivers().length") == sections


async def test_cameras_switched_on_in_the_middle_of_a_voice_call(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with (
        answered_call(daemon, tmp_path, "VP8") as call,
        ready_expert(daemon, tmp_path, "VP8") as expert,
    ):
        await call.ask("expert", "voice")
        await accept(expert)
        for opened in (call.agent, expert):
            assert await opened.page.evaluate("warmbridge.leg().camera") is None
        await call.agent.page.click("[data-part=camera]")
        await shows(expert, AGENT_PICTURE)
        await expert.page.click("[data-part=camera]")
        await both_show(call.agent, expert)


async def test_a_held_expert_neither_sees_nor_is_seen_until_resumed(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with conference(daemon, tmp_path) as (call, agent, expert):
        for _ in range(2):
            await call.press("expert", "hold")
            await asyncio.gather(stands_still(agent), stands_still(expert))
            await call.press("expert", "hold")
            await both_show(agent, expert)


async def test_pictures_go_on_after_an_ice_restart_and_a_broken_websocket(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with conference(daemon, tmp_path) as (_, agent, expert):
        before = await expert.page.evaluate("warmbridge.pc.localDescription.sdp.match(/ice-ufrag:(.*)/)[1]")
        await expert.page.evaluate("warmbridge.leg().restart()")
        after = await expert.page.evaluate("warmbridge.pc.localDescription.sdp.match(/ice-ufrag:(.*)/)[1]")
        assert after != before
        await both_show(agent, expert)
        await break_websocket(expert)
        await expert.eventually("warmbridge.state.connection === 'online'")
        await both_show(agent, expert)


async def test_an_offer_rings_on_after_a_reload(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with (
        answered_call(daemon, tmp_path, "VP8") as call,
        ready_expert(daemon, tmp_path, "VP8") as expert,
    ):
        await call.ask("expert")
        await expert.page.wait_for_selector(".offer", timeout=30_000)
        await expert.page.reload()
        assert await accept(expert) == call.interaction_id
        await both_show(call.agent, expert)


# --- aiortc, which forgets less and forgives less ---------------------------------------------------------


async def sees(browser: SyntheticBrowser, *picture_ids: int) -> None:
    """Waits for new frames of these cameras."""
    browser.tallies.clear()

    def look() -> bool:
        return all(
            picture_id in browser.tallies and browser.tallies[picture_id].seen >= FRESH_FRAMES
            for picture_id in picture_ids
        )

    await eventually(f"{browser.client} sees {picture_ids}", look, SHOWN_WITHIN_S)


async def test_aiortc_sees_two_experts_of_whom_one_comes_back(daemon: DaemonProcess) -> None:
    """With two videos of one payload type, aiortc knows a stream by its SSRC only: it has to stay."""
    second_look = Appearance((STRANGER_HZ,), TONES_HZ, SECOND_PICTURE)
    async with (
        desktop(daemon, "agent", "agent", AGENT_PICTURE) as agent,
        desktop(daemon, "expert", "sme", EXPERT_PICTURE) as expert,
        synthetic_browser(daemon.websocket_url, daemon.token("second"), second_look) as second,
        synthetic_caller((CUSTOMER_HZ,), TONES_HZ) as caller,
    ):
        await second.go_ready("sme")
        await caller.call(daemon.sip_uri())
        interaction_id = await agent.accept_offer()
        for user, browser in (("expert", expert), ("second", second)):
            await agent.client.command(
                "addParticipant", interactionId=interaction_id, userId=user, secondExpert=True
            )
            await browser.accept_offer()
        await sees(agent, EXPERT_PICTURE, SECOND_PICTURE)
        await asyncio.sleep(SHOWN_WITHIN_S)
        for browser in (expert, second):
            await browser.close_media()
            # Or a last frame from before would make all that follow look old.
            browser.appearance = replace(browser.appearance, first_counter=LATER_COUNTER)
            await browser.join(interaction_id)
            await sees(agent, EXPERT_PICTURE, SECOND_PICTURE)
            await sees(browser, AGENT_PICTURE)
        assert agent.unreadable == 0
