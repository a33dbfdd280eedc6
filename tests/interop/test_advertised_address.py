"""Behind 1:1 NAT or in a container: what others are told to send to is not what the bridge listens on."""

import asyncio
import re
from pathlib import Path

import pytest

from bridge.peers.browser.signaling_client import has_ended
from bridge.peers.daemon_process import DaemonProcess
from tests.interop.baresip import baresip
from tests.interop.desktop import CUSTOMER_HZ, desktop, hears
from tests.interop.hostile import hostile_phone
from tests.interop.programs import eventually

OUTSIDE = "127.0.0.2"  # of this machine too: what is sent there arrives at 0.0.0.0


@pytest.fixture
def settings() -> dict[str, object]:
    addresses: dict[str, object] = {}
    for section in ("sip", "rtp", "webrtc"):
        addresses |= {f"{section}.address": "0.0.0.0", f"{section}.advertised_address": OUTSIDE}
    return addresses


@pytest.mark.peer("baresip", "behind 1:1 NAT")
async def test_a_phone_is_sent_to_the_advertised_address(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with desktop(daemon) as agent, baresip(tmp_path / "phone", CUSTOMER_HZ) as phone:
        await phone.dial(daemon.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        said = phone.log().replace("\r", "")
        answer = said[said.index("SIP/2.0 200 OK") :]
        assert re.search(rf"^Contact: <sip:[^>]*@{re.escape(OUTSIDE)}[:;>]", answer, re.M), answer
        assert re.search(rf"^c=IN IP4 {re.escape(OUTSIDE)}$", answer, re.M), answer
        await phone.hang_up()  # the BYE goes where Contact says
        await agent.client.wait_for(has_ended, 30.0)


async def test_all_that_is_sent_comes_from_the_address_that_was_said(daemon: DaemonProcess) -> None:
    """Elsewhere: the kernel chooses another one of the host's, and whoever sent to the first takes no answer."""
    loop = asyncio.get_running_loop()
    async with desktop(daemon) as agent, hostile_phone(daemon) as phone:
        phone.rtp.setblocking(False)
        phone.rtp.sendto(b"\x80\0\0\1" + bytes(8) + b"\xff" * 160, (OUTSIDE, phone.bridge_port))
        await agent.accept_offer()
        async with asyncio.timeout(10):
            _, source = await loop.sock_recvfrom(phone.rtp, 2000)
        assert source == (OUTSIDE, phone.bridge_port)
        # The browser is connected: ICE and DTLS take no answer from elsewhere than they asked.
        await eventually("the agent hears the bridge", lambda: len(agent.hearing.seconds) >= 2)
