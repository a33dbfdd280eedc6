"""Calls of the bridge's own to real programs: heard before the answer, refused, sent elsewhere."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from bridge.codec.g711 import PCMU
from bridge.peers.browser.signaling_client import Event
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.phone.caller import synthetic_caller
from tests.interop.baresip import baresip
from tests.interop.desktop import CUSTOMER_HZ, EXPERT_HZ, TONES_HZ, desktop, hears
from tests.interop.linphone import linphone
from tests.interop.programs import eventually
from tests.interop.sip.called_in import OTHER_HZ, TONES, called_in, caller_hears, handed_over, joined
from tests.interop.sipp import sipp_phone


def write_tone(directory: Path, frequency_hz: float = CUSTOMER_HZ, seconds: int = 20) -> None:
    """What sipp's rtp_stream plays, in PCMU."""
    at = np.arange(8000 * seconds) / 8000
    sound = (0.3 * np.sin(2 * np.pi * frequency_hz * at)).astype(np.float32)
    (directory / "tone.ulaw").write_bytes(PCMU.encode(sound))


def is_answered(event: Event) -> bool:
    callback = event["interaction"]["callback"] if event["event"] == "interactionUpdated" else None
    return callback is not None and bool(callback["state"] == "answered")


@pytest.mark.peer("sipp", "outbound: early media, reliable 183")
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
            made = await agent.client.wait_for(lambda event: event["event"] == "offerMade", 30)
            interaction_id = made["offer"]["interactionId"]
            await agent.client.command("requestCallback", interactionId=interaction_id, number=phone.uri)
            await agent.accept_offer()

            async def customer_state() -> str:
                known = await agent.client.command("getInteraction", interactionId=interaction_id)
                people = known["interaction"]["participants"]
                return str(next(person["state"] for person in people if person["role"] == "customer"))

            await hears(agent, "customer")
            assert await customer_state() == "alerting"
            await agent.client.wait_for(is_answered, 30)
            assert await customer_state() == "in-session"
            await hears(agent, "customer")
            await agent.client.command("endInteraction", interactionId=interaction_id)
        await phone.went_well()


