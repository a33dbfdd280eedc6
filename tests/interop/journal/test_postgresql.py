"""The journal on a real PostgreSQL: the same contract as on SQLite, and a daemon that is killed on it."""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bridge.clock import ManualClock
from bridge.journal.journal import Journal, JournalError
from tests.interop.journal.postgres import cluster
from tests.load.crash import crash
from tests.unit.journal.contract import CHECKS
from tests.unit.journal.migration import check_migration, check_restoring_a_migrated_journal

pytestmark = pytest.mark.xdist_group("postgresql")

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with cluster() as running:
        yield running.url


@pytest.fixture
async def database(server: str) -> str:
    """The URL of a new, empty database."""
    name = f"journal{next(_NUMBERS)}"
    engine = create_async_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return f"{server}/{name}"


@pytest.mark.parametrize("check", [*CHECKS, check_migration, check_restoring_a_migrated_journal])
async def test_contract(check: Callable[[str], Awaitable[None]], database: str) -> None:
    await check(database)


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    journal = Journal("postgresql+asyncpg://warmbridge:secret@127.0.0.1:1/journal", ManualClock(), "boot")
    with pytest.raises(JournalError) as caught:
        await journal.open()
    assert "127.0.0.1:1" in caught.value.reason
    assert "secret" not in caught.value.reason
    await journal.aclose()


async def test_what_was_told_is_true_after_a_kill(database: str, tmp_path: Path) -> None:
    report = await crash(tmp_path, kills=2, seed=3, phones=3, journal_url=database)
    assert report.complaints() == []
    assert report.figures()["legs_back"] == report.figures()["legs_total"] != 0
