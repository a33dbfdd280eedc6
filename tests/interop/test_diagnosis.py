"""Real phones fall silent in different ways, and the bridge says which."""

import signal
from pathlib import Path

import pytest

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.browser.signaling_client import has_ended
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.transport.srtp import SrtpSession, suite_keys
from tests.interop.baresip import baresip
from tests.interop.desktop import CUSTOMER_HZ, desktop, hears
from tests.interop.hand_phone import HOST, SUITE, HandPhone
from tests.interop.programs import eventually
from tests.interop.test_phone_matrix import ALL, PHONE_PICTURE, flows
from tests.interop.test_phone_renegotiation import sees


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


async def test_film_and_sound_of_a_phone_are_diagnosed_each_for_itself(tmp_path: Path) -> None:
    """The film goes wrong on its own ports; the sound has no part in it."""
    config = '[[trunks]]\nid = "t"\nnetworks = ["127.0.0.0/8"]\nsrtp = "optional"\n'
    async with (
        daemon_process(tmp_path, config=config) as daemon,
        desktop(daemon, picture_id=17) as agent,
        HandPhone(PHONE_PICTURE, encrypts=True).running() as phone,
    ):
        await phone.call(daemon.sip_uri(), ALL)
        await agent.accept_offer()
        await flows(phone, agent, ALL)
        assert phone.film is not None
        pair = phone.film.pair
        right, wrong = pair.srtp, SrtpSession(suite_keys(SUITE, bytes(30), bytes(30)))
        pair.srtp = wrong
        await diagnosed(agent, "video up: decrypt_errors")
        pair.srtp = right
        await diagnosed(agent)
        await sees(agent, PHONE_PICTURE)


async def test_a_film_from_another_address_is_told_apart_from_none(daemon: DaemonProcess) -> None:
    async with desktop(daemon, picture_id=17) as agent, HandPhone(PHONE_PICTURE).running() as phone:
        await phone.call(daemon.sip_uri(), ALL)
        await agent.accept_offer()
        await flows(phone, agent, ALL)
        assert phone.film is not None
        phone.film.pair.close()
        await diagnosed(agent, "video up: rtp_stopped")
        await phone.film.open(HOST)  # on another port, and no description says so
        await diagnosed(agent, "video up: wrong_address")
        await phone.offer(ALL)
        await diagnosed(agent)
        sound = phone.media[HOST].pair
        sound.close()
        await diagnosed(agent, "audio up: rtp_stopped")


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
