"""`python -m tests.interop.peer_table [PEER ...]`: what works with which real peer, a line each, yes or no.

The lines are the tests that carry `@pytest.mark.peer(PEER, FEATURE)`: nothing here is known twice.
"""

import contextlib
import io
import sys
from collections.abc import Sequence
from typing import NamedTuple

import pytest

PEER_WIDTH, FEATURE_WIDTH = 10, 74


class Line(NamedTuple):
    """One feature of one peer, and what came of it."""

    peer: str
    feature: str
    outcome: str  # passed | failed | skipped
    why: str = ""

    def __str__(self) -> str:
        answer = {"passed": "yes", "failed": "no", "skipped": "not tried"}[self.outcome]
        feature = f"{self.feature} ".ljust(FEATURE_WIDTH, ".")
        return f"{self.peer:<{PEER_WIDTH}} {feature} {answer}{f'  ({self.why})' if self.why else ''}"


class PeerTable:
    """A plugin of pytest that runs the tests with the mark and prints a line for each as it ends."""

    def __init__(self, peers: Sequence[str], output: io.TextIOBase | None = None) -> None:
        self._peers = peers
        self._output = output or sys.stdout
        self._errors: dict[str, str] = {}
        self.lines: list[Line] = []

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if self._wants(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen

    def _wants(self, item: pytest.Item) -> bool:
        mark = item.get_closest_marker("peer")
        return mark is not None and (not self._peers or mark.args[0] in self._peers)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
        report: pytest.TestReport = yield
        if report.failed:
            self._errors.setdefault(item.nodeid, str(call.excinfo.value) if call.excinfo else report.outcome)
        if report.when == "teardown":
            self._finish(item, "failed" if item.nodeid in self._errors else "passed")
        elif report.skipped:
            self._errors.pop(item.nodeid, None)
            self._add(item, "skipped", "")
        return report

    def _finish(self, item: pytest.Item, outcome: str) -> None:
        if not any(line.outcome == "skipped" and line.feature == _feature(item) for line in self.lines):
            self._add(item, outcome, self._errors.get(item.nodeid, "").split("\n", 1)[0][:100])

    def _add(self, item: pytest.Item, outcome: str, why: str) -> None:
        mark = item.get_closest_marker("peer")
        assert mark is not None
        line = Line(mark.args[0], _feature(item), outcome, why)
        self.lines.append(line)
        self._output.write(f"{line}\n")
        self._output.flush()

    def summary(self) -> str:
        counts = [
            sum(line.outcome == outcome for line in self.lines) for outcome in ("passed", "failed", "skipped")
        ]
        return "{} passed, {} failed, {} skipped".format(*counts)


def _feature(item: pytest.Item) -> str:
    """With the parameters of this run of the test, if it has any."""
    mark = item.get_closest_marker("peer")
    assert mark is not None
    parameters = getattr(item, "callspec", None)
    return f"{mark.args[1]} ({parameters.id.replace('-', ', ')})" if parameters else str(mark.args[1])


def main(peers: Sequence[str]) -> int:
    table = PeerTable(peers, output=io.TextIOWrapper(sys.stdout.buffer, write_through=True))
    with contextlib.redirect_stdout(
        io.StringIO()
    ) as told:  # pytest's own words, wanted only when it stumbles
        status = pytest.main(
            # -m: those that take minutes as well
            ["tests/interop", "-q", "--no-header", "-p", "no:cacheprovider", "-m", "peer"],
            plugins=[table],
        )
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not table.lines:
        print(told.getvalue())  # noqa: T201
        return 2
    print(table.summary())  # noqa: T201
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
