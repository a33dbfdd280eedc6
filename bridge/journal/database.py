"""The database behind the journal: SQLite in WAL mode by default, PostgreSQL by URL, at the newest schema."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, NullPool, create_engine, inspect, make_url, text
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bridge.errors import BridgeError
from bridge.journal import migrations
from bridge.journal.advisory_lock import take_session_lock
from bridge.journal.lock import JournalLock
from bridge.journal.schema import METADATA
from bridge.journal.writer import ConnectionWriter, ThreadWriter, Writer

HEAD = "0004"  # the newest file in migrations/versions; a test keeps the two equal
_FIRST = "0001"  # what a journal has that was made before migrations were counted


CONNECT_S = 10.0  # to PostgreSQL
STATEMENT_S = 10.0  # of it, but for migrations; one that takes longer will not be answered any more
# Of the server's side of our sessions: a machine that is gone is noticed after a minute.
_KEEP_ALIVE = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
# What somebody else may mend while we wait: a lock, no space, a server that is restarted or has to undo its work.
_PASSING_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})
_PASSING_CLASSES = frozenset({"08", "40", "53", "55", "57"})


class JournalError(BridgeError):
    """An event could not be made durable. The process stops: what it would do next, nobody would remember.

    What `passes` by itself, as a lock or a server's restart, may be tried again before.
    """

    code = "journal_failed"

    def __init__(self, reason: str, *, passes: bool = False) -> None:
        super().__init__(reason)
        self.passes = passes


class Database:
    """`open` once; then connections. Every trouble of the driver's becomes a JournalError that names the URL."""

    def __init__(self, url: str, synchronous: str, boot_id: str) -> None:
        self._name = f"warmbridge {boot_id}"  # of our sessions, for whoever looks at the server
        self._engine: AsyncEngine = create_async_engine(url, connect_args=_limits(url, self._name))
        self._synchronous = synchronous
        self._lock = JournalLock()
        self._held: AsyncConnection | None = None  # with the lock, until the writer takes it

    @property
    def dialect(self) -> str:
        """sqlite or postgresql."""
        return self._engine.dialect.name

    @property
    def is_in_memory(self) -> bool:
        """Everything is forgotten at the end, and all connections are the same one."""
        return self.dialect == "sqlite" and self._engine.url.database in (None, "", ":memory:")

    async def open(self) -> None:
        """Connects and brings the tables to the newest schema. Raises JournalError."""
        if self.dialect == "sqlite" and not self.is_in_memory:
            self._take_file()
        try:
            await self._open()
        except BaseException:
            await self.aclose()
            raise

    async def _open(self) -> None:
        sqlalchemy_event.listen(self._engine.sync_engine, "connect", self._set_up_connection)
        async with self.translated("the journal cannot be opened"):
            if self.is_in_memory:
                async with self._engine.begin() as connection:
                    await connection.run_sync(METADATA.create_all)
            elif self.dialect == "sqlite":
                async with self._engine.begin() as connection:
                    await connection.run_sync(migrate)
            else:
                self._held = await self._connect_alone()
                await self._migrate_patiently()

    async def _migrate_patiently(self) -> None:
        """A migration of a large journal takes as long as it takes."""
        engine = create_async_engine(
            self._engine.url, poolclass=NullPool, connect_args={"timeout": CONNECT_S}
        )
        async with engine.begin() as connection:
            await connection.run_sync(migrate)

    def _take_file(self) -> None:
        path = Path(str(self._engine.url.database)).absolute()
        _require_file(path)
        try:
            holder = self._lock.take(path)
        except OSError as error:
            raise JournalError(f"the journal cannot be opened: {path}: {error}; see journal.url") from error
        if holder is not None:
            raise JournalError(
                f"another bridge (process {holder}) keeps its journal in {path}: end it, or set another file"
            )

    def writer(self) -> Writer:
        """The connection of the one that writes, to be closed by it."""
        if self.is_in_memory:
            return ConnectionWriter(self._connect)
        if self.dialect != "sqlite":
            return ConnectionWriter(self._connect_alone)
        engine = create_engine(self._engine.url.set(drivername="sqlite"))
        sqlalchemy_event.listen(engine, "connect", self._set_up_connection)
        return ThreadWriter(engine)

    async def _connect(self) -> AsyncConnection:
        return await self._engine.connect()

    async def _connect_alone(self) -> AsyncConnection:
        """The one connection that writes. Each new one takes the lock that went with the last one."""
        held, self._held = self._held, None
        if held is not None:
            return held
        connection = await self._engine.connect()
        try:
            holder = await take_session_lock(connection, self._name)
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise
        if holder is None:
            return connection
        await connection.close()
        raise JournalError(
            f"another bridge ({holder}) keeps its journal in this database: end it, or set another journal.url. "
            f"If its machine is gone, the server forgets it within a minute, or at once by: "
            f"select pg_terminate_backend({holder.pid})"
        )

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self.translated("the journal cannot be read"), self._engine.connect() as connection:
            yield connection

    async def aclose(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            await held.close()
        await self._engine.dispose()
        self._lock.release()

    @asynccontextmanager
    async def translated(self, what: str) -> AsyncIterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            url = self._engine.url.render_as_string(hide_password=True)
            said = str(cause) or ("no answer in time" if isinstance(cause, TimeoutError) else repr(cause))
            raise JournalError(f"{what} ({url}): {said}", passes=_passes(error, cause)) from error

    def _set_up_connection(self, connection: Any, _record: Any) -> None:
        if self.dialect != "sqlite":
            return
        cursor = connection.cursor()
        # WAL with NORMAL survives kill -9; FULL survives a power cut too, for a sync per commit.
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={self._synchronous}")
        cursor.close()


def _limits(url: str, name: str) -> dict[str, object]:
    """A server that hangs, or that nothing comes back from, is as good as one that is away; and the other way round:
    the server is to notice soon that our machine is gone, for the lock's sake."""
    if make_url(url).get_dialect().name != "postgresql":
        return {}
    session = {"application_name": name, **_KEEP_ALIVE}
    return {"timeout": CONNECT_S, "command_timeout": STATEMENT_S, "server_settings": session}


def _passes(error: Exception, cause: object) -> bool:
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _PASSING_CODES
    if isinstance(error, DBAPIError):
        state: str = getattr(cause, "sqlstate", None) or ""
        return error.connection_invalidated or state[:2] in _PASSING_CLASSES
    return isinstance(error, OSError)


def _require_file(path: Path) -> None:
    """What cannot be opened is told before a driver's thread is started for it: it would outlive the failure."""
    if not path.parent.is_dir():
        raise JournalError(f"the journal cannot be opened: there is no folder {path.parent}; see journal.url")
    try:
        sqlite3.connect(path).close()
    except sqlite3.Error as error:
        raise JournalError(f"the journal cannot be opened: {path}: {error}; see journal.url") from error


def migrate(connection: Connection) -> None:
    """Brings the schema up to HEAD. Raises JournalError for a journal of a newer bridge."""
    tables = set(inspect(connection).get_table_names())
    present = _version(connection) if "alembic_version" in tables else None
    if present == HEAD:
        return  # the usual start: it need not wait for Alembic to be imported
    if present is not None and present > HEAD:
        raise JournalError(
            f"the journal has schema {present}, this bridge knows {HEAD}: start the newer bridge that made it, or "
            "set another journal"
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])).replace("%", "%%"))
    config.attributes["connection"] = connection
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # its driver begins none for what makes tables
    if present is None and "events" in tables:
        command.stamp(config, _FIRST)
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    found: str | None = connection.execute(text("select version_num from alembic_version")).scalar()
    return found
