"""What a daemon still holds after its calls are over, and how much memory it takes."""

import asyncio
import sqlite3
from dataclasses import dataclass

import psutil

from bridge.peers.daemon_process import DaemonProcess
from tests.interop.hostile import counted, metrics, processes

SETTLE_S = 90.0  # RFC 3261: what was sent is remembered for 64*T1 = 32 s, and T4; a busy machine takes longer
GAUGES = (
    "interactions_open",
    "legs",
    "sip_calls",
    "sip_connections",
    "sip_transactions",
    "worker_legs",
    "worker_mixer_rooms",
    "worker_mixer_players",
    "worker_rtp_ports_lent",
    "worker_rtp_ports_draining",
)
TASKS = ("asyncio_tasks", "worker_asyncio_tasks")


@dataclass(frozen=True)
class Footprint:
    """Memory in MB, and what grows with something that is held."""

    control_mb: float
    worker_mb: float
    descriptors: int
    tasks: float


async def footprint(daemon: DaemonProcess) -> Footprint:
    control, worker = processes(daemon)
    await counted(daemon, TASKS[-1], at_least=0)  # the worker tells its own once a second
    figures = await metrics(daemon)
    return Footprint(
        _resident_mb(control),
        _resident_mb(worker),
        control.num_fds() + worker.num_fds(),
        sum(figures[name] for name in TASKS),
    )


def _resident_mb(process: psutil.Process) -> float:
    return round(process.memory_info().rss / 1e6, 1)


async def left_after(
    daemon: DaemonProcess, before: Footprint, settle_s: float = SETTLE_S
) -> dict[str, float]:
    """Waits until nothing is left; what still is when patience ends, by name."""
    deadline = asyncio.get_running_loop().time() + settle_s
    while left := await _left(daemon, before):
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.5)
    return left


async def _left(daemon: DaemonProcess, before: Footprint) -> dict[str, float]:
    figures, now = await metrics(daemon), await footprint(daemon)
    left = {name: figures[name] for name in GAUGES}
    left["asyncio_tasks"] = now.tasks - before.tasks
    left["descriptors"] = now.descriptors - before.descriptors
    left["remembered_legs"] = _remembered_legs(daemon)
    return {name: count for name, count in left.items() if count > 0}


def _remembered_legs(daemon: DaemonProcess) -> int:
    """Rows that a restart would take up as calls."""
    with sqlite3.connect(f"file:{daemon.directory / 'journal.db'}?mode=ro", uri=True, timeout=10) as database:
        return int(database.execute("SELECT count(*) FROM leg_memories").fetchone()[0])
