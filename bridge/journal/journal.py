"""The desk's events on disk, before anybody sees them. Append-only; one writer; commits in groups."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import (
    Column,
    Float,
    Integer,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    func,
    insert,
    select,
)
from sqlalchemy import (
    event as sqlalchemy_event,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bridge.clock import Clock
from bridge.desk.events import DeskEvent
from bridge.errors import BridgeError
from bridge.ids import InteractionId
from bridge.journal.record import (
    JournalEntry,
    event_name,
    interaction_of,
    parse_event,
    serialize_event,
)
from bridge.journal.schema import METADATA as _METADATA
from bridge.journal.schema import Write

log = structlog.get_logger()

MAX_PENDING_BATCHES = 10_000  # more waiting steps than that: the disk has stopped, and so must we
_BOOTS = Table(
    "boots",
    _METADATA,
    Column("boot_id", String(64), primary_key=True),
    Column("wall", Float, nullable=False),
)
_EVENTS = Table(
    "events",
    _METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("boot_id", String(64), nullable=False),
    Column("interaction_id", String(64), nullable=True, index=True),
    Column("wall", Float, nullable=False),
    Column("name", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
)


class JournalError(BridgeError):
    """An event could not be made durable. The process stops: what it would do next, nobody would remember."""

    code = "journal_failed"


@dataclass(frozen=True)
class Batch:
    """The events of one step, with the rows that hold them."""

    numbers: tuple[int, ...]
    events: tuple[DeskEvent, ...]
    rows: tuple[dict[str, Any], ...]
    writes: tuple[Write, ...]
    on_durable: Callable[[], None]
    durable: "asyncio.Future[None]"


def _no_writes(_numbers: tuple[int, ...]) -> Sequence[Write]:
    return ()


class Journal:
    """Built and opened first (`open`), then `append` from any task while `run` writes.

    `append` numbers the events at once and in order. After their commit `on_durable` is called, in that
    order, and the returned future is done. If a commit fails, `run` raises and every waiting future fails.
    """

    def __init__(self, url: str, clock: Clock, boot_id: str, synchronous: str = "NORMAL") -> None:
        self._engine: AsyncEngine = create_async_engine(url)
        self._clock = clock
        self._boot_id = boot_id
        self._synchronous = synchronous
        self._next_number = 1
        self._pending: list[Batch] = []
        self._wake = asyncio.Event()
        self._failed: JournalError | None = None
        self._insert = insert(_EVENTS)
        self._writer: AsyncConnection | None = None
        self.commits = 0
        self.written = 0

    @property
    def boot_id(self) -> str:
        return self._boot_id

    @property
    def pending(self) -> int:
        """Steps not yet on disk."""
        return len(self._pending)

    async def open(self) -> None:
        """Creates the tables where they are missing and notes this boot. Raises JournalError."""
        self._require_file()
        sqlalchemy_event.listen(self._engine.sync_engine, "connect", self._set_up_connection)
        async with self._translated("the journal cannot be opened"), self._engine.begin() as connection:
            await connection.run_sync(_METADATA.create_all)
            await connection.execute(insert(_BOOTS).values(boot_id=self._boot_id, wall=self._clock.wall()))
            last = (await connection.execute(select(func.max(_EVENTS.c.number)))).scalar()
            self._next_number = (last or 0) + 1

    def append(
        self,
        events: Sequence[DeskEvent],
        on_durable: Callable[[tuple[int, ...]], None],
        writes: Callable[[tuple[int, ...]], Sequence[Write]] = _no_writes,
    ) -> "asyncio.Future[None]":
        """Hands the events of one step to the writer. Raises JournalError once it has failed.

        `writes` is asked at once, with the numbers of the events, what belongs into the same commit.
        """
        if self._failed is not None:
            raise self._failed
        if len(self._pending) >= MAX_PENDING_BATCHES:
            raise JournalError(f"{MAX_PENDING_BATCHES} steps wait for the disk")
        first, wall = self._next_number, self._clock.wall()
        numbers = tuple(range(first, first + len(events)))
        self._next_number += len(events)
        rows = tuple(self._row(number, wall, event) for number, event in zip(numbers, events, strict=True))
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        beside = tuple(writes(numbers))
        self._pending.append(
            Batch(numbers, tuple(events), rows, beside, lambda: on_durable(numbers), durable)
        )
        self._wake.set()
        return durable

    async def write(self, *writes: Write) -> None:
        """Commits rows that belong to no step; returns when they are on disk."""
        await asyncio.shield(self.append((), lambda _numbers: None, lambda _numbers: writes))

    async def read_rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        """Rows of the tables beside the events."""
        async with self._translated("the journal cannot be read"), self._engine.connect() as connection:
            rows: Sequence[Row[Any]] = (await connection.execute(query)).all()
        return rows

    @property
    def last_number(self) -> int:
        """Of the newest event, on disk or on its way there."""
        return self._next_number - 1

    async def settled(self) -> None:
        """Returns when all that was appended before is on disk: what a reader sees is then durable."""
        if self._failed is not None:
            raise self._failed
        if self._pending:
            await asyncio.shield(self._pending[-1].durable)

    async def run(self) -> None:
        """Writes until cancelled; `aclose` writes what is left. Raises JournalError when the disk refuses."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._write_pending()

    async def read(
        self, after: int = 0, interaction_id: InteractionId | None = None, limit: int = 1000
    ) -> tuple[JournalEntry, ...]:
        """Entries with a number above `after`, in order, at most `limit`."""
        query = select(_EVENTS).where(_EVENTS.c.number > after).order_by(_EVENTS.c.number).limit(limit)
        if interaction_id is not None:
            query = query.where(_EVENTS.c.interaction_id == interaction_id)
        async with self._translated("the journal cannot be read"), self._engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(
            JournalEntry(row.number, row.boot_id, row.wall, parse_event(row.name, row.body)) for row in rows
        )

    async def aclose(self) -> None:
        """Writes what is left and closes the file. `run` has ended before."""
        await self._close_writer()  # it may be in the middle of a cancelled commit
        if self._failed is None:
            # A cancelled commit may or may not have happened: rows that are there already are kept.
            self._insert = self._insert.prefix_with("OR IGNORE", dialect="sqlite")
            await self._write_pending()
            await self._close_writer()
        await self._engine.dispose()

    async def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.close()

    async def _write_pending(self) -> None:
        while self._pending:
            # One transaction for everything that came while the last one was at the disk.
            group = tuple(self._pending)
            try:
                await self._commit(group)
            except JournalError as error:
                self._fail(error)
                raise
            del self._pending[: len(group)]
            for batch in group:
                batch.on_durable()
                if not batch.durable.done():
                    batch.durable.set_result(None)

    async def _commit(self, group: Sequence[Batch]) -> None:
        rows = [row for batch in group for row in batch.rows]
        async with self._translated("the journal cannot be written"):
            if self._writer is None:
                # Kept open: taking it from the pool and giving it back costs as much as the commit.
                self._writer = await self._engine.connect()
            async with self._writer.begin():
                if rows:
                    await self._writer.execute(self._insert, rows)
                for write in (write for batch in group for write in batch.writes):
                    await self._writer.execute(write.statement, dict(write.parameters) or None)
        self.commits += 1
        self.written += len(rows)

    def _fail(self, error: JournalError) -> None:
        log.error("! journal failed", reason=error.reason, lost=len(self._pending))
        self._failed = error
        pending, self._pending = self._pending, []
        for batch in pending:
            if not batch.durable.done():
                batch.durable.set_exception(error)
                batch.durable.exception()  # retrieved here: a caller that was cancelled cannot

    def _row(self, number: int, wall: float, event: DeskEvent) -> dict[str, Any]:
        return {
            "number": number,
            "boot_id": self._boot_id,
            "interaction_id": interaction_of(event),
            "wall": wall,
            "name": event_name(event),
            "body": serialize_event(event),
        }

    def _set_up_connection(self, connection: Any, _record: Any) -> None:
        if self._engine.dialect.name != "sqlite":
            return
        cursor = connection.cursor()
        # WAL with NORMAL survives kill -9; FULL survives a power cut too, for a sync per commit.
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={self._synchronous}")
        cursor.close()

    def _require_file(self) -> None:
        """What cannot be opened is told before a driver's thread is started for it: it would outlive the failure."""
        url = self._engine.url
        if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
            return
        path = Path(str(url.database)).absolute()
        if not path.parent.is_dir():
            raise JournalError(
                f"the journal cannot be opened: there is no folder {path.parent}; see journal.url"
            )
        try:
            sqlite3.connect(path).close()
        except sqlite3.Error as error:
            raise JournalError(f"the journal cannot be opened: {path}: {error}; see journal.url") from error

    @asynccontextmanager
    async def _translated(self, what: str) -> AsyncIterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            url = self._engine.url.render_as_string(hide_password=True)
            raise JournalError(f"{what} ({url}): {cause}") from error
