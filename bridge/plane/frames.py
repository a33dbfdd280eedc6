"""Length-prefixed frames on the socket between the two planes."""

import asyncio
import struct

from bridge.errors import PlaneLostError

_LENGTH = struct.Struct("!I")
MAX_FRAME_BYTES = 4 * 1024 * 1024
MAX_UNSENT_BYTES = 8 * 1024 * 1024  # the other side has stopped reading long before this


class FrameWriter:
    """Writes frames without waiting; a reader that falls too far behind counts as lost."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def write(self, payload: bytes) -> None:
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._writer.close()
            raise PlaneLostError("the other plane stopped reading")
        self._writer.write(_LENGTH.pack(len(payload)) + payload)

    async def drain(self) -> None:
        """Returns when the kernel has taken what was written: for the last words of a process."""
        await self._writer.drain()

    def is_closing(self) -> bool:
        return self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame, or None when the other side is gone or sends what is no frame."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MAX_FRAME_BYTES:
            return None
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
