"""kill -9 in the middle of a call with other people's phones and browsers: they talk on afterwards."""

import asyncio
from pathlib import Path

import pytest

from bridge.peers.browser.signaling_client import signaling_client
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from tests.interop.baresip import Baresip, baresip
from tests.interop.desktop import CUSTOMER_HZ, desktop, hears
from tests.interop.programs import eventually
from tests.interop.test_conference import AGENT_PICTURE, accept, browser_desktop, go_ready
from tests.interop.test_phone import the_customer
from tests.interop.test_phone_renegotiation import EXPERT_PICTURE


async def assert_phone_hears_something(phone: Baresip) -> None:
    """baresip 1.0.0 loses its recorder at a re-INVITE; its own bitrates tell."""
    await asyncio.sleep(4.0)  # it measures over three seconds
    await eventually("baresip sends and hears", lambda: min(phone.bitrates_bps()) > 10_000)


async def interactions(daemon: DaemonProcess) -> list[dict[str, object]]:
    async with signaling_client(daemon.websocket_url, daemon.token("auditor")) as client:
        found: list[dict[str, object]] = (await client.command("listInteractions"))["interactions"]
        return found


@pytest.mark.peer("baresip", "talks on after kill -9 of the bridge")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_baresip_and_an_agent_talk_on_after_kill_9(tmp_path: Path, transport: str) -> None:
    async with (
        daemon_process(tmp_path) as daemon,
        baresip(tmp_path / "phone", CUSTOMER_HZ, "PCMU", transport) as phone,
    ):
        async with desktop(daemon) as agent:
            await phone.dial(daemon.sip_uri())
            interaction_id = await agent.accept_offer()
            await hears(agent, "customer")
            before = await interactions(daemon)
            await daemon.kill()
        await daemon.start_again()
        async with desktop(daemon) as agent:
            await agent.join(interaction_id)
            await hears(agent, "customer")
            await assert_phone_hears_something(phone)
            (after,) = await interactions(daemon)
            assert after["state"] == "in-progress"
            assert [(i["interactionId"], i["createdAt"]) for i in before] == [
                (after["interactionId"], after["createdAt"])
            ]
            await phone.hang_up()
        await eventually("it ended", lambda: '"by": "remote"' in daemon.log.read_text())
        assert "Traceback" not in daemon.log.read_text()


@pytest.mark.peer("baresip", "has no video, and is not asked again after kill -9 of the bridge")
async def test_a_phone_that_took_no_video_is_not_asked_for_it_once_more_after_kill_9(tmp_path: Path) -> None:
    async with (
        daemon_process(tmp_path) as daemon,
        baresip(tmp_path / "phone", CUSTOMER_HZ, "PCMU") as phone,
    ):
        async with desktop(daemon) as agent, desktop(daemon, "expert", "sme", EXPERT_PICTURE) as expert:
            await phone.dial(daemon.sip_uri())
            interaction_id = await agent.accept_offer()
            about = {"interactionId": interaction_id}
            await agent.client.command("addParticipant", **about, userId="expert", type="video")
            await expert.accept_offer()
            await eventually("the phone is asked", lambda: phone.video_offered() == [True])
            await hears(agent, "customer", "expert")
            await daemon.kill()
        await daemon.start_again()
        async with desktop(daemon) as agent, desktop(daemon, "expert", "sme", EXPERT_PICTURE) as expert:
            await agent.join(interaction_id)
            await expert.join(interaction_id)
            await hears(agent, "customer", "expert")
            await eventually("it is told the new port", lambda: len(phone.video_offered()) > 1)
            customer = await the_customer(agent, interaction_id)
            assert "took the video out" in customer["capabilities"]["noVideo"]
            assert not any(phone.video_offered()[1:]), phone.video_offered()
            await phone.hang_up()


@pytest.mark.peer("baresip", "hangs up while the bridge is away")
async def test_a_phone_that_hung_up_meanwhile_is_reported_by_bridge_restart(tmp_path: Path) -> None:
    async with daemon_process(tmp_path) as daemon:
        async with baresip(tmp_path / "phone", CUSTOMER_HZ) as phone:
            await phone.dial(daemon.sip_uri())
            await phone.happens("CALL_ESTABLISHED")
            (before,) = await interactions(daemon)
            await daemon.kill()
        # The phone is switched off: nobody answers our re-INVITE.
        await daemon.start_again()
        async with signaling_client(daemon.websocket_url, daemon.token("auditor")) as client:
            async with asyncio.timeout(20):
                while True:
                    after = await client.command("getInteraction", interactionId=before["interactionId"])
                    if after["interaction"]["state"] == "ended":
                        break
                    await asyncio.sleep(0.2)
        assert after["interaction"]["endedBy"] == "bridge.restart"
        assert after["interaction"]["createdAt"] == before["createdAt"]


async def test_the_page_makes_its_media_anew_at_once(tmp_path: Path) -> None:
    async with (
        daemon_process(tmp_path) as daemon,
        browser_desktop(daemon, tmp_path / "agent", "agent", AGENT_PICTURE, "VP8") as page,
        baresip(tmp_path / "phone", CUSTOMER_HZ) as phone,
    ):
        await go_ready(page, "agent")
        await phone.dial(daemon.sip_uri())
        await accept(page)
        old_leg = await page.page.evaluate("warmbridge.leg().legId")
        await daemon.kill()
        await daemon.start_again()
        await page.eventually(
            f"warmbridge.leg()?.legId && warmbridge.leg().legId !== '{old_leg}'"
            " && warmbridge.pc?.connectionState === 'connected'",
            30.0,
        )
        await assert_phone_hears_something(phone)
        await phone.hang_up()
        await page.eventually("warmbridge.state.interactions.size === 0")
