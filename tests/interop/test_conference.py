"""Two real browsers and a real phone: agent and expert see each other, all three hear each other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.demo.verdict import HEARD_DB
from bridge.peers.tone import level_db
from tests.interop.baresip import baresip
from tests.interop.chromium import Tab, chromium, make_media, tab
from tests.interop.desktop import AGENT_HZ, CUSTOMER_HZ, EXPERT_HZ, TONES_HZ

AGENT_PICTURE, EXPERT_PICTURE = 17, 202
STRANGER_HZ = 1700.0  # of users without a tone of their own
TALK_S = 8.0
FRAMES_MIN = 40  # of 120: on a loaded machine headless Chromium shows half of them


@contextlib.asynccontextmanager
async def browser_desktop(
    daemon: DaemonProcess, directory: Path, user: str, picture_id: int, codec: str
) -> AsyncIterator[Tab]:
    """A Chromium of its own, signed in as `user`."""
    directory.mkdir()  # noqa: ASYNC240 - a test's own folder
    await make_media(directory, picture_id, TONES_HZ.get(user, STRANGER_HZ))
    fragment = f"#token={daemon.token(user)}&codec={codec}&processing=off"
    async with chromium(directory) as browser, tab(browser, f"{daemon.http_url}/{fragment}") as opened:
        await opened.eventually("warmbridge.state.connection === 'online'")
        yield opened


async def go_ready(opened: Tab, role: str) -> None:
    await opened.page.click(f"[data-presence=ready][data-role={role}]")
    await opened.eventually("warmbridge.state.presence.presence === 'ready'")
    # Before the first proof nobody can ask this desktop by name.
    await opened.eventually("warmbridge.readiness.troubles !== null")


async def accept(opened: Tab) -> str:
    """Takes the offer that rings; returns the interaction id once media is connected."""
    await opened.page.click(".offer [data-part=accept]", timeout=30_000)
    await opened.eventually("warmbridge.pc?.connectionState === 'connected'")
    interaction_id: str = await opened.page.evaluate("warmbridge.state.interactions.keys().next().value")
    return interaction_id


async def assert_hears(opened: Tab, listener: str) -> None:
    sound, rate_hz = await opened.sound(3.0)
    levels = {name: round(level_db(sound, rate_hz, tone_hz)) for name, tone_hz in TONES_HZ.items()}
    assert {name for name, level in levels.items() if level > HEARD_DB} == set(TONES_HZ) - {listener}, levels


async def assert_sees(opened: Tab, picture_id: int, codec: str) -> None:
    tallies = await opened.look()
    assert set(tallies) == {picture_id}, "only the other's picture"
    assert tallies[picture_id].seen >= FRAMES_MIN
    assert await opened.unreadable() == 0
    inbound = [entry for entry in await opened.statistics("inbound-rtp") if entry["kind"] == "video"]
    codecs = {entry["id"]: entry["mimeType"] for entry in await opened.statistics("codec")}
    used = {codecs[entry["codecId"]] for entry in inbound if entry.get("framesDecoded")}
    assert used == {f"video/{codec}"}


@pytest.mark.peer("baresip", "voice into a video conference")
@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_agent_and_expert_see_each_other_and_hear_the_caller(
    daemon: DaemonProcess, tmp_path: Path, codec: str
) -> None:
    async with (
        browser_desktop(daemon, tmp_path / "agent", "agent", AGENT_PICTURE, codec) as agent,
        browser_desktop(daemon, tmp_path / "expert", "expert", EXPERT_PICTURE, codec) as expert,
        baresip(tmp_path / "phone", CUSTOMER_HZ) as phone,
    ):
        await go_ready(agent, "agent")
        await go_ready(expert, "sme")
        await phone.dial(daemon.sip_uri())
        interaction_id = await accept(agent)
        await agent.page.fill("[data-part=add] [data-part=expert]", "expert")
        await agent.page.click("[data-part=add] button[type=submit]")
        assert await accept(expert) == interaction_id
        await asyncio.sleep(TALK_S)
        await assert_sees(agent, EXPERT_PICTURE, codec)
        await assert_sees(expert, AGENT_PICTURE, codec)
        await assert_hears(agent, "agent")
        await assert_hears(expert, "expert")
        await phone.hang_up()
        for opened in (agent, expert):
            await opened.eventually("warmbridge.state.interactions.size === 0")
            assert opened.complaints == []
        sound = phone.heard()[-5 * phone.rate_hz :]
        assert level_db(sound, phone.rate_hz, AGENT_HZ) > HEARD_DB
        assert level_db(sound, phone.rate_hz, EXPERT_HZ) > HEARD_DB
        assert level_db(sound, phone.rate_hz, CUSTOMER_HZ) < HEARD_DB - 10
