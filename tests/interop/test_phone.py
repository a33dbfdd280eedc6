"""A real phone calls in: tones both ways, hold and resume, digits, hang-up from either side."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.browser.signaling_client import has_ended
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.peers.demo.verdict import HEARD_DB
from bridge.peers.phone.caller import SyntheticCaller, synthetic_caller
from bridge.peers.tone import level_db
from tests.interop.baresip import CODECS, Baresip, baresip
from tests.interop.conftest import complaints
from tests.interop.desktop import AGENT_HZ, CUSTOMER_HZ, desktop, heard_in, hears
from tests.interop.programs import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("phone")]

TALK_S = 3.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaemonProcess]:
    """One daemon for all these calls: what one leaves behind would disturb the next."""
    async with daemon_process(tmp_path_factory.mktemp("daemon")) as running:
        yield running
        assert running.process.returncode is None, running.last_log_lines()
    assert complaints(running) == []


async def the_customer(agent: SyntheticBrowser, interaction_id: str) -> dict[str, Any]:
    reply = await agent.client.command("getInteraction", interactionId=interaction_id)
    participants: list[dict[str, Any]] = reply["interaction"]["participants"]
    return next(p for p in participants if p["role"] == "customer")


def hears_agent(caller: SyntheticCaller) -> bool:
    """In its last second."""
    return bool(caller.hearing.seconds) and heard_in(caller.hearing.seconds[-1]) == {"agent"}


def loudness_db(caller: SyntheticCaller) -> float:
    """Of the last second, in dBFS."""
    last = caller.pcm[-8000:].astype(float) / 32768
    return float(10 * np.log10(np.mean(last**2) + 1e-12))


def assert_heard_only_the_agent(phone: Baresip) -> None:
    """In the second half of what the phone recorded: at first it heard the waiting prompt."""
    sound = phone.heard()
    talk = sound[-int(TALK_S * phone.rate_hz) + phone.rate_hz // 2 :]
    assert level_db(talk, phone.rate_hz, AGENT_HZ) > HEARD_DB
    assert level_db(talk, phone.rate_hz, CUSTOMER_HZ) < HEARD_DB - 10


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.peer("baresip", "voice both ways")
async def test_a_phone_and_an_agent_hear_each_other(
    bridge: DaemonProcess, tmp_path: Path, codec: str, transport: str
) -> None:
    async with (
        desktop(bridge) as agent,
        baresip(tmp_path / "phone", CUSTOMER_HZ, codec, transport) as phone,
    ):
        await phone.dial(bridge.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        await asyncio.sleep(TALK_S)
        await hears(agent, "customer")
        await phone.hang_up()
        await agent.client.wait_for(has_ended, 30.0)
        assert_heard_only_the_agent(phone)


@pytest.mark.peer("baresip", "the phone holds and resumes")
async def test_a_phone_holds_and_resumes(bridge: DaemonProcess, tmp_path: Path) -> None:
    async with desktop(bridge) as agent, baresip(tmp_path / "phone", CUSTOMER_HZ) as phone:
        await phone.dial(bridge.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        await eventually("the bridge sends", lambda: phone.bitrates_bps()[1] > 40_000)
        await phone.command("hold")
        await eventually("the bridge stops sending", lambda: phone.bitrates_bps()[1] == 0)
        await phone.command("resume")
        await eventually("the bridge sends again", lambda: phone.bitrates_bps()[1] > 40_000)
        await hears(agent, "customer")
        assert not any(event["type"] == "CALL_CLOSED" for event in phone.events)
        await phone.hang_up()
        await agent.client.wait_for(has_ended, 30.0)


@pytest.mark.peer("baresip", "the agent holds and resumes")
async def test_the_agent_holds_and_resumes(bridge: DaemonProcess, tmp_path: Path) -> None:
    """The phone is told to listen only, hears music meanwhile, and is heard again afterwards."""
    async with desktop(bridge) as agent, baresip(tmp_path / "phone", CUSTOMER_HZ) as phone:
        await phone.dial(bridge.sip_uri())
        interaction_id = await agent.accept_offer()
        await hears(agent, "customer")
        customer = await the_customer(agent, interaction_id)
        about = {"interactionId": interaction_id, "participantId": customer["participantId"]}
        await agent.client.command("holdParticipant", **about)
        await hears(agent)
        await eventually("the phone only listens", lambda: phone.bitrates_bps()[0] == 0)
        await eventually("music plays", lambda: phone.bitrates_bps()[1] > 40_000)
        assert phone.directions_offered() == ["sendonly"]
        assert phone.directions_answered()[-1] == "recvonly"
        assert not (await the_customer(agent, interaction_id))["heldByRemote"]
        await agent.client.command("resumeParticipant", **about)
        await hears(agent, "customer")
        assert phone.directions_offered() == ["sendonly", "sendrecv"]
        await eventually("sound goes both ways", lambda: min(phone.bitrates_bps()) > 40_000)
        for _ in range(3):  # holds that pass at once end where they began
            await agent.client.command("holdParticipant", **about)
            await agent.client.command("resumeParticipant", **about)
        await hears(agent, "customer")
        await eventually(
            "the last word is that all talk", lambda: phone.directions_offered()[-1] == "sendrecv"
        )
        assert not any(event["type"] == "CALL_CLOSED" for event in phone.events)
        await phone.hang_up()
        await agent.client.wait_for(has_ended, 30.0)


async def test_a_held_caller_hears_music_and_nobody_and_then_the_agent_again(bridge: DaemonProcess) -> None:
    async with desktop(bridge) as agent, synthetic_caller((CUSTOMER_HZ,), {"agent": AGENT_HZ}) as caller:
        await caller.call(bridge.sip_uri())
        interaction_id = await agent.accept_offer()
        await hears(agent, "customer")
        await eventually("the caller hears the agent", lambda: hears_agent(caller))
        customer = await the_customer(agent, interaction_id)
        about = {"interactionId": interaction_id, "participantId": customer["participantId"]}
        await agent.client.command("holdParticipant", **about)
        await hears(agent)
        await eventually("the caller is held", lambda: caller.held)
        await eventually(
            "the caller hears music alone", lambda: loudness_db(caller) > -50 and not hears_agent(caller)
        )
        await agent.client.command("resumeParticipant", **about)
        await hears(agent, "customer")
        await eventually("the caller hears the agent again", lambda: not caller.held and hears_agent(caller))
        await caller.hang_up()
        await agent.client.wait_for(has_ended, 30.0)


@pytest.mark.parametrize("codec", ["PCMU", "OPUS"])
@pytest.mark.peer("baresip", "digits by RFC 4733")
async def test_digits_arrive_once_each_and_in_order(
    bridge: DaemonProcess, tmp_path: Path, codec: str
) -> None:
    async with desktop(bridge) as agent, baresip(tmp_path / "phone", CUSTOMER_HZ, codec) as phone:
        await phone.dial(bridge.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        for digit in "1290*#":
            await phone.press(digit)
            await agent.client.wait_for(lambda event, digit=digit: event.get("digit") == digit, 30.0)  # type: ignore[misc]
        digits = [
            heard.event["digit"] for heard in agent.client.events if heard.event["event"] == "digitReceived"
        ]
        assert "".join(digits) == "1290*#"
        await phone.hang_up()
        await agent.client.wait_for(has_ended, 30.0)


@pytest.mark.peer("baresip", "keys sent to it (RFC 4733)")
@pytest.mark.parametrize("codec", ["PCMU", "OPUS"])
async def test_keys_of_the_agent_arrive_at_the_phone(
    bridge: DaemonProcess, tmp_path: Path, codec: str
) -> None:
    await keys_arrive(bridge, tmp_path, codec)


@pytest.mark.peer("baresip", "keys sent to it (INFO)")
async def test_keys_of_the_agent_arrive_beside_the_media(tmp_path: Path) -> None:
    """By a trunk that takes them so, and as they should: each once, in their order, in no log."""
    folder = tmp_path / "daemon"
    folder.mkdir()
    trunk = '[[trunks]]\nid = "t"\nnetworks = ["127.0.0.0/8"]\ndtmf = "info"\n'
    async with daemon_process(folder, config=trunk) as daemon:
        await keys_arrive(daemon, tmp_path, "PCMU")
        log = (tmp_path / "phone" / "baresip.log").read_text(errors="replace")
        assert len(re.findall(r"^INFO sip:", log, re.M)) == 6


async def keys_arrive(bridge: DaemonProcess, tmp_path: Path, codec: str) -> None:
    async with desktop(bridge) as agent, baresip(tmp_path / "phone", CUSTOMER_HZ, codec) as phone:
        await phone.dial(bridge.sip_uri())
        interaction_id = await agent.accept_offer()
        await hears(agent, "customer")
        interaction = (await agent.client.command("getInteraction", interactionId=interaction_id))[
            "interaction"
        ]
        customer = next(p for p in interaction["participants"] if p["role"] == "customer")
        about = {"interactionId": interaction_id, "participantId": customer["participantId"]}
        await agent.client.command("sendDigits", **about, digits="1290*#")

        def keys() -> bool:
            pressed = [event["param"] for event in phone.events if event["type"] == "CALL_DTMF_START"]
            return "".join(pressed) == "1290*#"

        await eventually("the phone heard each key once", keys)
        assert "1290*#" not in bridge.log.read_text()
        assert '"digit' not in bridge.log.read_text()  # nor one by one
        await phone.hang_up()
        await agent.client.wait_for(has_ended, 30.0)


@pytest.mark.peer("baresip", "the bridge hangs up")
async def test_the_agent_hangs_up_for_all(bridge: DaemonProcess, tmp_path: Path) -> None:
    async with desktop(bridge) as agent, baresip(tmp_path / "phone", CUSTOMER_HZ) as phone:
        await phone.dial(bridge.sip_uri())
        interaction_id = await agent.accept_offer()
        await hears(agent, "customer")
        await agent.client.command("endInteraction", interactionId=interaction_id)
        await phone.happens("CALL_CLOSED", timeout_s=5.0)


@pytest.mark.peer("baresip", "the call survives the agent")
async def test_the_customer_survives_the_agent(bridge: DaemonProcess, tmp_path: Path) -> None:
    """The agent leaves and is offered the same customer again, on the same interaction."""
    async with desktop(bridge) as agent, baresip(tmp_path / "phone", CUSTOMER_HZ) as phone:
        await phone.dial(bridge.sip_uri())
        interaction_id = await agent.accept_offer()
        await hears(agent, "customer")
        await agent.client.command("leaveInteraction", interactionId=interaction_id)
        await agent.close_media()
        assert await agent.accept_offer() == interaction_id
        await hears(agent, "customer")
        assert not any(event["type"] == "CALL_CLOSED" for event in phone.events)
        await phone.hang_up()
        await agent.client.wait_for(has_ended, 30.0)
