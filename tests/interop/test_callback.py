"""Callbacks to a real phone: it waits, is promised a call, is called, and talks; unanswered it is called again."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.browser.signaling_client import Event, SignalingClient, signaling_client
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.demo.verdict import HEARD_DB
from bridge.peers.tone import level_db
from tests.interop.baresip import Baresip, baresip
from tests.interop.desktop import AGENT_HZ, CUSTOMER_HZ, desktop, hears
from tests.interop.programs import eventually

CRM = ("interaction:read", "interaction:write", "interaction:all")
PATIENCE_S = 20.0


@pytest.fixture
def settings() -> dict[str, object]:
    """The shipped rules in the time of a test."""
    return {
        "desk.callback_ring_s": 3,
        "desk.callback_retry_s": 2,
        "desk.callback_attempts": 2,
        "desk.decline_rest_s": 0,
    }


@contextlib.asynccontextmanager
async def crm_of(daemon: DaemonProcess) -> AsyncIterator[SignalingClient]:
    async with signaling_client(daemon.websocket_url, daemon.token("crm", CRM)) as client:
        yield client


async def promised(daemon: DaemonProcess, phone: Baresip, crm: SignalingClient) -> Event:
    """The phone waits, a callback is arranged, and its call is over. Returns the interaction as it waited."""
    await phone.dial(daemon.sip_uri())
    (waiting,) = (await crm.command("listInteractions", state="waiting"))["interactions"]
    number = f"sip:bob@127.0.0.1:{phone.sip_port}"
    arranged = await crm.command("requestCallback", interactionId=waiting["interactionId"], number=number)
    assert arranged["callback"]["state"] == "waiting"
    await phone.happens("CALL_CLOSED")
    found: Event = waiting
    return found


async def state_of(crm: SignalingClient, interaction: Event) -> dict[str, Any]:
    result = await crm.command("getInteraction", interactionId=interaction["interactionId"])
    found: dict[str, Any] = result["interaction"]
    return found


def is_over(event: Event) -> bool:
    return event["event"] == "interactionUpdated" and bool(event["interaction"]["state"] == "ended")


def is_to_be_tried_again(event: Event) -> bool:
    if event["event"] != "interactionUpdated" or event["change"] != "callback_moved":
        return False
    callback = event["interaction"]["callback"]
    return bool(callback["attempts"] == 1 and callback["state"] == "waiting")


def calls_of(phone: Baresip) -> int:
    return sum(event["type"] == "CALL_INCOMING" for event in phone.events)


async def rings(phone: Baresip, times: int) -> None:
    await eventually(f"it rings for the {times}. time", lambda: calls_of(phone) >= times, PATIENCE_S)


async def phone_hears_agent(phone: Baresip) -> None:
    def look() -> bool:
        last = phone.heard()[-2 * phone.rate_hz :]
        return len(last) == 2 * phone.rate_hz and level_db(last, phone.rate_hz, AGENT_HZ) > HEARD_DB

    await eventually("the phone hears the agent", look, PATIENCE_S)


async def talk(phone: Baresip, agent: SyntheticBrowser) -> None:
    """Both hear each other."""
    await hears(agent, "customer", timeout_s=PATIENCE_S)
    await phone_hears_agent(phone)


@pytest.mark.peer("baresip", "outbound: called back, same interaction")
async def test_a_caller_who_was_promised_a_call_is_called_and_talks_in_the_same_interaction(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with (
        baresip(tmp_path / "phone", CUSTOMER_HZ) as phone,
        baresip(tmp_path / "later", CUSTOMER_HZ) as later,
        crm_of(daemon) as crm,
    ):
        waiting = await promised(daemon, phone, crm)
        await later.dial(daemon.sip_uri())
        async with desktop(daemon) as agent:
            # Who came later waits, although it is on the line: the place is the promised one's.
            assert await agent.accept_offer() == waiting["interactionId"]
            await phone.happens("CALL_ESTABLISHED", times=2)
            await talk(phone, agent)
            now = await state_of(crm, waiting)
            assert now["callback"]["state"] == "answered"
            assert (now["state"], now["createdAt"]) == ("in-progress", waiting["createdAt"])
            customers = [p for p in now["participants"] if p["role"] == "customer"]
            assert [p["participantId"] for p in customers] == [waiting["participants"][0]["participantId"]]
            await phone.hang_up()
            ended = await agent.client.wait_for(is_over, PATIENCE_S)
            assert ended["interactionId"] == waiting["interactionId"]


@pytest.mark.peer("baresip", "outbound: rings, is taken back and called again")
async def test_who_does_not_answer_is_called_again_and_then_talks(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with (
        baresip(tmp_path / "phone", CUSTOMER_HZ, answers=False) as phone,
        crm_of(daemon) as crm,
    ):
        waiting = await promised(daemon, phone, crm)
        async with desktop(daemon) as agent:
            await agent.accept_offer()
            await rings(phone, 1)
            await phone.happens("CALL_CLOSED", times=2)  # the bridge stops ringing
            await agent.close_media()
            again = await crm.wait_for(is_to_be_tried_again, PATIENCE_S)
            assert again["interactionId"] == waiting["interactionId"]
        async with desktop(daemon) as agent:
            assert await agent.accept_offer() == waiting["interactionId"]
            await rings(phone, 2)
            await phone.command("accept")
            await talk(phone, agent)
            now = await state_of(crm, waiting)
            assert (now["callback"]["state"], now["callback"]["attempts"]) == ("answered", 2)
            await phone.hang_up()


@pytest.mark.peer("baresip", "outbound: refuses by 486, given up by rule")
async def test_who_never_answers_is_given_up_by_rule_with_the_reason(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with (
        baresip(tmp_path / "phone", CUSTOMER_HZ, answers=False) as phone,
        crm_of(daemon) as crm,
    ):
        waiting = await promised(daemon, phone, crm)
        for attempt in (1, 2):
            async with desktop(daemon) as agent:
                await agent.accept_offer()
                await rings(phone, attempt)
                await phone.happens("CALL_CLOSED", times=attempt + 1)
        await crm.wait_for(is_over, PATIENCE_S)
        now = await state_of(crm, waiting)
        assert (now["callback"]["state"], now["callback"]["attempts"]) == ("failed", 2)
        assert now["endReason"].startswith("callback failed after 2 attempts")
        assert calls_of(phone) == 2
