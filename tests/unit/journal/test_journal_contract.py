"""The journal's contract on SQLite; tests/interop/journal proves it on PostgreSQL."""

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bridge.clock import ManualClock
from bridge.journal import migrations
from bridge.journal.database import HEAD
from bridge.journal.journal import Journal, JournalError
from bridge.journal.snapshots import Snapshots, parse_snapshot
from tests.unit.journal.contract import CHECKS, check_schema, new_desk, running
from tests.unit.journal.migration import (
    check_migration,
    check_restoring_a_migrated_journal,
    old_rows,
    write_old_journal,
)


@pytest.mark.parametrize("check", [*CHECKS, check_migration, check_restoring_a_migrated_journal])
async def test_contract(check: Callable[[str], Awaitable[None]], tmp_path: Path) -> None:
    await check(f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}")


def test_the_newest_migration_is_the_one_the_code_asks_for() -> None:
    assert ScriptDirectory(migrations.__path__[0]).get_heads() == [HEAD]


async def test_a_journal_from_before_the_migrations_is_taken_over_as_history(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}"
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for statement in (
            "CREATE TABLE boots (boot_id VARCHAR(64) PRIMARY KEY NOT NULL, wall FLOAT NOT NULL)",
            "CREATE TABLE events (number INTEGER NOT NULL PRIMARY KEY, boot_id VARCHAR(64) NOT NULL,"
            " interaction_id VARCHAR(64), wall FLOAT NOT NULL, name VARCHAR(64) NOT NULL, body BLOB NOT NULL)",
            "CREATE INDEX ix_events_interaction_id ON events (interaction_id)",
            "INSERT INTO events VALUES (7, 'old', 'int_1', 1.0, 'InteractionOpened', x'7B226174223A317D')",
        ):
            await connection.execute(text(statement))
    await engine.dispose()
    await check_schema(url)
    async with running(url, "boot_2") as journal:
        snapshots = Snapshots(journal, new_desk(), ManualClock())
        await snapshots.restore()
        assert snapshots.replayed == 0
        assert journal.last_number == 7


async def test_a_migration_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    """As does one that is killed: it is one transaction, which SQLite's driver begins for no table."""
    path = tmp_path / "journal.db"
    url = f"sqlite+aiosqlite:///{path}"
    await write_old_journal(url)
    database = sqlite3.connect(path)
    schema = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    database.execute("CREATE TABLE events_one_by_one (number)")  # where the old rows are put meanwhile
    database.commit()
    journal = Journal(url, ManualClock(), "boot_2")
    with pytest.raises(JournalError):
        await journal.open()
    await journal.aclose()
    database.execute("DROP TABLE events_one_by_one")
    database.commit()
    assert database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall() == schema
    assert database.execute("SELECT count(*) FROM events").fetchone() == (len(old_rows()),)
    database.close()
    async with running(url, "boot_3") as again:
        assert len(await again.read()) == len(old_rows())


async def test_a_journal_of_a_newer_bridge_is_refused(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}"
    async with running(url):
        pass
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    journal = Journal(url, ManualClock(), "boot_2")
    with pytest.raises(JournalError, match="9999"):
        await journal.open()
    await journal.aclose()


def test_a_snapshot_that_is_none_is_named() -> None:
    with pytest.raises(JournalError, match="snapshot"):
        parse_snapshot(b'{"interactions": 1}')
