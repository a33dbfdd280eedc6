"""Length-prefixed frames on the socket between the two planes."""

import asyncio
import struct

from bridge.errors import PlaneLostError

_LENGTH = struct.Struct("!I")
MAX_FRAME_BYTES = 4 * 1024 * 1024
MAX_UNSENT_BYTES = 8 * 1024 * 1024  # the other side has stopped reading long before this


class FrameWriter:
    """Writes frames without waiting; a reader that falls too far behind counts as lost.

    What is written in one turn of the loop goes to the kernel together: a call has five commands, and a tick
    of statistics one event for each leg.
    """

    __slots__ = ("_flushing", "_unsent", "_unsent_bytes", "_writer")

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._flushing = False

    def write(self, payload: bytes) -> None:
        if self._writer.transport.get_write_buffer_size() + self._unsent_bytes > MAX_UNSENT_BYTES:
            self._writer.close()
            raise PlaneLostError("the other plane stopped reading")
        self._unsent += (_LENGTH.pack(len(payload)), payload)
        self._unsent_bytes += len(payload)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    async def drain(self) -> None:
        """Returns when the kernel has taken what was written: for the last words of a process."""
        self._flush()
        await self._writer.drain()

    def is_closing(self) -> bool:
        return self._writer.is_closing()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._flushing = False
        unsent, self._unsent, self._unsent_bytes = self._unsent, [], 0
        if unsent and not self._writer.is_closing():
            self._writer.write(b"".join(unsent))


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame, or None when the other side is gone or sends what is no frame."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MAX_FRAME_BYTES:
            return None
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
