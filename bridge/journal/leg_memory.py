"""What an owner must know of a leg to take it up after a restart: bytes of the owner's own making, by leg id."""

from sqlalchemy import select

from bridge.ids import LegId
from bridge.journal.journal import Journal
from bridge.journal.rows import deleting, upserting
from bridge.journal.schema import LEG_MEMORIES, Write

_M = LEG_MEMORIES.c


class LegMemory:
    """The memories of one owner (`sip`, `switchboard`). One for each leg; the newest replaces the one before."""

    def __init__(self, journal: Journal, owner: str) -> None:
        self._journal = journal
        self._owner = owner
        self._upsert = upserting(LEG_MEMORIES, journal.dialect)
        self._delete = deleting(LEG_MEMORIES)

    def keeping(self, leg_id: LegId, body: bytes) -> tuple[Write, ...]:
        """What keeps it, to go into the commit of a step."""
        row = {"owner": self._owner, "leg_id": leg_id, "body": body}
        return (Write(self._upsert, row, (self._owner, leg_id)),)

    async def keep(self, leg_id: LegId, body: bytes) -> None:
        """Returns when it is on disk. Raises JournalError."""
        await self._journal.write(*self.keeping(leg_id, body))

    def begin_keep(self, leg_id: LegId, body: bytes) -> None:
        """Keeps it with the next commit, which nobody waits for."""
        self._journal.begin_write(*self.keeping(leg_id, body))

    def keep_along(self, leg_id: LegId, body: bytes) -> None:
        """Keeps it with the next commit of somebody else, or a moment later."""
        for write in self.keeping(leg_id, body):
            self._journal.take_along(write)

    def forget(self, leg_id: LegId) -> None:
        """The leg is over. Twice is fine. It goes along, as does what is forgotten with it before it was on disk."""
        row = {"owner": self._owner, "leg_id": leg_id}
        self._journal.take_along(Write(self._delete, row, (self._owner, leg_id)))

    async def recall(self) -> dict[LegId, bytes]:
        """All there is, from this process or an earlier one."""
        query = select(_M.leg_id, _M.body).where(_M.owner == self._owner).order_by(_M.leg_id)
        return {LegId(row.leg_id): row.body for row in await self._journal.read_rows(query)}
