"""Phones that are called where somebody shows a picture: video is in the first INVITE, and never in the way."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.browser.signaling_client import Event
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.phone.caller import synthetic_caller
from tests.interop.baresip import Baresip, PhoneVideo, baresip
from tests.interop.desktop import CUSTOMER_HZ, TONES_HZ, desktop, hears
from tests.interop.programs import eventually
from tests.interop.sipp import sipp_phone
from tests.interop.test_phone_renegotiation import EXPERT_PICTURE, PHONE_PICTURE, sees
from tests.interop.test_phone_video import phone_sees_film

PHONE_HZ = 1900.0


@asynccontextmanager
async def expert_with_a_picture(daemon: DaemonProcess) -> AsyncIterator[tuple[SyntheticBrowser, str]]:
    """A customer without video, an agent, and an expert who was added with video. Yields expert and interaction."""
    async with (
        desktop(daemon) as agent,
        desktop(daemon, "expert", "sme", EXPERT_PICTURE) as expert,
        synthetic_caller((CUSTOMER_HZ,), TONES_HZ) as caller,
    ):
        await caller.call(daemon.sip_uri())
        id_ = await agent.accept_offer()
        await agent.client.command("addParticipant", interactionId=id_, userId="expert", type="video")
        await expert.accept_offer()
        await hears(expert, "agent", "customer")
        yield expert, id_


async def called(expert: SyntheticBrowser, interaction_id: str, address: str) -> Event:
    """Calls a phone into the conversation; returns how it stands there once it has answered."""
    await expert.client.command("addParticipant", interactionId=interaction_id, address=address)

    def answered() -> Event | None:
        updates = [e.event for e in expert.client.events if e.event["event"] == "interactionUpdated"]
        people = updates[-1]["interaction"]["participants"] if updates else []
        found = [p for p in people if p["address"] == address and p["state"] == "in-session"]
        return found[0] if found and found[0]["capabilities"]["audio"]["send"] else None

    return await eventually(f"{address} answers", answered)


def invites(phone: Baresip) -> int:
    """Those the phone got, each once."""
    return len(set(re.findall(r"^CSeq: (\d+) INVITE", phone.log(), re.M)))


@pytest.mark.peer("baresip", "outbound: called with video, pictures both ways")
async def test_a_video_phone_is_called_with_video_in_the_first_invite(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    phone_video = PhoneVideo(PHONE_PICTURE, "vp8")
    async with (
        expert_with_a_picture(daemon) as (expert, interaction_id),
        baresip(tmp_path / "phone", PHONE_HZ, video=phone_video, name="bob") as phone,
    ):
        stands = await called(expert, interaction_id, f"sip:bob@127.0.0.1:{phone.sip_port}")
        await phone_sees_film(phone, EXPERT_PICTURE)
        await sees(expert, PHONE_PICTURE)
        assert stands["capabilities"]["video"] == {"send": True, "receive": True}
        assert invites(phone) == 1, "video was in the first, and no other came after it"
        await phone.hang_up()
        await hears(expert, "agent", "customer")


@pytest.mark.peer("baresip", "outbound: called with video, has none")
async def test_a_phone_without_video_takes_the_call_by_voice_and_says_why(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with (
        expert_with_a_picture(daemon) as (expert, interaction_id),
        baresip(tmp_path / "phone", TONES_HZ["expert"], name="bob") as phone,
    ):
        stands = await called(expert, interaction_id, f"sip:bob@127.0.0.1:{phone.sip_port}")
        await hears(expert, "agent", "customer", "expert")
        assert "took the video out of the bridge's offer" in stands["capabilities"]["noVideo"]
        assert invites(phone) == 1
        await phone.hang_up()


@pytest.mark.peer("sipp", "outbound: 488 for its video, called again by voice")
async def test_a_phone_that_refuses_video_with_488_is_called_again_without(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with (
        expert_with_a_picture(daemon) as (expert, interaction_id),
        sipp_phone(tmp_path, "no_film.xml", "-m", "2") as phone,
    ):
        stands = await called(expert, interaction_id, phone.uri)
        assert "refused the call with video: 488" in stands["capabilities"]["noVideo"]
        about = {"interactionId": interaction_id, "participantId": stands["participantId"]}
        await expert.client.command("removeParticipant", **about)
        await phone.went_well()
        await hears(expert, "agent", "customer")
