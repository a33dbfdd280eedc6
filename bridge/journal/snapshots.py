"""The desk's state on disk from time to time, so that a restart need not replay every event ever."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, insert, select

from bridge.clock import Clock
from bridge.desk.desk import Desk
from bridge.desk.state.snapshot import DeskSnapshot
from bridge.journal.database import JournalError
from bridge.journal.journal import Journal
from bridge.journal.record import last_instant
from bridge.journal.schema import EVENTS, SNAPSHOTS, Write

EVERY = 20_000  # events; replaying so many takes about half a second
KEPT = 2
CHUNK = 5_000  # events read at once

_S = SNAPSHOTS.c


class Snapshots:
    """Writes them beside the events, and gives the desk its state back at the start."""

    def __init__(self, journal: Journal, desk: Desk, clock: Clock, every: int = EVERY) -> None:
        self._journal = journal
        self._desk = desk
        self._clock = clock
        self._every = every
        self._last = 0  # the number the newest one stands at
        self._numbers: list[int] = []
        self.replayed = 0  # events since the snapshot that were read at the start

    def writes(self, number: int) -> Sequence[Write]:
        """What goes into the commit of the step whose last event is `number`; called right after the step."""
        if number - self._last < self._every:
            return ()
        self._last = number
        body = serialize_snapshot(self._desk.snapshot())
        self._numbers.append(number)
        row = {"number": number, "wall": self._clock.wall(), "body": body}
        writes = [Write(insert(SNAPSHOTS), row)]
        if len(self._numbers) > KEPT:
            self._numbers = self._numbers[-KEPT:]
            writes.append(Write(delete(SNAPSHOTS).where(_S.number < self._numbers[0])))
        return writes

    async def restore(self) -> float:
        """Brings a new desk to where the journal ends; returns the instant of the last event, 0 without one.

        Raises JournalError for what this version cannot read.
        """
        after = await self._restore_snapshot()
        last_at = await self._last_instant()
        while entries := await self._journal.read(after, limit=CHUNK):
            self._desk.replay(entry.event for entry in entries)
            self.replayed += len(entries)
            after = entries[-1].number
        return last_at

    async def _restore_snapshot(self) -> int:
        rows = await self._journal.read_rows(select(SNAPSHOTS).order_by(_S.number.desc()).limit(KEPT))
        if not rows:
            return 0
        self._numbers = sorted(row.number for row in rows)
        self._last = rows[0].number
        self._desk.restore(parse_snapshot(rows[0].body))
        return self._last

    async def _last_instant(self) -> float:
        query = select(EVENTS.c.body).order_by(EVENTS.c.number.desc()).limit(1)
        rows = await self._journal.read_rows(query)
        return last_instant(rows[0].body) if rows else 0.0


def serialize_snapshot(snapshot: DeskSnapshot) -> bytes:
    return msgspec.json.encode(snapshot)


def parse_snapshot(body: bytes) -> DeskSnapshot:
    """Raises JournalError for a snapshot this version of the bridge cannot read."""
    try:
        return msgspec.json.decode(body, type=DeskSnapshot)
    except msgspec.ValidationError as error:
        raise JournalError(f"the journal's newest snapshot cannot be read: {error}") from error
