"""sipp: many calls, all answered and released, nothing left behind."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from bridge.peers.daemon_process import DaemonProcess
from tests.interop.desktop import desktop, hears
from tests.interop.hostile import metrics
from tests.interop.programs import eventually
from tests.interop.sipp import SippResult, sipp

GROWTH_MAX_BYTES = 12 * 1024 * 1024  # a leak of one leg's buffers in 500 calls is several times this
SETTLE_S = 12.0  # RFC 3261: a transaction's memory lasts up to 64*T1 = 32 s, ports rest 5 s


@dataclass(frozen=True)
class Footprint:
    """What a daemon and its media worker hold."""

    descriptors: int
    memory_bytes: int
    threads: int


@pytest.fixture
def settings() -> dict[str, object]:
    """Ports rest shortly: 500 quick calls would use up the range resting, as they should by default."""
    return {"rtp.drain_s": 0.5}


def footprint(daemon: DaemonProcess) -> Footprint:
    parent = psutil.Process(daemon.process.pid)
    family = [parent, *parent.children(recursive=True)]
    return Footprint(
        sum(process.num_fds() for process in family),
        sum(process.memory_info().rss for process in family),
        sum(process.num_threads() for process in family),
    )


async def tasks(daemon: DaemonProcess) -> float:
    """How many asyncio tasks run in the control plane and in the media worker together."""
    figures = await metrics(daemon)
    return figures["asyncio_tasks"] + figures["worker_asyncio_tasks"]


async def tasks_ended(daemon: DaemonProcess, wanted: float) -> None:
    """All beyond as many as there were before."""
    deadline = asyncio.get_running_loop().time() + SETTLE_S
    while (running := await tasks(daemon)) > wanted:
        assert asyncio.get_running_loop().time() < deadline, (running, wanted)
        await asyncio.sleep(0.5)


def target(daemon: DaemonProcess) -> str:
    return f"127.0.0.1:{daemon.sip_port}"


def assert_clean(result: SippResult, calls: int) -> None:
    assert (result.exit_code, result.successful, result.failed) == (0, calls, 0), result.output[-3000:]


@pytest.mark.peer("sipp", "500 calls in sequence and 100 at once, nothing left behind")
async def test_five_hundred_calls_in_sequence_and_a_hundred_at_once_leave_nothing(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    at_once = ("-r", "100", "-l", "100", "-d", "3000")
    one_by_one = ("-r", "500", "-l", "1", "-d", "0")
    filling = ("-r", "200", "-l", "50", "-d", "0")
    # First rounds, so that what is loaded and pooled once does not look like a leak, and so that the memories
    # with a bound are full: 1,000 ended interactions, 10,000 events for desktops that come back.
    assert_clean(await sipp(target(daemon), tmp_path, *filling, calls=1200, timeout_s=120), 1200)
    assert_clean(await sipp(target(daemon), tmp_path, *at_once, calls=100), 100)
    assert_clean(await sipp(target(daemon), tmp_path, *one_by_one, calls=100), 100)
    await asyncio.sleep(SETTLE_S)
    before, tasks_before = footprint(daemon), await tasks(daemon)
    assert_clean(await sipp(target(daemon), tmp_path, *one_by_one, calls=500, timeout_s=120), 500)
    assert_clean(await sipp(target(daemon), tmp_path, *at_once, calls=100), 100)

    def settled() -> bool:
        return footprint(daemon).descriptors <= before.descriptors

    await eventually("every socket is closed", settled, SETTLE_S * 3)
    after = footprint(daemon)
    assert after.threads <= before.threads
    await tasks_ended(daemon, tasks_before)
    assert after.memory_bytes - before.memory_bytes < GROWTH_MAX_BYTES


@pytest.mark.peer("sipp", "hold and resume")
async def test_an_echoing_phone_is_heard_again_after_hold(daemon: DaemonProcess, tmp_path: Path) -> None:
    """The agent's own tone comes back from the phone: proof of both directions, after the resume as well."""
    async with desktop(daemon) as agent:
        async with asyncio.TaskGroup() as tasks:
            scenario = sipp(target(daemon), tmp_path, "-rtp_echo", "-s", "support", scenario="hold.xml")
            call = tasks.create_task(scenario)
            await agent.accept_offer()
            await hears(agent, "agent")
            await hears(agent)
            await hears(agent, "agent")
        assert_clean(call.result(), 1)
