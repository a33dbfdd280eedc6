"""`warmbridge demo`, as a stranger runs it: it passes, and each fault fails just the check that is meant."""

import json
import sys

import pytest

from bridge.peers.demo.script import FAULTS
from tests.interop.programs import run

SECONDS = "6"


async def demo(*arguments: str) -> tuple[int, dict[str, bool], str]:
    """Runs it; returns exit code, check -> passed, and everything it wrote."""
    code, output = await run([sys.executable, "-m", "bridge", "demo", "--json", *arguments], 120.0)
    start = output.find("{\n")
    assert start >= 0, output
    verdicts = json.loads(output[start : output.rindex("}") + 1])
    return code, {check["check"]: check["ok"] for check in verdicts["checks"]}, output


async def test_the_demo_passes_every_check() -> None:
    code, checks, output = await demo("--seconds", SECONDS)
    assert all(checks.values()), output
    assert code == 0


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_fails_just_the_check_that_is_meant(fault: str) -> None:
    code, checks, output = await demo("--seconds", SECONDS, "--fault", fault)
    assert {check for check, ok in checks.items() if not ok} == {FAULTS[fault].check}, output
    assert code == 1


async def test_an_unknown_fault_is_refused_with_the_known_ones_named() -> None:
    code, output = await run([sys.executable, "-m", "bridge", "demo", "--fault", "nonsense"])
    assert code == 2
    assert "silent-expert" in output
