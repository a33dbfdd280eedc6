"""One worker after another: who is asked, when there is nobody to ask, and when it is given up."""

import asyncio
from collections.abc import Collection

import pytest

from bridge.clock import ManualClock
from bridge.errors import PlaneLostError, SettingsError
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
        self.starts = True
        self.fits = True

    async def start(self, timeout_s: float, process: WorkerProcess | None = None) -> messages.WorkerReady:
        if not self.fits:
            raise SettingsError("webrtc.port: somebody has it")
        if not self.starts:
            raise PlaneLostError("the media worker did not start")
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
        self.stillborn: Collection[int] = ()
        self.unfit: Collection[int] = ()

    def make(self) -> Worker:
        self.workers.append(Worker(len(self.workers)))
        self.workers[-1].starts = len(self.workers) - 1 not in self.stillborn
        self.workers[-1].fits = len(self.workers) - 1 not in self.unfit
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


async def test_a_worker_that_does_not_come_up_in_the_place_of_a_dead_one_is_followed_by_another() -> None:
    """A machine that is slow for a moment has lost one worker already: it must not lose every call with it."""
    staff, clock = Staff(), ManualClock(1000.0)
    staff.stillborn = (1, 2)
    plane = LastingPlane(staff.make, staff.ready.put_nowait, clock, 1.0)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(plane.run())
        await staff.ready.get()
        staff.workers[0].dies.set()
        await staff.ready.get()
        assert (await plane.request(COMMAND)).request_id == 3
        running.cancel()
    assert all(worker.closed for worker in staff.workers)


@pytest.mark.parametrize(
    ("stillborn", "start_takes_s", "made"),
    [
        ((0,), 0.0, 1),
        (range(1, 100), 0.0, 1 + WORKER_RESTARTS),
        (range(1, 100), WORKER_RESTART_WINDOW_S, 2 + WORKER_RESTARTS),
    ],
)
async def test_starts_that_fail_at_first_or_again_and_again_are_hopeless(
    stillborn: Collection[int], start_takes_s: float, made: int
) -> None:
    staff, clock = Staff(), ManualClock(1000.0)
    staff.stillborn = stillborn

    def make() -> Worker:
        clock.advance(start_takes_s)
        return staff.make()

    plane = LastingPlane(make, lambda _: staff.workers[-1].dies.set(), clock, 1.0)
    with pytest.raises(PlaneLostError):
        await plane.run()
    assert len(staff.workers) == made


async def test_a_worker_that_finds_its_port_taken_is_tried_again_as_long_as_that_lasts() -> None:
    """The calls would not survive the end of the bridge, and its next start would find the port taken as well."""
    staff, clock = Staff(), ManualClock(1000.0)
    staff.unfit = range(1, 10 * WORKER_RESTARTS)
    plane = LastingPlane(staff.make, staff.ready.put_nowait, clock, 1.0, settings_pause_s=0.0)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(plane.run())
        await staff.ready.get()
        staff.workers[0].dies.set()
        await staff.ready.get()
        assert (await plane.request(COMMAND)).request_id == 10 * WORKER_RESTARTS
        running.cancel()
    assert all(worker.closed for worker in staff.workers)


async def test_settings_the_first_worker_cannot_work_with_stop_the_start() -> None:
    staff = Staff()
    staff.unfit = (0,)
    with pytest.raises(SettingsError, match=r"webrtc\.port"):
        await LastingPlane(staff.make, staff.ready.put_nowait, ManualClock(), 1.0).run()
