"""Real phones with encrypted media. What was heard was decrypted: baresip and linphone drop what is not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.peers.signaling_client import has_ended
from bridge.peers.tone import Samples, level_db
from bridge.peers.verdict import HEARD_DB
from tests.interop.baresip import baresip
from tests.interop.desktop import AGENT_HZ, CUSTOMER_HZ, desktop, hears
from tests.interop.hostile import metrics
from tests.interop.linphone import linphone
from tests.interop.programs import eventually

TALK_S = 2.0


@contextlib.asynccontextmanager
async def bridge_with(directory: Path, srtp: str) -> AsyncIterator[DaemonProcess]:
    """A daemon with one trunk on the loopback."""
    config = f'[[trunks]]\nid = "t"\nnetworks = ["127.0.0.0/8"]\nsrtp = "{srtp}"\n'
    async with daemon_process(directory, config=config) as running:
        yield running


def assert_heard_the_agent(sound: Samples, rate_hz: int) -> None:
    last = sound[-rate_hz:]
    assert level_db(last, rate_hz, AGENT_HZ) > HEARD_DB
    assert level_db(last, rate_hz, CUSTOMER_HZ) < HEARD_DB - 10


def some(recording: tuple[Samples, int]) -> tuple[Samples, int] | None:
    return recording if len(recording[0]) else None


async def undecryptable(bridge: DaemonProcess) -> float:
    return (await metrics(bridge))["worker_rtp_undecryptable_total"]


@pytest.mark.parametrize(
    ("srtp", "media_encryption"),
    [("optional", "srtp"), ("optional", "srtp-mand"), ("mandatory", "srtp"), ("mandatory", "srtp-mand")],
)
@pytest.mark.peer("baresip", "SRTP keyed in SDP, trunk and phone")
async def test_baresip_and_an_agent_hear_each_other_encrypted(
    tmp_path: Path, srtp: str, media_encryption: str
) -> None:
    async with (
        bridge_with(tmp_path, srtp) as bridge,
        desktop(bridge) as agent,
        baresip(tmp_path / "phone", CUSTOMER_HZ, media_encryption=media_encryption) as phone,
    ):
        await phone.dial(bridge.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        await asyncio.sleep(TALK_S)
        assert_heard_the_agent(phone.heard(), phone.rate_hz)
        # baresip says so when a packet does not decrypt, and hears nothing of it.
        assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" in phone.log().partition("SIP/2.0 200 OK")[2]
        await phone.command("hold")
        await eventually("the bridge stops sending", lambda: phone.bitrates_bps()[1] == 0)
        await phone.command("resume")
        await eventually("the bridge sends again", lambda: phone.bitrates_bps()[1] > 40_000)
        await hears(agent, "customer")
        # Before its keys are set baresip opens the path with one plain RTCP packet; all the others were read.
        assert await undecryptable(bridge) <= 1
        await phone.hang_up()
        await agent.client.wait_for(has_ended, 5.0)


@pytest.mark.peer("linphone", "SRTP, mandatory on both sides")
async def test_linphone_with_mandatory_encryption(tmp_path: Path) -> None:
    settings = {"sip.media_encryption": "srtp", "sip.media_encryption_mandatory": 1}
    async with (
        bridge_with(tmp_path, "mandatory") as bridge,
        desktop(bridge) as agent,
        linphone(tmp_path / "phone", CUSTOMER_HZ, settings) as phone,
    ):
        await phone.dial(bridge.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        await asyncio.sleep(TALK_S)
        await phone.command("pause")
        await asyncio.sleep(1.0)
        await phone.command("resume")
        await hears(agent, "customer")
        assert await undecryptable(bridge) == 0
        await asyncio.sleep(TALK_S)
        await phone.command("terminate")
        await agent.client.wait_for(has_ended, 5.0)
        sound, rate_hz = await eventually("linphone wrote its recording", lambda: some(phone.heard()))
        assert_heard_the_agent(sound, rate_hz)


@pytest.mark.parametrize(("srtp", "media_encryption"), [("mandatory", ""), ("off", "srtp-mand")])
@pytest.mark.peer("baresip", "SRTP that does not fit is refused")
async def test_who_must_and_who_must_not_do_not_meet(
    tmp_path: Path, srtp: str, media_encryption: str
) -> None:
    async with (
        bridge_with(tmp_path, srtp) as bridge,
        baresip(tmp_path / "phone", CUSTOMER_HZ, media_encryption=media_encryption) as phone,
    ):
        await phone.command("dial", bridge.sip_uri())
        closed = await phone.happens("CALL_CLOSED")
        assert "488" in closed["param"]


@pytest.mark.peer("baresip", "plain RTP where SRTP is optional")
async def test_an_optional_trunk_still_takes_plain_rtp(tmp_path: Path) -> None:
    async with (
        bridge_with(tmp_path, "optional") as bridge,
        desktop(bridge) as agent,
        baresip(tmp_path / "phone", CUSTOMER_HZ) as phone,
    ):
        await phone.dial(bridge.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        await asyncio.sleep(TALK_S)
        assert_heard_the_agent(phone.heard(), phone.rate_hz)
