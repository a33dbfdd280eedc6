"""Length-prefixed frames on the socket between the two planes."""

import asyncio
import struct

from bridge.errors import PlaneLostError

_LENGTH = struct.Struct("!I")
MAX_FRAME_BYTES = 4 * 1024 * 1024
READ_BYTES = 256 * 1024
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


class FrameReader:
    """Reads all frames that are there at once: what the other side wrote together arrives together."""

    __slots__ = ("_frames", "_reader", "_unread")

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._frames: list[bytes] = []
        self._unread = b""

    async def read_one(self) -> bytes | None:
        """The next frame alone: the first word of a conversation."""
        frames = await self.read()
        if frames is None:
            return None
        self._frames = frames[1:]
        return frames[0]

    async def read(self) -> list[bytes] | None:
        """The next frames, at least one, or None when the other side is gone or sends what is no frame."""
        while not self._frames:
            try:
                came = await self._reader.read(READ_BYTES)
            except ConnectionError:
                return None
            self._unread += came
            if not came or not self._split():
                return None
        frames, self._frames = self._frames, []
        return frames

    def _split(self) -> bool:
        """Takes what is whole out of what was read; False if something is no frame."""
        at, unread = 0, self._unread
        while len(unread) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(unread, at)
            if length > MAX_FRAME_BYTES:
                return False
            end = at + _LENGTH.size + length
            if end > len(unread):
                break
            self._frames.append(unread[at + _LENGTH.size : end])
            at = end
        self._unread = unread[at:]
        return True
