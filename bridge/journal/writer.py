"""The journal's one writing connection. On SQLite a whole commit is one way to a thread, not one for each statement."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, Executable
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.journal.rows import RowStatement

# What is done, and the parameters of each time it is: none for a statement that has none.
Statement = tuple[Executable | RowStatement, Sequence[Mapping[str, Any]]]


class Writer(Protocol):
    """`commit` is never called again before the last call returned. What the driver raises comes through."""

    async def commit(self, statements: Iterable[Statement]) -> None: ...

    async def aclose(self) -> None: ...


class ThreadWriter:
    """For SQLite: its driver blocks, so a thread of its own carries out all statements of a commit in a row.

    Through the asynchronous driver each statement goes there and back three times: at 100 calls a second that was a
    fifth to a quarter of the control plane's CPU for a call (measured).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "journal")
        self._connection: Connection | None = None

    async def commit(self, statements: Iterable[Statement]) -> None:
        await self._run(lambda: self._commit(statements))

    async def aclose(self) -> None:
        await self._run(self._close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _commit(self, statements: Iterable[Statement]) -> None:
        if self._connection is None:
            self._connection = self._engine.connect()
        connection = self._connection
        with connection.begin():
            for statement, parameters in statements:
                if not isinstance(statement, RowStatement):
                    connection.execute(statement, parameters or None)
                    continue
                for text, values in statement.say(parameters, connection.dialect):
                    connection.exec_driver_sql(text, values)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()


class ConnectionWriter:
    """For drivers that are asynchronous by themselves. The connection is kept open between commits."""

    def __init__(self, connect: Callable[[], Awaitable[AsyncConnection]]) -> None:
        self._connect = connect
        self._connection: AsyncConnection | None = None

    async def commit(self, statements: Iterable[Statement]) -> None:
        if self._connection is None:
            # Taking it from the pool and giving it back costs as much as the commit.
            self._connection = await self._connect()
        try:
            await _commit(self._connection, statements)
        except Exception as error:
            if isinstance(error, OSError) or self._connection.invalidated:
                await self._drop(self._connection)
            raise

    async def _drop(self, connection: AsyncConnection) -> None:
        """Nobody answered in time, or the way there is gone: what comes back on it later is not ours any more. Nor is
        it to connect again by itself: the next one has to be one that may write."""
        self._connection = None
        await connection.invalidate()
        await connection.close()

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


async def _commit(connection: AsyncConnection, statements: Iterable[Statement]) -> None:
    async with connection.begin():
        for statement, parameters in statements:
            if not isinstance(statement, RowStatement):
                await connection.execute(statement, parameters or None)
                continue
            for text, values in statement.say(parameters, connection.dialect):
                await connection.exec_driver_sql(text, values)
