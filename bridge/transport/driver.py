"""Runs any sans-I/O engine with one loop timer."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from bridge.clock import Clock


class TimedEngine(Protocol):
    """The two timer verbs every engine has."""

    def timer(self) -> float | None:
        """When `handle_timer` wants to be called next, in the clock's seconds; None = not at all."""
        ...

    def handle_timer(self, now: float) -> None: ...


class Driver:
    """Keeps one timer armed for `engine`. Call `rearm` after every input; `after` runs after each timer.

    The armed timer only ever moves earlier: an engine whose deadline moves away with each packet (consent)
    costs nothing per packet, and the early wake-up just looks again.
    """

    __slots__ = ("_after", "_armed_at", "_clock", "_closed", "_engine", "_handle", "_loop", "fired")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        engine: TimedEngine,
        clock: Clock,
        after: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self._engine = engine
        self._clock = clock
        self._after = after
        self._handle: asyncio.TimerHandle | None = None
        self._armed_at = 0.0
        self._closed = False
        self.fired = 0

    def rearm(self) -> None:
        """Asks the engine for its next deadline and arms the timer if that is sooner than the armed one."""
        at = self._engine.timer()
        if self._closed or at is None or (self._handle is not None and self._armed_at <= at):
            return
        if self._handle is not None:
            self._handle.cancel()
        self._armed_at = at
        self._handle = self._loop.call_later(max(0.0, at - self._clock.now()), self._fire)

    def _fire(self) -> None:
        self._handle = None
        now = self._clock.now()
        at = self._engine.timer()
        if at is not None and at <= now:
            self.fired += 1
            self._engine.handle_timer(now)
            if self._after is not None:
                self._after()
        self.rearm()

    def close(self) -> None:
        """Disarms; twice is fine."""
        self._closed = True
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
