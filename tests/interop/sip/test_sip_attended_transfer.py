"""Attended transfers by real phones: the target of the REFER names the call whose place is to be taken (RFC 3891)."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.peers.browser.browser import Appearance, synthetic_browser
from bridge.peers.browser.signaling_client import has_ended
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.peers.demo.verdict import HEARD_DB
from bridge.peers.phone.caller import synthetic_caller
from bridge.peers.tone import level_db
from signaling.sip.wire.flow import DEFAULT_PORT
from tests.interop.desktop import AGENT_HZ, CUSTOMER_HZ, EXPERT_HZ, desktop, hears
from tests.interop.linphone import Linphone, linphone
from tests.interop.sip.called_in import OTHER_HZ, TONES, called_in, handed_over
from tests.interop.test_phone import the_customer


def own_address() -> str:
    """linphone's Refer-To leaves ports out: whom it names has port 5060 of an address of its own."""
    return f"127.{64 + secrets.randbelow(128)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"


@contextlib.asynccontextmanager
async def phone_at_the_usual_port(directory: Path) -> AsyncIterator[tuple[Linphone, str]]:
    address = own_address()
    settings = {
        "sip.sip_port": DEFAULT_PORT,
        "sip.sip_tcp_port": DEFAULT_PORT,
        "sip.bind_address": address,
        "sip.contact": f"sip:lin@{address}",
    }
    async with linphone(directory, OTHER_HZ, settings, answers=True) as phone:
        yield phone, f"sip:lin@{address}"


def heard_of(phone: Linphone, words: str) -> bool:
    return words in (phone.directory / "log").read_text(errors="replace")


@pytest.mark.peer("linphone", "Replaces out: an expert transfers after asking (attended), with sound")
async def test_an_expert_asks_somebody_and_hands_over_to_them(daemon: DaemonProcess, tmp_path: Path) -> None:
    """The expert's phone calls the other one itself, and then has the bridge take the place of that call."""
    async with (
        phone_at_the_usual_port(tmp_path / "other") as (other, other_uri),
        linphone(tmp_path / "expert", EXPERT_HZ, answers=True) as expert,
        synthetic_caller((CUSTOMER_HZ,), TONES) as caller,
        desktop(daemon) as agent,
    ):
        address = f"sip:lin@127.0.0.1:{expert.sip_port}"
        about = await called_in(daemon, caller, agent, address)
        await expert.command("pause")
        await expert.says("is now paused")
        await expert.command(f"call {other_uri}")
        await expert.says(f"Call 2 with {other_uri} connected")
        await expert.command("transfer 1 --to-call 2")
        await handed_over(caller, agent, about, address)
        assert heard_of(other, "Replaces: "), "the other phone was asked to replace its call"
        assert heard_of(other, "Referred-By: <sip:lin@127.0.0.1"), "it was told by whom (RFC 3892)"
        await agent.client.command("endInteraction", **about)
        await other.says("ended")


@pytest.mark.peer("linphone", "Replaces in: a caller hands the call to another phone, with sound")
async def test_a_caller_asks_somebody_and_hands_them_the_call(tmp_path: Path) -> None:
    """The second phone's INVITE takes the place of the first one's call: the same customer, another leg."""
    address = own_address()
    settings = {"sip.address": address, "sip.port": DEFAULT_PORT}
    tones = (CUSTOMER_HZ, OTHER_HZ)
    async with (
        daemon_process(tmp_path, settings) as daemon,
        linphone(tmp_path / "second", tones[1], answers=True) as second,
        linphone(tmp_path / "first", tones[0]) as first,
        synthetic_browser(
            daemon.websocket_url, daemon.token("agent"), Appearance((AGENT_HZ,), TONES)
        ) as agent,
    ):
        await agent.go_ready("agent")
        await first.dial(f"sip:support@{address}")
        interaction_id = await agent.accept_offer()
        await hears(agent, "customer")
        before = await the_customer(agent, interaction_id)
        await first.command("pause")
        await first.says("is now paused")
        second_uri = f"sip:lin@127.0.0.1:{second.sip_port}"
        await first.command(f"call {second_uri}")
        await first.says(f"Call 2 with {second_uri} connected")
        await first.command("transfer 2 --to-call 1")
        await hears(agent, "other")
        after = await the_customer(agent, interaction_id)
        assert (after["participantId"], after["state"]) == (before["participantId"], "in-session")
        await first.says(f"Call 1 with sip:support@{address} ended")
        await second.command("terminate")
        await agent.client.wait_for(has_ended, 30.0)
        await second.says("ended")
    sound, rate_hz = second.heard()
    assert level_db(sound[-2 * rate_hz :], rate_hz, AGENT_HZ) > HEARD_DB
