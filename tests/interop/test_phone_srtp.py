"""Real phones with encrypted media. What was heard was decrypted: baresip and linphone drop what is not."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.peers.browser.signaling_client import has_ended
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.peers.demo.verdict import HEARD_DB
from bridge.peers.tone import Samples, level_db
from tests.interop.baresip import PhoneVideo, baresip
from tests.interop.desktop import AGENT_HZ, CUSTOMER_HZ, desktop, hears
from tests.interop.hostile import metrics
from tests.interop.linphone import linphone
from tests.interop.programs import eventually
from tests.interop.test_conference import AGENT_PICTURE, accept, browser_desktop, go_ready
from tests.interop.test_phone_video import PHONE_PICTURE, phone_sees_film, sees_film

TALK_S = 2.0


@contextlib.asynccontextmanager
async def bridge_with(directory: Path, srtp: str) -> AsyncIterator[DaemonProcess]:
    """A daemon with one trunk on the loopback."""
    config = f'[[trunks]]\nid = "t"\nnetworks = ["127.0.0.0/8"]\nsrtp = "{srtp}"\n'
    async with daemon_process(directory, config=config) as running:
        yield running


def heard_the_agent(sound: Samples, rate_hz: int) -> bool:
    """And not itself, all through the last second."""
    last = sound[-rate_hz:]
    return (
        len(last) == rate_hz
        and level_db(last, rate_hz, AGENT_HZ) > HEARD_DB
        and level_db(last, rate_hz, CUSTOMER_HZ) < HEARD_DB - 10
    )


def some(recording: tuple[Samples, int]) -> tuple[Samples, int] | None:
    return recording if len(recording[0]) else None


def is_kept(key: str, bridge: DaemonProcess) -> bool:
    """Whether a key is in the journal or in the log."""
    files = [bridge.log, *bridge.directory.glob("journal.db*")]
    return any(key.encode() in path.read_bytes() for path in files)


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
        await eventually("the phone hears the agent", lambda: heard_the_agent(phone.heard(), phone.rate_hz))
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
        await agent.client.wait_for(has_ended, 30.0)


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
        # On hold it plays its file on to us (sendonly), as others play music.
        await phone.command("pause")
        await phone.says("is now paused")
        await phone.command("resume")
        media = "Media streams established"
        await eventually("it talks again", lambda: media in phone.output().partition("Resuming call")[2])
        await hears(agent, "customer")
        assert await undecryptable(bridge) == 0
        await asyncio.sleep(TALK_S)
        await phone.command("terminate")
        await agent.client.wait_for(has_ended, 30.0)
        sound, rate_hz = await eventually("linphone wrote its recording", lambda: some(phone.heard()))
        assert heard_the_agent(sound, rate_hz)


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
        await eventually("the phone hears the agent", lambda: heard_the_agent(phone.heard(), phone.rate_hz))


@pytest.mark.peer("baresip", "SRTP over a restart of the bridge")
@pytest.mark.parametrize("media_encryption", ["srtp", "srtp-mand"])
async def test_an_encrypted_call_survives_kill_9_and_its_keys_were_never_kept(
    tmp_path: Path, media_encryption: str
) -> None:
    async with (
        bridge_with(tmp_path, "optional") as bridge,
        baresip(tmp_path / "phone", CUSTOMER_HZ, media_encryption=media_encryption) as phone,
    ):
        async with desktop(bridge) as agent:
            await phone.dial(bridge.sip_uri())
            interaction_id = await agent.accept_offer()
            await hears(agent, "customer")
            await bridge.kill()
        await bridge.start_again()
        async with desktop(bridge) as agent:
            await agent.join(interaction_id)
            await hears(agent, "customer")
            await eventually("the phone hears", lambda: phone.bitrates_bps()[1] > 40_000)
            keys = set(re.findall(r"inline:(\S+)", phone.log()))
            assert len(keys) >= 2, "the phone's and ours"
            assert not [key for key in keys if is_kept(key, bridge)]
            await phone.hang_up()


@pytest.mark.peer("baresip", "SRTP, picture and sound")
async def test_a_video_phone_and_a_browser_see_each_other_encrypted(tmp_path: Path) -> None:
    camera = PhoneVideo(PHONE_PICTURE, "vp8")
    async with (
        bridge_with(tmp_path, "mandatory") as bridge,
        browser_desktop(bridge, tmp_path / "agent", "agent", AGENT_PICTURE, "") as agent,
        baresip(tmp_path / "phone", CUSTOMER_HZ, video=camera, media_encryption="srtp-mand") as phone,
    ):
        await go_ready(agent, "agent")
        await phone.dial(bridge.sip_uri())
        await accept(agent)
        await phone_sees_film(phone, AGENT_PICTURE)
        await sees_film(agent, PHONE_PICTURE)
        answer = phone.log().partition("SIP/2.0 200 OK")[2]
        assert len(re.findall(r"m=(?:audio|video) \d+ RTP/SAVP ", answer.partition("ACK ")[0])) == 2
        await phone.hang_up()
        await agent.eventually("warmbridge.state.interactions.size === 0")
