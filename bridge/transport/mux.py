"""One UDP port for all WebRTC legs of a worker.

STUN finds its leg by the local ufrag in USERNAME; everything else by its source address, which counts once
it passed an authentic check. The rest is a stranger's: counted, never answered.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from bridge.clock import Clock
from bridge.transport.address import Address
from bridge.transport.batch import BATCH, Datagram, PacketIO
from bridge.transport.demux import Kind, classify
from bridge.transport.ice_lite import MAX_GENERATIONS, MAX_SOURCES, username_of

MAX_BATCHES_PER_WAKE = 4  # then the loop's timers get their turn: a tick must not wait for a flood
MAX_QUEUED = 1024  # one video frame to 50 legs; older than that is late anyway
STUN_PER_SECOND = 100  # of one source; Chromium sends 16 a second at its most impatient
MAX_STUN_SOURCES = 4096
SOCKET_BUFFER_BYTES = 4 << 20


class MuxEndpoint(Protocol):
    """A leg behind the mux."""

    def receive_datagram(self, datagram: bytes, source: Address, now: float) -> None: ...

    def accepts(self, source: Address) -> bool:
        """True if `source` proved to be this leg's browser."""
        ...


CrashCallback = Callable[[MuxEndpoint, Exception], None]


class _Route(NamedTuple):
    """How datagrams find one endpoint."""

    ufrags: list[str]
    sources: list[Address]


class StunLimiter:
    """At most `STUN_PER_SECOND` of one source in each second, and `MAX_STUN_SOURCES` sources beside the proven
    ones: invented addresses must not cost a leg its consent."""

    __slots__ = ("_counts", "_window_ends_at")

    def __init__(self) -> None:
        self._counts: dict[Address, int] = {}
        self._window_ends_at = 0.0

    def allows(self, source: Address, now: float, *, proven: bool) -> bool:
        if now >= self._window_ends_at:
            self._counts.clear()
            self._window_ends_at = now + 1.0
        count = self._counts.get(source, 0)
        is_one_too_many = count == 0 and not proven and len(self._counts) >= MAX_STUN_SOURCES
        if count >= STUN_PER_SECOND or is_one_too_many:
            return False
        self._counts[source] = count + 1
        return True


