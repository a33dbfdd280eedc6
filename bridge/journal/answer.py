"""Answers to requests that carried an Idempotency-Key, kept to be given again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from sqlalchemy import delete, insert, select

from bridge.journal.journal import Journal
from bridge.journal.schema import IDEMPOTENCY_ANSWERS as ANSWERS
from bridge.journal.schema import Write


@dataclass(frozen=True)
class StoredAnswer:
    """`fingerprint` is that of the request, so that another request with the same key is noticed."""

    fingerprint: str
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class IdempotencyMemory(Protocol):
    """Where answers are kept. `owner` is the user or client: keys of two owners are never the same key."""

    async def find(self, owner: str, key: str, not_before: float) -> StoredAnswer | None: ...

    def keep(self, owner: str, key: str, answer: StoredAnswer, wall: float) -> Sequence[Write]:
        """The rows for the commit of the step that was answered."""
        ...

    async def write(self, *writes: Write) -> None:
        """Commits the rows of a request that took no step."""
        ...

    async def forget(self, before: float) -> None: ...


class JournaledAnswers:
    """Rows beside the journal's events: an answer is on disk if and only if what it tells of is."""

    __slots__ = ("_journal",)

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def find(self, owner: str, key: str, not_before: float) -> StoredAnswer | None:
        query = select(ANSWERS).where(
            ANSWERS.c.owner == owner, ANSWERS.c.key == key, ANSWERS.c.wall >= not_before
        )
        rows = await self._journal.read_rows(query)
        if not rows:
            return None
        headers = msgspec.json.decode(rows[0].headers, type=dict[str, str])
        return StoredAnswer(rows[0].fingerprint, rows[0].status, rows[0].body, headers)

    def keep(self, owner: str, key: str, answer: StoredAnswer, wall: float) -> Sequence[Write]:
        # Not an upsert, which every database spells its own way; one transaction makes it one.
        place = (ANSWERS.c.owner == owner) & (ANSWERS.c.key == key)
        row = {
            "owner": owner,
            "key": key,
            "fingerprint": answer.fingerprint,
            "status": answer.status,
            "headers": msgspec.json.encode(answer.headers),
            "body": answer.body,
            "wall": wall,
        }
        return Write(delete(ANSWERS).where(place)), Write(insert(ANSWERS), row)

    async def write(self, *writes: Write) -> None:
        await self._journal.write(*writes)

    async def forget(self, before: float) -> None:
        """Answers older than `before`, by the wall clock."""
        await self._journal.write(Write(delete(ANSWERS).where(ANSWERS.c.wall < before)))
