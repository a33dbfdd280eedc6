"""One worker after another: who is asked, when there is nobody to ask, and when it is given up."""

import asyncio

import pytest

from bridge.clock import ManualClock
from bridge.errors import PlaneLostError
from bridge.ids import LegId
from bridge.plane import messages
from bridge.plane.lasting import WORKER_RESTART_WINDOW_S, WORKER_RESTARTS, LastingPlane
from bridge.plane.worker_process import WorkerProcess

READY = messages.WorkerReady(messages.Fingerprint("sha-256", "AB"), (), "test")
COMMAND = messages.RemoveLeg(0, LegId("leg_1"))


class Worker:
    """Lives until it is told to die; its answers carry its number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.dies = asyncio.Event()
        self.closed = False

    async def start(self, timeout_s: float, process: WorkerProcess | None = None) -> messages.WorkerReady:
        return READY

    async def run(self) -> None:
        await self.dies.wait()

    async def request(self, command: messages.Command) -> messages.Reply:
        return messages.LegRemoved(self.number, LegId("leg_1"))

    async def aclose(self) -> None:
        self.closed = True


class Staff:
    """Makes workers, keeps them, and notes which were said to be up."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.ready = asyncio.Queue[messages.WorkerReady]()

    def make(self) -> Worker:
        self.workers.append(Worker(len(self.workers)))
        return self.workers[-1]


async def test_the_worker_of_the_moment_is_asked_and_the_next_one_when_it_died() -> None:
    staff, clock = Staff(), ManualClock(1000.0)
    plane = LastingPlane(staff.make, staff.ready.put_nowait, clock, 1.0)
    with pytest.raises(PlaneLostError, match="being started"):
        await plane.request(COMMAND)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(plane.run())
        await plane.ready()
        assert plane.present
        assert (await plane.request(COMMAND)).request_id == 0
        assert await staff.ready.get() == READY
        staff.workers[0].dies.set()
        assert await staff.ready.get() == READY
        assert staff.workers[0].closed
        assert (await plane.request(COMMAND)).request_id == 1
        running.cancel()
    assert staff.workers[1].closed
    assert not plane.present


async def test_too_many_deaths_within_a_minute_are_no_accident() -> None:
    staff, clock = Staff(), ManualClock(1000.0)
    plane = LastingPlane(staff.make, staff.ready.put_nowait, clock, 1.0)

    async def kill_each() -> None:
        while True:
            await staff.ready.get()
            staff.workers[-1].dies.set()

    async with asyncio.TaskGroup() as tasks:
        killing = tasks.create_task(kill_each())
        with pytest.raises(PlaneLostError, match="died 6 times"):
            await plane.run()
        killing.cancel()
    assert len(staff.workers) == WORKER_RESTARTS + 1


async def test_deaths_long_ago_are_forgiven() -> None:
    staff, clock = Staff(), ManualClock(1000.0)
    plane = LastingPlane(staff.make, staff.ready.put_nowait, clock, 1.0)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(plane.run())
        for _ in range(2 * WORKER_RESTARTS):
            await staff.ready.get()
            clock.advance(WORKER_RESTART_WINDOW_S / WORKER_RESTARTS)
            staff.workers[-1].dies.set()
        await staff.ready.get()
        running.cancel()
    assert all(worker.closed for worker in staff.workers)
