"""Who of the switchboard waits for an instant, and the task that wakes them."""

import asyncio
import math
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
    """`notice` is called by whoever may have got an earlier deadline."""

    __slots__ = ("_clock", "_parts", "_sleeps_until", "_wake")

    def __init__(self, clock: Clock, parts: Sequence[Waiting]) -> None:
        self._clock = clock
        self._parts = parts
        self._wake = asyncio.Event()
        self._sleeps_until = math.inf

    def notice(self, at: float | None) -> None:
        """`at` is the next deadline of one part: wakes the task if it would sleep beyond it. Mostly it would not."""
        if at is not None and at < self._sleeps_until:
            self._wake.set()

    def timer(self) -> float | None:
        return min((at for part in self._parts if (at := part.timer()) is not None), default=None)

    def handle_timer(self, now: float) -> None:
        for part in self._parts:
            part.handle_timer(now)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            at = self.timer()
            self._sleeps_until = math.inf if at is None else at
            delay_s = None if at is None else max(0.0, at - self._clock.now())
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._wake.wait()
            self._wake.clear()
            self.handle_timer(self._clock.now())
