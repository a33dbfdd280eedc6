"""The desk's events on disk, before anybody sees them. Append-only; one writer; commits in groups."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from sqlalchemy import Executable, Row, Select, func, insert, select
from sqlalchemy.exc import IntegrityError

from bridge.clock import Clock
from bridge.desk.events import DeskEvent
from bridge.ids import InteractionId
from bridge.journal.database import Database, JournalError
from bridge.journal.definitions import Definitions
from bridge.journal.patience import Patience
from bridge.journal.record import JournalEntry, interaction_of, parse_events, serialize_events
from bridge.journal.rows import RowStatement, inserting
from bridge.journal.schema import BOOTS, EVENTS, FLOW_DEFINITIONS, Write
from bridge.journal.writer import Statement, Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = structlog.get_logger()

_INSERT = inserting(EVENTS)
_DEFINE = inserting(FLOW_DEFINITIONS)
_E = EVENTS.c

ALONG_S = 0.02  # a row waits no longer for somebody else's commit: at load there is one every few ms
SLOW_S = 5.0  # a commit takes milliseconds; a caller is told 503 after ten seconds
MAX_PENDING_BATCHES = 10_000  # more waiting steps than that: the disk has stopped, and so must we

__all__ = ["Journal", "JournalError"]


class Batch(msgspec.Struct, frozen=True):
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
    order, and the returned future is done. If a commit fails for good, `run` raises and every waiting future fails.
    """

    def __init__(
        self, url: str, clock: Clock, boot_id: str, synchronous: str = "NORMAL", patience_s: float = 0.0
    ) -> None:
        """`patience_s` is how long a database that is away, locked or full is waited for."""
        self._database = Database(url, synchronous, boot_id)
        self._clock = clock
        self._boot_id = boot_id
        self._next_number = 1
        self._definitions = Definitions()
        self._pending: list[Batch] = []
        self._along: list[Write] = []
        self._along_timer: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._failed: JournalError | None = None
        self._writer: Writer | None = None
        self._writing = Patience(patience_s, clock)
        self._reading = Patience(patience_s, clock)
        # In memory all connections are one: a reader that gives it back would roll the writer back.
        self._only_connection = asyncio.Lock() if self._database.is_in_memory else None
        self.commits = 0
        self.written = 0

    @property
    def boot_id(self) -> str:
        return self._boot_id

    @property
    def dialect(self) -> str:
        """sqlite or postgresql."""
        return self._database.dialect

    @property
    def pending(self) -> int:
        """Steps not yet on disk."""
        return len(self._pending)

    @property
    def trouble(self) -> str:
        """Why nothing can be written or read at the moment, "" if it can."""
        return self._writing.trouble or self._reading.trouble

    @property
    def retries(self) -> int:
        """How often the database was tried again."""
        return self._writing.pauses + self._reading.pauses

    @property
    def last_number(self) -> int:
        """Of the newest event, on disk or on its way there."""
        return self._next_number - 1

    async def open(self) -> None:
        """Brings the tables to the newest schema and notes this boot. Raises JournalError."""
        await self._database.open()
        last = await self.read_rows(select(_E.number + _E.event_count).order_by(_E.number.desc()).limit(1))
        self._next_number = last[0][0] if last else 1
        stored = await self.read_rows(select(FLOW_DEFINITIONS))
        self._definitions = Definitions({row.digest: row.body for row in stored})
        async with self._database.translated("the journal cannot be opened"):
            await self._commit_rows(
                [], [Write(insert(BOOTS), {"boot_id": self._boot_id, "wall": self._clock.wall()})]
            )

    # --- writing ------------------------------------------------------------------------------------------

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
            raise self._stop(f"{MAX_PENDING_BATCHES} steps wait for the disk")
        first, wall = self._next_number, self._clock.wall()
        numbers = tuple(range(first, first + len(events)))
        self._next_number += len(events)
        try:
            rows = tuple(self._rows(first, wall, events))
        except (TypeError, ValueError) as error:
            raise self._stop(f"an event cannot be written down: {error}") from error
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # If this raises, nothing was taken that would be lost. What goes along came before this step: it is older.
        beside = writes(numbers)
        beside = (*self._take_along(), *self._new_definitions(wall), *beside)
        self._pending.append(
            Batch(numbers, tuple(events), rows, beside, lambda: on_durable(numbers), durable)
        )
        self._wake.set()
        return durable

    def begin_write(self, *writes: Write) -> "asyncio.Future[None]":
        """Hands over rows that belong to no step; the future is done when they are on disk."""
        return self.append((), lambda _numbers: None, lambda _numbers: writes)

    async def write(self, *writes: Write) -> None:
        """Commits rows that belong to no step; returns when they are on disk."""
        await asyncio.shield(self.begin_write(*writes))

    def take_along(self, write: Write) -> None:
        """A row that nobody waits for: it goes with the next commit, or in one of its own after ALONG_S."""
        if self._failed is not None:
            raise self._failed
        self._along.append(write)
        if self._along_timer is None:
            loop = asyncio.get_running_loop()
            self._along_timer = loop.call_later(ALONG_S, self._send_along)

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
            if self._failed is not None:
                raise self._failed

    async def aclose(self) -> None:
        """Writes what is left and closes the file. `run` has ended before."""
        try:
            if self._failed is None:
                self._send_along()
                await self._write_pending()
        finally:
            writer, self._writer = self._writer, None
            if writer is not None:
                await writer.aclose()
            await self._database.aclose()

    # --- reading ------------------------------------------------------------------------------------------

    async def read(
        self, after: int = 0, interaction_id: InteractionId | None = None, limit: int = 1000
    ) -> tuple[JournalEntry, ...]:
        """Entries with a number above `after`, in order, at most `limit`."""
        # The row that `after` is in may hold some behind it.
        begin = select(func.coalesce(func.max(_E.number), 0)).where(_E.number <= after).scalar_subquery()
        behind = (_E.number >= begin) & (_E.number + _E.event_count > after + 1)
        query = select(EVENTS).where(behind).order_by(_E.number).limit(limit)
        if interaction_id is not None:
            query = query.where(_E.interaction_id == interaction_id)
        rows = await self.read_rows(query)
        entries = (entry for row in rows for entry in self._entries(row) if entry.number > after)
        return tuple(islice(entries, limit))

    async def read_rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        """Rows of any table of the schema."""
        while True:
            try:
                rows = await self._read_whole(query)
            except JournalError as error:
                await self._reading.endure(error)
            else:
                self._reading.over()
                return rows

    async def _read_whole(self, query: Select[Any]) -> Sequence[Row[Any]]:
        reading = asyncio.get_running_loop().create_task(self._read_once(query))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.wait((reading,))  # a query cut off in the middle would cost its connection
            raise

    async def _read_once(self, query: Select[Any]) -> Sequence[Row[Any]]:
        async with self._connection_in_turn(), self._database.reading() as connection:
            rows: Sequence[Row[Any]] = (await connection.execute(query)).all()
        return rows

    # --- inside -------------------------------------------------------------------------------------------

    async def _write_pending(self) -> None:
        """A commit is never left half-way: whether a cancelled one happened, nobody could tell."""
        while self._pending:
            writing = asyncio.get_running_loop().create_task(self._write_group())
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing
                raise

    async def _write_group(self) -> None:
        """One transaction for everything that came while the last one was at the disk."""
        group = tuple(self._pending)
        rows = [row for batch in group for row in batch.rows]
        writes = [*(write for batch in group for write in batch.writes), *self._take_along()]
        try:
            await self._commit_patiently(rows, writes)
        except JournalError as error:
            self._fail(error)
            raise
        self.commits += 1
        self.written += sum(len(batch.events) for batch in group)
        del self._pending[: len(group)]
        for batch in group:
            batch.on_durable()
            if not batch.durable.done():
                batch.durable.set_result(None)

    def _send_along(self) -> None:
        if self._along and self._failed is None:
            with suppress(JournalError):  # `run` raises it
                self.begin_write()

    def _take_along(self) -> Sequence[Write]:
        taken, self._along = self._along, []
        if self._along_timer is not None:
            self._along_timer.cancel()
            self._along_timer = None
        return taken

    async def _commit_patiently(self, rows: Sequence[dict[str, Any]], writes: Sequence[Write]) -> None:
        """The same once more while the database is away for a moment. Nobody is told of it before it is there."""
        tried = False
        while True:
            try:
                with self._noticed_if_slow():
                    await self._commit_rows(rows, writes)
                break
            except JournalError as error:
                # The connection may have been lost between the commit and the word that it was done.
                if tried and isinstance(error.__cause__, IntegrityError) and await self._is_ours(rows):
                    break
                await self._writing.endure(error)
            tried = True
        self._writing.over()

    @contextmanager
    def _noticed_if_slow(self) -> Iterator[None]:
        """A disk that stands still raises nothing: whoever asks whether calls can be taken must hear of it."""
        trouble = f"a commit takes longer than {SLOW_S:g} s"
        timer = asyncio.get_running_loop().call_later(SLOW_S, self._writing.note, trouble)
        try:
            yield
        finally:
            timer.cancel()

    async def _is_ours(self, rows: Sequence[dict[str, Any]]) -> bool:
        """What stands there already is what we tried to write, not another bridge's."""
        if not rows:
            return True
        found = await self.read_rows(select(_E.boot_id).where(_E.number == rows[0]["number"]))
        return [row.boot_id for row in found] == [self._boot_id]

    async def _commit_rows(self, rows: Sequence[dict[str, Any]], writes: Sequence[Write]) -> None:
        async with self._connection_in_turn(), self._database.translated("the journal cannot be written"):
            if self._writer is None:
                self._writer = self._database.writer()
            await self._writer.commit([(_INSERT, rows), *_statements(writes)])

    @asynccontextmanager
    async def _connection_in_turn(self) -> "AsyncIterator[None]":
        if self._only_connection is None:
            yield
            return
        async with self._only_connection:
            yield

    def _stop(self, reason: str) -> JournalError:
        """The step has happened already: nothing may follow that builds on it."""
        error = JournalError(reason)
        self._fail(error)
        self._wake.set()
        return error

    def _fail(self, error: JournalError) -> None:
        log.error("! journal failed", reason=error.reason, lost=len(self._pending))
        self._failed = error
        pending, self._pending = self._pending, []
        for batch in pending:
            if not batch.durable.done():
                batch.durable.set_exception(error)
                batch.durable.exception()  # retrieved here: a caller that was cancelled cannot

    def _rows(self, number: int, wall: float, events: Sequence[DeskEvent]) -> Iterator[dict[str, Any]]:
        for interaction_id, together in groupby(events, interaction_of):
            run = tuple(together)
            yield {
                "number": number,
                "event_count": len(run),
                "boot_id": self._boot_id,
                "interaction_id": interaction_id,
                "wall": wall,
                "body": serialize_events(run, self._definitions),
            }
            number += len(run)

    def _new_definitions(self, wall: float) -> Iterator[Write]:
        for digest, body in self._definitions.take_new():
            yield Write(_DEFINE, {"digest": digest, "wall": wall, "body": body})

    def _entries(self, row: Row[Any]) -> Iterator[JournalEntry]:
        for number, event in enumerate(parse_events(row.body, self._definitions), row.number):
            yield JournalEntry(number, row.boot_id, row.wall, event)


def _statements(writes: Sequence[Write]) -> Iterator[Statement]:
    """What is to be carried out, the same statement once for many rows: each costs its way to the database."""
    yield from _together(write for write in writes if write.key is None)
    keyed = {write.key: write for write in writes if write.key is not None}
    by_statement: dict[Executable | RowStatement, list[Write]] = {}
    for write in keyed.values():
        by_statement.setdefault(write.statement, []).append(write)
    for same in by_statement.values():
        yield from _together(same)


def _together(writes: Iterable[Write]) -> Iterator[Statement]:
    """In their order."""
    for statement, same in groupby(writes, lambda write: write.statement):
        if isinstance(statement, RowStatement):
            yield statement, [write.parameters for write in same]
        else:
            for write in same:
                yield statement, (write.parameters,) if write.parameters else ()
