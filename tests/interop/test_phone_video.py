"""A real video phone and a real browser see each other, frame by frame, by the counters in their pictures."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.peers.picture import FrameTally
from tests.interop.baresip import Baresip, PhoneVideo, baresip
from tests.interop.chromium import Tab
from tests.interop.desktop import CUSTOMER_HZ, desktop, hears
from tests.interop.hostile import counted, metrics
from tests.interop.linphone import linphone
from tests.interop.programs import eventually
from tests.interop.test_conference import AGENT_PICTURE, accept, browser_desktop, go_ready

PHONE_PICTURE = 77
FRAMES = 45  # 3 s of them
PATIENCE_S = 20.0


def seen_now(tallies: Mapping[int, FrameTally], picture_id: int) -> int:
    return tallies[picture_id].seen if picture_id in tallies else 0


async def sees_film(opened: Tab, picture_id: int, frames: int = FRAMES) -> None:
    """Waits until the tab has read so many more frames of this picture, nearly all that came meanwhile."""
    seen = seen_now(await opened.look(), picture_id)
    async with asyncio.timeout(PATIENCE_S):
        while seen_now(await opened.look(), picture_id) < seen + frames:
            await opened.page.wait_for_timeout(100)


async def phone_sees_film(phone: Baresip, picture_id: int, pictures: int = 3) -> None:
    """Waits until the phone has decoded so many different pictures of this camera, each later than the last."""
    counters: list[int] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(counters) < pictures:
            reading = await phone.sees()
            if reading is None:
                continue
            assert reading.picture_id == picture_id
            if not counters or reading.counter > counters[-1]:
                counters.append(reading.counter)


@pytest.mark.parametrize("codecs", ["", "vp8", "h264"], ids=["all codecs", "VP8", "H.264 mode 0"])
@pytest.mark.peer("baresip", "pictures both ways with a browser")
async def test_a_video_phone_and_a_browser_see_each_other(
    daemon: DaemonProcess, tmp_path: Path, codecs: str
) -> None:
    async with (
        browser_desktop(daemon, tmp_path / "agent", "agent", AGENT_PICTURE, "") as agent,
        baresip(tmp_path / "phone", CUSTOMER_HZ, video=PhoneVideo(PHONE_PICTURE, codecs)) as phone,
    ):
        await go_ready(agent, "agent")
        await phone.dial(daemon.sip_uri())
        await accept(agent)
        await phone_sees_film(phone, AGENT_PICTURE)
        await sees_film(agent, PHONE_PICTURE)
        tallies = await agent.look()
        assert set(tallies) == {PHONE_PICTURE}, "the customer's picture, and no other"
        assert tallies[PHONE_PICTURE].missing_ratio < 0.1
        if codecs == "h264":  # cut into packets as it is encoded: nothing else suits the phone
            formats = {entry.get("sdpFmtpLine", "") for entry in await agent.statistics("codec")}
            assert any("packetization-mode=0" in line for line in formats)
            assert not any("packetization-mode=1" in line for line in formats)
        await phone.hang_up()
        await agent.eventually("warmbridge.state.interactions.size === 0")
        assert agent.complaints == []


@pytest.mark.peer("baresip", "H.264 mode 0 and a sender that cannot: voice, and the reason")
async def test_who_cannot_film_for_a_phone_of_mode_0_is_told_why(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    """The agent's camera makes VP8 only; the phone's own picture is shown all the same."""
    async with (
        desktop(daemon, picture_id=AGENT_PICTURE) as agent,
        baresip(tmp_path / "phone", CUSTOMER_HZ, video=PhoneVideo(PHONE_PICTURE, "h264")) as phone,
    ):
        await phone.dial(daemon.sip_uri())
        interaction_id = await agent.accept_offer()
        told = await agent.client.wait_for(
            lambda event: event["event"] == "videoPathChosen" and event["path"] == "none", PATIENCE_S
        )
        assert "the source sends VP8, the receiver takes H264" in told["reason"]
        known = await agent.client.command("getInteraction", interactionId=interaction_id)
        people = {person["role"]: person["capabilities"] for person in known["interaction"]["participants"]}
        assert people["customer"]["notShown"] == told["reason"]
        assert people["agent"]["noVideo"] == told["reason"]
        await eventually(
            "the phone's picture", lambda: seen_now(agent.tallies, PHONE_PICTURE) >= FRAMES, 20.0
        )
        await hears(agent, "customer")
        assert await phone.sees() is None
        await phone.hang_up()


H264_TRUNK = """\
[[trunks]]
id = "h264"
networks = ["127.0.0.0/8"]
video_codecs = ["H264"]
"""


@pytest.mark.peer("baresip", "video with H.264 packetization mode 1, what the phone decoded")
async def test_h264_of_mode_1_both_ways_is_decoded_picture_by_picture(tmp_path: Path) -> None:
    """The phone shows what it sees: the agent reads its own counters, decoded and encoded again by the phone."""
    folder = tmp_path / "daemon"
    folder.mkdir()
    async with (
        daemon_process(folder, config=H264_TRUNK) as daemon,
        browser_desktop(daemon, tmp_path / "agent", "agent", AGENT_PICTURE, "") as agent,
        baresip(tmp_path / "phone", CUSTOMER_HZ, video=PhoneVideo(mirror=True)) as phone,
    ):
        await go_ready(agent, "agent")
        await phone.dial(daemon.sip_uri())
        await accept(agent)
        await sees_film(agent, AGENT_PICTURE)
        assert "m=video" in phone.log()
        used = {
            entry["mimeType"] for entry in await agent.statistics("codec") if "video" in entry["mimeType"]
        }
        assert used == {"video/H264"}
        assert (await agent.look())[AGENT_PICTURE].missing_ratio < 0.2
        await phone.hang_up()


@pytest.mark.peer("baresip", "video over SRTP, both ways, by counter")
async def test_an_encrypted_video_phone_and_a_browser_see_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "daemon"
    folder.mkdir()
    async with (
        daemon_process(folder, config=H264_TRUNK + 'srtp = "mandatory"\n') as daemon,
        browser_desktop(daemon, tmp_path / "agent", "agent", AGENT_PICTURE, "") as agent,
        baresip(
            tmp_path / "phone",
            CUSTOMER_HZ,
            video=PhoneVideo(PHONE_PICTURE, "h264"),
            media_encryption="srtp-mand",
        ) as phone,
    ):
        await go_ready(agent, "agent")
        await phone.dial(daemon.sip_uri())
        await accept(agent)
        await phone_sees_film(phone, AGENT_PICTURE)
        name = "worker_rtp_undecryptable_total"
        before_keys = await counted(daemon, name, 0)  # packets from before the keys were known
        await sees_film(agent, PHONE_PICTURE)
        assert (await metrics(daemon))[name] == before_keys
        await phone.hang_up()


@pytest.mark.peer("linphone", "camera on in a voice call (re-INVITE adds video)")
async def test_linphone_turns_its_camera_on_in_a_voice_call(daemon: DaemonProcess, tmp_path: Path) -> None:
    """Its picture never changes, so it is counted and not read."""
    (tmp_path / "phone").mkdir()
    async with (
        desktop(daemon, picture_id=AGENT_PICTURE) as agent,
        linphone(tmp_path / "phone", CUSTOMER_HZ, camera=True) as phone,
    ):
        await phone.dial(daemon.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        assert agent.unreadable == 0
        await phone.command("camera on")
        await eventually("the agent sees the phone's picture", lambda: agent.unreadable >= 2, PATIENCE_S)
        heard = len(agent.hearing.seconds)
        await eventually("the voice goes on", lambda: len(agent.hearing.seconds) >= heard + 2)
        await hears(agent, "customer")
        await phone.command("terminate")
