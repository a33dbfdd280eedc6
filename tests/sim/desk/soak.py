"""The walk of `test_desk_walk` for as long as one likes: `python -m tests.sim.desk.soak --transitions 10000000`.

The last line is a JSON object. A rule that does not hold ends it with the seed that shows it.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator

from tests.sim.desk.test_desk_walk import walk

PER_WALK = 20_000


def _walk(seed: int) -> tuple[int, int, str]:
    try:
        walker = walk(seed, PER_WALK)
    except AssertionError as error:
        return seed, 0, f"{type(error).__name__}: {error}"
    return seed, walker.transitions, ""


def _seeds(first: int, transitions: int) -> Iterator[int]:
    yield from range(first, first + -(-transitions // PER_WALK))


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--transitions", type=int, default=10_000_000)
    arguments.add_argument("--first-seed", type=int, default=1000)
    arguments.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    wanted = arguments.parse_args()
    began, done, failed = time.monotonic(), 0, {}
    with multiprocessing.get_context("spawn").Pool(wanted.processes) as pool:
        for seed, transitions, trouble in pool.imap_unordered(
            _walk, _seeds(wanted.first_seed, wanted.transitions)
        ):
            done += transitions
            if trouble:
                failed[seed] = trouble
    seconds = time.monotonic() - began
    report = {"transitions": done, "failed": failed, "seconds": round(seconds, 1)}
    sys.stdout.write(json.dumps(report) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
