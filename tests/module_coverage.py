"""The tests that need no second process, and whether they cover each module: `python -m tests.module_coverage`.

A unit must be testable on its own: what only the tests of other packages happen to run through does not count. For
`bridge/rtp/jitter.py` what counts is `tests/unit/rtp` and `tests/interop/rtp`, and if there is a
`tests/unit/rtp/test_jitter*.py`, that alone has to cover most of it. Statements, in percent.
"""

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("tests/unit tests/interop/transport", "tests/interop/sip", "tests/interop/web")
PACKAGE_PERCENT = 80.0  # by the tests of its package
NEEDLESS_PERCENT = 90.0  # an exemption goes from here on: how much is run by chance must not decide
OWN_PERCENT = 65.0  # by the test of its name; what needs a socket is the package's

_DAEMON = "put together and run as a process: every interop test starts it"
_WORKER = "run in the worker's process, with real phones and browsers: tests/interop/test_phone.py, test_conference.py"
_PEER = "a peer the interop tests judge by; what it hears and sees is judged in tests/unit/peers"
_KERNEL = "what is left are answers of the kernel that loopback does not give"
EXEMPT = {
    "bridge/__main__.py": _DAEMON,
    "bridge/daemon.py": _DAEMON,
    "bridge/legs/rtp_leg.py": _WORKER,
    "bridge/legs/webrtc_leg.py": _WORKER,
    "bridge/plane/host.py": _WORKER,
    "bridge/plane/process.py": _WORKER,
    "bridge/peers/camera.py": _PEER,
    "bridge/peers/daemon_process.py": _PEER,
    "bridge/peers/browser/browser.py": _PEER,
    "bridge/peers/browser/path.py": _PEER,
    "bridge/peers/browser/signaling_client.py": _PEER,
    "bridge/peers/demo/demo.py": _PEER,
    "bridge/peers/demo/scene.py": _PEER,
    "bridge/peers/demo/table.py": _PEER,
    "bridge/peers/phone/caller.py": _PEER,
    "bridge/peers/phone/picture_phone.py": _PEER,
    "bridge/peers/phone/rtp_pair.py": _PEER,
    "bridge/peers/phone/rtp_phone.py": _PEER,
    "signaling/sip/shell/datagram_port.py": _KERNEL,
    "signaling/web/http/connection.py": "cut off by hostile clients of a daemon: tests/interop/test_hostile_web.py",
}


@dataclass(frozen=True)
class Module:
    """One file of the bridge and where its tests are."""

    path: str

    @property
    def folders(self) -> tuple[str, ...]:
        """The tests of its package; a package within a package has those around it."""
        package = Path(*Path(self.path).parts[1:-1])
        around = "" if package == Path() else package.parts[0]
        return tuple(dict.fromkeys(f"tests/{kind}/{around}".rstrip("/") for kind in ("unit", "interop")))

    def is_of_package(self, test: str) -> bool:
        """`test` is the path of a test file."""
        folder = str(Path(test).parent)
        if self.folders == ("tests/unit", "tests/interop"):
            return folder == "tests/unit"
        return any(folder == own or folder.startswith(f"{own}/") for own in self.folders)

    def is_own(self, test: str) -> bool:
        """Named after the module, with all, some or none of its packages, and perhaps what of it is tested."""
        *packages, stem = Path(self.path).with_suffix("").parts[1:]
        names = {
            "_".join(("test", *packages[first:last], stem))
            for first in range(len(packages) + 1)
            for last in range(first, len(packages) + 1)
        }
        found = Path(test).stem
        return self.is_of_package(test) and any(
            found == name or found.startswith(f"{name}_") for name in names
        )


class Contexts:
    """A pytest plugin: what runs is noted under the file of the test that runs."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._measured.switch_context(str(item.path.relative_to(ROOT)))
        try:
            return (yield)
        finally:
            self._measured.switch_context("")


def modules() -> Iterator[Module]:
    for package in ("bridge", "signaling"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "__init__.py" and "migrations" not in path.parts:
                yield Module(str(path.relative_to(ROOT)))


def shortfalls(measured: coverage.Coverage) -> Iterator[str]:
    """One line for each module that is covered too little, and for each exemption that is needed no more."""
    data = measured.get_data()
    for module in modules():
        place = str(ROOT / module.path)
        statements = set(measured.analysis2(place)[1])
        if not statements:
            continue
        # Without a context is what runs when the module is imported.
        ran = {line: {*tests} for line, tests in data.contexts_by_lineno(place).items() if line in statements}
        tests = {test for found in ran.values() for test in found if test}

        def percent(counted: set[str], ran: dict[int, set[str]] = ran, count: int = len(statements)) -> float:
            return 100.0 * sum(bool(found & {*counted, ""}) for found in ran.values()) / count

        package = percent({test for test in tests if module.is_of_package(test)})
        own = {test for test in tests if module.is_own(test)}
        enough = package >= PACKAGE_PERCENT and (not own or percent(own) >= OWN_PERCENT)
        if package >= NEEDLESS_PERCENT and enough and module.path in EXEMPT:
            yield f"{module.path}: covered well enough, it needs no exemption"
        elif not enough and module.path not in EXEMPT:
            named = f", {percent(own):.0f} % by {', '.join(sorted(own))}" if own else ""
            yield f"{module.path}: {package:.0f} % by {' and '.join(module.folders)}{named}"
    for path in EXEMPT:
        if not (ROOT / path).exists():
            yield f"{path}: is exempt and does not exist"


def measure(tests: str, data: Path) -> int:
    """Runs the tests below a folder; what they ran goes to `data`."""
    measured = _coverage(data)
    measured.start()
    try:
        failed = pytest.main(["-q", *tests.split()], plugins=[Contexts(measured)])
    finally:
        measured.stop()
        measured.save()
    return int(failed)


def _coverage(data: Path) -> coverage.Coverage:
    return coverage.Coverage(
        data_file=str(data), source=[str(ROOT / name) for name in ("bridge", "signaling")]
    )


def _measure_side_by_side(folder: Path) -> bool:
    """Each part in a process of its own: one computes while others wait for peers. They tell one after the other."""
    with contextlib.ExitStack() as stack:
        parts = []
        for number, tests in enumerate(PARTS):
            output = stack.enter_context((folder / f"output{number}").open("w+"))
            command = [sys.executable, "-m", "tests.module_coverage", "--measure", tests]
            command += ["--data", str(folder / f"data.{number}")]
            parts.append((subprocess.Popen(command, stdout=output, stderr=output), output))
        for process, output in parts:
            process.wait()
            output.seek(0)
            shutil.copyfileobj(output, sys.stdout)
    return all(process.returncode == 0 for process, _ in parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        return measure(options.measure, options.data)
    with tempfile.TemporaryDirectory(prefix="warmbridge-coverage-") as name:
        if not _measure_side_by_side(Path(name)):
            return 1
        measured = _coverage(Path(name) / "data")
        measured.combine([name])
        found = list(shortfalls(measured))
    for line in found:
        sys.stdout.write(f"{line}\n")
    exempt = f"{len(EXEMPT)} are exempt, each with its reason in tests/module_coverage.py"
    verdict = f"{len(found)} modules are covered too little" if found else "each module is covered by its own"
    sys.stdout.write(f"{verdict} (at least {PACKAGE_PERCENT:.0f} %; {exempt})\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
