"""What runs out, or stands still, for a while: those who talk talk on, others are told, and then all is as before."""

import asyncio
import contextlib
import fcntl
import os
import resource
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from bridge.errors import CallFailedError
from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.daemon_process import HOST, DaemonProcess, daemon_process, http_get
from bridge.peers.phone.caller import CallerSettings, SyntheticCaller, synthetic_caller
from bridge.peers.within import within
from tests.interop.conftest import complaints
from tests.interop.desktop import TONES_HZ, hears
from tests.interop.programs import stop
from tests.interop.test_lifecycle import (
    becomes,
    caller_hears_the_agent,
    conversation,
    media_worker,
    nothing_is_left,
    serve,
)

STILL_S = 5.0  # a machine that is moved, or sleeps; the daemon gives a worker twice as long
F_SETPIPE_SZ = 1031  # linux/fcntl.h
PIPE_BYTES = 8192  # of the log that nobody reads
CALLS = 8  # each has a few lines, and `serve` gives ports for ten


@contextlib.asynccontextmanager
async def unharmed(daemon: DaemonProcess) -> AsyncIterator[tuple[SyntheticCaller, SyntheticBrowser]]:
    """Both hear each other after the block and nothing is left of it, but for what the block says itself."""
    async with conversation(daemon) as (caller, agent):
        yield caller, agent
        await hears(agent, "customer")
        await caller_hears_the_agent(caller)
        for transport in ("udp", "tcp"):
            async with synthetic_caller((), TONES_HZ, CallerSettings(transport=transport)) as other:
                await other.call(daemon.sip_uri())
                await other.hang_up()
        assert not caller.ended.is_set()
        await caller.hang_up()
    await nothing_is_left(daemon)
    assert daemon.process.returncode is None
    assert complaints(daemon) == []


@contextlib.contextmanager
def no_descriptors_for(process: psutil.Process) -> Iterator[None]:
    """It has those it has, and gets no more while the block runs."""
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (process.num_fds(), before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)


async def test_a_media_worker_without_descriptors_refuses_calls_and_carries_those_it_has(
    tmp_path: Path,
) -> None:
    async with daemon_process(tmp_path) as daemon, unharmed(daemon) as (caller, agent):
        worker = media_worker(daemon)
        assert worker is not None
        with no_descriptors_for(worker):
            async with synthetic_caller((), {}) as latecomer:
                with pytest.raises(CallFailedError) as refused:
                    await latecomer.call(daemon.sip_uri())
            assert refused.value.status == 503
            await hears(agent, "customer")
            await caller_hears_the_agent(caller)


async def test_a_daemon_without_descriptors_takes_no_connection_and_goes_on_with_all_others(
    tmp_path: Path,
) -> None:
    """A phone over UDP needs none."""
    async with daemon_process(tmp_path) as daemon, unharmed(daemon) as (caller, agent):
        with no_descriptors_for(psutil.Process(daemon.process.pid)):
            for _ in range(20):
                with contextlib.suppress(OSError, IndexError, TimeoutError):
                    await within(0.2, daemon.get("/readyz"))
            async with synthetic_caller((), {}) as other:
                await other.call(daemon.sip_uri())
                await other.hang_up()
            await agent.client.command("listInteractions")
            await hears(agent, "customer")
            await caller_hears_the_agent(caller)

        async def is_ready() -> bool:
            return (await daemon.get("/readyz"))[0] == 200

        await becomes("connections are taken again", is_ready)


async def test_a_media_worker_that_stands_still_for_a_while_goes_on_where_it_was(tmp_path: Path) -> None:
    async with daemon_process(tmp_path) as daemon, unharmed(daemon):
        worker = media_worker(daemon)
        assert worker is not None
        worker.suspend()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call_and_hang_up(daemon))  # answered when it is there again
            await asyncio.sleep(STILL_S)
            worker.resume()
        assert media_worker(daemon) == worker, "it was not replaced"


async def call_and_hang_up(daemon: DaemonProcess) -> None:
    async with synthetic_caller((), {}) as caller:
        await caller.call(daemon.sip_uri())
        await caller.hang_up()


async def test_a_log_that_nobody_reads_holds_up_no_call(tmp_path: Path) -> None:
    """Whoever is at the other end of the pipe, a collector of logs for one, stands still."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, PIPE_BYTES)
    arguments = serve(tmp_path, {"log.level": "debug", "shutdown.drain_timeout_s": 1})
    named = (argument.partition("=") for argument in arguments)
    ports = {name: int(value) for name, _, value in named if name.endswith(".port")}
    process = await asyncio.create_subprocess_exec(
        *arguments, stdout=writer, stderr=writer, start_new_session=True
    )
    os.close(writer)
    try:
        await becomes("it is ready", lambda: answers(ports["http.port"]), 30.0)
        for _ in range(CALLS):
            async with synthetic_caller((), {}) as caller:
                await caller.call(f"sip:support@{HOST}:{ports['sip.port']}")
                await caller.hang_up()
        assert await answers(ports["http.port"])
    finally:
        assert await stop(process) == 0
        written = os.read(reader, 2 * PIPE_BYTES)
        os.close(reader)
    assert b'"= serving"' in written
    assert b'"= stopped"' not in written, "there was more to say than the pipe takes"


async def answers(port: int) -> bool:
    with contextlib.suppress(OSError, IndexError):
        return (await within(2.0, http_get(port, "/readyz")))[0] == 200
    return False
