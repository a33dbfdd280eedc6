"""For all tests: each ends, and no example of hypothesis has to be ready in a time, for the machine may be busy."""

import functools
import inspect
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import settings

from bridge.peers.within import within

# Of real time, far beyond what a test needs on a busy machine: a test that hangs shall fail, not all after it.
# `timeout` in pyproject.toml is behind it, for what hangs outside of a test (a fixture) or blocks the loop.
LONGEST_TEST_S = 240.0

settings.register_profile("warmbridge", deadline=None)
settings.load_profile("warmbridge")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that hangs is cancelled where it waits, so that its traceback shows the wait."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = _bounded(item.obj)


def _bounded(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def bounded(*args: object, **kwargs: object) -> None:
        await within(LONGEST_TEST_S, test(*args, **kwargs))

    return bounded
