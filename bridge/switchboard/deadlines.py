"""Who of the switchboard waits for an instant, and the task that wakes them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from bridge.clock import Clock


class Waiting(Protocol):
    """A part with deadlines of its own."""

    def timer(self) -> float | None:
        """The next one."""
        ...

    def handle_timer(self, now: float) -> None:
        """Ends what is due."""
        ...


class Deadlines:
    """`wake` is set by whoever may have got an earlier deadline."""

    __slots__ = ("_clock", "_parts", "_wake")

    def __init__(self, clock: Clock, wake: asyncio.Event, parts: Sequence[Waiting]) -> None:
        self._clock = clock
        self._wake = wake
        self._parts = parts

    def timer(self) -> float | None:
        return min((at for part in self._parts if (at := part.timer()) is not None), default=None)

    def handle_timer(self, now: float) -> None:
        for part in self._parts:
            part.handle_timer(now)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            at = self.timer()
            delay_s = None if at is None else max(0.0, at - self._clock.now())
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._wake.wait()
            self._wake.clear()
            self.handle_timer(self._clock.now())
