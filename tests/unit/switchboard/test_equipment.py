"""What legs can is found out from negotiation, connection and paths, and kept current."""

import pytest

from bridge.plane import messages
from bridge.switchboard.view.view import AbilityView, CapabilitiesView
from tests.unit.switchboard.theatre import (
    ALICE,
    ALL_SCOPES,
    EVE,
    PHONE_OFFER,
    PHONE_VIDEO,
    Theatre,
    browser_offer,
    theatre,
    who,
)

BOTH, NEITHER = AbilityView(send=True, receive=True), AbilityView()


async def capabilities(stage: Theatre, role: str) -> CapabilitiesView:
    (interaction,) = await stage.board.interactions.list(
        who("auditor", scopes=ALL_SCOPES | {"interaction:all"})
    )
    return next(p.capabilities for p in interaction.participants if p.role == role)


async def test_a_phone_hears_and_speaks_and_offers_no_video() -> None:
    async with theatre() as stage:
        await stage.call()
        assert await capabilities(stage, "customer") == CapabilitiesView(
            BOTH, NEITHER, NEITHER, "the phone offers no video"
        )


async def test_a_phone_that_offers_video_is_told_apart() -> None:
    async with theatre() as stage:
        video = "m=video 40002 RTP/AVP 97\na=rtpmap:97 H263/90000\n"
        await stage.call(offer=PHONE_OFFER + video)
        assert (await capabilities(stage, "customer")).no_video == (
            "no common video codec: the phone has H263, the bridge takes H264, VP8"
        )


async def test_a_video_phone_shows_and_sees_video() -> None:
    async with theatre() as stage:
        answer = await stage.call(offer=PHONE_OFFER + PHONE_VIDEO)
        assert "m=video 30500 RTP/AVP 97" in answer
        assert await capabilities(stage, "customer") == CapabilitiesView(BOTH, BOTH)


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("sendonly", AbilityView(send=True)),
        ("recvonly", AbilityView(receive=True)),
        ("inactive", AbilityView()),
        ("sendrecv", BOTH),
    ],
)
async def test_a_reinvite_changes_what_the_phone_can(direction: str, expected: AbilityView) -> None:
    async with theatre() as stage:
        await stage.call()
        offer = PHONE_OFFER.replace("o=- 1 1", "o=- 1 2") + f"a={direction}\n"
        await stage.board.reoffer(stage.phone_leg().leg_id, offer)
        await stage.board.settled()
        assert (await capabilities(stage, "customer")).audio == expected


async def test_a_browser_can_nothing_before_it_is_connected() -> None:
    async with theatre() as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        await stage.call()
        interaction = await stage.accept(ALICE)
        answer = await stage.board.media.offer(ALICE, interaction.interaction_id, browser_offer("alice"))
        assert await capabilities(stage, "agent") == CapabilitiesView(no_video="the browser is not connected")
        stage.board.plane_event(messages.LegConnected(answer.leg_id))
        await stage.board.settled()
        able = await capabilities(stage, "agent")
        assert (able.audio, able.video, able.no_video) == (BOTH, BOTH, "")
        assert able.screen == AbilityView(receive=True)


async def test_a_lost_browser_can_nothing_any_more() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        leg_id = (await stage.participant(id_, "agent")).leg_ids[0]
        stage.board.plane_event(messages.LegFailed(leg_id, "consent_lost", "gone"))
        await stage.board.settled()
        assert await capabilities(stage, "agent") == CapabilitiesView()
        assert not (await stage.participant(id_, "agent")).sends_video


async def test_a_shared_screen_is_no_camera() -> None:
    async with theatre() as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        await stage.call()
        interaction = await stage.accept(ALICE)
        head, video = browser_offer("alice").split("m=video")
        offer = f"{head}m=video{video.rstrip()}\r\na=content:slides\r\n"
        await stage.join(ALICE, interaction.interaction_id, offer)
        able = await capabilities(stage, "agent")
        assert able.screen.send
        assert not able.video.send
        assert able.no_video == "the browser sends no camera"


async def test_a_token_without_the_scope_is_the_reason() -> None:
    async with theatre() as stage:
        poor = who("alice", scopes=ALL_SCOPES - {"telephony:video:use"})
        await stage.board.users.set_presence(poor, "ready", "agent")
        await stage.call()
        interaction = await stage.accept(poor)
        await stage.join(poor, interaction.interaction_id)
        able = await capabilities(stage, "agent")
        assert able.video == NEITHER
        assert "telephony:video:use" in able.no_video


async def test_a_picture_that_reaches_nobody_is_none() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        eve, alice = await stage.participant(id_, "sme"), await stage.participant(id_, "agent")
        down = next(
            d
            for d in stage.browser_leg(eve.leg_ids[0]).down_tracks
            if d.source is not None and d.source.startswith(alice.leg_ids[0])
        )
        assert (await capabilities(stage, "agent")).video.send
        reason = "the receiver takes no H264 and transcoding is not available"
        stage.board.plane_event(messages.PathChosen(eve.leg_ids[0], down.mid, "none", reason))
        await stage.board.settled()
        assert not (await capabilities(stage, "agent")).video.send
        assert (await capabilities(stage, "agent")).no_video == reason
        assert not (await capabilities(stage, "sme")).video.receive
        stage.board.plane_event(messages.PathChosen(eve.leg_ids[0], down.mid, "forward", "VP8"))
        await stage.board.settled()
        assert (await capabilities(stage, "agent")).video.send
        assert EVE.user_id == eve.user_id
