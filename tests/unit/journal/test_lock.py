"""One bridge to a journal."""

import asyncio
import sys
from pathlib import Path

import pytest

from bridge.journal.database import Database, JournalError
from bridge.journal.lock import JournalLock

HOLD = """
import sys; from pathlib import Path; from bridge.journal.lock import JournalLock
print(JournalLock().take(Path(sys.argv[1])), flush=True); sys.stdin.read()
"""


def test_it_is_had_by_one_at_a_time_and_given_back(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    first, second = JournalLock(), JournalLock()
    assert first.take(journal) is None
    assert second.take(journal)
    first.release()
    first.release()
    assert second.take(journal) is None


async def test_a_second_bridge_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    database = Database(f"sqlite+aiosqlite:///{journal}", "NORMAL", "boot")
    other = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLD,
        str(journal),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert other.stdout is not None
    assert (await other.stdout.readline()).strip() == b"None"
    with pytest.raises(JournalError, match=f"another bridge .process {other.pid}."):
        await database.open()
    other.kill()
    await other.communicate()
    await database.open()
    await database.aclose()
