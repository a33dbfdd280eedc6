"""An end for every wait on somebody else."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Awaitable[T]) -> T:
    """The result of `work`. Raises TimeoutError.

    Not `asyncio.wait_for`: on Python 3.11 it loses a cancellation that comes in the same turn of the loop as the
    result, and a task that works in a loop then never ends (python/cpython#86296).
    """
    async with asyncio.timeout(seconds):
        return await work
