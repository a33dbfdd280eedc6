"""Calls of the bridge's own to real programs: heard before the answer, refused, sent elsewhere."""

from pathlib import Path

import numpy as np

from bridge.codec.g711 import PCMU
from bridge.peers.caller import synthetic_caller
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.signaling_client import Event
from tests.interop.desktop import CUSTOMER_HZ, TONES_HZ, desktop, hears
from tests.interop.sipp import sipp_phone


def write_tone(directory: Path, seconds: int = 20) -> None:
    """What sipp's rtp_stream plays: PCMU at the customer's frequency."""
    at = np.arange(8000 * seconds) / 8000
    sound = (0.3 * np.sin(2 * np.pi * CUSTOMER_HZ * at)).astype(np.float32)
    (directory / "tone.ulaw").write_bytes(PCMU.encode(sound))


def is_answered(event: Event) -> bool:
    callback = event["interaction"]["callback"] if event["event"] == "interactionUpdated" else None
    return callback is not None and bool(callback["state"] == "answered")


async def test_whoever_waits_hears_a_phone_that_sounds_before_it_answers(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    write_tone(tmp_path)
    async with (
        sipp_phone(tmp_path, "early_sound.xml") as phone,
        synthetic_caller((CUSTOMER_HZ,), TONES_HZ) as caller,
    ):
        await caller.call(daemon.sip_uri())
        async with desktop(daemon) as agent:
            made = await agent.client.wait_for(lambda event: event["event"] == "offerMade", 10)
            interaction_id = made["offer"]["interactionId"]
            await agent.client.command("requestCallback", interactionId=interaction_id, number=phone.uri)
            await agent.accept_offer()

            async def customer_state() -> str:
                known = await agent.client.command("getInteraction", interactionId=interaction_id)
                people = known["interaction"]["participants"]
                return str(next(person["state"] for person in people if person["role"] == "customer"))

            await hears(agent, "customer")
            assert await customer_state() == "alerting"
            await agent.client.wait_for(is_answered, 10)
            assert await customer_state() == "in-session"
            await hears(agent, "customer")
            await agent.client.command("endInteraction", interactionId=interaction_id)
        await phone.went_well()
