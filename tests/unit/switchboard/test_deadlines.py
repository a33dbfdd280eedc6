"""Who waits for an instant: the earliest counts, all are asked, and an earlier one wakes the task."""

import asyncio

from bridge.clock import ManualClock
from bridge.switchboard.ledger.deadlines import Deadlines


class Part:
    def __init__(self, at: float | None) -> None:
        self.at = at
        self.asked: list[float] = []
        self.was_asked = asyncio.Event()

    def timer(self) -> float | None:
        return self.at

    def handle_timer(self, now: float) -> None:
        self.asked.append(now)
        self.was_asked.set()
        if self.at is not None and self.at <= now:
            self.at = None


def test_the_earliest_of_all_is_the_next_and_every_part_is_asked() -> None:
    parts = Part(None), Part(12.0), Part(11.0)
    deadlines = Deadlines(ManualClock(10.0), parts)
    assert deadlines.timer() == 11.0
    deadlines.handle_timer(11.5)
    assert [part.asked for part in parts] == [[11.5]] * 3
    assert deadlines.timer() == 12.0
    deadlines.handle_timer(12.0)
    assert deadlines.timer() is None


async def test_what_is_due_already_is_handled_at_once_and_an_earlier_deadline_when_it_is_noticed() -> None:
    clock, part = ManualClock(10.0), Part(10.0)
    deadlines = Deadlines(clock, (part,))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(deadlines.run())
        await part.was_asked.wait()
        part.was_asked.clear()
        assert part.asked == [10.0]
        clock.advance(5.0)
        part.at = 15.0
        deadlines.notice(part.at)
        await part.was_asked.wait()
        assert part.asked == [10.0, 15.0]
        running.cancel()


async def test_what_lies_behind_the_next_deadline_wakes_nobody() -> None:
    soon, later = Part(1_000.0), Part(None)
    deadlines = Deadlines(ManualClock(10.0), (soon, later))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(deadlines.run())
        await asyncio.sleep(0)
        later.at = 2_000.0
        deadlines.notice(later.at)
        for _ in range(3):
            await asyncio.sleep(0)
        assert soon.asked == []
        soon.at = 10.0
        deadlines.notice(soon.at)
        await later.was_asked.wait()
        assert soon.asked == [10.0]
        running.cancel()
