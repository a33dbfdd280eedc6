"""One bridge to a journal: two would each call back the same callers, and neither knows of the other's calls."""

import fcntl
import os
from pathlib import Path

SUFFIX = "-lock"  # beside what SQLite itself puts there: -wal, -shm


class JournalLock:
    """Held as long as the process lives, however that ends; a file beside the journal says who has it."""

    __slots__ = ("_file",)

    def __init__(self) -> None:
        self._file: int | None = None

    def take(self, journal: Path) -> str | None:
        """The number of the process that has it, None once it is ours. Raises OSError."""
        # Not the journal itself: closing it anywhere would take SQLite's own locks from it.
        file = os.open(journal.with_name(journal.name + SUFFIX), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 20).decode("ascii", "replace").strip()
            os.close(file)
            return holder or "unknown"
        except OSError:
            os.close(file)
            raise
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        self._file = file
        return None

    def release(self) -> None:
        """Twice is fine."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
