"""A media worker that cannot keep up: new calls are refused, old ones go on, and it ends by itself."""

import asyncio
from collections.abc import Iterable

import pytest

from bridge.errors import CapacityError
from bridge.ids import LegId
from bridge.plane.messages import DeclareRtpLeg, RemoveLeg, WorkerStatistics
from bridge.switchboard.performance.overload import LASTS, Overload
from tests.unit.switchboard.test_switchboard_calls import lose_worker
from tests.unit.switchboard.theatre import PHONE_OFFER, theatre


def seconds(skipped: Iterable[float], of: float = 50.0) -> list[WorkerStatistics]:
    """The worker's word at the end of each second, and once before."""
    sums = [0.0]
    for count in skipped:
        sums.append(sums[-1] + count)
    return [
        WorkerStatistics({"ticks_skipped_total": total, "ticks_total": number * of - total})
        for number, total in enumerate(sums)
    ]


@pytest.mark.parametrize(
    ("skipped", "present"),
    [
        ([], False),
        ([0, 0, 0, 0], False),
        ([50], False),
        ([30] * (LASTS - 1), False),
        ([30] * LASTS, True),
        ([20] * LASTS, False),
        ([21] * LASTS, True),
        ([30, 0] * LASTS, False),
        ([30] * LASTS + [0], False),
    ],
)
def test_only_what_lasts_counts(skipped: list[float], *, present: bool) -> None:
    overload = Overload()
    for statistics in seconds(skipped):
        overload.receive(statistics)
    assert overload.present is present


def test_a_worker_that_says_less_than_that_is_no_overload() -> None:
    overload = Overload()
    for _ in range(2 * LASTS):
        overload.receive(WorkerStatistics({}))
    assert not overload.present


async def test_new_calls_are_refused_while_it_lasts_and_those_there_are_go_on() -> None:
    async with theatre() as stage:
        await stage.call("leg_1")
        for statistics in seconds([30] * LASTS):
            stage.board.plane_event(statistics)
        with pytest.raises(CapacityError):
            await stage.call("leg_2")
        assert set(stage.plane.legs) == {LegId("leg_1")}
        assert stage.board.calls_refused == 1
        assert "a=recvonly" in await stage.board.reoffer(LegId("leg_1"), PHONE_OFFER + "a=sendonly\n")
        stage.board.plane_event(seconds([30] * LASTS + [0])[-1])
        await stage.call("leg_3")
        assert stage.board.open_interactions == 2


async def test_the_next_worker_begins_with_a_clean_slate() -> None:
    async with theatre() as stage:
        for statistics in seconds([30] * LASTS):
            stage.board.plane_event(statistics)
        await lose_worker(stage)
        await stage.call("leg_1")
        assert stage.board.open_interactions == 1


async def test_a_call_given_up_while_the_worker_thinks_about_it_leaves_nothing_there() -> None:
    """The door waits ten seconds; the worker has the leg all the same, and learns that nobody wants it."""
    async with theatre() as stage:
        await stage.call("leg_1")
        stage.plane.slow_on = DeclareRtpLeg
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await stage.call("leg_2")
        await stage.board.settled()
        assert stage.plane.slow_on is None, "it was asked"
        assert set(stage.plane.legs) == {LegId("leg_1")}
        assert stage.board.legs == 1


async def test_a_call_that_the_worker_has_no_room_for_is_not_taken_back_from_it() -> None:
    async with theatre() as stage:
        stage.plane.refuse[DeclareRtpLeg] = CapacityError("no port")
        with pytest.raises(CapacityError):
            await stage.call("leg_1")
        assert RemoveLeg not in [type(command) for command in stage.plane.commands]
