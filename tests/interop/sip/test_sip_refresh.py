"""Calls that last longer than their session interval, the shortest there is, and phones that were killed (RFC 4028).

A minute and more of real time each: `make interop-sip` plays them, `make test` does not.
"""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from bridge.peers.daemon_process import DaemonProcess, daemon_process
from signaling.sip.agent.user_agent_client import NOT_REFRESHED
from tests.interop.baresip import baresip
from tests.interop.conftest import complaints
from tests.interop.desktop import CUSTOMER_HZ, EXPERT_HZ, desktop, hears
from tests.interop.linphone import Linphone, linphone
from tests.interop.programs import eventually

pytestmark = pytest.mark.patient

INTERVAL_S = 90
BEYOND_S = INTERVAL_S + 10.0
# Without it a phone that falls silent is gone sooner than its session.
PATIENT = {"rtp.timeout_s": 600}
TRUNK = f'[[trunks]]\nid = "phones"\nnetworks = ["127.0.0.0/8"]\nsession_expires_s = {INTERVAL_S}\n'
REFRESHES = {
    "sip.session_expires_enabled": 1,
    "sip.session_expires_value": INTERVAL_S,
    "sip.session_expires_min_value": INTERVAL_S,
}


def updates(phone: Linphone, target: str) -> int:
    """How many UPDATEs to `target` its log has, copies not counted."""
    text = (phone.directory / "log").read_text(errors="replace")
    found = re.findall(rf"^UPDATE {re.escape(target)}.*?^CSeq: ?(\d+) UPDATE", text, re.M | re.S)
    return len(set(found))


def kill(phone: Linphone) -> None:
    """SIGKILL to the phone and to the `env` that started it: no good-bye to anybody."""
    os.killpg(phone.process.pid, signal.SIGKILL)


def expired(daemon: DaemonProcess) -> int:
    """How many calls ended because nobody refreshed them."""
    return daemon.log.read_text(errors="replace").count(f'"by": "timeout", "reason": "{NOT_REFRESHED}"')


@pytest.mark.peer(
    "linphone", "a session of 90 s: refreshed by the phone, and by the bridge (UPDATE); killed: it ends"
)
async def test_linphones_outlive_their_interval_and_killed_ones_are_found_out(tmp_path: Path) -> None:
    async with (
        daemon_process(tmp_path, PATIENT, TRUNK) as daemon,
        desktop(daemon) as agent,
        linphone(tmp_path / "asks", CUSTOMER_HZ, REFRESHES) as asks,
        linphone(tmp_path / "asked", EXPERT_HZ) as asked,
        linphone(tmp_path / "killed-asking", EXPERT_HZ, REFRESHES) as killed_asking,
        linphone(tmp_path / "killed-asked", EXPERT_HZ) as killed_asked,
    ):
        for phone in (asks, asked, killed_asking, killed_asked):
            await phone.dial(daemon.sip_uri())
            if phone is asks:
                await agent.accept_offer()
        began_at = asyncio.get_running_loop().time()
        await hears(agent, "customer")
        kill(killed_asking)
        kill(killed_asked)
        # A third before the interval is over (RFC 4028 section 10), and not once their BYE has no answer either.
        given_up_s = INTERVAL_S - 10.0
        await eventually("both killed phones are given up", lambda: expired(daemon) == 2, given_up_s)
        await asyncio.sleep(max(0.0, began_at + BEYOND_S - asyncio.get_running_loop().time()))
        await hears(agent, "customer")
        assert "ended" not in asks.output() + asked.output()
        assert updates(asks, f"sip:bridge@127.0.0.1:{daemon.sip_port}") >= 2, "the phone, at 45 s and 90 s"
        assert updates(asked, "sip:127.0.0.1") >= 2, "the bridge"
        assert expired(daemon) == 2
        for phone in (asks, asked):
            await phone.command("terminate")
            await phone.says("ended")
    assert complaints(daemon) == []


@pytest.mark.peer("baresip", "a session of 90 s: refreshed by the bridge (re-INVITE)")
async def test_a_baresip_without_timers_outlives_the_interval(tmp_path: Path) -> None:
    async with (
        daemon_process(tmp_path, PATIENT, TRUNK) as daemon,
        desktop(daemon) as agent,
        baresip(tmp_path / "phone", CUSTOMER_HZ) as phone,
    ):
        await phone.dial(daemon.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        await asyncio.sleep(BEYOND_S)
        await hears(agent, "customer")
        offered = phone.directions_offered()
        assert len(offered) >= 2, "refreshes, at 45 s and 90 s"
        assert set(offered) == {"sendrecv"}
        await phone.hang_up()
    assert (complaints(daemon), expired(daemon)) == ([], 0)
