"""Durable means surviving `kill -9`: a process is killed for real while it writes."""

import subprocess
import sys
from pathlib import Path

from bridge.clock import ManualClock
from bridge.journal.journal import Journal

WRITER = """
import asyncio, sys
from bridge.clock import ManualClock
from bridge.desk.events import InteractionEnded
from bridge.ids import InteractionId
from bridge.journal.journal import Journal

async def main():
    journal = Journal(sys.argv[1], ManualClock(), "boot_killed")
    await journal.open()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(journal.run())
        while True:
            event = InteractionEnded(0.0, InteractionId("int_1"), "x", "y")
            await journal.append([event], lambda numbers: print(numbers[0], flush=True))

asyncio.run(main())
"""


async def test_what_was_reported_durable_is_there_after_kill_9(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}"
    reported = killed_writer(url)
    journal = Journal(url, ManualClock(), "boot_after")
    await journal.open()
    entries = await journal.read(limit=100_000)
    await journal.aclose()
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    assert len(entries) >= max([100, *reported])


def killed_writer(url: str) -> list[int]:
    """Runs a writer, kills it after its hundredth commit, returns the numbers it had reported by then."""
    with subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        while int(writer.stdout.readline()) < 100:
            pass
        writer.kill()
        return [int(line) for line in writer.stdout.read().split("\n")[:-1]]
