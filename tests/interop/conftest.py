"""One daemon per test or per module, and what must hold after every use of it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.peers.daemon_process import HOST, DaemonProcess, daemon_process
from bridge.peers.loopback import gather_only

gather_only(HOST)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[DaemonProcess]:
    """A daemon for one test, which must not log an error nor die."""
    async with daemon_process(tmp_path) as running:
        yield running
        assert running.process.returncode is None, running.last_log_lines()
    assert complaints(running) == []


def complaints(daemon: DaemonProcess) -> list[str]:
    """What the daemon logged as an error, and every line that is no JSON (a traceback, a warning)."""
    found = []
    for line in daemon.log.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            found.append(line)
            continue
        if entry.get("level") in ("error", "critical"):
            found.append(line)
    return found
