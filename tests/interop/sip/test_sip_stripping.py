"""A trunk that takes the video out of a call on its way: that is told as the cause, wherever somebody may look."""

import asyncio
from pathlib import Path

import pytest

from bridge.negotiation.phone.agreement import STRIPPED
from bridge.peers.daemon_process import DaemonProcess
from tests.interop.desktop import desktop
from tests.interop.kamailio import kamailio
from tests.interop.sipp import sipp


@pytest.mark.peer("kamailio", "a trunk that takes the video out of a call: named as the cause")
@pytest.mark.parametrize("strips", [True, False], ids=["stripped", "let through"])
async def test_a_trunk_that_strips_video_is_the_cause_in_event_timeline_and_api(
    daemon: DaemonProcess, tmp_path: Path, strips: bool
) -> None:
    """The phone, sipp, offers video and says of itself that it does video; kamailio stands between."""
    cause = STRIPPED if strips else ""
    async with (
        kamailio(tmp_path, daemon.sip_port, strips_video=strips) as proxy,
        desktop(daemon) as agent,
        asyncio.TaskGroup() as tasks,
    ):
        calling = tasks.create_task(sipp(f"127.0.0.1:{proxy.port}", tmp_path, scenario="says_video.xml"))
        about = {"interactionId": await agent.accept_offer()}

        def told() -> list[str]:
            updates = [heard.event for heard in agent.client.events if "interaction" in heard.event]
            reasons = [event["interaction"]["attributes"].get("customer_video_reason") for event in updates]
            return [reason for reason in reasons if reason is not None]

        assert set(told()) == {cause}
        known = (await agent.client.command("getInteraction", **about))["interaction"]
        assert known["attributes"]["customer_video_capable"] == str(not strips).lower()
        customer = next(person for person in known["participants"] if person["role"] == "customer")
        assert customer["capabilities"]["noVideo"] == cause
        timeline = await agent.client.command("getTimeline", **about)
        assert (STRIPPED in str(timeline)) is strips
        await agent.client.command("endInteraction", **about)
    assert calling.result().exit_code == 0, calling.result().output[-2000:]
