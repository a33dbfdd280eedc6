"""`make sip-load`: sipp against a whole daemon, with more calls a second in each step.

INVITE, 200, ACK, BYE, 200; in the daemon each call is an interaction, journaled, with ports and a leg that plays the
waiting prompt. A row for each step, then a JSON object. It ends after two steps in which calls failed: what the
machine can do is reported, nothing is asserted.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bridge.peers.daemon_process import DaemonProcess, daemon_process
from tests.bench.cpu import CpuMeter
from tests.interop.hostile import metrics, processes
from tests.interop.sipp import sipp
from tests.load.leftovers import Footprint, footprint, left_after

RATES = (100, 200, 400, 600, 800, 1000)  # calls a second
SECONDS = 60.0
AT_ONCE = 2000  # sipp's own bound: above it no new call is begun
FAILING_STEPS = 2
WARM_UP = 500
REASONS = {
    "INVITEs behind too many others": "sip_refused_behind_total",
    "media worker behind": "calls_refused_total",
    "messages too many of one source": "sip_throttled_total",
}
# Ports rest shortly: quick calls would use up the range resting, as they should by default.
SETTINGS: dict[str, object] = {"rtp.drain_s": 0.5, "rtp.port_min": 20_400, "rtp.port_max": 32_399}


@dataclass(frozen=True)
class Step:
    """CPU is per call that was made, refused ones included. `refused` got 503, which is no failure.

    `reasons` says of those refused, as far as the daemon counts them, and of messages that were not read, why.
    """

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
        return (
            f"{self.rate:5}/s {self.calls:6} calls {self.failed:6} failed {self.refused:6} refused"
            f" {self.reasons or ''} {self.answered_per_s:.0f} answered a second,"
            f" {self.retransmissions:6} retransmissions, control {self.control_ms:.2f} ms"
            f" worker {self.worker_ms:.2f} ms a call, {self.leftovers or 'nothing left'}"
        )


async def step(daemon: DaemonProcess, directory: Path, rate: int, seconds: float, before: Footprint) -> Step:
    control, worker = (CpuMeter(process.pid) for process in processes(daemon))
    calls = int(rate * seconds)
    spent = control.seconds(), worker.seconds()
    counted, began = await metrics(daemon), time.monotonic()
    shape = ("-r", str(rate), "-l", str(AT_ONCE), "-d", "0", "-s", "support")
    # Three times as long as it should take: calls that nobody answered are sent again for half a minute.
    patience_s = 3 * seconds + 40
    result = await sipp(
        _target(daemon), directory, *shape, scenario="passing.xml", calls=calls, timeout_s=patience_s
    )
    took_s, counts = time.monotonic() - began, await metrics(daemon)
    control_s, worker_s = control.seconds() - spent[0], worker.seconds() - spent[1]
    made, refused = max(1, result.successful + result.failed), _refused(result.output)
    return Step(
        rate,
        calls,
        calls - result.successful,
        refused,
        round((result.successful - refused) / took_s, 1),
        {why: grown for why, name in REASONS.items() if (grown := counts[name] - counted[name])},
        result.retransmissions,
        round(control_s / made * 1e3, 3),
        round(worker_s / made * 1e3, 3),
        await left_after(daemon, before),
    )


def _refused(output: str) -> int:
    """From sipp's last scenario screen: how often it got 503."""
    found = re.findall(r"503 <-+\s+(\d+)", output)
    return int(found[-1]) if found else 0


def _target(daemon: DaemonProcess) -> str:
    return f"127.0.0.1:{daemon.sip_port}"


async def measure(directory: Path, rates: Sequence[int], seconds: float) -> list[Step]:
    steps: list[Step] = []
    async with daemon_process(directory, SETTINGS) as daemon:
        before = await footprint(daemon)
        await sipp(_target(daemon), directory, "-r", "100", "-l", "50", "-d", "0", calls=WARM_UP)
        failing = 0
        for rate in rates:
            steps.append(await step(daemon, directory, rate, seconds, before))
            _say(steps[-1].row())
            failing = failing + 1 if steps[-1].failed else 0
            if failing == FAILING_STEPS:
                break
    return steps


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each step")
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, help="calls a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="warmbridge-load-") as folder:
        steps = asyncio.run(measure(Path(folder), options.rates, options.seconds))
    _say(json.dumps([asdict(one) for one in steps]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
