"""One daemon per test or per module, and what must hold after every use of it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.peers.browser.loopback import gather_only
from bridge.peers.daemon_process import HOST, DaemonProcess, daemon_process

gather_only(HOST)


@pytest.fixture
def settings() -> dict[str, object]:
    """What differs from the defaults; a module overrides this fixture."""
    return {}


@pytest.fixture
async def daemon(tmp_path: Path, settings: dict[str, object]) -> AsyncIterator[DaemonProcess]:
    """A daemon for one test, which must not log an error nor die."""
    async with daemon_process(tmp_path, settings) as running:
        yield running
        assert running.process.returncode is None, running.last_log_lines()
    assert complaints(running) == []


def complaints(daemon: DaemonProcess) -> list[str]:
    """What the daemon logged as an error, and everything that is no JSON (a traceback, a warning)."""
    return find_complaints(daemon.log.read_text(errors="replace"))


def find_complaints(log: str) -> list[str]:
    """Daemon and media worker share the log: one's newline may come after the other's next line."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := _skip_blank(log, at)) < len(log):
        try:
            entry, end = decoder.raw_decode(log, at)
        except ValueError:
            end = log.find("\n", at) + 1 or len(log)
            found.append(log[at:end])
        else:
            if not isinstance(entry, dict) or entry.get("level") in ("error", "critical"):
                found.append(log[at:end])
        at = end
    return found


def _skip_blank(log: str, at: int) -> int:
    while at < len(log) and log[at].isspace():
        at += 1
    return at
