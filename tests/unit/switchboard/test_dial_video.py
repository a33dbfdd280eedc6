"""Video in the first INVITE of a call of ours: offered where it would be asked for at once, and never in the way."""

import pytest

from bridge.errors import CallFailedError
from bridge.ids import InteractionId
from bridge.plane import messages
from bridge.switchboard.conversation.participants import DialOut
from bridge.switchboard.view.view import AbilityView
from tests.unit.switchboard.test_switchboard_queues import eventually
from tests.unit.switchboard.theatre import ALICE, EVE, NO_VIDEO, PHONE_OFFER, PHONE_VIDEO, Theatre, theatre

BANK = DialOut("+49301234567", name="The bank")
ASKED = "m=video"


async def dialed_in(stage: Theatre, id_: InteractionId, until: str = "answered") -> None:
    await stage.board.participants.dial(ALICE, id_, BANK)
    await eventually(stage, until)


async def bank_of(stage: Theatre, id_: InteractionId) -> messages.RtpLegSpec:
    (leg_id,) = next(p.leg_ids for p in (await stage.view(id_)).participants if p.address == BANK.address)
    return stage.phone_leg(leg_id)


async def test_beside_an_expert_who_shows_a_picture_a_phone_is_called_with_video() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        (expert_leg,) = (await stage.participant(id_, "sme")).leg_ids
        asked_before = len(stage.doors.reoffers)
        stage.doors.dial_outcomes = [PHONE_OFFER + PHONE_VIDEO]
        await dialed_in(stage, id_)
        (offer,) = stage.doors.dial_offers
        assert ASKED in offer
        leg = await bank_of(stage, id_)
        assert leg.video is not None
        assert (leg.video.source or "").startswith(f"{expert_leg}/")
        assert len(stage.doors.reoffers) == asked_before, "nothing is left to ask for"


async def test_where_nobody_shows_one_it_is_called_by_voice() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stage.doors.dial_outcomes = [PHONE_OFFER]
        await dialed_in(stage, id_)
        (offer,) = stage.doors.dial_offers
        assert ASKED not in offer


async def test_a_phone_that_strips_the_video_goes_on_by_voice_and_is_not_asked_again() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        asked_before = len(stage.doors.reoffers)
        stage.doors.dial_outcomes = [PHONE_OFFER + NO_VIDEO]
        await dialed_in(stage, id_)
        bank = (await stage.view(id_)).participants[-1]
        assert bank.capabilities.audio == AbilityView(send=True, receive=True)
        assert "took the video out of the bridge's offer" in bank.capabilities.no_video
        assert len(stage.doors.reoffers) == asked_before


@pytest.mark.parametrize("status", [415, 488, 606])
async def test_a_call_refused_for_its_video_is_made_again_by_voice(status: int) -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        asked_before = len(stage.doors.reoffers)
        stage.doors.dial_outcomes = [CallFailedError(f"{status} Not Acceptable", status), PHONE_OFFER]
        await dialed_in(stage, id_)
        assert [ASKED in offer for offer in stage.doors.dial_offers] == [True, False]
        bank = (await stage.view(id_)).participants[-1]
        assert bank.state == "in-session"
        assert f"refused the call with video: {status} Not Acceptable" in bank.capabilities.no_video
        assert len(stage.doors.reoffers) == asked_before


async def test_a_call_refused_twice_or_for_another_reason_is_over() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        for outcomes in ([488, 488], [486]):
            stage.doors.dial_offers.clear()
            stage.doors.dial_outcomes = [CallFailedError(str(status), status) for status in outcomes]
            await dialed_in(stage, id_, "refused")
            assert len(stage.doors.dial_offers) == len(outcomes)
            assert (await stage.view(id_)).participants[-1].state == "disconnected"


async def test_what_one_ringing_phone_declines_another_may_take() -> None:
    """A forked call: voice only sounds first, and it is a video phone that answers."""
    async with theatre() as stage:
        id_ = await stage.conference()
        await dialed_in(stage, id_, "dialed")
        leg_id = stage.doors.dialed[-1][0]
        await stage.board.progressed(leg_id, 183, PHONE_OFFER + NO_VIDEO)
        assert stage.phone_leg(leg_id).video is None
        await stage.board.progressed(leg_id, 183, PHONE_OFFER + PHONE_VIDEO)
        assert stage.phone_leg(leg_id).video is not None


async def test_it_goes_back_to_voice_with_the_last_who_has_video() -> None:
    async with theatre() as stage:
        id_ = await stage.conference()
        stage.doors.dial_outcomes = [PHONE_OFFER + PHONE_VIDEO]
        await dialed_in(stage, id_)
        await stage.board.participants.leave(EVE, id_)
        await stage.board.settled()
        leg_id = (await bank_of(stage, id_)).leg_id
        offers = [offer for asked, offer in stage.doors.reoffers if asked == leg_id]
        assert "m=video 0 " in offers[-1]
