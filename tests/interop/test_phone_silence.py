"""A phone whose sound does not arrive: the bridge names the cause, each by its own code."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from tests.interop.desktop import desktop, hears
from tests.interop.hand_phone import ELSEWHERE, HOST, TALK, HandPhone, Step
from tests.interop.hostile import counted
from tests.interop.test_diagnosis import diagnosed

KEYED = Step("keyed", up=True, down=True, keyed=True)
TRUNK = '[[trunks]]\nid = "t"\nnetworks = ["127.0.0.0/8"]\nsrtp = "optional"\n'


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[DaemonProcess]:
    async with daemon_process(tmp_path, config=TRUNK) as running:
        yield running


@contextlib.asynccontextmanager
async def talking(
    bridge: DaemonProcess, step: Step = TALK
) -> AsyncIterator[tuple[HandPhone, SyntheticBrowser]]:
    async with desktop(bridge) as agent, HandPhone().running() as phone:
        await phone.call(bridge.sip_uri(), step)
        await agent.accept_offer()
        yield phone, agent


async def test_packets_that_do_not_decrypt(bridge: DaemonProcess) -> None:
    """Elsewhere: one-way audio behind NAT, packets flow and decrypt to silence, and nobody says so."""
    async with talking(bridge, KEYED) as (phone, agent):
        await diagnosed(agent, "audio up: decrypt_errors")
        await phone.offer(TALK)  # without keys, which is allowed here
        await hears(agent, "customer")
        await diagnosed(agent)


async def test_a_payload_type_nobody_agreed_on(bridge: DaemonProcess) -> None:
    async with talking(bridge) as (phone, agent):
        await hears(agent, "customer")
        phone.media[HOST].payload_type = 8
        await diagnosed(agent, "audio up: codec_refused")
        phone.media[HOST].payload_type = 0
        await diagnosed(agent)


async def test_sound_from_another_address_than_said(bridge: DaemonProcess) -> None:
    """Whoever is latched to stays latched to: a stranger that goes on where the phone stopped is not heard."""
    async with talking(bridge) as (phone, agent):
        await hears(agent, "customer")
        await asyncio.sleep(6)  # a phone may turn up elsewhere right after its offer, not any time later
        there = phone.media[HOST].remote
        phone.media[HOST].remote, phone.media[ELSEWHERE].remote = None, there
        await diagnosed(agent, "audio up: wrong_address")
        await hears(agent)
        await counted(bridge, "diagnosed_wrong_address_total", 1)
        phone.media[HOST].remote, phone.media[ELSEWHERE].remote = there, None
        await diagnosed(agent)
        await hears(agent, "customer")


async def test_a_phone_that_its_nat_has_moved_is_back_after_hold_and_resume(bridge: DaemonProcess) -> None:
    """As the diagnosis says: what the bridge itself offers lets a phone move as well."""
    async with talking(bridge) as (phone, agent):
        await hears(agent, "customer")
        await asyncio.sleep(6)
        there = phone.media[HOST].remote
        phone.media[HOST].remote, phone.media[ELSEWHERE].remote = None, there
        await diagnosed(agent, "audio up: wrong_address")
        listed = (await agent.client.command("listInteractions"))["interactions"]
        about = {
            "interactionId": listed[0]["interactionId"],
            "participantId": next(
                p["participantId"] for p in listed[0]["participants"] if p["role"] == "customer"
            ),
        }
        await agent.client.command("holdParticipant", **about)
        await agent.client.command("resumeParticipant", **about)
        phone.media[HOST].remote, phone.media[ELSEWHERE].remote = None, there
        await diagnosed(agent)
        await hears(agent, "customer")


async def test_a_phone_behind_a_wall(bridge: DaemonProcess) -> None:
    async with talking(bridge, Step("mute as stone", up=False, down=True)) as (phone, agent):
        await diagnosed(agent, "audio up: no_rtp")
        phone.media[HOST].sends = True
        await hears(agent, "customer")
        await diagnosed(agent)
