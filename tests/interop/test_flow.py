"""Flows in the real daemon: by websocket, by the phone's keys, with prompts that the caller really hears."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.peers.browser.browser import SyntheticBrowser, synthetic_browser
from bridge.peers.browser.signaling_client import Event, all_in_session, signaling_client
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.demo.script import draw_script
from bridge.peers.phone.caller import SyntheticCaller, synthetic_caller
from bridge.settings.file import config_directory

PATIENCE_S = 20.0


@pytest.fixture
def out() -> str:
    """Where calls go out. Without it nobody is promised a callback."""
    return ""


@pytest.fixture
def settings(tmp_path: Path, out: str) -> dict[str, object]:
    """The shipped flows, in which nobody waits for minutes."""
    folder = tmp_path / "flows"
    folder.mkdir()
    for name in ("inbound", "escalation"):
        text = (config_directory() / "flows" / f"{name}.toml").read_text()
        (folder / f"{name}.toml").write_text(text.replace("timeout_s = 120", "timeout_s = 2"))
    return {"flows.folder": folder, "sip.dial_target": out}


@dataclass
class Parties:
    caller: SyntheticCaller
    agent: SyntheticBrowser
    expert: SyntheticBrowser


@contextlib.asynccontextmanager
async def parties(daemon: DaemonProcess) -> AsyncIterator[Parties]:
    script = draw_script(secrets.randbelow)
    async with (
        synthetic_browser(daemon.websocket_url, daemon.token("agent"), script.agent) as agent,
        synthetic_browser(daemon.websocket_url, daemon.token("expert"), script.expert) as expert,
        synthetic_caller(script.customer_plays_hz, script.tones_hz) as caller,
    ):
        yield Parties(caller, agent, expert)


async def conversation(daemon: DaemonProcess, peers: Parties) -> str:
    await peers.agent.go_ready("agent")
    await peers.caller.call(daemon.sip_uri())
    return await peers.agent.accept_offer()


def started_by_digits(event: Event) -> bool:
    if event["event"] != "interactionUpdated":
        return False
    return any(run["trigger"] == "digits" for run in event["interaction"]["flows"])


def offers_a_callback(event: Event) -> bool:
    """The flow is at the step whose key it is to be."""
    flows = event.get("interaction", {}).get("flows", ())
    return any(run["step"] == "offer" for run in flows)


async def timeline(daemon: DaemonProcess, interaction_id: str) -> list[Event]:
    async with signaling_client(daemon.websocket_url, daemon.token("agent")) as client:
        entries: list[Event] = (await client.command("getTimeline", interactionId=interaction_id))["timeline"]
        return entries


async def test_an_escalation_brings_the_expert_to_the_call(daemon: DaemonProcess) -> None:
    async with parties(daemon) as peers:
        interaction_id = await conversation(daemon, peers)
        await peers.expert.go_ready("sme")
        await peers.agent.client.command(
            "startFlow",
            interactionId=interaction_id,
            flowId="escalation",
            properties={"case_number": "12345"},
        )
        offer = await peers.expert.client.wait_for(lambda event: event["event"] == "offerMade", PATIENCE_S)
        attributes = offer["offer"]["attributes"]
        assert attributes["case_number"] == "12345"
        assert attributes["escalation_reason"] == "Complex Case"
        assert attributes["customer_video_capable"] == "false"
        why = offer["offer"]["customer"]["noVideo"]  # read before answering, as the way it took
        assert why
        assert attributes["customer_video_reason"] == why
        assert attributes["escalation_route"] == f"voice: the customer sends no video ({why})"
        assert offer["offer"]["type"] == "voice"
        assert await peers.expert.accept_offer() == interaction_id
        await peers.agent.client.wait_for(all_in_session, PATIENCE_S)
        entries = await timeline(daemon, interaction_id)
        steps = [e["facts"]["step"] for e in entries if e["event"] == "flow_moved"]
        began = ["data", "number", "choice", "line"]
        assert steps == [*began, "reason", "customer", "picture", "no-picture", "voice", "together"]
        await peers.caller.hang_up()


async def test_nobody_there_is_said_and_heard_and_the_call_goes_on(daemon: DaemonProcess) -> None:
    async with parties(daemon) as peers:
        interaction_id = await conversation(daemon, peers)
        peers.caller.press("*")
        await asyncio.sleep(0.4)
        peers.caller.press("9")
        await peers.agent.client.wait_for(started_by_digits, PATIENCE_S)
        ended = await peers.agent.client.wait_for(lambda e: e["event"] == "promptEnded", PATIENCE_S)
        assert (ended["prompt"], ended["error"]) == ("unavailable", "")
        entries = await timeline(daemon, interaction_id)
        (over,) = (
            e["facts"] for e in entries if e["event"] == "flow_ended" and e["facts"]["left"] == "nobody"
        )
        assert (over["result"], over["outcome"]) == ("completed", "success")
        now = (await peers.agent.client.command("getInteraction", interactionId=interaction_id))[
            "interaction"
        ]
        states = {p["role"]: p["state"] for p in now["participants"]}
        assert states == {"customer": "in-session", "agent": "in-session", "sme": "disconnected"}
        await peers.caller.hang_up()


@pytest.mark.parametrize("out", ["sip:{number}@127.0.0.1:9"])
async def test_a_caller_who_waits_presses_one_and_keeps_the_place(daemon: DaemonProcess) -> None:
    script = draw_script(secrets.randbelow)
    crm = daemon.token("crm", ("interaction:read", "interaction:all"))
    async with (
        signaling_client(daemon.websocket_url, crm) as client,
        synthetic_caller(script.customer_plays_hz, script.tones_hz) as caller,
    ):
        await client.command("listInteractions")
        await caller.call(daemon.sip_uri())
        (waiting,) = (await client.command("listInteractions", state="waiting"))["interactions"]
        await client.wait_for(offers_a_callback, PATIENCE_S)
        caller.press("1")
        asked = await client.wait_for(lambda event: event.get("change") == "callback_requested", PATIENCE_S)
        assert asked["interaction"]["interactionId"] == waiting["interactionId"]
        assert asked["interaction"]["callback"]["state"] == "waiting"
        (place,) = asked["interaction"]["waitsIn"]
        assert place["queueId"] == "default"
        assert asked["interaction"]["waitingSince"] == waiting["waitingSince"]
        entries = (await client.command("getTimeline", interactionId=waiting["interactionId"]))["timeline"]
        pressed = [
            e["facts"] for e in entries if e["event"] == "flow_moved" and e["facts"]["left"] == "offer"
        ]
        assert [(fact["step"], fact["reason"]) for fact in pressed] == [("promise", "the caller pressed 1")]
