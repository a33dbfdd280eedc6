"""Work for the world outside, on disk in the commit of what caused it, until somebody did it.

    writes = (outbox.put("notification", body, lane=queue_id),)     # into the commit of the step
    ...
    while True:                                                     # whoever does such work
        for task in await outbox.claim("notification", clock.now()):
            ... do it ...
            await outbox.done(task)                                 # or retry, or give_up
        await outbox.wait("notification", until)

A task is done at least once: after a crash between doing it and `done` it is claimed again.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, delete, exists, func, select, update

from bridge.clock import Clock
from bridge.journal.journal import Journal
from bridge.journal.rows import inserting
from bridge.journal.schema import OUTBOX, Write

_O = OUTBOX.c
_INSERT = inserting(OUTBOX)
REASON_MAX_CHARACTERS = 512


@dataclass(frozen=True)
class Task:
    """`attempts` counts those that failed. Tasks of one `lane` are done one after the other; "" is no lane."""

    task_id: int
    kind: str
    lane: str
    body: bytes
    attempts: int
    due_at: float
    reason: str = ""


class Outbox:
    """`open` it after the journal, when the clock goes on from there. Times are the desk's."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._next_id = 1
        self._claimed: set[int] = set()
        self._news: dict[str, asyncio.Event] = {}

    async def open(self) -> None:
        """A number is given once, also over restarts, though no row remembers those that are done: whom we tell knows
        by it what was told before. So they begin at the microsecond it is, on the clock that goes on over restarts.
        """
        rows = await self._journal.read_rows(select(func.max(_O.task_id)))
        self._next_id = max((rows[0][0] or 0) + 1, int(self._clock.now() * 1_000_000))

    def put(self, kind: str, body: bytes, lane: str = "", due_at: float | None = None) -> Write:
        """The write that makes a task, to go into the commit of the step that asks for it."""
        task_id, self._next_id = self._next_id, self._next_id + 1
        self._told(kind).set()
        row = {
            "task_id": task_id,
            "kind": kind,
            "lane": lane,
            "due_at": self._clock.now() if due_at is None else due_at,
            "attempts": 0,
            "dead": 0,
            "reason": "",
            "wall": self._clock.wall(),
            "body": body,
        }
        return Write(_INSERT, row)

    async def claim(self, kind: str, now: float, limit: int = 16) -> tuple[Task, ...]:
        """The oldest tasks that are due, each to one claimer only, and of each lane only the first."""
        await self._journal.settled()
        query = _due(kind).where(_O.due_at <= now).order_by(_O.task_id).limit(limit + len(self._claimed))
        rows = await self._journal.read_rows(query)
        free = [row for row in rows if row.task_id not in self._claimed][:limit]
        self._claimed.update(row.task_id for row in free)
        return tuple(_task(row) for row in free)

    async def done(self, task: Task) -> None:
        await self._journal.write(Write(delete(OUTBOX).where(_O.task_id == task.task_id)))
        self._release(task)

    async def retry(self, task: Task, due_at: float, reason: str) -> None:
        """It failed: it will be claimed again from `due_at` on. What is behind it in its lane waits."""
        changes = {"attempts": task.attempts + 1, "due_at": due_at, "reason": _storable(reason)}
        await self._change(task, changes)

    async def give_up(self, task: Task, reason: str) -> None:
        """It stays as a dead letter, and its lane goes on without it."""
        changes = {"attempts": task.attempts + 1, "dead": 1, "reason": _storable(reason)}
        await self._change(task, changes)

    async def dead(self, kind: str, limit: int = 100) -> tuple[Task, ...]:
        """What was given up, newest first."""
        query = select(OUTBOX).where(_O.kind == kind, _O.dead == 1)
        rows = await self._journal.read_rows(query.order_by(_O.task_id.desc()).limit(limit))
        return tuple(_task(row) for row in rows)

    async def next_due(self, kind: str) -> float | None:
        """When `claim` will find something that nobody has claimed yet."""
        query = _due(kind).order_by(_O.due_at).limit(1 + len(self._claimed))
        rows = await self._journal.read_rows(query)
        return next((row.due_at for row in rows if row.task_id not in self._claimed), None)

    async def wait(self, kind: str, timeout_s: float | None) -> None:
        """Returns when a task of this kind was put, or was given back, or after `timeout_s`."""
        news = self._told(kind)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await news.wait()
        news.clear()

    def release(self, task: Task) -> None:
        """It was not tried after all: it can be claimed again."""
        self._release(task)

    def wake(self, kind: str) -> None:
        """Somebody changed tasks of this kind by a write of its own: look again."""
        self._told(kind).set()

    async def _change(self, task: Task, changes: dict[str, object]) -> None:
        statement = update(OUTBOX).where(_O.task_id == task.task_id).values(**changes)
        await self._journal.write(Write(statement))
        self._release(task)

    def _release(self, task: Task) -> None:
        self._claimed.discard(task.task_id)
        self._told(task.kind).set()  # the next of its lane may go

    def _told(self, kind: str) -> asyncio.Event:
        return self._news.setdefault(kind, asyncio.Event())


def _storable(reason: str) -> str:
    """Others had a hand in it: what a database refuses as text must not stop the bridge."""
    text = reason[:REASON_MAX_CHARACTERS].encode("utf-8", "replace").decode()
    return text.replace("\0", "?")


def _due(kind: str) -> Select[Any]:
    """Living tasks with nothing living before them in their lane."""
    earlier = OUTBOX.alias("earlier")
    ahead = exists().where(
        and_(
            earlier.c.kind == _O.kind,
            earlier.c.lane == _O.lane,
            earlier.c.dead == 0,
            earlier.c.task_id < _O.task_id,
        )
    )
    return select(OUTBOX).where(_O.kind == kind, _O.dead == 0, (_O.lane == "") | ~ahead)


def _task(row: Row[Any]) -> Task:
    return Task(
        task_id=row.task_id,
        kind=row.kind,
        lane=row.lane,
        body=row.body,
        attempts=row.attempts,
        due_at=row.due_at,
        reason=row.reason,
    )
