"""Real phones fall silent in different ways, and the bridge says which."""

import signal
from pathlib import Path

import pytest

from bridge.peers.browser import SyntheticBrowser
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.signaling_client import has_ended
from tests.interop.baresip import baresip
from tests.interop.desktop import CUSTOMER_HZ, desktop, hears
from tests.interop.programs import eventually


def customers_diagnoses(agent: SyntheticBrowser) -> list[str]:
    """As told last of the phone."""
    told = [heard.event for heard in agent.client.events if heard.event["event"] == "legDiagnosed"]
    phones = [event for event in told if event["participantId"] == _customer(agent)]
    return (
        [f"{one['medium']} {one['direction']}: {one['code']}" for one in phones[-1]["diagnoses"]]
        if phones
        else []
    )


def _customer(agent: SyntheticBrowser) -> str:
    for heard in reversed(agent.client.events):
        for participant in heard.event.get("interaction", {}).get("participants", ()):
            if participant["role"] == "customer":
                return str(participant["participantId"])
    return ""


async def diagnosed(agent: SyntheticBrowser, *causes: str) -> None:
    what = f"the phone is diagnosed with {causes or 'nothing'}"
    await eventually(what, lambda: customers_diagnoses(agent) == list(causes), timeout_s=30.0)


@pytest.mark.peer("baresip", "says why it is silent")
async def test_a_phone_that_falls_silent_is_diagnosed(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with desktop(daemon) as agent, baresip(tmp_path / "phone", CUSTOMER_HZ) as phone:
        await phone.dial(daemon.sip_uri())
        interaction_id = await agent.accept_offer()
        await hears(agent, "customer")

        await phone.command("mute")
        await diagnosed(agent, "audio up: microphone_silent")
        await phone.command("mute")
        await diagnosed(agent)

        phone.process.send_signal(signal.SIGSTOP)
        await diagnosed(agent, "audio up: rtp_stopped")
        phone.process.send_signal(signal.SIGCONT)
        await diagnosed(agent)

        await phone.command("hold")
        await diagnosed(agent, "audio down: held_by_remote")
        await phone.command("resume")
        await diagnosed(agent)

        about = {"interactionId": interaction_id, "participantId": _customer(agent)}
        await agent.client.command("holdParticipant", **about)
        await diagnosed(agent, "audio up: held", "audio down: held")
        shown = (await agent.client.command("getInteraction", interactionId=interaction_id))["interaction"]
        customer = next(p for p in shown["participants"] if p["role"] == "customer")
        assert [one["code"] for one in customer["diagnoses"]] == ["held", "held"]
        await agent.client.command("resumeParticipant", **about)
        await diagnosed(agent)
        await phone.hang_up()
        await agent.client.wait_for(has_ended, 30.0)
