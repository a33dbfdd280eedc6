"""Where log lines go: a disk that is full, or a reader that stands still, costs lines and never a call."""

import os
import select
import stat

PIECE_BYTES = select.PIPE_BUF  # so much a pipe that is ready takes without waiting
LOST = '{"lines": %d, "event": "x log lines lost", "level": "warning"}\n'


class LogStream:
    """A text stream for loggers over a descriptor. `write` takes whole lines; it neither raises nor waits.

    `lost` counts the lines nobody will read; the next one that gets through is preceded by how many they were.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll: select.poll | None = None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLOUT)
        self._is_cut = False  # the last line did not get its end
        self._untold = 0
        self.lost = 0

    def write(self, text: str) -> int:
        data = text.encode("utf-8", "backslashreplace")
        if self._untold:
            data = (LOST % self._untold).encode() + data
        if self._is_cut:
            data = b"\n" + data
        if self._put(data):
            self._untold = 0
        else:
            self._untold += 1
            self.lost += 1
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def fileno(self) -> int:
        return self._descriptor

    def _put(self, data: bytes) -> bool:
        """False if not all of it could be written, now."""
        at = 0
        try:
            while at < len(data) and self._takes():
                at += os.write(self._descriptor, data[at : at + PIECE_BYTES] if self._poll else data[at:])
        except OSError:
            pass  # no space, nobody at the other end: whoever looks after the log is told by what is missing
        if at:
            self._is_cut = not data[:at].endswith(b"\n")
        return at == len(data)

    def _takes(self) -> bool:
        return self._poll is None or bool(self._poll.poll(0))
