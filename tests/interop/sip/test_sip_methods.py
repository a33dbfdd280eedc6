"""What sipp sends to the letter: reliable ringing, UPDATE, and what phones do between offer and answer."""

import asyncio
import re
from pathlib import Path

import pytest

from bridge.peers.browser.signaling_client import Event
from bridge.peers.daemon_process import DaemonProcess
from tests.interop.desktop import CUSTOMER_HZ, desktop, hears
from tests.interop.linphone import linphone
from tests.interop.programs import eventually
from tests.interop.sipp import sipp


async def assert_goes_well(daemon: DaemonProcess, directory: Path, scenario: str, calls: int = 1) -> None:
    result = await sipp(
        f"127.0.0.1:{daemon.sip_port}", directory, "-s", "support", scenario=scenario, calls=calls
    )
    assert (result.exit_code, result.successful, result.failed) == (0, calls, 0), result.output[-3000:]


@pytest.mark.peer("sipp", "100rel and hold by UPDATE")
async def test_a_caller_that_insists_on_reliable_ringing_and_holds_by_update(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    await assert_goes_well(daemon, tmp_path, "reliable.xml", calls=5)


@pytest.mark.peer("sipp", "re-INVITE without SDP, answered with hold in the ACK")
async def test_a_phone_that_asks_for_our_offer_in_a_call_that_is_up(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with desktop(daemon) as agent, asyncio.TaskGroup() as tasks:
        tasks.create_task(assert_goes_well(daemon, tmp_path, "late_reoffer.xml"))
        await agent.accept_offer()
        await agent.client.wait_for(lambda event: _holds(event) is True, 10)
        await agent.client.wait_for(lambda event: _holds(event) is False, 10)


def _holds(event: Event) -> bool | None:
    """Whether the customer holds the bridge, if it is said."""
    people = event.get("interaction", {}).get("participants", ())
    return next((bool(person["heldByRemote"]) for person in people if person["role"] == "customer"), None)


@pytest.mark.peer("linphone", "REFER by a customer: refused")
async def test_the_transfer_key_of_a_customers_linphone_loses_nobody(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with desktop(daemon) as agent, linphone(tmp_path / "phone", CUSTOMER_HZ) as phone:
        await phone.dial(daemon.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        await phone.command("transfer sip:elsewhere@127.0.0.1:9")
        log = tmp_path / "phone/log"
        await eventually("it is refused", lambda: "SIP/2.0 603" in log.read_text(errors="replace"))
        await asyncio.sleep(2)
        await hears(agent, "customer")
        await phone.command("terminate")


@pytest.mark.peer("linphone", "keys by INFO (application/dtmf-relay)")
async def test_keys_by_info_are_told_once_and_never_logged(daemon: DaemonProcess, tmp_path: Path) -> None:
    settings = {"sip.use_info": 1, "sip.use_rfc2833": 0}
    async with desktop(daemon) as agent, linphone(tmp_path / "phone", CUSTOMER_HZ, settings) as phone:
        await phone.dial(daemon.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        for key in "73":
            await phone.command(key)
            await agent.client.wait_for(lambda event, key=key: event.get("digit") == key, 30.0)  # type: ignore[misc]
        told = [
            heard.event["digit"] for heard in agent.client.events if heard.event["event"] == "digitReceived"
        ]
        assert told == ["7", "3"]
        assert "Signal=" in (tmp_path / "phone/log").read_text(errors="replace")  # it was INFO indeed
        assert "Signal=" not in daemon.log.read_text(errors="replace")
        await phone.command("terminate")


@pytest.mark.peer("linphone", "session timers")
async def test_a_phone_with_session_timers_is_agreed_with(daemon: DaemonProcess, tmp_path: Path) -> None:
    settings = {
        "sip.session_expires_enabled": 1,
        "sip.session_expires_value": 90,
        "sip.session_expires_min_value": 90,
    }
    async with desktop(daemon) as agent, linphone(tmp_path / "phone", CUSTOMER_HZ, settings) as phone:
        await phone.dial(daemon.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        log = (tmp_path / "phone/log").read_text(errors="replace")
        assert re.search(r"Session-Expires: ?90;refresher=ua[cs]", log), "our 200 agrees to the interval"
        await phone.command("terminate")


@pytest.mark.peer("sipp", "an unusable answer in the ACK of a re-INVITE: the old session is offered again")
async def test_a_phone_that_answers_late_with_nothing_usable_keeps_its_call(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with desktop(daemon) as agent, asyncio.TaskGroup() as tasks:
        tasks.create_task(assert_goes_well(daemon, tmp_path, "unusable_late_answer.xml"))
        await agent.accept_offer()
