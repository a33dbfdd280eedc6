"""The worker's process: it comes up without a loop, ends with its socket, and inherits the limit."""

import resource
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest

from bridge.plane.worker_process import WorkerProcess, raise_descriptor_limit


async def test_it_ends_when_its_socket_closes() -> None:
    with closing(WorkerProcess()) as worker:
        assert psutil.pid_exists(worker.pid)
        worker.connection.close()
        await worker.ended()
        assert not psutil.pid_exists(worker.pid)
        await worker.ended()  # twice is fine


async def test_one_that_was_killed_is_waited_for() -> None:
    with closing(WorkerProcess()) as worker:
        worker.kill()
        await worker.ended()
        assert not psutil.pid_exists(worker.pid)
        worker.kill()  # there is nobody any more


def test_closing_it_without_a_loop_leaves_no_process() -> None:
    worker = WorkerProcess()
    worker.close()
    assert not psutil.pid_exists(worker.pid)
    worker.close()


@pytest.fixture
def narrow_limit() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_process_takes_all_the_descriptors_it_may_have(narrow_limit: tuple[int, int]) -> None:
    raise_descriptor_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (narrow_limit[1], narrow_limit[1])
