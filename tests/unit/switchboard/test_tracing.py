"""What was said on the wire of an interaction's calls, for those who may see everything."""

import pytest

from bridge.errors import ForbiddenError, NotFoundError
from bridge.ids import InteractionId, LegId
from bridge.switchboard.door.doors import Signal
from tests.unit.switchboard.theatre import ALICE, ALL_SCOPES, theatre, who

AUDITOR = who("auditor", scopes=ALL_SCOPES | {"interaction:all"})


def signal(at: float, leg: str, summary: str) -> Signal:
    return Signal(at, LegId(leg), True, "UDP", "192.0.2.20:5060", summary, summary)


async def test_the_messages_of_its_own_calls_are_told_oldest_first() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        now = stage.clock.now()
        stage.doors.said += [
            signal(now + 2.0, "leg_phone", "ACK"),
            signal(now + 1.0, "leg_phone", "INVITE"),
            signal(now, "leg_of_another", "BYE"),
        ]
        told = await stage.board.tracing.trace(AUDITOR, id_)
        assert [one.summary for one in told] == ["INVITE", "ACK"]
        assert told[1].at - told[0].at == pytest.approx(1.0)
        assert told[0].at == pytest.approx(stage.clock.wall() + 1.0)


async def test_calls_that_are_over_are_told_too() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        await stage.board.hung_up(LegId("leg_phone"), "hung up")
        await stage.board.settled()
        stage.doors.said.append(signal(stage.clock.now(), "leg_phone", "BYE"))
        assert [one.summary for one in await stage.board.tracing.trace(AUDITOR, id_)] == ["BYE"]


async def test_a_trace_is_for_those_who_may_see_everything() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        with pytest.raises(ForbiddenError, match="interaction:all"):
            await stage.board.tracing.trace(ALICE, id_)
        with pytest.raises(NotFoundError):
            await stage.board.tracing.trace(AUDITOR, InteractionId("int_none"))
