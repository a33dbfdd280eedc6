"""Who has the journal on PostgreSQL, and when it is waited for, taken or left. The real server is asked in interop."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import pytest
from sqlalchemy import TextClause

from bridge.journal.advisory_lock import ATTEMPTS, Holder, take_session_lock
from bridge.journal.database import Database, JournalError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

OURS, OTHER = "warmbridge ours", "warmbridge other"


class Answer:
    def __init__(self, *rows: Sequence[object]) -> None:
        self._rows = rows

    def scalar(self) -> object:
        return self._rows[0][0]

    def first(self) -> Sequence[object] | None:
        return next(iter(self._rows), None)


class Server:
    """One that has the lock given away: `holder` keeps it for so many looks, or until its session is ended."""

    def __init__(self, holder: Holder | None, looks: int = 10 * ATTEMPTS) -> None:
        self.holder = holder
        self.looks = looks
        self.asked = 0
        self.ended: list[object] = []
        self.commits = 0

    async def execute(self, statement: TextClause, parameters: Mapping[str, object]) -> Answer:
        said = str(statement)
        if "pg_try_advisory_lock" in said:
            self.asked += 1
            self.holder = self.holder if self.asked <= self.looks else None
            return Answer((self.holder is None,))
        if "pg_terminate_backend" in said:
            self.ended.append(parameters["pid"])
            self.holder = None
            return Answer((True,))
        return Answer(self.holder) if self.holder is not None else Answer()

    async def commit(self) -> None:
        self.commits += 1


async def take(server: Server) -> Holder | None:
    return await take_session_lock(cast("AsyncConnection", server), OURS, pause_s=0.0)


async def test_a_lock_that_nobody_has_is_taken_at_once() -> None:
    server = Server(None)
    assert await take(server) is None
    assert (server.asked, server.commits, server.ended) == (1, 1, [])


async def test_who_has_it_and_does_not_give_it_back_is_named_and_left_alone() -> None:
    holder = Holder(17, OTHER, "192.0.2.7")
    server = Server(holder)
    assert await take(server) == holder
    assert (server.asked, server.ended) == (ATTEMPTS, [])
    assert str(holder) == "warmbridge other at 192.0.2.7, session 17"
    assert str(Holder(18, "", "192.0.2.7")) == "a session without a name at 192.0.2.7, session 18"


async def test_who_is_about_to_go_is_waited_for() -> None:
    server = Server(Holder(17, OTHER, "192.0.2.7"), looks=3)
    assert await take(server) is None
    assert server.ended == []


async def test_our_own_session_of_before_is_ended() -> None:
    server = Server(Holder(17, OURS, "192.0.2.7"))
    assert await take(server) is None
    assert server.ended == [17]


async def test_a_server_that_is_not_there_keeps_nothing_open() -> None:
    database = Database("postgresql+asyncpg://bridge:secret@127.0.0.1:1/journal", "NORMAL", "boot")
    with pytest.raises(JournalError, match=r"cannot be opened .*127\.0\.0\.1:1") as caught:
        await database.open()
    assert "secret" not in caught.value.reason
