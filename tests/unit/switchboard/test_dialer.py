"""A call of ours while it rings: what can be heard of it, and whom it belongs to."""

import pytest

from bridge.errors import NegotiationError, NotFoundError
from bridge.ids import InteractionId, LegId
from tests.unit.switchboard.test_switchboard_queues import ADMIN, POLICY, called_back, eventually
from tests.unit.switchboard.theatre import PHONE_OFFER, Theatre, theatre


def answer_at(port: int) -> str:
    return PHONE_OFFER.replace("40000", str(port))


async def ringing(stage: Theatre) -> tuple[InteractionId, LegId]:
    id_ = await called_back(stage)
    return id_, stage.doors.dialed[0][0]


def remote_port(stage: Theatre, leg_id: LegId) -> int | None:
    audio = stage.phone_leg(leg_id).audio
    return None if audio is None else audio.remote_port


async def test_before_any_sound_the_leg_only_listens() -> None:
    async with theatre(POLICY) as stage:
        _, leg_id = await ringing(stage)
        await stage.board.progressed(leg_id, 180, "")
        assert remote_port(stage, leg_id) is None


async def test_whoever_waits_hears_the_phone_ring_and_is_not_heard_by_it() -> None:
    async with theatre(POLICY) as stage:
        id_, leg_id = await ringing(stage)
        await stage.board.progressed(leg_id, 183, answer_at(41000))
        assert remote_port(stage, leg_id) == 41000
        customer = await stage.participant(id_, "customer")
        agent = await stage.participant(id_, "agent")
        assert (customer.state, agent.state) == ("alerting", "in-session")
        hears = stage.hears(id_)
        assert hears[agent.participant_id] == {customer.participant_id}
        assert customer.participant_id not in hears


async def test_of_several_phones_that_ring_the_latest_is_heard() -> None:
    async with theatre(POLICY) as stage:
        _, leg_id = await ringing(stage)
        for port in (41000, 42000, 41000):
            await stage.board.progressed(leg_id, 183, answer_at(port))
            assert remote_port(stage, leg_id) == port


async def test_sound_nobody_can_use_leaves_the_call_ringing() -> None:
    async with theatre(POLICY) as stage:
        _, leg_id = await ringing(stage)
        await stage.board.progressed(leg_id, 183, answer_at(41000))
        with pytest.raises(NegotiationError):
            await stage.board.progressed(leg_id, 183, "v=0\r\n")
        assert remote_port(stage, leg_id) == 41000


async def test_a_phone_may_move_its_sound_while_it_rings() -> None:
    async with theatre(POLICY) as stage:
        _, leg_id = await ringing(stage)
        await stage.board.progressed(leg_id, 183, answer_at(41000))
        answer = await stage.board.reoffer(leg_id, answer_at(43000))
        assert "m=audio" in answer
        assert remote_port(stage, leg_id) == 43000


async def test_nothing_is_heard_of_a_call_that_was_taken_back() -> None:
    async with theatre(POLICY) as stage:
        id_, leg_id = await ringing(stage)
        await stage.board.interactions.end(ADMIN, id_)
        await eventually(stage, "canceled")
        await stage.board.progressed(leg_id, 183, answer_at(41000))
        assert leg_id not in stage.plane.legs
        with pytest.raises(NotFoundError):
            await stage.board.reoffer(leg_id, answer_at(43000))
