"""A task with an owner: it runs beside a block and ends with it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine


@contextlib.asynccontextmanager
async def beside(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Runs `work` while the block runs, then cancels it. An error of `work` is raised at the block's end.

    Unlike a TaskGroup it does not wrap the block's own error into a group: what a test or the demo's
    caller raises is caught by its type.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])  # who is cancelled meanwhile hears of it, even of a task that does not end
        if not task.cancelled():
            task.result()
