"""What a journal must do on every database: told once, proved on SQLite and on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, select
from sqlalchemy.ext.asyncio import create_async_engine

from bridge.clock import ManualClock
from bridge.desk.centre.flow import Flow, FlowKind, FlowStep, FlowTrigger, StepKind
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.desk import Desk
from bridge.desk.events import DeskEvent, DesktopLost, FlowStarted, InteractionEnded, LegAttached
from bridge.ids import FlowId, FlowRunId, IdSource, InteractionId, LegId, ParticipantId
from bridge.journal.journal import ALONG_S, Journal
from bridge.journal.leg_memory import LegMemory
from bridge.journal.outbox import Outbox
from bridge.journal.retention import CHUNK, Retention
from bridge.journal.schema import EVENTS, FLOW_DEFINITIONS, METADATA, SNAPSHOTS
from bridge.journal.snapshots import Snapshots
from tests.unit.desk.house import EVE, House

ID = InteractionId("int_1")


def attached(number: int, id_: InteractionId = ID) -> LegAttached:
    return LegAttached(float(number), id_, ParticipantId("prt_1"), LegId(f"leg_{number}"))


@asynccontextmanager
async def running(
    url: str, boot_id: str = "boot_1", clock: ManualClock | None = None
) -> AsyncIterator[Journal]:
    """An open journal with its writer; what is pending when the block ends is written."""
    journal = Journal(url, clock or ManualClock(), boot_id)
    await journal.open()
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(journal.run())
        try:
            yield journal
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
            await journal.aclose()


async def check_schema(url: str) -> None:
    """The migrations make exactly the tables the code uses."""
    async with running(url):
        pass
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await engine.dispose()


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, METADATA))


async def check_events(url: str) -> None:
    """Read back in order, numbered on over a restart, of one interaction or of all."""
    other = attached(9, InteractionId("int_2"))
    async with running(url) as journal:
        seen: list[tuple[int, ...]] = []
        await journal.append([attached(1), other], seen.append)
        await journal.append([InteractionEnded(3.0, ID, "hung up", "customer")], seen.append)
        assert seen == [(1, 2), (3,)]
    async with running(url, "boot_2") as journal:
        await journal.append([attached(4)], seen.append)
        entries = await journal.read()
        assert [(entry.number, entry.boot_id) for entry in entries] == [
            (1, "boot_1"),
            (2, "boot_1"),
            (3, "boot_1"),
            (4, "boot_2"),
        ]
        assert [e.event for e in await journal.read(interaction_id=InteractionId("int_2"))] == [other]


async def check_rows_of_several_events(url: str) -> None:
    """What shares a row is read event by event: from the middle of a row, up to the middle, by interaction."""
    a, b = InteractionId("int_a"), InteractionId("int_b")
    nobody = DesktopLost(5.0, EVE)
    events: list[DeskEvent] = [
        attached(1, a),
        attached(2, a),
        attached(3, b),
        attached(4, a),
        nobody,
        nobody,
        attached(7, b),
    ]
    async with running(url) as journal:
        await journal.append(events, lambda _: None)
        await journal.append([attached(8, b), attached(9, b)], lambda _: None)
        rows = await journal.read_rows(
            select(EVENTS.c.number, EVENTS.c.event_count, EVENTS.c.interaction_id).order_by(EVENTS.c.number)
        )
        assert [tuple(row) for row in rows] == [
            (1, 2, a),
            (3, 1, b),
            (4, 1, a),
            (5, 2, None),
            (7, 1, b),
            (8, 2, b),
        ]
        everything = [
            (number, event) for number, event in enumerate([*events, attached(8, b), attached(9, b)], 1)
        ]
        for after in range(11):
            for limit in (1, 2, 3, 20):
                entries = await journal.read(after, limit=limit)
                assert [(e.number, e.event) for e in entries] == everything[after : after + limit]
        of_b = [number for number, event in everything if getattr(event, "interaction_id", None) == b]
        for after in range(11):
            entries = await journal.read(after, b, limit=2)
            assert [e.number for e in entries] == [number for number in of_b if number > after][:2]
    async with running(url, "boot_2") as journal:
        assert journal.last_number == 9
        seen: list[tuple[int, ...]] = []
        await journal.append([attached(10)], seen.append)
        assert seen == [(10,)]


async def check_flow_definitions(url: str) -> None:
    """A run keeps the version of the flow that it began with; each version is stored once, over restarts too."""
    step = FlowStep("wait", StepKind.WAIT, seconds=1.0)
    old = Flow(FlowId("inbound"), "As it was", FlowKind.INBOUND, "wait", (step,))
    new = msgspec.structs.replace(old, name="As it is")

    def started(number: int, flow: Flow) -> FlowStarted:
        return FlowStarted(float(number), ID, FlowRunId(f"flow_{number}"), flow, "system", FlowTrigger.CALL)

    async with running(url) as journal:
        for number in range(3):
            await journal.append([started(number, old)], lambda _: None)
    async with running(url, "boot_2") as journal:
        await journal.append([started(3, msgspec.structs.replace(old)), started(4, new)], lambda _: None)
        told = [entry.event for entry in await journal.read()]
        assert told == [*(started(number, old) for number in range(4)), started(4, new)]
        assert await journal.read_rows(select(func.count()).select_from(FLOW_DEFINITIONS)) == [(2,)]


async def check_many_rows_of_one_commit(url: str) -> None:
    """More than one statement takes, in every number that makes a different set of statements."""
    async with running(url) as journal:
        for count in (1, 2, 3, 63, 64, 65, 200):
            for n in range(count):
                journal.append([attached(n), attached(n)], lambda _: None)
            await journal.settled()
        entries = await journal.read(limit=10_000)
        assert [entry.number for entry in entries] == list(range(1, journal.last_number + 1))
        assert journal.last_number == 2 * (1 + 2 + 3 + 63 + 64 + 65 + 200)


async def check_cancelled_commits(url: str) -> None:
    """A writer that is cancelled in the middle of a commit loses nothing and writes nothing twice."""
    journal = Journal(url, ManualClock(), "boot_1")
    await journal.open()
    seen: list[int] = []
    for round_ in range(20):
        for n in range(5):
            journal.append([attached(n)], seen.extend)
        writer = asyncio.get_running_loop().create_task(journal.run())
        for _ in range(round_):
            await asyncio.sleep(0)
        writer.cancel()
        with suppress(asyncio.CancelledError):
            await writer
    await journal.aclose()
    assert seen == list(range(1, 101))
    async with running(url, "boot_2") as again:
        assert [entry.number for entry in await again.read()] == seen


async def check_leg_memory(url: str) -> None:
    async with running(url) as journal:
        sip, board = LegMemory(journal, "sip"), LegMemory(journal, "switchboard")
        await sip.keep(LegId("leg_1"), b"old")
        await sip.keep(LegId("leg_1"), b"new \x00\xff")
        await board.keep(LegId("leg_1"), b"of another owner")
        sip.begin_keep(LegId("leg_2"), b"over")
        sip.forget(LegId("leg_2"))
        sip.forget(LegId("leg_none"))
    async with running(url, "boot_2") as journal:
        assert await LegMemory(journal, "sip").recall() == {LegId("leg_1"): b"new \x00\xff"}


async def check_leg_memories_of_one_commit(url: str) -> None:
    """Many legs at once, each told of several times: the last word counts, whoever had it."""
    legs = [LegId(f"leg_{number}") for number in range(20)]
    async with running(url) as journal:
        memory = LegMemory(journal, "sip")
        await memory.keep(legs[7], b"from the commit before")
        for leg_id in legs:
            memory.begin_keep(leg_id, b"first")
            memory.forget(leg_id)
        for number, leg_id in enumerate(legs):
            if number % 3:
                memory.begin_keep(leg_id, b"last")
    async with running(url, "boot_2") as journal:
        kept = await LegMemory(journal, "sip").recall()
        assert kept == {leg_id: b"last" for number, leg_id in enumerate(legs) if number % 3}


async def check_rows_that_go_along(url: str) -> None:
    """They cost no commit of their own while others come, are in no other order than they were given, and get one
    when nobody comes.
    """
    async with running(url) as journal:
        memory = LegMemory(journal, "sip")
        commits = journal.commits
        memory.keep_along(LegId("leg_1"), b"along")
        memory.keep_along(LegId("leg_2"), b"along")
        memory.forget(LegId("leg_2"))
        assert (journal.commits, journal.pending) == (commits, 0)
        await journal.append([attached(1)], lambda _: None)
        assert journal.commits == commits + 1
        assert await memory.recall() == {LegId("leg_1"): b"along"}
        memory.keep_along(LegId("leg_1"), b"older than the step")
        memory.keep_along(LegId("leg_2"), b"older than the step")
        step = journal.append(
            [attached(2)], lambda _: None, lambda _: memory.keeping(LegId("leg_1"), b"its step")
        )
        memory.keep_along(LegId("leg_2"), b"newer than the step")
        await step
        expected = {LegId("leg_1"): b"its step", LegId("leg_2"): b"newer than the step"}
        assert await memory.recall() == expected
        assert journal.commits == commits + 2
        memory.forget(LegId("leg_1"))
        while True:
            await asyncio.sleep(ALONG_S)
            if LegId("leg_1") not in await memory.recall():
                break
        assert journal.commits == commits + 3
        memory.keep_along(LegId("leg_3"), b"at the end")
    async with running(url, "boot_2") as journal:
        assert set(await LegMemory(journal, "sip").recall()) == {LegId("leg_2"), LegId("leg_3")}


async def check_outbox(url: str) -> None:
    clock = ManualClock(100.0)
    async with running(url, clock=clock) as journal:
        outbox = Outbox(journal, clock)
        await outbox.open()
        journal.append(
            [attached(1)],
            lambda _: None,
            lambda _: (
                outbox.put("mail", b"1", lane="queue"),
                outbox.put("mail", b"2", lane="queue"),
                outbox.put("mail", b"3"),
                outbox.put("mail", b"later", due_at=200.0),
                outbox.put("dial", b"4"),
            ),
        )
        await outbox.wait("mail", 1.0)
        first, third = await outbox.claim("mail", clock.now())
        assert (first.body, third.body) == (b"1", b"3")  # the second waits for the first of its lane
        assert await outbox.claim("mail", clock.now()) == ()
        assert await outbox.next_due("mail") == 200.0
        await outbox.retry(first, 110.0, "no\0answer\ud800")
        await outbox.done(third)
        assert await outbox.claim("mail", clock.now()) == ()
        (again,) = await outbox.claim("mail", 110.0)
        assert (again.body, again.attempts, again.reason) == (b"1", 1, "no?answer?")
        await outbox.give_up(again, "gone")
        assert [task.body for task in await outbox.claim("mail", 110.0)] == [b"2"]
    async with running(url, "boot_2", clock) as journal:
        outbox = Outbox(journal, clock)
        await outbox.open()
        # Claimed and not done when the process ended: claimed again.
        assert [task.body for task in await outbox.claim("mail", 200.0)] == [b"2", b"later"]
        assert [(task.body, task.reason) for task in await outbox.dead("mail")] == [(b"1", "gone")]
        await journal.write(outbox.put("dial", b"5"))
        assert [task.body for task in await outbox.claim("dial", 200.0)] == [b"4", b"5"]


async def check_outbox_numbers(url: str) -> None:
    """Who was told of something knows it again by its number: no other thing ever has the same."""
    clock, told = ManualClock(100.0), list[int]()
    for boot_id in ("boot_1", "boot_2", "boot_3"):
        async with running(url, boot_id, clock) as journal:
            outbox = Outbox(journal, clock)
            await outbox.open()
            await journal.write(outbox.put("hook", b"1"), outbox.put("hook", b"2"))
            for task in await outbox.claim("hook", clock.now()):
                told.append(task.task_id)
                await outbox.done(task)
        clock.advance(1.0)
    assert len(told) == 6
    assert told == sorted(set(told))


def new_desk() -> Desk:
    return Desk(DeskPolicy(), IdSource(lambda size: "0" * size))


async def check_restoring(url: str) -> None:
    """At every point of a story, with snapshots here and there, a new desk becomes the old one."""
    house = House()
    snapshot_after = 7
    async with running(url) as journal:
        snapshots = Snapshots(journal, house.desk, ManualClock(), every=snapshot_after)
        told = 0

        async def write() -> None:
            nonlocal told
            events, told = house.journal[told:], len(house.journal)
            journal.append(events, lambda _: None, lambda numbers: snapshots.writes(numbers[-1]))
            again = new_desk()
            await journal.settled()
            restored = Snapshots(journal, again, ManualClock())
            assert await restored.restore() == house.journal[-1].at
            assert again.snapshot() == house.desk.snapshot()
            assert restored.replayed <= snapshot_after + len(events)

        for act in story(house):
            act()
            await write()
        kept = await journal.read_rows(select(func.count()).select_from(SNAPSHOTS))
        assert kept[0][0] == 2


def story(house: House) -> list[Callable[[], object]]:
    return [
        house.answered_call,
        lambda: house.ready_expert(EVE),
        lambda: house.seek(ID, EVE),
        lambda: house.accept(EVE),
        lambda: house.connect(ID, EVE),
        house.call,
        lambda: house.leave(ID, EVE),
        house.call,
    ]


async def check_retention(url: str) -> None:
    """Old events go; those of living interactions and those after the snapshot stay."""
    clock = ManualClock()
    async with running(url, clock=clock) as journal:
        snapshots = Snapshots(journal, new_desk(), clock, every=6)
        for n in range(1, 4):
            id_ = InteractionId("int_living" if n == 2 else "int_over")
            await journal.append(
                [attached(n, id_)] * 2, lambda _: None, lambda numbers: snapshots.writes(numbers[-1])
            )
        await journal.append([attached(4)], lambda _: None)
        retention = Retention(journal, clock, 10.0, lambda: {InteractionId("int_living")})
        await retention.sweep()
        assert retention.removed == 0
        clock.advance(11.0)
        await retention.sweep()
        assert retention.removed == 4
        assert [entry.number for entry in await journal.read()] == [3, 4, 7]
        assert [entry.number for entry in await journal.read(after=3)] == [4, 7]


async def check_retention_by_age(url: str) -> None:
    """Only what is too old goes, though more of one row is there than of one chunk."""
    clock = ManualClock()
    async with running(url, clock=clock) as journal:
        snapshots = Snapshots(journal, new_desk(), clock, every=1)
        for _ in range(CHUNK + 10):
            journal.append([attached(1), attached(2)], lambda _: None)
        clock.advance(100.0)
        journal.append([attached(3)], lambda _: None)
        await journal.append([attached(4)], lambda _: None, lambda numbers: snapshots.writes(numbers[-1]))
        retention = Retention(journal, clock, 50.0, frozenset)
        await retention.sweep()
        assert retention.removed == 2 * (CHUNK + 10)
        assert [entry.event for entry in await journal.read()] == [attached(3), attached(4)]


async def check_retention_after_a_long_silence(url: str) -> None:
    """A journal in which all is old and in the snapshot still says where the next process goes on."""
    clock = ManualClock()
    async with running(url, clock=clock) as journal:
        snapshots = Snapshots(journal, new_desk(), clock, every=1)
        for n in range(1, 4):
            await journal.append(
                [DesktopLost(float(n), EVE)] * 2,
                lambda _: None,
                lambda numbers: snapshots.writes(numbers[-1]),
            )
        clock.advance(11.0)
        retention = Retention(journal, clock, 10.0, frozenset)
        await retention.sweep()
        assert retention.removed == 4
    async with running(url, "boot_2", clock) as journal:
        assert journal.last_number == 6
        assert await Snapshots(journal, new_desk(), clock).restore() == 3.0


CHECKS: tuple[Callable[[str], Awaitable[None]], ...] = (
    check_schema,
    check_events,
    check_rows_of_several_events,
    check_flow_definitions,
    check_many_rows_of_one_commit,
    check_cancelled_commits,
    check_leg_memory,
    check_leg_memories_of_one_commit,
    check_rows_that_go_along,
    check_outbox,
    check_outbox_numbers,
    check_restoring,
    check_retention,
    check_retention_by_age,
    check_retention_after_a_long_silence,
)
