"""`make sip-edges`: thousands of calls that end at an edge, and what they leave behind.

A real daemon under sipp and sockets of our own. A line for each path, then a JSON object. Exit code 1 if most calls
of a path did not go its way, if anything is left, or if memory grew with the calls.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bridge.peers.daemon_process import DaemonProcess, daemon_process
from tests.interop.sipp import sipp
from tests.load.edge_calls import CONFIG, PATHS, SETTINGS
from tests.load.leftovers import Footprint, footprint, left_after

WARM_UP = 1500  # calls that fill what has a bound: 1,000 ended interactions, 10,000 events, traces
WARM_UP_EACH = 200  # of each path
SHARE_MIN = 0.5  # of a path's calls: a busy machine refuses some, and one that refuses most proves nothing
GROWTH_MAX_MB = 25.0  # 300 bytes for each of 80,000 calls: less than any object that is forgotten


@dataclass
class Report:
    """`ok` of `calls` went as they should, by path."""

    calls: dict[str, int] = field(default_factory=dict)
    ok: dict[str, int] = field(default_factory=dict)
    leftovers: dict[str, float] = field(default_factory=dict)
    before: Footprint | None = None
    after: Footprint | None = None

    @property
    def growth_mb(self) -> float:
        if self.before is None or self.after is None:
            return 0.0
        grown = self.after.control_mb + self.after.worker_mb - self.before.control_mb - self.before.worker_mb
        return round(grown, 1)

    def complaints(self) -> list[str]:
        found = [
            f"{name}: only {self.ok[name]} of {n} calls went that way"
            for name, n in self.calls.items()
            if self.ok[name] < SHARE_MIN * n
        ]
        found += [f"{count:g} {name} are left" for name, count in self.leftovers.items()]
        if self.growth_mb > GROWTH_MAX_MB:
            found.append(f"memory grew by {self.growth_mb} MB")
        return found

    def figures(self) -> dict[str, object]:
        return {**asdict(self), "growth_mb": self.growth_mb}


async def warm_up(daemon: DaemonProcess, directory: Path) -> None:
    target = f"127.0.0.1:{daemon.sip_port}"
    shape = ("-r", "150", "-l", "50", "-d", "0", "-s", "support")
    await sipp(target, directory, *shape, calls=WARM_UP, timeout_s=240)
    await together(daemon, directory, list(PATHS), WARM_UP_EACH)


async def together(
    daemon: DaemonProcess, directory: Path, names: Sequence[str], calls: int
) -> dict[str, int]:
    """All paths at once; how many calls of each went well."""
    went_well = await asyncio.gather(*(PATHS[name](daemon, directory, calls) for name in names))
    return dict(zip(names, went_well, strict=True))


async def measure(directory: Path, calls: int, names: Sequence[str]) -> Report:
    report = Report()
    async with daemon_process(directory, SETTINGS, CONFIG) as daemon:
        idle = await footprint(daemon)
        await warm_up(daemon, directory)
        await left_after(daemon, idle)
        report.before = await footprint(daemon)
        for name in names:
            began = time.monotonic()
            report.calls[name] = calls
            report.ok[name] = await PATHS[name](daemon, directory, calls)
            left = await left_after(daemon, report.before)
            report.leftovers |= left
            report.after = await footprint(daemon)
            seconds = time.monotonic() - began
            _say(
                f"{name:12} {report.ok[name]:6} of {calls} ok, {left or 'nothing left'}, {seconds:.0f} s,"
                f" {report.after}"
            )
    return report


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000, help="on each path")
    parser.add_argument("--only", action="append", choices=PATHS, metavar="PATH", help=", ".join(PATHS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="warmbridge-edges-") as folder:
        report = asyncio.run(measure(Path(folder), options.calls, options.only or list(PATHS)))
    for complaint in report.complaints():
        sys.stderr.write(complaint + "\n")
    _say(json.dumps(report.figures()))
    return 1 if report.complaints() else 0


if __name__ == "__main__":
    sys.exit(main())
