"""Behind 1:1 NAT or in a container: what others are told to send to is not what the bridge listens on."""

import re
from pathlib import Path

import pytest

from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.signaling_client import has_ended
from tests.interop.baresip import baresip
from tests.interop.desktop import CUSTOMER_HZ, desktop, hears

# Browsers take no answer from elsewhere than they sent to, and here nobody translates: what candidates say is
# looked at in test_readiness.
OUTSIDE = "127.0.0.2"  # of this machine too: what is sent there arrives at 0.0.0.0


@pytest.fixture
def settings() -> dict[str, object]:
    addresses: dict[str, object] = {}
    for section in ("sip", "rtp"):
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
