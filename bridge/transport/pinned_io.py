"""Batches on a socket that is bound to every address: what is sent leaves from where the peer sent to.

Else the kernel would choose a source by its routes, and a browser takes no answer from another address. A source
is then a peer's address and the local one together, as ICE's pairs are. Sockets of one address need none of it.
"""

import socket
from collections import deque
from itertools import islice

from bridge.transport.address import Address
from bridge.transport.batch import (
    BATCH,
    MAX_CACHED_ADDRESSES,
    MSG_DONTWAIT,
    MSG_TRUNC,
    SLOT_SIZE,
    SOCKADDR_SIZE,
    BatchedIO,
    Datagram,
    PacketIO,
    packet_io,
    unpack_sockaddr,
)
from bridge.wire.packet_info import ASK_4, ASK_6, CONTROL_SIZE, answering_control


class PinnedAddress(tuple[str, int]):
    """A peer's address, and the control message that sends to it from the local address it knows.

    The same peer at two local addresses is two of them.
    """

    control: bytes

    def __new__(cls, address: Address, control: bytes) -> "PinnedAddress":
        made = super().__new__(cls, address)
        made.control = control
        return made

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, PinnedAddress) and self.control == other.control and tuple.__eq__(self, other)
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((tuple.__hash__(self), self.control))


class PinnedIO(BatchedIO):
    """For one socket that was asked for local addresses: `io_for`."""

    __slots__ = ("_controls_in", "_controls_out")

    def __init__(self) -> None:
        super().__init__()
        self._controls_in = self._with_controls(self._in.headers)
        self._controls_out = self._with_controls(self._out.headers)

    def _with_controls(self, headers: list[object]) -> memoryview:
        buffer = self._ffi.new("unsigned char[]", BATCH * CONTROL_SIZE)
        for i, header in enumerate(headers):
            header.msg_control = buffer + i * CONTROL_SIZE  # type: ignore[attr-defined]
            header.msg_controllen = CONTROL_SIZE  # type: ignore[attr-defined]
        return memoryview(self._ffi.buffer(buffer))  # keeps the buffer

    def receive(self, sock: socket.socket) -> list[Datagram]:
        box = self._in
        count = self._c.recvmmsg(sock.fileno(), box.vector, BATCH, MSG_DONTWAIT, self._ffi.NULL)
        datagrams: list[Datagram] = []
        for i in range(max(0, count)):
            header = box.headers[i]
            if header.msg_flags & MSG_TRUNC:
                self.truncated += 1
            else:
                name, control, start = i * SOCKADDR_SIZE, i * CONTROL_SIZE, i * SLOT_SIZE
                raw = bytes(box.names[name : name + header.msg_namelen])
                said = bytes(self._controls_in[control : control + header.msg_controllen])
                address = self._addresses.get(raw + said) or self._learn_pair(raw, said)
                datagrams.append((bytes(box.slots[start : start + box.messages[i].msg_len]), address))
            header.msg_namelen, header.msg_controllen = SOCKADDR_SIZE, CONTROL_SIZE
        return datagrams

    def _learn_pair(self, raw: bytes, said: bytes) -> Address:
        if len(self._addresses) >= MAX_CACHED_ADDRESSES:
            self._addresses.clear()
        address = PinnedAddress(unpack_sockaddr(raw), answering_control(said))
        self._addresses[raw + said] = address
        return address

    def _fill(self, family: int, queue: deque[Datagram]) -> int:
        count = super()._fill(family, queue)
        for i, (_, address) in enumerate(islice(queue, count)):
            control = address.control if isinstance(address, PinnedAddress) else b""
            start = i * CONTROL_SIZE
            self._controls_out[start : start + len(control)] = control
            self._out.headers[i].msg_controllen = len(control)
        return count


def io_for(sock: socket.socket) -> PacketIO:
    """The input and output for a bound socket: with local addresses where it is bound to all of them and
    this machine can tell them."""
    plain = packet_io()
    if sock.getsockname()[0] not in ("0.0.0.0", "::") or not isinstance(plain, BatchedIO):
        return plain
    sock.setsockopt(*(ASK_6 if sock.family == socket.AF_INET6 else ASK_4), 1)
    return PinnedIO()
