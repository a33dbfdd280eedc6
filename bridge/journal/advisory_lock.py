"""One bridge to a journal on PostgreSQL, by a lock of the session that writes: it goes when that session ends."""

import asyncio
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

KEY = int.from_bytes(b"warm")  # among the advisory locks of a database; another schema is another journal
# A bridge that was killed a moment ago, or whose connection broke: its session ends with the kernel's word of it.
ATTEMPTS = 20
PAUSE_S = 0.25

_OURS = {"key": KEY}
_TRY = text("select pg_try_advisory_lock(:key, hashtext(coalesce(current_schema(), '')))")
_FIND = text(
    "select pid, application_name, coalesce(host(client_addr), 'this machine') from pg_locks"
    " join pg_stat_activity using (pid)"
    " where locktype = 'advisory' and granted and classid = :key and objsubid = 2"
    " and objid = ((hashtext(coalesce(current_schema(), ''))::bigint & 4294967295))::oid"
    " and pg_locks.database = (select oid from pg_database where datname = current_database())"
)
_END = text("select pg_terminate_backend(:pid)")


class Holder(NamedTuple):
    """The session that has the lock."""

    pid: int
    name: str
    host: str

    def __str__(self) -> str:
        return f"{self.name or 'a session without a name'} at {self.host}, session {self.pid}"


async def take_session_lock(
    connection: AsyncConnection, name: str, pause_s: float = PAUSE_S
) -> Holder | None:
    """Who has it and does not give it back; None once it is this session's. Raises what the driver raises.

    A session called `name` is our own of before: the way to it is gone, and what it was doing will not be waited for.
    """
    holder: Holder | None = None
    for _ in range(ATTEMPTS):
        taken = bool((await connection.execute(_TRY, _OURS)).scalar())
        holder = None if taken else await _find(connection)
        if holder is not None and holder.name == name:
            await connection.execute(_END, {"pid": holder.pid})
        await connection.commit()
        if taken:
            return None
        await asyncio.sleep(pause_s)
    return holder or Holder(0, "", "an unknown host")


async def _find(connection: AsyncConnection) -> Holder | None:
    row = (await connection.execute(_FIND, _OURS)).first()
    return None if row is None else Holder(*row)
