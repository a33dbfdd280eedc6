"""The UDP socket of the SIP door: read in batches, never blocking, bounded both ways."""

import asyncio
import contextlib
import ipaddress
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable

from bridge.wire.packet_info import ASK_4, ASK_6, CONTROL_SIZE, info_of, source_info

BATCH = 64  # datagrams read before other readers of the loop get their turn
MAX_QUEUED = 1024  # datagrams waiting for the kernel; more are dropped, and SIP sends again
RECEIVE_BUFFER_BYTES = 4 << 20  # a burst of some thousand requests; the kernel caps it at net.core.rmem_max
MAX_DATAGRAM_BYTES = 65_535
SO_MEMINFO = 55  # Linux, asm-generic/socket.h; Python has no name for it
_MEMORY = struct.Struct("=9I")  # linux/sock_diag.h; the last one counts what found no room

MAX_KNOWN = 4096  # peers whose last local address is remembered; then all are learned anew
CONTROL_ROOM = socket.CMSG_SPACE(CONTROL_SIZE)

Control = tuple[int, int, bytes]  # of sendmsg: level, type and data
OnDatagram = Callable[[bytes, str, int], None]


class DatagramPort:
    """`on_datagram(data, host, port)` is called for each, `on_batch()` after some.

    Bound to all addresses it answers from the one that a peer sent to, and sends to others from the advertised
    one if this machine has it: what Via and Contact say is then where it comes from.
    """

    __slots__ = (
        "_local_of",
        "_loop",
        "_on_batch",
        "_on_datagram",
        "_own",
        "_queue",
        "_socket",
        "_tells_local",
        "dropped",
    )

    def __init__(
        self,
        address: str,
        port: int,
        on_datagram: OnDatagram,
        on_batch: Callable[[], None],
        advertised_address: str = "",
    ) -> None:
        self._local_of: dict[tuple[str, int], Control] = {}
        self._own: tuple[Control, ...] = ()
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
        self._tells_local = ipaddress.ip_address(address).is_unspecified and sys.platform == "linux"
        if self._tells_local:
            self._socket.setsockopt(*(ASK_6 if version_6 else ASK_4), 1)
            if _has_address(advertised_address, version_6=version_6):
                self._own = (info_of(advertised_address),)
        self._loop.add_reader(self._socket.fileno(), self._read)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def unread(self) -> int:
        """Datagrams that the kernel threw away because nobody read in time; 0 where it does not say."""
        if sys.platform != "linux" or self._socket.fileno() < 0:
            return 0
        try:
            told = self._socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMORY.size)
        except OSError:  # a kernel older than 4.12
            return 0
        return int(_MEMORY.unpack(told)[-1]) if len(told) == _MEMORY.size else 0

    def send(self, data: bytes, host: str, port: int) -> None:
        """`host` is numeric. Raises OSError when the kernel refuses the destination or the size."""
        if self._queue:
            self._enqueue(data, host, port)
            return
        try:
            self._send_now(data, host, port)
        except BlockingIOError:
            self._loop.add_writer(self._socket.fileno(), self._write)
            self._enqueue(data, host, port)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()

    def _send_now(self, data: bytes, host: str, port: int) -> None:
        if not self._tells_local:
            self._socket.sendto(data, (host, port))
            return
        known = self._local_of.get((host, port))
        self._socket.sendmsg((data,), self._own if known is None else (known,), 0, (host, port))

    def _receive(self) -> tuple[bytes, str, int]:
        if not self._tells_local:
            data, source = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            return data, source[0], source[1]
        data, said, _, source = self._socket.recvmsg(MAX_DATAGRAM_BYTES, CONTROL_ROOM)
        local = next(filter(None, (source_info(*each) for each in said)), None)
        if local is not None:
            if len(self._local_of) >= MAX_KNOWN:
                self._local_of.clear()
            self._local_of[source[0], source[1]] = local
        return data, source[0], source[1]

    def _enqueue(self, data: bytes, host: str, port: int) -> None:
        if len(self._queue) >= MAX_QUEUED:
            self.dropped += 1
            return
        self._queue.append((data, host, port))

    def _read(self) -> None:
        for _ in range(BATCH):
            try:
                data, host, port = self._receive()
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue  # an ICMP error of an earlier datagram is reported here
            self._on_datagram(data, host, port)
            if self._socket.fileno() < 0:
                return
        self._on_batch()

    def _write(self) -> None:
        while self._queue:
            data, host, port = self._queue[0]
            try:
                with contextlib.suppress(PermissionError, ConnectionError):
                    self._send_now(data, host, port)
            except BlockingIOError:
                return
            except OSError:
                self.dropped += 1
            self._queue.popleft()
        self._loop.remove_writer(self._socket.fileno())


def _has_address(address: str, *, version_6: bool) -> bool:
    """Whether it is one of this machine's, and of that family: not a name, and not what a NAT stands for."""
    try:
        with socket.socket(socket.AF_INET6 if version_6 else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((str(ipaddress.ip_address(address)), 0))
    except (OSError, ValueError):
        return False
    return True
