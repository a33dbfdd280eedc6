"""Loopback ports that nobody else of ours takes between the look at them and their use.

A process claims whole blocks of ports. A block is his who has its first port bound, so the kernel gives it back when
the process is gone, however it went; and whoever runs beside, in a checkout of his own, passes it over.
"""

import atexit
import contextlib
import secrets
import socket
from dataclasses import dataclass
from types import TracebackType

from bridge.errors import BridgeError

LOOPBACK = "127.0.0.1"


class NoPortError(BridgeError):
    """Every block is claimed, or what is left of it is in other programs' hands."""

    code = "no_port"


@dataclass(frozen=True)
class Claim:
    """`ports`, even the first, are ours until the block ends or `close` is called."""

    ports: range
    guard: socket.socket

    def close(self) -> None:
        self.guard.close()

    def __enter__(self) -> range:
        return self.ports

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class PortSpace:
    """`ports`, an even number to begin with, in blocks of `size`."""

    ports: range
    size: int

    def claim(self) -> Claim:
        """A block that nobody has. The look begins anywhere, for others look too."""
        firsts = self.ports[: -self.size + 1 : self.size]
        begin = secrets.randbelow(len(firsts))
        for number in range(len(firsts)):
            first = firsts[(begin + number) % len(firsts)]
            guard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                guard.bind((LOOPBACK, first))
            except OSError:
                guard.close()
            else:
                return Claim(range(first + 2, first + self.size), guard)
        raise NoPortError(
            f"all {len(firsts)} blocks from {self.ports.start} to {self.ports.stop} are claimed"
        )


# Below and above Linux' ephemeral ports (32768 to 60999): nobody is given one of these for asking for any.
DAEMON_MEDIA = PortSpace(range(10_000, 28_000), 1000)  # the RTP of one daemon
PHONE_MEDIA = PortSpace(range(28_000, 32_600), 200)  # the RTP of all phones of a process
SERVERS = PortSpace(range(61_000, 65_500), 100)  # what the programs of a process listen at


class FreePorts:
    """Ports of blocks of one's own, each told again as late as can be; a new block when none is free."""

    def __init__(self, space: PortSpace) -> None:
        self._space = space
        self._claims: list[Claim] = []
        self._next = 0

    def take(self, count: int = 1) -> int:
        """The first, even, of so many neighbours that are free now for UDP and for TCP."""
        if self._claims and (found := self._look(self._claims[-1].ports, count)):
            return found
        self._claims.append(self._space.claim())
        self._next = self._claims[-1].ports.start
        if found := self._look(self._claims[-1].ports, count):
            return found
        raise NoPortError(f"{count} neighbours are not free in {self._claims[-1].ports}")

    def close(self) -> None:
        """Gives the blocks back."""
        for claim in self._claims:
            claim.close()
        self._claims.clear()

    def _look(self, ports: range, count: int) -> int:
        step = count + count % 2
        for _ in range(len(ports) // step + 1):
            if self._next + step > ports.stop:
                self._next = ports.start
            first, self._next = self._next, self._next + step
            if first + step <= ports.stop and all(map(_is_free, range(first, first + count))):
                return first
        return 0


def _is_free(port: int) -> bool:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        contextlib.suppress(OSError),
    ):
        udp.bind((LOOPBACK, port))
        tcp.bind((LOOPBACK, port))
        return True
    return False


_servers, _phones = FreePorts(SERVERS), FreePorts(PHONE_MEDIA)
atexit.register(_servers.close)
atexit.register(_phones.close)


def free_port() -> int:
    """A port to listen at, and the odd one behind it for whoever speaks TLS there."""
    return _servers.take(2)


def free_media_ports(count: int) -> int:
    """The first, even, of so many neighbours for a phone's RTP."""
    return _phones.take(count)
