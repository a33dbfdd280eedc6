"""`python -m tests.fuzz [--seconds N] [TARGET ...]`: coverage-guided fuzzing, and a corpus kept small.

A finding is left as `crash-...` in the folder of the corpus and ends the run with exit code 1.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

MOST_BYTES = 4096
SLOWEST_S = 5


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="for each target (default 30)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all")
    options = parser.parse_args(arguments)
    wanted = [target for target in TARGETS if not options.targets or target.name in options.targets]
    failed = [target.name for target in wanted if not _fuzz(target, options.seconds)]
    for name in failed:
        print(f"failed: {name}")  # noqa: T201
    print(f"{len(wanted) - len(failed)} passed, {len(failed)} failed")  # noqa: T201
    return 1 if failed else 0


def _fuzz(target: Target, seconds: int) -> bool:
    """libFuzzer runs in a process of its own: it takes the whole process, and ends it."""
    name, corpus = target.name, target.corpus
    corpus.mkdir(parents=True, exist_ok=True)
    limits = (f"-max_len={MOST_BYTES}", f"-timeout={SLOWEST_S}", f"-artifact_prefix={corpus}/")
    with tempfile.TemporaryDirectory() as folder:
        grown = Path(folder, "grown")
        grown.mkdir()
        for number, data in enumerate(target.first_inputs()):
            (grown / f"seed-{number}").write_bytes(data)
        folders = [str(grown), str(corpus)]
        run = _run(name, *folders, f"-max_total_time={seconds}", *limits)
        if run.returncode != 0:
            print(run.stderr[-3000:])  # noqa: T201
            return False
        inputs = [
            path.read_bytes() for path in map(Path, folders) for path in path.iterdir() if path.is_file()
        ]
    _keep(target, inputs)
    print(f"{name}: {len(list(corpus.iterdir()))} inputs kept")  # noqa: T201
    return True


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz.libfuzzer", name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _keep(target: Target, inputs: list[bytes]) -> None:
    """The corpus becomes what together reaches every line that was reached, the smallest inputs first."""
    for path in target.corpus.iterdir():
        path.unlink()
    reached: set[tuple[str, int]] = set()
    for data in sorted(inputs, key=len):
        lines = _lines(target, data)
        if not lines <= reached:
            reached |= lines
            (target.corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def _lines(target: Target, data: bytes) -> set[tuple[str, int]]:
    """The lines of our own code that this input reaches."""
    lines: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        name = frame.f_code.co_filename
        if not ("/bridge/" in name or "/signaling/" in name):
            return None
        if event == "line":
            lines.add((name, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        target.feed(data)
    finally:
        sys.settrace(None)
    return lines


if __name__ == "__main__":
    sys.exit(main())
