"""A real proxy between the phone and the bridge that stays on the way of every request (RFC 3261 section 16)."""

from pathlib import Path

import pytest

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.browser.signaling_client import has_ended
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.peers.ports import free_port
from tests.certificates import Authority
from tests.interop.baresip import Baresip, PhoneTls, baresip
from tests.interop.conftest import complaints
from tests.interop.desktop import CUSTOMER_HZ, desktop, hears
from tests.interop.hostile import counted
from tests.interop.kamailio import kamailio
from tests.interop.test_phone import the_customer


async def hold_and_resume(agent: SyntheticBrowser, interaction_id: str) -> None:
    """The agent holds the customer, hears nobody meanwhile, and hears the customer again."""
    customer = await the_customer(agent, interaction_id)
    about = {"interactionId": interaction_id, "participantId": customer["participantId"]}
    await agent.client.command("holdParticipant", **about)
    await hears(agent)
    await agent.client.command("resumeParticipant", **about)
    await hears(agent, "customer")


async def end_by(side: str, agent: SyntheticBrowser, phone: Baresip, interaction_id: str) -> None:
    """The call ends by the bridge or by the phone, and both know."""
    if side == "bridge":
        await agent.client.command("endInteraction", interactionId=interaction_id)
    else:
        await phone.command("hangup")
    await phone.happens("CALL_CLOSED")
    await agent.client.wait_for(has_ended, 30)


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
        await hold_and_resume(agent, interaction_id)
        assert phone.directions_offered() == ["sendonly", "sendrecv"]
        await end_by(ends, agent, phone, interaction_id)
        assert (proxy.strays(), proxy.seen("BYE") >= 1, proxy.seen("INVITE") >= 3) == ([], True, True)


def secure(directory: Path) -> tuple[str, Authority]:
    """The settings of a bridge that speaks TLS, also to ask of everybody for a certificate, and who vouches."""
    authority = Authority(directory / "authority")
    mine = authority.vouch("127.0.0.1", "bridge")
    config = f'[sip]\ntransports = ["udp", "tcp", "tls"]\ntls_port = 0\ncertificate = "{mine.certificate}"\n'
    config += (
        f'private_key = "{mine.key}"\nauthorities = "{authority.file}"\nclient_certificates = "required"\n'
    )
    return f'{config}client_authorities = "{authority.file}"\n', authority


@pytest.mark.peer("kamailio", "TLS to the phone, to the bridge, both: Record-Route across transports")
@pytest.mark.parametrize(
    ("outside", "inside", "ends"),
    [("tls", "tls", "bridge"), ("tls", "tls", "phone"), ("udp", "tls", "bridge"), ("tls", "udp", "phone")],
)
async def test_behind_a_proxy_with_tls_calls_are_held_and_end_from_either_side(
    tmp_path: Path, outside: str, inside: str, ends: str
) -> None:
    config, authority = secure(tmp_path)
    tls_port = free_port()
    phone_tls = PhoneTls(authority.vouch("127.0.0.1", "phone").both, authority.file)
    async with (
        daemon_process(tmp_path, {"sip.tls_port": tls_port}, config) as bridge,
        kamailio(
            tmp_path, tls_port if inside == "tls" else bridge.sip_port, inside, authority=authority
        ) as proxy,
        desktop(bridge) as agent,
        baresip(tmp_path / "phone", CUSTOMER_HZ, transport=outside, tls=phone_tls) as phone,
    ):
        port = proxy.tls_port if outside == "tls" else proxy.port
        await phone.dial(f"sip:support@127.0.0.1:{port};transport={outside}")
        interaction_id = await agent.accept_offer()
        await hears(agent, "customer")
        await hold_and_resume(agent, interaction_id)
        await end_by(ends, agent, phone, interaction_id)
        assert (proxy.strays(), proxy.seen_by("INVITE", outside) >= 1) == ([], True)
        assert proxy.seen_by("BYE", inside if ends == "bridge" else outside) >= 1
        answered = phone.log().partition("SIP/2.0 200")[2]
        assert (f"@127.0.0.1:{tls_port};transport=tls>" in answered) == (inside == "tls")
    assert complaints(bridge) == []


@pytest.mark.peer("kamailio", "OPTIONS answered, both ways")
@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_proxy_and_bridge_ask_each_other_whether_they_are_there(tmp_path: Path, transport: str) -> None:
    """`kamailio` waits until the proxy counts the bridge among the living."""
    port, tls_port = free_port(), free_port()
    config, authority = secure(tmp_path)
    config += '[[trunks]]\nid = "proxy"\nnetworks = ["127.0.0.0/8"]\nping_s = 1\n'
    config += f'target = "sip:127.0.0.1:{port};transport={transport}"\n'
    async with daemon_process(tmp_path, {"sip.tls_port": tls_port}, config) as bridge:
        await counted(bridge, "sip_trunks_down", at_least=1)
        target_port = tls_port if transport == "tls" else bridge.sip_port
        async with kamailio(tmp_path, target_port, transport, port, authority) as proxy:
            await counted(bridge, "sip_trunks_up", at_least=1, timeout_s=15)
            assert proxy.seen_by("OPTIONS", transport) >= 1
        await counted(bridge, "sip_trunks_down", at_least=1, timeout_s=15)
    assert complaints(bridge) == []
