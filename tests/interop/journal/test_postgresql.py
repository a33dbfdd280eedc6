"""The journal on a real PostgreSQL: the same contract as on SQLite, and a daemon that is killed on it."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, TextClause, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from bridge.clock import ManualClock
from bridge.journal.journal import Journal, JournalError
from tests.interop.journal.postgres import cluster
from tests.load.crash import crash
from tests.unit.journal.contract import CHECKS, attached
from tests.unit.journal.migration import check_migration, check_restoring_a_migrated_journal

pytestmark = pytest.mark.xdist_group("postgresql")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
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


# --- one bridge to a journal ----------------------------------------------------------------------------------


async def own_sessions(url: str, name: str) -> tuple[int, ...]:
    """The sessions of one bridge."""
    found = text("select pid from pg_stat_activity where application_name = :name")
    return tuple(row.pid for row in await ask(url, found, {"name": f"warmbridge {name}"}))


async def ask(url: str, query: TextClause, parameters: Mapping[str, object]) -> Sequence[Row[Any]]:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        rows = (await connection.execute(query, parameters)).all()
    await engine.dispose()
    return rows


async def break_connections(url: str, name: str) -> None:
    """As a server does that is restarted."""
    for pid in await own_sessions(url, name):
        await ask(url, text("select pg_terminate_backend(:pid)"), {"pid": pid})


@contextlib.asynccontextmanager
async def opened(url: str, boot_id: str) -> AsyncIterator[Journal]:
    journal = Journal(url, ManualClock(), boot_id, patience_s=60.0)
    await journal.open()
    running = asyncio.get_running_loop().create_task(journal.run())
    try:
        yield journal
    finally:
        running.cancel()
        await asyncio.wait((running,))
        await journal.aclose()


async def write(journal: Journal) -> None:
    """An event, on disk."""
    await journal.append((attached(journal.last_number),), lambda _numbers: None)


async def refused(url: str, boot_id: str) -> str:
    other = Journal(url, ManualClock(), boot_id)
    with pytest.raises(JournalError) as caught:
        await other.open()
    await other.aclose()
    return caught.value.reason


async def test_a_second_bridge_is_refused_at_its_start_and_told_who_has_the_journal(database: str) -> None:
    async with opened(database, "first"):
        reason = await refused(database, "second")
        assert "another bridge (warmbridge first at 127.0.0.1" in reason
        assert "journal.url" in reason
        assert "pg_terminate_backend" in reason
    async with opened(database, "second") as journal:
        await write(journal)


async def test_a_bridge_whose_connection_broke_goes_on_and_keeps_the_others_out(database: str) -> None:
    async with opened(database, "first") as journal:
        await break_connections(database, "first")
        await write(journal)
        assert "warmbridge first" in await refused(database, "second")


async def test_a_session_that_the_server_takes_for_alive_is_ended_by_the_bridge_whose_it_was(
    database: str,
) -> None:
    """The way between is gone, and only one end knows."""
    async with relay(database) as (through, wire), opened(through, "first") as journal:
        wire.break_off()
        await write(journal)
        assert "warmbridge first" in await refused(database, "second")
    async with opened(database, "second"):
        pass


async def test_a_bridge_that_was_away_while_another_took_its_journal_stops(database: str) -> None:
    """Two would call back the same callers. It is said what happened, not what constraint was met."""
    async with opened(database, "first") as journal:
        await break_connections(database, "first")
        async with opened(database, "second") as taker:
            with pytest.raises(JournalError, match=r"another bridge .warmbridge second"):
                await write(journal)
            await write(taker)


class Wire:
    """What lies between a bridge and its server."""

    def __init__(self) -> None:
        self.near: list[asyncio.StreamWriter] = []
        self.far: list[asyncio.StreamWriter] = []
        self._lines: set[asyncio.Task[None] | None] = set()

    async def aclose(self) -> None:
        for writer in (*self.near, *self.far):
            writer.transport.abort()
        await asyncio.wait([line for line in self._lines if line is not None])

    def break_off(self) -> None:
        """The bridge hears of it, the server does not."""
        broken, self.near = self.near, []
        for writer in broken:
            writer.transport.abort()

    async def accept(self, host: str, port: int, near: Streams) -> None:
        self._lines.add(asyncio.current_task())
        far = await asyncio.open_connection(host, port)
        self.near.append(near[1])
        self.far.append(far[1])
        await asyncio.gather(self.carry(near, far), self.carry(far, near))

    async def carry(self, source: Streams, target: Streams) -> None:
        with contextlib.suppress(OSError):
            while data := await source[0].read(65_536):
                target[1].write(data)
        if source[1] in self.near or target[1] in self.near:
            target[1].close()


@contextlib.asynccontextmanager
async def relay(database: str) -> AsyncIterator[tuple[str, Wire]]:
    """The database's URL through a wire of ours."""
    url, wire = make_url(database), Wire()
    host, port = str(url.host), int(url.port or 5432)
    server = await asyncio.start_server(lambda *near: wire.accept(host, port, near), "127.0.0.1", 0)
    there = url.set(port=server.sockets[0].getsockname()[1])
    async with server:
        yield there.render_as_string(hide_password=False), wire
        await wire.aclose()


# --- a daemon on it ---------------------------------------------------------------------------------------------


async def test_what_was_told_is_true_after_a_kill(database: str, tmp_path: Path) -> None:
    report = await crash(tmp_path, kills=2, seed=3, phones=3, journal_url=database)
    assert report.complaints() == []
    assert report.figures()["legs_back"] == report.figures()["legs_total"] != 0
