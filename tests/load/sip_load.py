"""`make sip-load`: sipp against the SIP door alone and against a whole daemon, with more calls a second in each step.

INVITE, 200, ACK, BYE, 200. The door alone answers at once and keeps nothing: what SIP itself can do. In the daemon
each call is an interaction, journaled, with ports and a leg that plays the waiting prompt. A row for each step, then
a JSON object. Either ends after two steps in which calls failed: what the machine can do is reported, nothing is
asserted.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bridge.peers.daemon_process import DaemonProcess, daemon_process
from tests.bench.cpu import CpuMeter
from tests.interop.hostile import metrics, processes
from tests.interop.sipp import SippResult, sipp
from tests.load.leftovers import SETTLE_S, Footprint, footprint, left_after
from tests.load.lone_door import LoneDoor, lone_door

RATES = (100, 200, 400, 600, 800, 1000)  # calls a second
SECONDS = 60.0
AT_ONCE = 2000  # sipp's own bound: above it no new call is begun
FAILING_STEPS = 2
WARM_UP = 500
REASONS = {
    "INVITEs behind too many others": "sip_refused_behind_total",
    "more calls than sip.max_calls": "sip_refused_full_total",
    "more calls than the trunk may have": "sip_refused_trunk_full_total",
    "more calls a second than the trunk may make": "sip_refused_trunk_fast_total",
    "the bridge stops": "sip_refused_draining_total",
    "no answer of the bridge in time": "sip_refused_late_total",
    "a bound of the bridge": "sip_refused_at_capacity_total",
    "media worker behind": "calls_refused_total",  # of those at a bound of the bridge, and so is the next
    "no RTP port": "worker_rtp_ports_refused_total",
    "no media worker": "sip_refused_plane_lost_total",
    "too many transactions": "sip_refused_transactions_total",
    "datagrams not read in time": "sip_unread_total",
    "messages too many of one source": "sip_throttled_total",
}
HELD = ("sip_calls", "sip_transactions", "sip_connections", "legs", "asyncio_tasks", "descriptors")
# Ports rest shortly: quick calls would use up the range resting, as they should by default.
SETTINGS: dict[str, object] = {"rtp.drain_s": 0.5, "rtp.port_min": 20_400, "rtp.port_max": 32_399}


@dataclass(frozen=True)
class Step:
    """CPU is per call that was made, refused ones included. `refused` got 503, which is no failure.

    `reasons` says why, and how many messages were never read.
    """

    under: str  # "door" is SIP alone, "daemon" everything
    rate: int
    calls: int
    failed: int
    refused: int
    answered_per_s: float
    reasons: dict[str, float]
    retransmissions: int
    control_ms: float
    worker_ms: float
    leftovers: dict[str, float]

    def row(self) -> str:
        worker = f" worker {self.worker_ms:.2f} ms" if self.under == "daemon" else ""
        return (
            f"{self.under:6} {self.rate:5}/s {self.calls:6} calls {self.failed:6} failed"
            f" {self.refused:6} refused {self.reasons or ''} {self.answered_per_s:.0f} answered a second,"
            f" {self.retransmissions:6} retransmissions, control {self.control_ms:.2f} ms{worker} a call,"
            f" {self.leftovers or 'nothing left'}"
        )


async def step(daemon: DaemonProcess, directory: Path, rate: int, seconds: float, before: Footprint) -> Step:
    control, worker = (CpuMeter(process.pid) for process in processes(daemon))
    spent, counted = (control.seconds(), worker.seconds()), await metrics(daemon)
    result, took_s = await _called(daemon.sip_port, directory, rate, seconds)
    used = control.seconds() - spent[0], worker.seconds() - spent[1]
    left = await left_after(daemon, before)
    reasons = _reasons(counted, await metrics(daemon))
    return _step("daemon", (rate, seconds, took_s), result, used, reasons, left)


async def door_step(
    door: LoneDoor, directory: Path, rate: int, seconds: float, before: dict[str, float]
) -> Step:
    meter = CpuMeter(door.pid)
    spent, counted = meter.seconds(), await door.figures()
    result, took_s = await _called(door.sip_port, directory, rate, seconds)
    counts, used = await door.figures(), meter.seconds() - spent
    left = await _left_in(door, before)
    return _step("door", (rate, seconds, took_s), result, (used, 0.0), _reasons(counted, counts), left)


async def _called(port: int, directory: Path, rate: int, seconds: float) -> tuple[SippResult, float]:
    shape = ("-r", str(rate), "-l", str(AT_ONCE), "-d", "0", "-s", "support")
    # Three times as long as it should take: calls that nobody answered are sent again for half a minute.
    patience_s, began = 3 * seconds + 40, time.monotonic()
    result = await sipp(
        f"127.0.0.1:{port}",
        directory,
        *shape,
        scenario="passing.xml",
        calls=int(rate * seconds),
        timeout_s=patience_s,
    )
    return result, time.monotonic() - began


def _step(
    under: str,
    pace: tuple[int, float, float],
    result: SippResult,
    used_s: tuple[float, float],
    reasons: dict[str, float],
    leftovers: dict[str, float],
) -> Step:
    rate, seconds, took_s = pace
    calls, made = int(rate * seconds), max(1, result.successful + result.failed)
    refused = _refused(result.output)
    return Step(
        under,
        rate,
        calls,
        calls - result.successful,
        refused,
        round((result.successful - refused) / took_s, 1),
        reasons,
        result.retransmissions,
        round(used_s[0] / made * 1e3, 3),
        round(used_s[1] / made * 1e3, 3),
        leftovers,
    )


def _reasons(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    grown = {why: after.get(name, 0) - before.get(name, 0) for why, name in REASONS.items()}
    return {why: count for why, count in grown.items() if count}


async def _left_in(door: LoneDoor, before: dict[str, float]) -> dict[str, float]:
    """Dialogs, transactions, tasks and files that do not go."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        figures = await door.figures()
        left = {name: grown for name in HELD if (grown := figures[name] - before[name]) > 0}
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(0.5)


