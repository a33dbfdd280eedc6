"""The RTP port range of one worker: even and odd ports in pairs, for RTP and RTCP (RFC 3550 section 11)."""

import errno
import ipaddress
import socket
from collections import deque
from dataclasses import dataclass

from bridge.errors import CapacityError


@dataclass(frozen=True, slots=True)
class PortPair:
    """Two bound, non-blocking sockets: RTP on the even port, RTCP on the next."""

    port: int
    rtp: socket.socket
    rtcp: socket.socket


def listening_address(address: str, advertised_address: str) -> str:
    """Where to bind: for all addresses the advertised one, if this machine has it. What is sent then comes from
    where the description says; where a NAT stands for the advertised address, the route decides."""
    if not advertised_address or not ipaddress.ip_address(address).is_unspecified:
        return address
    family = socket.AF_INET6 if ":" in advertised_address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((advertised_address, 0))
    except OSError:
        return address
    return advertised_address


class RtpPortPool:
    """Lends port pairs of `port_min` to `port_max`, the longest unused first, from `port_first` on.

    A pair that came back rests for `drain_s`: the old phone may still send, and a new call must not hear it.
    """

    __slots__ = ("_address", "_drain_s", "_draining", "_free", "_lent", "occupied", "refused")

    def __init__(
        self, port_min: int, port_max: int, address: str, drain_s: float, port_first: int = 0
    ) -> None:
        self._address = address
        self._drain_s = drain_s
        self._free = deque(range(port_min + port_min % 2, port_max, 2))
        self._free.rotate(-(max(0, port_first - port_min) // 2))
        self._draining: deque[tuple[float, int]] = deque()
        self._lent: set[int] = set()
        self.refused = 0  # times there was none to lend
        self.occupied = 0  # times a pair was passed over because another program had it

    @property
    def lent(self) -> int:
        """Pairs in use now."""
        return len(self._lent)

    @property
    def free(self) -> int:
        """Pairs ready to be lent, as far as the pool knows."""
        return len(self._free)

    @property
    def draining(self) -> int:
        return len(self._draining)

    def take(self, now: float) -> PortPair:
        """CapacityError when every pair is lent, resting or in another program's hands."""
        self.recover(now)
        for _ in range(len(self._free)):
            port = self._free.popleft()
            try:
                pair = self._open(port)
            except OSError as error:  # no descriptor is left, or the address is gone: not this port's fault
                self._free.append(port)
                self.refused += 1
                raise CapacityError(f"no RTP port can be opened: {error.strerror or error}") from error
            if pair is not None:
                self._lent.add(port)
                return pair
            self._free.append(port)
            self.occupied += 1
        self.refused += 1
        raise CapacityError(
            f"no RTP port is free ({self.lent} pairs in use, {self.draining} draining): widen rtp.port_min "
            "to rtp.port_max"
        )

    def give_back(self, pair: PortPair, now: float) -> None:
        """Closes the pair and lets its ports rest; twice is fine."""
        pair.rtp.close()
        pair.rtcp.close()
        if pair.port in self._lent:
            self._lent.remove(pair.port)
            self._draining.append((now + self._drain_s, pair.port))

    def recover(self, now: float) -> None:
        """Takes back what has rested; `take` does it by itself, whoever looks at the figures does it before."""
        while self._draining and self._draining[0][0] <= now:
            self._free.append(self._draining.popleft()[1])

    def _open(self, port: int) -> PortPair | None:
        rtp = self._bind(port)
        if rtp is None:
            return None
        try:
            rtcp = self._bind(port + 1)
        except OSError:
            rtp.close()
            raise
        if rtcp is None:
            rtp.close()
            return None
        return PortPair(port, rtp, rtcp)

    def _bind(self, port: int) -> socket.socket | None:
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.settimeout(0)
        try:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # one family per leg
            sock.bind((self._address, port))
        except OSError as error:
            sock.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return None
            raise
        return sock
