"""The UDP socket of the SIP door: read in batches, never blocking, bounded both ways."""

import asyncio
import contextlib
import ipaddress
import socket
from collections import deque
from collections.abc import Callable

BATCH = 64  # datagrams read before other readers of the loop get their turn
MAX_QUEUED = 1024  # datagrams waiting for the kernel; more are dropped, and SIP sends again
RECEIVE_BUFFER_BYTES = 4 << 20  # a burst of some thousand requests; the kernel caps it at net.core.rmem_max
MAX_DATAGRAM_BYTES = 65_535

OnDatagram = Callable[[bytes, str, int], None]


class DatagramPort:
    """`on_datagram(data, host, port)` is called for each, `on_batch()` after some."""

    __slots__ = ("_loop", "_on_batch", "_on_datagram", "_queue", "_socket", "dropped")

    def __init__(
        self, address: str, port: int, on_datagram: OnDatagram, on_batch: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_datagram = on_datagram
        self._on_batch = on_batch
        self._queue: deque[tuple[bytes, str, int]] = deque()
        self.dropped = 0
        version_6 = ipaddress.ip_address(address).version == 6
        self._socket = socket.socket(socket.AF_INET6 if version_6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)  # noqa: FBT003 - the library's signature
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            if version_6:  # as TCP does it: an IPv4 source in IPv6 clothes would belong to no network
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._socket.bind((address, port))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket.fileno(), self._read)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def send(self, data: bytes, host: str, port: int) -> None:
        """`host` is numeric. Raises OSError when the kernel refuses the destination or the size."""
        if self._queue:
            self._enqueue(data, host, port)
            return
        try:
            self._socket.sendto(data, (host, port))
        except BlockingIOError:
            self._loop.add_writer(self._socket.fileno(), self._write)
            self._enqueue(data, host, port)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()

    def _enqueue(self, data: bytes, host: str, port: int) -> None:
        if len(self._queue) >= MAX_QUEUED:
            self.dropped += 1
            return
        self._queue.append((data, host, port))

    def _read(self) -> None:
        for _ in range(BATCH):
            try:
                data, source = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue  # an ICMP error of an earlier datagram is reported here
            self._on_datagram(data, source[0], source[1])
            if self._socket.fileno() < 0:
                return
        self._on_batch()

    def _write(self) -> None:
        while self._queue:
            data, host, port = self._queue[0]
            try:
                with contextlib.suppress(PermissionError, ConnectionError):
                    self._socket.sendto(data, (host, port))
            except BlockingIOError:
                return
            except OSError:
                self.dropped += 1
            self._queue.popleft()
        self._loop.remove_writer(self._socket.fileno())