def _refused(output: str) -> int:
    """From sipp's last scenario screen: how often it got 503."""
    found = re.findall(r"503 <-+\s+(\d+)", output)
    return int(found[-1]) if found else 0


def _target(daemon: DaemonProcess) -> str:
    return f"127.0.0.1:{daemon.sip_port}"


async def measure_daemon(directory: Path, rates: Sequence[int], seconds: float) -> list[Step]:
    async with daemon_process(directory, SETTINGS) as daemon:
        before = await footprint(daemon)
        await _warm_up(daemon.sip_port, directory)
        return await _climb(rates, lambda rate: step(daemon, directory, rate, seconds, before))


async def measure_door(directory: Path, rates: Sequence[int], seconds: float) -> list[Step]:
    async with lone_door(directory) as door:
        before = await door.figures()
        await _warm_up(door.sip_port, directory)
        return await _climb(rates, lambda rate: door_step(door, directory, rate, seconds, before))


async def _warm_up(port: int, directory: Path) -> None:
    await sipp(f"127.0.0.1:{port}", directory, "-r", "100", "-l", "50", "-d", "0", calls=WARM_UP)


async def _climb(rates: Sequence[int], one: Callable[[int], Awaitable[Step]]) -> list[Step]:
    steps: list[Step] = []
    failing = 0
    for rate in rates:
        steps.append(await one(rate))
        _say(steps[-1].row())
        failing = failing + 1 if steps[-1].failed else 0
        if failing == FAILING_STEPS:
            break
    return steps


MEASURES = {"door": measure_door, "daemon": measure_daemon}


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each step")
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, help="calls a second")
    parser.add_argument("--under", choices=MEASURES, nargs="+", default=list(MEASURES), help="what is called")
    options = parser.parse_args()
    steps: list[Step] = []
    for under in options.under:
        with tempfile.TemporaryDirectory(prefix="warmbridge-load-") as folder:
            steps += asyncio.run(MEASURES[under](Path(folder), options.rates, options.seconds))
    _say(json.dumps([asdict(one) for one in steps]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
