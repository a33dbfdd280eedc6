"""Pressing hold must not hang up, nor leave one way silent: each description a phone may offer on a call that is
up, written by hand, and after each the packets and tones that go on in either direction, and those that do not."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.browser.signaling_client import has_ended
from bridge.peers.daemon_process import DaemonProcess
from tests.interop.desktop import AGENT_HZ, desktop, hears
from tests.interop.hand_phone import ELSEWHERE, TALK, HandPhone, Step
from tests.interop.programs import eventually

PACKETS = 25  # 500 ms of sound
QUIET = 3  # packets that were on their way while the answer was

HOLDS = (
    Step("sendonly", up=True, down=False, direction="sendonly"),
    Step("inactive", up=False, down=False, direction="inactive"),
    Step("recvonly", up=False, down=True, direction="recvonly"),
    Step("0.0.0.0", up=True, down=False, connection="0.0.0.0"),  # RFC 2543's hold
    Step("sendonly and 0.0.0.0", up=True, down=False, direction="sendonly", connection="0.0.0.0"),
)
CHANGES = (
    Step("another codec", up=True, down=True, payload_type=8),
    Step("another address", up=True, down=True, host=ELSEWHERE),
    Step("both at once", up=True, down=True, payload_type=8, host=ELSEWHERE),
    Step("the same again", up=True, down=True),
)


@contextlib.asynccontextmanager
async def conversation(daemon: DaemonProcess) -> AsyncIterator[tuple[HandPhone, SyntheticBrowser]]:
    async with desktop(daemon) as agent, HandPhone().running() as phone:
        await phone.call(daemon.sip_uri())
        await agent.accept_offer()
        await flows(phone, agent, TALK)
        yield phone, agent
        assert not phone.ended
        assert not any(has_ended(heard.event) for heard in agent.client.events)


async def flows(phone: HandPhone, agent: SyntheticBrowser, step: Step) -> None:
    """Exactly as the step says."""
    here = phone.media[step.host]
    before = here.traffic.packets_received
    if step.down:
        await eventually(
            f"{step.name}: sound comes down", lambda: here.traffic.packets_received >= before + PACKETS
        )
        seconds = len(here.hearing.seconds)
        await eventually(f"{step.name}: a second is heard", lambda: len(here.hearing.seconds) > seconds + 1)
        assert here.hearing.seconds[-1].levels_db["agent"] > -40, (step.name, AGENT_HZ)
    await (hears(agent, "customer") if step.up else hears(agent))
    if not step.down:
        assert here.traffic.packets_received <= before + QUIET, f"{step.name}: nothing comes down"


@pytest.mark.parametrize("hold", HOLDS, ids=lambda step: step.name)
async def test_hold_stops_what_it_says_and_resume_brings_both_ways_back(
    daemon: DaemonProcess, hold: Step
) -> None:
    """Elsewhere: pressing hold hangs up the call, and one-way audio after it."""
    async with conversation(daemon) as (phone, agent):
        for step in (hold, TALK, hold, TALK):
            await phone.offer(step)
            await flows(phone, agent, step)


async def test_every_change_of_a_call_that_is_up_leaves_sound_both_ways(daemon: DaemonProcess) -> None:
    """Elsewhere: one-way audio after a re-INVITE that changes codec or address."""
    async with conversation(daemon) as (phone, agent):
        for step in (*CHANGES, TALK):
            await phone.offer(step)
            await flows(phone, agent, step)


async def test_a_phone_that_asks_for_an_offer_and_never_answers_it_talks_on(daemon: DaemonProcess) -> None:
    """A re-INVITE without SDP whose ACK brings none either: against RFC 3264, and no reason to lose anybody."""
    async with conversation(daemon) as (phone, agent):
        assert "a=sendrecv" in await phone.ask_for_offer()
        await flows(phone, agent, TALK)
        for step in (HOLDS[0], TALK):
            await phone.offer(step)
            await flows(phone, agent, step)


async def test_what_the_bridge_cannot_reach_is_refused_and_the_call_goes_on(daemon: DaemonProcess) -> None:
    """An address of the other IP version: answered, it would be silence for good."""
    async with conversation(daemon) as (phone, agent):
        answer = await phone.offer(Step("IPv6", up=True, down=True, connection="2001:db8::7"))
        assert answer.startswith("refused: 488"), answer
        await flows(phone, agent, TALK)
    async with HandPhone().running() as stranger:
        with pytest.raises(AssertionError, match="refused: 488"):
            await stranger.call(daemon.sip_uri(), Step("IPv6", up=True, down=True, connection="2001:db8::7"))
