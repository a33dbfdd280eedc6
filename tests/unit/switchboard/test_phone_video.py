"""A phone's video in an interaction: whose picture it is shown, and who sees its own."""

from bridge.ids import track_id
from bridge.plane import messages
from tests.unit.switchboard.theatre import PHONE_OFFER, PHONE_VIDEO, Theatre, theatre


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
