"""Many datagrams per system call: recvmmsg and sendmmsg, declared by cffi on the C library (no compiler).

One `PacketIO` serves every socket of a loop; its buffers are reused at each call. Where the C library lacks
the calls, `PlainIO` does the same with one system call per datagram.
"""

import errno
import functools
import ipaddress
import socket
import struct
import sys
from collections import deque
from typing import Any, Protocol

import cffi

from bridge.transport.address import Address

Datagram = tuple[bytes, Address]

BATCH = 32  # recvmmsg(32) was enough to be 3x cheaper than one call per packet (measurements.md)
SLOT_SIZE = 2048  # an Ethernet frame is 1500; what is larger was never media
SOCKADDR_SIZE = 28  # sizeof(struct sockaddr_in6)
MAX_CACHED_ADDRESSES = 4096
MSG_DONTWAIT = 0x40
MSG_TRUNC = 0x20

_DECLARATIONS = """
struct iovec { void *iov_base; size_t iov_len; };
struct msghdr {
    void *msg_name; unsigned int msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
    void *msg_control; size_t msg_controllen; int msg_flags;
};
struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
int recvmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags, void *timeout);
int sendmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags);
"""


class PacketIO(Protocol):
    """Non-blocking datagram input and output on any socket. Peers and kernels never make it raise."""

    truncated: int
    refused: int

    def receive(self, sock: socket.socket) -> list[Datagram]:
        """Up to `BATCH` datagrams; fewer means the socket is drained."""
        ...

    def send(self, sock: socket.socket, queue: deque[Datagram]) -> bool:
        """Takes datagrams off the left of `queue` as the kernel accepts them; False when it is full.

        A datagram that can never leave (port 0, no route, too large) is skipped and counted in `refused`.
        """
        ...


def packet_io() -> PacketIO:
    """The best implementation this machine has."""
    if sys.platform == "linux" and struct.calcsize("P") == 8:
        try:
            return BatchedIO()
        except (AttributeError, OSError):
            return PlainIO()
    return PlainIO()


@functools.cache
def _c_library() -> tuple[cffi.FFI, Any]:
    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    library: Any = ffi.dlopen(None)
    _ = library.recvmmsg, library.sendmmsg  # AttributeError here, not at the first packet
    return ffi, library


def pack_sockaddr(family: int, address: Address) -> bytes:
    """`address` as the kernel's struct sockaddr_in or sockaddr_in6; ValueError if it is not numeric."""
    host, port = address
    if not 0 <= port <= 0xFFFF:
        raise ValueError(f"port {port} is out of range")
    if family == socket.AF_INET:
        return struct.pack("=H", socket.AF_INET) + struct.pack(
            "!H4s8x", port, ipaddress.IPv4Address(host).packed
        )
    ip = ipaddress.ip_address(host)
    packed = ip.packed if isinstance(ip, ipaddress.IPv6Address) else b"\0" * 10 + b"\xff\xff" + ip.packed
    return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI16sI", port, 0, packed, 0)


def unpack_sockaddr(data: bytes) -> Address:
    """The address in a struct sockaddr_in or sockaddr_in6. IPv4 inside IPv6 comes out as IPv4."""
    (family,) = struct.unpack_from("=H", data)
    (port,) = struct.unpack_from("!H", data, 2)
    if family == socket.AF_INET:
        return str(ipaddress.IPv4Address(data[4:8])), port
    ip = ipaddress.IPv6Address(data[8:24])
    return str(ip.ipv4_mapped or ip), port


# As an int: `socket.family` makes an enum of it each time, ten times slower (0.75 us, measured).
_family = socket.SocketType.family.__get__


class _Vector:
    """A message vector whose entries point at one slot and one sockaddr each, with their parts at hand."""

    __slots__ = ("_keep", "headers", "messages", "names", "pieces", "slots", "vector")

    def __init__(self, ffi: Any) -> None:
        self.vector = ffi.new("struct mmsghdr[]", BATCH)
        pieces = ffi.new("struct iovec[]", BATCH)
        data = ffi.new("unsigned char[]", BATCH * SLOT_SIZE)
        names = ffi.new("unsigned char[]", BATCH * SOCKADDR_SIZE)
        for i in range(BATCH):
            pieces[i].iov_base = data + i * SLOT_SIZE
            pieces[i].iov_len = SLOT_SIZE
            header = self.vector[i].msg_hdr
            header.msg_name = names + i * SOCKADDR_SIZE
            header.msg_namelen = SOCKADDR_SIZE
            header.msg_iov = pieces + i
            header.msg_iovlen = 1
        self._keep = (pieces, data, names)  # the vector points into these
        self.messages = [self.vector[i] for i in range(BATCH)]
        self.headers = [self.vector[i].msg_hdr for i in range(BATCH)]
        self.pieces = [pieces[i] for i in range(BATCH)]
        self.slots = memoryview(ffi.buffer(data))
        self.names = memoryview(ffi.buffer(names))


