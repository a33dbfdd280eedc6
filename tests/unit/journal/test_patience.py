"""What passes by itself is tried again for a while; what does not, or lasts, is raised. Once told, not at each try."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from sqlalchemy.exc import OperationalError, ProgrammingError

from bridge.clock import ManualClock
from bridge.desk.events import LegAttached
from bridge.ids import InteractionId, LegId, ParticipantId
from bridge.journal.database import Database, JournalError
from bridge.journal.journal import Journal
from bridge.journal.patience import Patience
from bridge.journal.writer import Statement, ThreadWriter

AWAY = JournalError("away", passes=True)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.journal.patience.PAUSE_S", 0.0)


async def test_it_ends_when_the_time_is_over() -> None:
    clock = ManualClock()
    patience = Patience(30.0, clock)
    await patience.endure(AWAY)
    assert (patience.trouble, patience.pauses) == ("away", 1)
    clock.advance(29.0)
    await patience.endure(AWAY)
    clock.advance(1.0)
    with pytest.raises(JournalError, match="away"):
        await patience.endure(AWAY)


async def test_it_begins_anew_after_all_went_well() -> None:
    clock = ManualClock()
    patience = Patience(30.0, clock)
    await patience.endure(AWAY)
    patience.over()
    assert patience.trouble == ""
    clock.advance(100.0)
    await patience.endure(AWAY)


async def test_what_does_not_pass_by_itself_is_raised_at_once() -> None:
    with pytest.raises(JournalError, match="broken"):
        await Patience(30.0, ManualClock()).endure(JournalError("broken"))


async def test_a_long_trouble_is_two_lines_of_the_log() -> None:
    patience = Patience(30.0, ManualClock())
    with structlog.testing.capture_logs() as lines:
        for _ in range(20):
            await patience.endure(AWAY)
        patience.over()
        patience.over()
    assert [line["event"] for line in lines] == ["! journal waits", "= journal goes on"]


def full(path: Path) -> sqlite3.Error:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (x blob)")
        connection.execute("pragma max_page_count = 5")
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("insert into t values (randomblob(100000))")
    return caught.value


def locked(path: Path) -> sqlite3.Error:
    with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(path, timeout=0)) as other:
        one.execute("begin immediate")
        with pytest.raises(sqlite3.OperationalError) as caught:
            other.execute("begin immediate")
    return caught.value


def without_table(path: Path) -> sqlite3.Error:
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("select * from absent")
    return caught.value


@pytest.mark.parametrize(("trouble", "passes"), [(full, True), (locked, True), (without_table, False)])
async def test_of_sqlite_a_lock_and_a_full_disk_pass(
    trouble: Callable[[Path], sqlite3.Error], passes: bool, tmp_path: Path
) -> None:
    cause = trouble(tmp_path / "some.db")
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}", "NORMAL", "boot")
    with pytest.raises(JournalError) as caught:
        async with database.translated("no"):
            raise OperationalError("", {}, cause)
    assert caught.value.passes is passes


class RefusalError(Exception):
    """As asyncpg's, which carry a code."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (OperationalError("", {}, RefusalError("57P03")), True),  # it is starting
        (OperationalError("", {}, RefusalError("53100")), True),  # its disk is full
        (ProgrammingError("", {}, RefusalError("42P01")), False),  # no such table
        (OperationalError("", {}, RefusalError("00000"), connection_invalidated=True), True),
    ],
    ids=repr,
)
async def test_of_postgresql_passes_what_its_operator_does(error: Exception, passes: bool) -> None:
    database = Database("postgresql+asyncpg://bridge:secret@db.example/journal", "NORMAL", "boot")
    with pytest.raises(JournalError) as caught:
        async with database.translated("no"):
            raise error
    assert caught.value.passes is passes
    assert "secret" not in caught.value.reason
    assert not caught.value.reason.endswith(": ")


def attached(number: int) -> LegAttached:
    leg_id = LegId(f"leg_{number}")
    return LegAttached(float(number), InteractionId("int_1"), ParticipantId("prt_1"), leg_id)


class Saboteur:
    """The way to the database is lost before or after one commit after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, troubles: Sequence[str]) -> None:
        self._troubles = list(troubles)
        self._commit = ThreadWriter.commit
        monkeypatch.setattr(ThreadWriter, "commit", lambda writer, given: self.commit(writer, given))

    async def commit(self, writer: ThreadWriter, statements: Iterable[Statement]) -> None:
        trouble = self._troubles.pop(0) if self._troubles else ""
        if trouble == "before":
            raise ConnectionResetError("lost")
        await self._commit(writer, statements)
        if trouble == "after":
            raise ConnectionResetError("lost")


@pytest.mark.parametrize("troubles", [["before"], ["after"], ["before", "after"], ["after", "before"]])
async def test_a_step_is_written_once_wherever_the_connection_was_lost(
    troubles: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(
        f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}", ManualClock(), "boot_1", patience_s=30.0
    )
    await journal.open()
    told: list[tuple[int, ...]] = []
    Saboteur(monkeypatch, troubles)
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(journal.run())
        await journal.append([attached(1)], told.append)
        await journal.append([attached(2)], told.append)
        writing.cancel()
    assert told == [(1,), (2,)]
    assert [entry.event for entry in await journal.read()] == [attached(1), attached(2)]
    assert (journal.trouble, journal.retries) == ("", len(troubles))
    await journal.aclose()


async def test_a_disk_that_stands_still_is_a_trouble_as_long_as_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.journal.SLOW_S", 0.05)
    disk_turns = asyncio.Event()
    commit = ThreadWriter.commit

    async def slow_commit(writer: ThreadWriter, statements: Iterable[Statement]) -> None:
        await disk_turns.wait()
        await commit(writer, statements)

    journal = Journal(f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}", ManualClock(), "boot_1")
    await journal.open()
    monkeypatch.setattr(ThreadWriter, "commit", slow_commit)
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(journal.run())
        written = journal.append([attached(1)], lambda _: None)
        assert journal.trouble == ""
        async with asyncio.timeout(10.0):
            while not journal.trouble:  # noqa: ASYNC110 - it is asked, it tells nobody
                await asyncio.sleep(0.01)
        assert "longer than" in journal.trouble
        disk_turns.set()
        await written
        writing.cancel()
    assert journal.trouble == ""
    await journal.aclose()


async def test_what_another_bridge_wrote_meanwhile_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(
        f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}", ManualClock(), "boot_1", patience_s=30.0
    )
    await journal.open()
    Saboteur(monkeypatch, ["before"])
    with closing(sqlite3.connect(tmp_path / "journal.db")) as other, other:
        other.execute("insert into events values (1, 1, 'boot_2', null, 0.0, x'5b5d')")
    journal.append([attached(1)], lambda _: None)
    with pytest.raises(JournalError, match="UNIQUE"):
        await journal.run()
    await journal.aclose()
