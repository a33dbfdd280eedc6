"""A TCP line between a browser and the daemon that a test can cut, as a Wi-Fi would."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from bridge.peers.daemon_process import HOST


class NetworkLine:
    """Carries every connection to `target_port`; `cut` resets all of them and `held` refuses new ones."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._held = False
        self.port = 0

    def cut(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        self._held = True
        self.cut()
        try:
            yield
        finally:
            self._held = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["NetworkLine"]:
        server = await asyncio.start_server(self._carry, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._held:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target_port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