def open_udp_socket(address: str, port: int) -> socket.socket:
    """A bound, non-blocking UDP socket with room for bursts. OSError if the port is taken."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


class UdpMux:
    """Routes datagrams between one socket and the legs. Owns the socket: `close` closes it."""

    __slots__ = (
        "_by_source",
        "_by_ufrag",
        "_clock",
        "_io",
        "_limiter",
        "_loop",
        "_on_crash",
        "_queue",
        "_routes",
        "_socket",
        "_waiting",
        "crashes",
        "dropped",
        "malformed",
        "received",
        "stun_limited",
        "unknown_source",
        "unknown_ufrag",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        clock: Clock,
        io: PacketIO,
        on_crash: CrashCallback,
    ) -> None:
        self._loop = loop
        self._socket = sock
        self._clock = clock
        self._io = io
        self._on_crash = on_crash
        self._limiter = StunLimiter()
        self._by_ufrag: dict[str, MuxEndpoint] = {}
        self._by_source: dict[Address, MuxEndpoint] = {}
        self._routes: dict[MuxEndpoint, _Route] = {}
        self._queue: deque[Datagram] = deque()
        self._waiting = False  # for the kernel to take more
        self.received = 0
        self.dropped = 0
        self.malformed = 0
        self.unknown_ufrag = 0
        self.unknown_source = 0
        self.stun_limited = 0
        self.crashes = 0
        loop.add_reader(sock.fileno(), self._readable)

    @property
    def local_address(self) -> Address:
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    def counters(self) -> dict[str, int]:
        """All counters of the port by name."""
        return {
            "received": self.received,
            "dropped": self.dropped,
            "malformed": self.malformed,
            "unknown_ufrag": self.unknown_ufrag,
            "unknown_source": self.unknown_source,
            "stun_limited": self.stun_limited,
            "crashes": self.crashes,
            "truncated": self._io.truncated,
            "refused": self._io.refused,
        }

    # --- legs --------------------------------------------------------------------------------------------

    def register(self, local_ufrag: str, endpoint: MuxEndpoint) -> None:
        """Routes checks that name `local_ufrag` to `endpoint`.

        An endpoint has one ufrag per ICE generation; of more than `MAX_GENERATIONS` the oldest is forgotten.
        """
        ufrags = self._routes.setdefault(endpoint, _Route([], [])).ufrags
        if local_ufrag in ufrags:
            return
        if len(ufrags) >= MAX_GENERATIONS:
            self._by_ufrag.pop(ufrags.pop(0), None)
        ufrags.append(local_ufrag)
        self._by_ufrag[local_ufrag] = endpoint

    def unregister(self, endpoint: MuxEndpoint) -> None:
        """Forgets all ufrags and addresses of `endpoint`; an unknown one is fine."""
        route = self._routes.pop(endpoint, None)
        if route is None:
            return
        for ufrag in route.ufrags:
            if self._by_ufrag.get(ufrag) is endpoint:
                del self._by_ufrag[ufrag]
        for source in route.sources:
            if self._by_source.get(source) is endpoint:
                del self._by_source[source]

    # --- sending -------------------------------------------------------------------------------------------

    def send(self, datagram: bytes, address: Address) -> None:
        """Adds to the batch that leaves at the next `flush`, or now if it is full."""
        if len(self._queue) >= MAX_QUEUED:
            self._queue.popleft()  # the oldest media is the least useful
            self.dropped += 1
        self._queue.append((datagram, address))
        if len(self._queue) >= BATCH and not self._waiting:
            self.flush()

    def flush(self) -> None:
        """Sends the batch. Owners call it when they have sent outside of a receive, after a tick."""
        if self._waiting or not self._queue:
            return
        if not self._io.send(self._socket, self._queue):
            self._waiting = True
            self._loop.add_writer(self._socket.fileno(), self._writable)

    def _writable(self) -> None:
        if self._io.send(self._socket, self._queue):
            self._waiting = False
            self._loop.remove_writer(self._socket.fileno())

    # --- receiving -----------------------------------------------------------------------------------------

    def _readable(self) -> None:
        now = self._clock.now()
        for _ in range(MAX_BATCHES_PER_WAKE):
            datagrams = self._io.receive(self._socket)
            for datagram, source in datagrams:
                self._route(datagram, source, now)
            if len(datagrams) < BATCH:
                break
        self.flush()

    def _route(self, datagram: bytes, source: Address, now: float) -> None:
        self.received += 1
        if datagram and datagram[0] > 3:  # not STUN (RFC 7983)
            endpoint = self._by_source.get(source)
            if endpoint is None:
                self.unknown_source += 1
            else:
                self._deliver(endpoint, datagram, source, now)
        elif classify(datagram) is Kind.STUN:
            self._route_stun(datagram, source, now)
        else:
            self.malformed += 1

    def _route_stun(self, datagram: bytes, source: Address, now: float) -> None:
        username = username_of(datagram)
        # without USERNAME: an indication that keeps the NAT open, or nonsense; only a known source may
        endpoint = self._by_ufrag.get(username[0]) if username else self._by_source.get(source)
        if endpoint is None:
            self.unknown_ufrag += 1
            return
        proven = self._by_source.get(source) is endpoint
        if not self._limiter.allows(source, now, proven=proven):
            self.stun_limited += 1
            return
        self._deliver(endpoint, datagram, source, now)
        if not proven and endpoint.accepts(source):
            self._learn(source, endpoint)

    def _deliver(self, endpoint: MuxEndpoint, datagram: bytes, source: Address, now: float) -> None:
        try:
            endpoint.receive_datagram(datagram, source, now)
        except Exception as error:  # our own fault: it must end this leg only
            self.crashes += 1
            self._on_crash(endpoint, error)

    def _learn(self, source: Address, endpoint: MuxEndpoint) -> None:
        route = self._routes.get(endpoint)
        if route is None:
            return  # unregistered by its own datagram
        known = route.sources
        if len(known) >= 2 * MAX_SOURCES:
            for address in [address for address in known if not endpoint.accepts(address)]:
                known.remove(address)
                if self._by_source.get(address) is endpoint:
                    del self._by_source[address]
        if source not in known:  # another leg may have had it in between
            known.append(source)
        self._by_source[source] = endpoint

    def close(self) -> None:
        """Sends what is queued and closes the socket; twice is fine."""
        if self._socket.fileno() < 0:
            return
        self._io.send(self._socket, self._queue)
        self._queue.clear()
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
