"""The media plane over the deaths of its workers: one is always there, or on its way up."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from bridge.clock import Clock
from bridge.errors import PlaneLostError, SettingsError
from bridge.plane import messages
from bridge.plane.worker_process import WorkerProcess

log = structlog.get_logger()

WORKER_RESTARTS = 5  # within WORKER_RESTART_WINDOW_S; a worker that dies at once every time helps nobody
WORKER_RESTART_WINDOW_S = 60.0
SETTINGS_PAUSE_S = 2.0  # a new process each time: two seconds of a core

_REMEDY = "free it or bring it back: as it was when the bridge started; it is tried until then, and the calls stay up"


class WorkerPlane(Protocol):
    """One worker's life, as of `host.ProcessPlane`."""

    async def start(self, timeout_s: float, process: WorkerProcess | None = None) -> messages.WorkerReady: ...

    async def run(self) -> None: ...

    async def request(self, command: messages.Command) -> messages.Reply: ...

    async def aclose(self) -> None: ...


class LastingPlane:
    """`make` makes the plane of each next worker. `on_ready` is told of each that is up.

    Too many deaths in a row end `run`, for a supervisor to see. A worker in the place of a dead one that does not find
    the machine as the first did (a port that somebody took, an address that is gone) is tried again without end: it is
    not a restart of the bridge that mends this, and the calls would be lost by it.
    """

    __slots__ = (
        "_clock",
        "_first",
        "_make",
        "_on_ready",
        "_plane",
        "_ready",
        "_settings_pause_s",
        "_start_timeout_s",
    )

    def __init__(
        self,
        make: Callable[[], WorkerPlane],
        on_ready: Callable[[messages.WorkerReady], None],
        clock: Clock,
        start_timeout_s: float,
        first: WorkerProcess | None = None,
        settings_pause_s: float = SETTINGS_PAUSE_S,
    ) -> None:
        """`first` is on its way up already."""
        self._make = make
        self._on_ready = on_ready
        self._clock = clock
        self._start_timeout_s = start_timeout_s
        self._first = first
        self._settings_pause_s = settings_pause_s
        self._plane: WorkerPlane | None = None
        self._ready = asyncio.Event()

    @property
    def present(self) -> bool:
        """There is a worker at this moment."""
        return self._plane is not None

    async def ready(self) -> None:
        """Returns once the first worker was there."""
        await self._ready.wait()

    async def request(self, command: messages.Command) -> messages.Reply:
        """Hands a command to the worker of the moment. Raises PlaneLostError while there is none."""
        if self._plane is None:
            raise PlaneLostError("the media worker is being started")
        return await self._plane.request(command)

    async def run(self) -> None:
        """Keeps one worker running until cancelled. Raises PlaneLostError when that is hopeless, and SettingsError if
        the first of all cannot work with its settings."""
        deaths: list[float] = []
        failed_starts = 0
        while True:
            try:
                await self._run_one()
                failed_starts = 0
            except SettingsError as error:
                if not self._ready.is_set():
                    raise
                log.error("! media worker cannot start", reason=error.reason, remedy=_REMEDY)
                await asyncio.sleep(self._settings_pause_s)
                continue
            except PlaneLostError as error:
                failed_starts += 1
                if not self._ready.is_set() or failed_starts > WORKER_RESTARTS:
                    raise  # the first of all is waited for by whoever started the bridge
                log.error("! media worker did not start", reason=error.reason)
            now = self._clock.now()
            deaths = [at for at in deaths if now - at < WORKER_RESTART_WINDOW_S] + [now]
            if len(deaths) > WORKER_RESTARTS:
                raise PlaneLostError(f"the media worker died {len(deaths)} times within a minute")

    async def _run_one(self) -> None:
        plane = self._make()
        try:
            process, self._first = self._first, None
            ready = await plane.start(self._start_timeout_s, process)
            self._plane = plane
            self._on_ready(ready)
            self._ready.set()
            await plane.run()
        finally:
            self._plane = None
            await plane.aclose()
