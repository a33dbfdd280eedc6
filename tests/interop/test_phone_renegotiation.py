"""Voice to video and back on one dialog, whoever begins; after each change frames and sound flow both ways.

Elsewhere: a voice call that is raised to video fails, and one-way audio after a re-INVITE.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.phone.caller import CallerSettings, SyntheticCaller, synthetic_caller
from tests.interop.desktop import CUSTOMER_HZ, TONES_HZ, desktop
from tests.interop.programs import eventually

AGENT_PICTURE, EXPERT_PICTURE, PHONE_PICTURE = 17, 202, 77
FRAMES = 15
PACKETS = 25


@asynccontextmanager
async def video_phone(**wishes: object) -> AsyncIterator[SyntheticCaller]:
    settings = CallerSettings(picture_id=PHONE_PICTURE, **wishes)  # type: ignore[arg-type]
    async with synthetic_caller((CUSTOMER_HZ,), TONES_HZ, settings) as phone:
        yield phone


def seen(peer: SyntheticBrowser | SyntheticCaller, picture_id: int) -> int:
    tallies = peer.picture.tallies if isinstance(peer, SyntheticCaller) and peer.picture else {}
    if isinstance(peer, SyntheticBrowser):
        tallies = peer.tallies
    return tallies[picture_id].seen if picture_id in tallies else 0


async def sees(peer: SyntheticBrowser | SyntheticCaller, picture_id: int) -> None:
    """Waits for so many more frames of this picture."""
    before = seen(peer, picture_id)
    what = f"{FRAMES} more frames of {picture_id}, after {before}"
    await eventually(what, lambda: seen(peer, picture_id) >= before + FRAMES, 20.0)


async def talk_goes_on(phone: SyntheticCaller, agent: SyntheticBrowser) -> None:
    """Sound both ways, by packets at the phone and by the phone's tone at the agent."""
    before = phone.traffic.packets_received
    await eventually("sound reaches the phone", lambda: phone.traffic.packets_received >= before + PACKETS)
    heard = len(agent.hearing.seconds)
    await eventually("two more seconds are heard", lambda: len(agent.hearing.seconds) >= heard + 2)
    assert agent.hearing.seconds[-1].levels_db["customer"] > -40


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_the_phone_turns_its_camera_on_and_off(daemon: DaemonProcess, codec: str) -> None:
    async with (
        desktop(daemon, picture_id=AGENT_PICTURE) as agent,
        video_phone(video_codecs=(codec,)) as phone,
    ):
        await phone.call(daemon.sip_uri())
        await agent.accept_offer()
        await talk_goes_on(phone, agent)
        assert not phone.has_video
        for _ in range(2):
            await phone.turn_camera(on=True)
            assert phone.has_video
            await sees(agent, PHONE_PICTURE)
            await talk_goes_on(phone, agent)
            if codec == "VP8":  # what aiortc sends is chosen once, when its connection is made
                await sees(phone, AGENT_PICTURE)
            await phone.turn_camera(on=False)
            assert not phone.has_video
            await talk_goes_on(phone, agent)


async def test_hold_and_resume_with_video(daemon: DaemonProcess) -> None:
    async with (
        desktop(daemon, picture_id=AGENT_PICTURE) as agent,
        video_phone(video_codecs=("VP8",), calls_with_video=True) as phone,
    ):
        await phone.call(daemon.sip_uri())
        await agent.accept_offer()
        await sees(agent, PHONE_PICTURE)
        await sees(phone, AGENT_PICTURE)
        await phone.hold()
        assert phone.picture is not None
        at_rest = seen(phone, AGENT_PICTURE)
        received = phone.traffic.packets_received
        await phone.resume()
        await sees(agent, PHONE_PICTURE)
        await sees(phone, AGENT_PICTURE)
        await talk_goes_on(phone, agent)
        assert seen(phone, AGENT_PICTURE) > at_rest
        assert phone.traffic.packets_received > received


async def test_the_desk_holds_and_resumes_a_video_phone(daemon: DaemonProcess) -> None:
    async with (
        desktop(daemon, picture_id=AGENT_PICTURE) as agent,
        video_phone(video_codecs=("VP8",), calls_with_video=True) as phone,
    ):
        await phone.call(daemon.sip_uri())
        interaction_id = await agent.accept_offer()
        await sees(agent, PHONE_PICTURE)
        await sees(phone, AGENT_PICTURE)
        assert phone.picture is not None
        interaction = (await agent.client.command("getInteraction", interactionId=interaction_id))[
            "interaction"
        ]
        customer = next(p for p in interaction["participants"] if p["role"] == "customer")
        about = {"interactionId": interaction_id, "participantId": customer["participantId"]}
        await agent.client.command("holdParticipant", **about)
        await eventually("the phone stops filming", lambda: not phone.shows_video)
        at_rest = seen(phone, AGENT_PICTURE)
        music = phone.traffic.packets_received
        await eventually("the phone hears music", lambda: phone.traffic.packets_received >= music + PACKETS)
        assert seen(phone, AGENT_PICTURE) <= at_rest + 1, "whoever is on hold sees nothing"
        await agent.client.command("resumeParticipant", **about)
        await sees(agent, PHONE_PICTURE)
        await sees(phone, AGENT_PICTURE)
        await talk_goes_on(phone, agent)


async def test_the_bridge_asks_for_video_when_an_expert_shows_it_and_goes_back_after(
    daemon: DaemonProcess,
) -> None:
    async with (
        desktop(daemon, picture_id=AGENT_PICTURE) as agent,
        desktop(daemon, "expert", "sme", EXPERT_PICTURE) as expert,
        video_phone(video_codecs=("VP8",)) as phone,
    ):
        await phone.call(daemon.sip_uri())
        interaction_id = await agent.accept_offer()
        await talk_goes_on(phone, agent)
        assert not phone.has_video
        await agent.client.command(
            "addParticipant", interactionId=interaction_id, userId="expert", type="video"
        )
        assert await expert.accept_offer() == interaction_id
        await eventually("the phone is asked for video", lambda: phone.has_video)
        await sees(phone, EXPERT_PICTURE)
        assert seen(phone, AGENT_PICTURE) == 0, "the expert's picture, and no other"
        await sees(agent, PHONE_PICTURE)
        await sees(expert, PHONE_PICTURE)
        await expert.client.command("leaveInteraction", interactionId=interaction_id)
        await eventually("the call goes back to voice", lambda: not phone.has_video)
        await talk_goes_on(phone, agent)


async def test_a_phone_without_video_is_asked_once_and_says_why(daemon: DaemonProcess) -> None:
    async with (
        desktop(daemon, picture_id=AGENT_PICTURE) as agent,
        desktop(daemon, "expert", "sme", EXPERT_PICTURE) as expert,
        synthetic_caller((CUSTOMER_HZ,), TONES_HZ) as phone,
    ):
        await phone.call(daemon.sip_uri())
        interaction_id = await agent.accept_offer()
        await agent.client.command(
            "addParticipant", interactionId=interaction_id, userId="expert", type="video"
        )
        await expert.accept_offer()

        def reason() -> str:
            updates = [e.event for e in agent.client.events if e.event["event"] == "interactionUpdated"]
            return str(updates[-1]["interaction"]["attributes"].get("customer_video_reason", ""))

        await eventually("the reason is told", lambda: "took the video out" in reason())
        await talk_goes_on(phone, agent)
        timeline = await agent.client.command("getTimeline", interactionId=interaction_id)
        assert "took the video out" in str(timeline)
