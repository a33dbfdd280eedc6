"""A database that is away, locked or full for a moment is waited for: calls go on meanwhile."""

import asyncio

import structlog

from bridge.clock import Clock
from bridge.journal.database import JournalError

log = structlog.get_logger()

PAUSE_S = 0.5


class Patience:
    """`endure` each failure, and say `over` when it went well. `trouble` is what is waited out, "" if nothing is."""

    __slots__ = ("_clock", "_longest_s", "_since", "pauses", "trouble")

    def __init__(self, longest_s: float, clock: Clock) -> None:
        self._longest_s = longest_s
        self._clock = clock
        self._since: float | None = None
        self.trouble = ""
        self.pauses = 0

    async def endure(self, error: JournalError) -> None:
        """Returns when it is time to try again. Raises `error` if it does not pass by itself, or lasts too long."""
        now = self._clock.now()
        if self._since is None:
            self._since = now
        if not error.passes or now - self._since >= self._longest_s:
            raise error
        self.note(error.reason)
        self.pauses += 1
        await asyncio.sleep(PAUSE_S)

    def note(self, trouble: str) -> None:
        """It is waited out. The log says so once."""
        if not self.trouble:
            log.warning("! journal waits", reason=trouble, longest_s=self._longest_s)
        self.trouble = trouble

    def over(self) -> None:
        """Also of what never began."""
        if self.trouble:
            log.info("= journal goes on", pauses=self.pauses)
        self._since = None
        self.trouble = ""
