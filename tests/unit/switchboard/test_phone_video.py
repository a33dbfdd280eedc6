"""A phone's video in an interaction: whose picture it is shown, and who sees its own."""

from bridge.errors import CallFailedError
from bridge.ids import track_id
from bridge.plane import messages
from bridge.switchboard.view.event import VideoPathChosen
from bridge.switchboard.view.view import AbilityView
from tests.unit.switchboard.theatre import (
    ALICE,
    ALL_SCOPES,
    EVE,
    PHONE_OFFER,
    PHONE_VIDEO,
    Theatre,
    theatre,
    who,
)

SUE = who("sue", scopes=ALL_SCOPES | {"interaction:supervise"})
AUDITOR = who("auditor", scopes=ALL_SCOPES | {"interaction:all"})


def shown(stage: Theatre) -> str:
    """Whose picture the phone is sent: the leg's id, or "" for none."""
    leg = stage.phone_leg()
    assert leg.video is not None
    return (leg.video.source or "").partition("/")[0]


async def test_the_phone_is_shown_the_expert_before_the_agent() -> None:
    async with theatre() as stage:
        id_ = await stage.conference(offer=PHONE_OFFER + PHONE_VIDEO)
        expert, agent = await stage.participant(id_, "sme"), await stage.participant(id_, "agent")
        assert shown(stage) == expert.leg_ids[0]
        stage.board.plane_event(messages.LegFailed(expert.leg_ids[0], "consent_lost", "gone"))
        await stage.board.settled()
        assert shown(stage) == agent.leg_ids[0]


async def test_everybody_else_is_offered_the_phones_picture() -> None:
    async with theatre() as stage:
        id_ = await stage.conference(offer=PHONE_OFFER + PHONE_VIDEO)
        source = track_id(stage.phone_leg().leg_id, "video")
        for role in ("agent", "sme"):
            leg = stage.browser_leg((await stage.participant(id_, role)).leg_ids[0])
            assert source in [down.source for down in leg.down_tracks]


async def test_a_phone_deaf_to_rtcp_is_asked_for_a_key_frame_by_signaling() -> None:
    async with theatre() as stage:
        await stage.call(offer=PHONE_OFFER + PHONE_VIDEO)
        stage.board.plane_event(messages.KeyFrameWanted(stage.phone_leg().leg_id))
        assert stage.doors.pictures_wanted == [stage.phone_leg().leg_id]


async def test_a_phone_that_cannot_be_shown_the_picture_says_why() -> None:
    async with theatre() as stage:
        id_ = await stage.conference(offer=PHONE_OFFER + PHONE_VIDEO)
        reason = "the source sends H264, the receiver takes VP8; transcoding is not available"
        leg_id = stage.phone_leg().leg_id
        stage.board.plane_event(messages.PathChosen(leg_id, "video", "none", reason))
        await stage.board.settled()
        able = (await stage.participant(id_, "customer")).capabilities
        assert (able.video, able.not_shown) == (AbilityView(send=True), reason)
        told = [event for event in stage.doors.seen_by(ALICE) if isinstance(event, VideoPathChosen)]
        assert told[-1].reason == reason
        timeline = await stage.board.interactions.timeline(AUDITOR, id_)
        assert reason in str(timeline)
        stage.board.plane_event(messages.PathChosen(leg_id, "video", "forward", "VP8"))
        await stage.board.settled()
        able = (await stage.participant(id_, "customer")).capabilities
        assert (able.video, able.not_shown) == (AbilityView(send=True, receive=True), "")


async def test_a_voice_phone_is_asked_for_video_by_an_expert_with_video_and_once() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        asked = [offer for _, offer in stage.doors.reoffers]
        assert len(asked) == 1
        assert "m=video 30500 RTP/AVP" in asked[0]
        able = (await stage.participant(id_, "customer")).capabilities
        assert "took the video out of the bridge's offer" in able.no_video
        await stage.board.participants.hold(
            ALICE, id_, (await stage.participant(id_, "customer")).participant_id
        )
        await stage.board.settled()
        assert all("m=video 0" in offer for _, offer in stage.doors.reoffers[1:])


async def test_a_phone_that_refuses_the_offer_of_video_goes_on_by_voice() -> None:
    async with theatre() as stage:
        stage.doors.reoffer_outcomes.append(CallFailedError("488 Not Acceptable Here", 488))
        id_ = await stage.conference()
        assert len(stage.doors.reoffers) == 1
        able = (await stage.participant(id_, "customer")).capabilities
        assert "refused the offer of video: 488 Not Acceptable Here" in able.no_video
        assert able.audio == AbilityView(send=True, receive=True)


async def test_who_supervises_is_no_reason_to_keep_a_phone_in_video() -> None:
    async with theatre() as stage:
        stage.doors.reoffer_outcomes.append(PHONE_OFFER + PHONE_VIDEO)
        id_ = await stage.conference()
        (begun,) = [offer for _, offer in stage.doors.reoffers]
        assert "m=video 30500 RTP/AVP" in begun
        await stage.board.transfers.supervise(SUE, id_, "monitor")
        await stage.join(SUE, id_)
        assert (await stage.participant(id_, "supervisor")).type == "video"
        await stage.board.participants.leave(EVE, id_)
        await stage.board.settled()
        assert "m=video 0 " in stage.doors.reoffers[-1][1]
