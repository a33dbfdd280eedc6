"""The collector of a process that serves."""

import gc
from collections.abc import Iterator

import pytest

from bridge import collector


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threshold, enabled = gc.get_threshold(), gc.isenabled()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)
    if not enabled:
        gc.disable()


def test_what_was_built_before_serving_is_never_looked_at_again() -> None:
    gc.disable()
    kept: list[list[int]] = [[] for _ in range(1000)]
    collector.settle()
    assert gc.isenabled()
    assert gc.get_threshold() == collector.THRESHOLD
    looked_at = {id(thing) for thing in gc.get_objects()}
    assert not any(id(thing) in looked_at for thing in kept)