class BatchedIO:
    """recvmmsg and sendmmsg over fixed slots. Not for use from two threads."""

    __slots__ = (
        "_addresses",
        "_c",
        "_ffi",
        "_in",
        "_out",
        "_sockaddrs",
        "refused",
        "truncated",
    )

    def __init__(self) -> None:
        self._ffi, self._c = _c_library()
        self.truncated = 0
        self.refused = 0
        self._addresses: dict[bytes, Address] = {}
        self._sockaddrs: dict[int, dict[Address, bytes]] = {socket.AF_INET: {}, socket.AF_INET6: {}}
        self._in = _Vector(self._ffi)
        self._out = _Vector(self._ffi)

    def receive(self, sock: socket.socket) -> list[Datagram]:
        box = self._in
        count = self._c.recvmmsg(sock.fileno(), box.vector, BATCH, MSG_DONTWAIT, self._ffi.NULL)
        if count <= 0:
            return []  # EAGAIN, or the ICMP error of an earlier send
        datagrams = []
        for i in range(count):
            header = box.headers[i]
            if header.msg_flags & MSG_TRUNC:
                self.truncated += 1
            else:
                name = i * SOCKADDR_SIZE
                raw = bytes(box.names[name : name + header.msg_namelen])
                address = self._addresses.get(raw) or self._learn(raw)
                start = i * SLOT_SIZE
                datagrams.append((bytes(box.slots[start : start + box.messages[i].msg_len]), address))
            header.msg_namelen = SOCKADDR_SIZE
        return datagrams

    def _learn(self, raw: bytes) -> Address:
        if len(self._addresses) >= MAX_CACHED_ADDRESSES:
            self._addresses.clear()  # only a cache: the next packets fill it again
        address = self._addresses[raw] = unpack_sockaddr(raw)
        return address

    def send(self, sock: socket.socket, queue: deque[Datagram]) -> bool:
        descriptor, family = sock.fileno(), _family(sock)
        while queue:
            count = self._fill(family, queue)
            if count == 0:
                self._refuse(queue)
                continue
            sent = self._c.sendmmsg(descriptor, self._out.vector, count, MSG_DONTWAIT)
            if sent > 0:
                for _ in range(sent):
                    queue.popleft()
                continue
            if self._ffi.errno in (errno.EAGAIN, errno.ENOBUFS, errno.EINTR):
                return False
            self._refuse(queue)  # the errno is the first message's: skip that one
        return True

    def _fill(self, family: int, queue: deque[Datagram]) -> int:
        """Copies the head of `queue` into the vector, up to what cannot be addressed. Returns how many."""
        box, sockaddrs = self._out, self._sockaddrs[family]
        count = 0
        for data, address in queue:
            size = len(data)
            raw = sockaddrs.get(address) or self._resolve(family, address)
            if size > SLOT_SIZE or raw is None:
                break
            start = count * SLOT_SIZE
            box.slots[start : start + size] = data
            start = count * SOCKADDR_SIZE
            box.names[start : start + len(raw)] = raw
            box.headers[count].msg_namelen = len(raw)
            box.pieces[count].iov_len = size
            count += 1
            if count == BATCH:
                break
        return count

    def _resolve(self, family: int, address: Address) -> bytes | None:
        cache = self._sockaddrs[family]
        if len(cache) >= MAX_CACHED_ADDRESSES:
            cache.clear()
        try:
            raw = cache[address] = pack_sockaddr(family, address)
        except ValueError:
            return None
        return raw

    def _refuse(self, queue: deque[Datagram]) -> None:
        queue.popleft()
        self.refused += 1


class PlainIO:
    """The same with recvfrom and sendto."""

    __slots__ = ("refused", "truncated")

    def __init__(self) -> None:
        self.truncated = 0
        self.refused = 0

    def receive(self, sock: socket.socket) -> list[Datagram]:
        datagrams: list[Datagram] = []
        for _ in range(BATCH):
            try:
                data, address = sock.recvfrom(SLOT_SIZE + 1)
            except OSError:
                break
            if len(data) > SLOT_SIZE:
                self.truncated += 1
                continue
            host = str(address[0])
            datagrams.append((data, (host.removeprefix("::ffff:"), int(address[1]))))
        return datagrams

    def send(self, sock: socket.socket, queue: deque[Datagram]) -> bool:
        while queue:
            data, (host, port) = queue[0]
            if sock.family == socket.AF_INET6 and ":" not in host:
                host = "::ffff:" + host
            try:
                if len(data) > SLOT_SIZE:
                    raise OSError(errno.EMSGSIZE, "larger than a slot")
                sock.sendto(data, (host, port))
            except (BlockingIOError, InterruptedError):
                return False
            except (OSError, OverflowError, TypeError):
                self.refused += 1
            queue.popleft()
        return True
