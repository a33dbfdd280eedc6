"""The real media worker in a process of its own, told by plane messages alone, and what it says of itself."""

import contextlib
import os
from asyncio import TaskGroup
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from bridge.plane import messages
from bridge.plane.host import ProcessPlane
from tests.bench.cpu import CpuMeter, child_running

START_S = 20.0


@dataclass
class MediaWorker:
    """`values` is the newest of what it tells once a second."""

    plane: ProcessPlane
    ready: messages.WorkerReady
    cpu: CpuMeter
    values: dict[str, float] = field(default_factory=dict)

    async def declare_phone(self, leg: messages.RtpLegSpec) -> int:
        """The port of the worker to send to."""
        reply = await self.plane.request(messages.DeclareRtpLeg(0, leg))
        assert isinstance(reply, messages.RtpLegDeclared)
        return reply.local_port


@contextlib.asynccontextmanager
async def running_worker() -> AsyncIterator[MediaWorker]:
    """While the block runs."""
    worker: MediaWorker | None = None

    def on_event(event: messages.Event) -> None:
        if isinstance(event, messages.WorkerStatistics) and worker is not None:
            worker.values = event.values

    plane = ProcessPlane(messages.WorkerConfig(log_level="warning"), on_event, lambda reason: None)
    ready = await plane.start(START_S)
    worker = MediaWorker(plane, ready, CpuMeter(child_running(os.getpid(), "bridge.plane.process")))
    async with TaskGroup() as tasks:
        tasks.create_task(plane.run())
        try:
            yield worker
        finally:
            await plane.aclose()
