"""The RTP and RTCP sockets of one SIP leg."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass

from bridge.clock import Clock
from bridge.transport.address import Address
from bridge.transport.batch import PacketIO
from bridge.transport.demux import Kind, classify
from bridge.transport.latch import Latch
from bridge.transport.ports import PortPair

PacketCallback = Callable[[bytes, float], None]


@dataclass(frozen=True, slots=True)
class RtpPortCallbacks:
    """Where the phone's packets go; `on_crash` hears of an exception in the other two: it ends this leg."""

    on_rtp: PacketCallback
    on_rtcp: PacketCallback
    on_crash: Callable[[Exception], None]


class RtpPort:
    """Hands the phone's packets to its callbacks and everybody else's to a counter.

    RTCP may also come on the RTP port (RFC 5761). The pair of sockets stays the owner's: `close` only stops
    listening, and the owner gives the pair back to its pool.
    """

    __slots__ = (
        "_callbacks",
        "_clock",
        "_io",
        "_loop",
        "_pair",
        "_rtcp_latch",
        "_rtp_latch",
        "crashes",
        "malformed",
        "received",
        "sent",
        "strangers",
        "unlatched",
        "unsent",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pair: PortPair,
        clock: Clock,
        io: PacketIO,
        callbacks: RtpPortCallbacks,
    ) -> None:
        self._loop = loop
        self._pair = pair
        self._clock = clock
        self._io = io
        self._callbacks = callbacks
        self._rtp_latch = Latch()
        self._rtcp_latch = Latch()
        self.received = 0
        self.sent = 0
        self.unsent = 0  # nowhere to send to yet, or the kernel had no room
        self.strangers = 0  # not from the latched source
        self.unlatched = 0  # before there was one
        self.malformed = 0
        self.crashes = 0
        loop.add_reader(pair.rtp.fileno(), self._rtp_readable)
        loop.add_reader(pair.rtcp.fileno(), self._rtcp_readable)

    @property
    def port(self) -> int:
        """The RTP port; RTCP is on the next."""
        return self._pair.port

    @property
    def remote(self) -> Address | None:
        """The source the port is latched to; None before the first valid packet."""
        return self._rtp_latch.locked

    def counters(self) -> dict[str, int]:
        """All counters of the port by name."""
        names = ("received", "sent", "unsent", "strangers", "unlatched", "malformed", "crashes")
        return {name: getattr(self, name) for name in names}

    def declare(self, remote: Address | None, remote_rtcp: Address | None) -> None:
        """The addresses in the phone's SDP. The same again changes nothing; others unlatch the port."""
        self._rtp_latch.declare(remote)
        self._rtcp_latch.declare(remote_rtcp)

    def relatch(self) -> None:
        """Lets the next valid source count, as after a re-INVITE from a phone that moved."""
        self._rtp_latch.release()
        self._rtcp_latch.release()

    def send_rtp(self, packet: bytes) -> None:
        self._send(self._pair.rtp, packet, self._rtp_latch.destination)

    def send_rtcp(self, packet: bytes) -> None:
        self._send(self._pair.rtcp, packet, self._rtcp_destination())

    def _rtcp_destination(self) -> Address | None:
        """Behind a NAT the declared RTCP address is as wrong as the RTP one was: follow the latter."""
        rtp, rtcp = self._rtp_latch.locked, self._rtcp_latch
        if rtcp.locked is not None or rtp is None:
            return rtcp.destination
        declared = rtcp.destination
        if declared is not None and declared[0] == rtp[0]:
            return declared
        return rtp[0], rtp[1] + 1

    def _send(self, sock: socket.socket, packet: bytes, destination: Address | None) -> None:
        if destination is None:
            self.unsent += 1
            return
        try:
            sock.sendto(packet, destination)
        except (OSError, OverflowError):  # no room, no route, port 65536: gone, as on any network
            self.unsent += 1
            return
        self.sent += 1

    def _rtp_readable(self) -> None:
        now = self._clock.now()
        for packet, source in self._io.receive(self._pair.rtp):
            self.received += 1
            kind = classify(packet)
            if kind is Kind.RTP:
                if self._is_the_phone(self._rtp_latch, source, now):
                    self._deliver(self._callbacks.on_rtp, packet, now)
            elif kind is Kind.RTCP and source == self._rtp_latch.locked:
                self._deliver(self._callbacks.on_rtcp, packet, now)
            else:
                self.malformed += 1

    def _rtcp_readable(self) -> None:
        now = self._clock.now()
        for packet, source in self._io.receive(self._pair.rtcp):
            self.received += 1
            rtp_source = self._rtp_latch.locked
            if classify(packet) is not Kind.RTCP:
                self.malformed += 1
            elif rtp_source is not None and rtp_source[0] != source[0]:
                self.strangers += 1  # one phone, one host: RTP has proved which
            elif self._is_the_phone(self._rtcp_latch, source, now):
                self._deliver(self._callbacks.on_rtcp, packet, now)

    def _is_the_phone(self, latch: Latch, source: Address, now: float) -> bool:
        if latch.accepts(source, now):
            return True
        if latch.locked is None:
            self.unlatched += 1
        else:
            self.strangers += 1
        return False

    def _deliver(self, callback: PacketCallback, packet: bytes, now: float) -> None:
        try:
            callback(packet, now)
        except Exception as error:  # our own fault: it must end this leg only
            self.crashes += 1
            self._callbacks.on_crash(error)

    def close(self) -> None:
        """Stops listening; twice is fine."""
        for sock in (self._pair.rtp, self._pair.rtcp):
            if sock.fileno() >= 0:
                self._loop.remove_reader(sock.fileno())