@pytest.mark.peer("sipp", "outbound: an expert on a phone")
async def test_an_expert_on_a_phone_is_called_into_the_conversation(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    write_tone(tmp_path, EXPERT_HZ)
    async with (
        sipp_phone(tmp_path, "early_sound.xml") as phone,
        synthetic_caller((CUSTOMER_HZ,), TONES_HZ) as caller,
        desktop(daemon) as agent,
    ):
        await caller.call(daemon.sip_uri())
        interaction_id = await agent.accept_offer()
        await hears(agent, "customer")
        about = {"interactionId": interaction_id}
        added = await agent.client.command("addParticipant", **about, address=phone.uri, name="Laboratory")
        assert (added["participant"]["state"], added["participant"]["type"]) == ("alerting", "voice")
        await hears(agent, "customer", "expert")  # it sounds before it answers
        state = joined(interaction_id, phone.uri)
        await agent.client.wait_for(lambda event: state(event).startswith("in-session"), 10)
        await eventually("the caller hears both", lambda: {"agent", "expert"} <= caller_hears(caller), 10)
        participant_id = added["participant"]["participantId"]
        await agent.client.command("removeParticipant", **about, participantId=participant_id)
        await phone.went_well()
        await hears(agent, "customer")


@pytest.mark.peer("sipp", "outbound: busy, CANCEL while it rings")
async def test_a_busy_phone_says_so_and_one_not_wanted_any_more_rings_no_more(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with (
        sipp_phone(tmp_path, "busy.xml") as busy,
        synthetic_caller((CUSTOMER_HZ,), TONES_HZ) as caller,
        desktop(daemon) as agent,
    ):
        await caller.call(daemon.sip_uri())
        about = {"interactionId": await agent.accept_offer()}
        state = joined(about["interactionId"], busy.uri)
        await agent.client.command("addParticipant", **about, address=busy.uri)
        await agent.client.wait_for(lambda event: state(event) == "disconnected busy: 486 Busy Here", 10)
        await busy.went_well()
        async with sipp_phone(tmp_path, "rings_on.xml") as other:
            added = await agent.client.command("addParticipant", **about, address=other.uri)
            await asyncio.sleep(1)
            participant_id = added["participant"]["participantId"]
            await agent.client.command("removeParticipant", **about, participantId=participant_id)
            await other.went_well()  # it got its CANCEL
        async with sipp_phone(tmp_path, "rings_on.xml") as other:
            await agent.client.command("addParticipant", **about, address=other.uri)
            await asyncio.sleep(1)
            await caller.hang_up()
            await other.went_well()  # nobody is left to talk with


@pytest.mark.peer("baresip", "REFER by an expert: handed over")
async def test_an_expert_hands_over_with_the_transfer_key_of_the_phone(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    """baresip, called in as an expert, sends REFER: the next phone takes its place, the customer stays."""
    write_tone(tmp_path, OTHER_HZ)
    async with (
        sipp_phone(tmp_path, "early_sound.xml") as other,
        baresip(tmp_path / "expert", EXPERT_HZ, name="expert") as expert,
        synthetic_caller((CUSTOMER_HZ,), TONES) as caller,
        desktop(daemon) as agent,
    ):
        address = f"sip:expert@127.0.0.1:{expert.sip_port}"
        about = await called_in(daemon, caller, agent, address)
        await expert.command("transfer", other.uri)
        state = joined(about["interactionId"], other.uri)
        await agent.client.wait_for(lambda event: state(event).startswith("in-session"), 15)
        await expert.happens("CALL_CLOSED")
        await handed_over(caller, agent, about, address)
        await agent.client.command("endInteraction", **about)
        await other.went_well()


@pytest.mark.peer("linphone", "REFER by an expert: handed over")
async def test_an_expert_hands_over_with_linphone(daemon: DaemonProcess, tmp_path: Path) -> None:
    write_tone(tmp_path, OTHER_HZ)
    async with (
        sipp_phone(tmp_path, "early_sound.xml") as other,
        linphone(tmp_path / "expert", EXPERT_HZ, answers=True) as expert,
        synthetic_caller((CUSTOMER_HZ,), TONES) as caller,
        desktop(daemon) as agent,
    ):
        address = f"sip:lin@127.0.0.1:{expert.sip_port}"
        about = await called_in(daemon, caller, agent, address)
        await expert.command(f"transfer {other.uri}")
        state = joined(about["interactionId"], other.uri)
        await agent.client.wait_for(lambda event: state(event).startswith("in-session"), 15)
        await handed_over(caller, agent, about, address)
        await agent.client.command("endInteraction", **about)
        await other.went_well()


@pytest.mark.peer("baresip", "REFER by a customer: refused")
async def test_a_customers_phone_cannot_send_the_call_elsewhere(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with desktop(daemon) as agent, baresip(tmp_path / "phone", CUSTOMER_HZ) as phone:
        await phone.dial(daemon.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        await phone.command("transfer", "sip:elsewhere@127.0.0.1:9")
        await eventually("it is refused", lambda: "SIP/2.0 603" in phone.log())
        await asyncio.sleep(2)
        await hears(agent, "customer")


@pytest.mark.peer("sipp", "outbound: 302 followed")
async def test_a_phone_that_moved_is_called_where_it_is(daemon: DaemonProcess, tmp_path: Path) -> None:
    write_tone(tmp_path, EXPERT_HZ)
    async with sipp_phone(tmp_path, "early_sound.xml") as there:
        place = there.uri.partition("@")[2]
        async with (
            sipp_phone(tmp_path, "moved.xml", "-key", "elsewhere", place) as here,
            synthetic_caller((CUSTOMER_HZ,), TONES_HZ) as caller,
            desktop(daemon) as agent,
        ):
            await caller.call(daemon.sip_uri())
            about = {"interactionId": await agent.accept_offer()}
            await agent.client.command("addParticipant", **about, address=here.uri)
            await here.went_well()
            state = joined(about["interactionId"], here.uri)
            await agent.client.wait_for(lambda event: state(event).startswith("in-session"), 15)
            await hears(agent, "customer", "expert")
            await agent.client.command("endInteraction", **about)
            await there.went_well()
