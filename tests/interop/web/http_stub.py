"""A small HTTP server on loopback that notes what it gets and answers as told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Received], tuple[int, bytes]]


@dataclass
class HttpStub:
    """`answer` is asked for status and body of each request; `location` is where every answer points."""

    port: int = 0
    location: str = ""
    answer: Answer = lambda _request: (200, b"")
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Received(lines[0].split()[1], headers, body)
        self.received.append(request)
        status, content = self.answer(request)
        where = f"Location: {self.location}\r\n" if self.location else ""
        length = f"Content-Length: {len(content)}\r\n"
        head = f"HTTP/1.1 {status} Told\r\n{where}{length}Connection: close\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def http_stub(answer: Answer = lambda _request: (200, b"")) -> AsyncIterator[HttpStub]:
    stub = HttpStub(answer=answer)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.port = server.sockets[0].getsockname()[1]
    try:
        yield stub
    finally:
        server.close()
        await server.wait_closed()
