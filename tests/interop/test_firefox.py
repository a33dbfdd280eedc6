"""An agent who works in Firefox: ready, answering, heard and seen, beside a real phone and an expert."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.peers.demo.verdict import HEARD_DB
from bridge.peers.tone import level_db
from tests.interop.baresip import baresip
from tests.interop.conftest import complaints
from tests.interop.desktop import AGENT_HZ, CUSTOMER_HZ, TONES_HZ, desktop, hears
from tests.interop.firefox import RATE_HZ, FirefoxTab, firefox
from tests.interop.own_network import own_network

AGENT_PICTURE, EXPERT_PICTURE = 17, 202
WATCHED_S = 4.0
FRAMES_MIN = 20  # of 60 that the other camera shows meanwhile


OTHER = ".tile:not(.self) video"
CONNECTED = f"warmbridge.pc?.connectionState === 'connected' && document.querySelector('{OTHER}')?.videoWidth"


def page(daemon: DaemonProcess) -> str:
    return f"{daemon.http_url}/#token={daemon.token('agent')}&codec=VP8&processing=off"


@pytest.fixture
def address() -> Iterator[str]:
    if os.geteuid() != 0:
        pytest.skip("only root may make the network namespace that Firefox needs")
    with own_network() as address:
        yield address


async def assert_sees_and_hears(agent: FirefoxTab, expert: SyntheticBrowser) -> None:
    """Pictures by their counter both ways, voices by their frequency."""
    readings = await agent.evaluate(f"probe.watchShown('{OTHER}', {WATCHED_S * 1000})")
    seen = {counter for picture_id, counter in filter(None, readings) if picture_id == EXPERT_PICTURE}
    assert len(seen) >= FRAMES_MIN, readings
    heard = await agent.sound(WATCHED_S)
    levels = {name: round(level_db(heard, RATE_HZ, tone_hz)) for name, tone_hz in TONES_HZ.items()}
    assert {name for name, level in levels.items() if level > HEARD_DB} == {"customer", "expert"}, levels
    assert set(expert.tallies) == {AGENT_PICTURE}
    assert expert.tallies[AGENT_PICTURE].seen >= FRAMES_MIN


@pytest.mark.peer("firefox", "agent in a video conference, before and after a reload of the page")
async def test_an_agent_in_firefox_sees_the_expert_and_hears_everybody(tmp_path: Path, address: str) -> None:
    settings: dict[str, object] = {"webrtc.address": "0.0.0.0", "webrtc.advertised_address": address}
    async with (
        daemon_process(tmp_path, settings) as daemon,
        desktop(daemon, "expert", "sme", EXPERT_PICTURE) as expert,
        baresip(tmp_path / "phone", CUSTOMER_HZ) as phone,
        firefox(tmp_path / "agent", page(daemon), AGENT_HZ) as agent,
    ):
        await agent.evaluate(f"probe.show({AGENT_PICTURE})")
        await agent.eventually("warmbridge.state.connection === 'online'")
        await agent.click("[data-presence=ready][data-role=agent]")
        await agent.eventually("warmbridge.readiness.troubles !== null")
        assert not any((await agent.evaluate("warmbridge.readiness.troubles")).values())
        await phone.dial(daemon.sip_uri())
        await agent.click(".offer [data-part=accept]")
        await agent.eventually("warmbridge.pc?.connectionState === 'connected'")
        await agent.fill("[data-part=add] [data-part=expert]", "expert")
        await agent.click("[data-part=add] button[type=submit]")
        await expert.accept_offer()
        await hears(expert, "customer", "agent")
        await agent.eventually(CONNECTED)
        await assert_sees_and_hears(agent, expert)
        await agent.reload()
        expert.tallies.clear()
        await agent.evaluate(f"probe.show({AGENT_PICTURE})")
        await agent.eventually(CONNECTED)
        await hears(expert, "customer", "agent")
        await assert_sees_and_hears(agent, expert)
        await phone.hang_up()
        await agent.eventually("warmbridge.state.interactions.size === 0")
        last = phone.heard()[-5 * phone.rate_hz :]
        assert level_db(last, phone.rate_hz, AGENT_HZ) > HEARD_DB
    assert complaints(daemon) == []
