"""A real proxy between the phone and the bridge that stays on the way of every request (RFC 3261 section 16)."""

from pathlib import Path

import pytest

from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.peers.ports import free_port
from bridge.peers.signaling_client import has_ended
from tests.interop.baresip import baresip
from tests.interop.desktop import CUSTOMER_HZ, desktop, hears
from tests.interop.hostile import counted
from tests.interop.kamailio import kamailio
from tests.interop.test_phone import the_customer


@pytest.mark.peer("kamailio", "Record-Route over UDP and TCP: BYE and re-INVITE follow the route set")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("ends", ["bridge", "phone"])
async def test_behind_a_proxy_that_stays_on_the_way_calls_are_held_and_end_from_either_side(
    daemon: DaemonProcess, tmp_path: Path, ends: str, transport: str
) -> None:
    """The trap: a request without the Route set is answered 404 by the proxy, and the phone talks on to nobody.

    The phone speaks UDP: over TCP the proxy is on the way twice, and both of its routes must be kept in order.
    """
    async with (
        kamailio(tmp_path, daemon.sip_port, transport) as proxy,
        desktop(daemon) as agent,
        baresip(tmp_path / "phone", CUSTOMER_HZ) as phone,
    ):
        await phone.dial(f"sip:support@127.0.0.1:{proxy.port}")
        interaction_id = await agent.accept_offer()
        await hears(agent, "customer")
        customer = await the_customer(agent, interaction_id)
        about = {"interactionId": interaction_id, "participantId": customer["participantId"]}
        await agent.client.command("holdParticipant", **about)
        await hears(agent)
        await agent.client.command("resumeParticipant", **about)
        await hears(agent, "customer")
        assert phone.directions_offered() == ["sendonly", "sendrecv"]
        if ends == "bridge":
            await agent.client.command("endInteraction", interactionId=interaction_id)
        else:
            await phone.command("hangup")
        await phone.happens("CALL_CLOSED")
        await agent.client.wait_for(has_ended, 30)
        assert (proxy.strays(), proxy.seen("BYE") >= 1, proxy.seen("INVITE") >= 3) == ([], True, True)


@pytest.mark.peer("kamailio", "OPTIONS answered, both ways")
async def test_proxy_and_bridge_ask_each_other_whether_they_are_there(tmp_path: Path) -> None:
    """`kamailio` waits until the proxy counts the bridge among the living."""
    port = free_port()
    config = '[[trunks]]\nid = "proxy"\nnetworks = ["127.0.0.0/8"]\nping_s = 1\n'
    config += f'target = "sip:127.0.0.1:{port};transport=tcp"\n'
    async with daemon_process(tmp_path, config=config) as bridge:
        await counted(bridge, "sip_trunks_down", at_least=1)
        async with kamailio(tmp_path, bridge.sip_port, port=port) as proxy:
            await counted(bridge, "sip_trunks_up", at_least=1, timeout_s=15)
            assert proxy.seen("OPTIONS") >= 1
        await counted(bridge, "sip_trunks_down", at_least=1, timeout_s=15)
