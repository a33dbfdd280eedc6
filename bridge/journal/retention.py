"""How long the journal remembers: what is older than the setting is taken out, a little at a time."""

import asyncio
from collections.abc import Callable, Collection

import structlog
from sqlalchemy import delete, func, select

from bridge.clock import Clock
from bridge.ids import InteractionId
from bridge.journal.journal import Journal
from bridge.journal.schema import BOOTS, EVENTS, IDEMPOTENCY_ANSWERS, OUTBOX, SNAPSHOTS, Write

log = structlog.get_logger()

_E = EVENTS.c

EVERY_S = 3600.0
CHUNK = 1000  # rows of one commit: few milliseconds in which nothing else is written


class Retention:
    """Takes out events, answers and dead letters older than `kept_s`.

    Never what a restart needs: events after the newest snapshot, those of `living` interactions, and the last row,
    which says with which number and at which instant it goes on.
    """

    def __init__(
        self, journal: Journal, clock: Clock, kept_s: float, living: Callable[[], Collection[InteractionId]]
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._kept_s = kept_s
        self._living = living
        self.removed = 0

    async def run(self) -> None:
        """Once an hour, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.sweep()

    async def sweep(self) -> None:
        """All that is too old now."""
        before = self._clock.wall() - self._kept_s
        removed = await self._sweep_events(before)
        for table in (IDEMPOTENCY_ANSWERS, BOOTS):
            await self._journal.write(Write(delete(table).where(table.c.wall < before)))
        await self._journal.write(Write(delete(OUTBOX).where(OUTBOX.c.wall < before, OUTBOX.c.dead == 1)))
        self.removed += removed
        if removed:
            log.info("= journal swept", events=removed)

    async def _sweep_events(self, before: float) -> int:
        """From the oldest on, up to where a whole chunk is too young: the wall clock goes on with the numbers,
        but for what somebody sets it back.
        """
        newest = (await self._journal.read_rows(select(func.max(SNAPSHOTS.c.number))))[0][0] or 0
        last = (await self._journal.read_rows(select(func.max(_E.number))))[0][0] or 0
        removed, after, columns = 0, 0, (_E.number, _E.event_count, _E.interaction_id, _E.wall)
        while True:
            query = select(*columns).where(_E.number > after, _E.number <= newest, _E.number < last)
            rows = await self._journal.read_rows(query.order_by(_E.number).limit(CHUNK))
            old = [row for row in rows if row.wall < before]
            if not old:
                return removed
            after = rows[-1].number
            living = self._living()
            going = [row for row in old if row.interaction_id not in living]
            if going:
                numbers = [row.number for row in going]
                await self._journal.write(Write(delete(EVENTS).where(_E.number.in_(numbers))))
            removed += sum(row.event_count for row in going)
