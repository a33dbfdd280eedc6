"""The RTP and RTCP sockets of one SIP leg."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bridge.clock import Clock
from bridge.plane.messages import SrtpKeys, TransportStatistics
from bridge.transport.address import Address
from bridge.transport.batch import PacketIO
from bridge.transport.demux import Kind, classify, is_keep_alive
from bridge.transport.latch import Latch
from bridge.transport.ports import PortPair
from bridge.transport.srtp import SrtpSession, suite_keys
from bridge.wire.rtp import sequence_number_of, ssrc_of

PacketCallback = Callable[[bytes, float], None]


@dataclass(frozen=True, slots=True)
class RtpPortCallbacks:
    """Where the phone's packets go; `on_crash` hears of an exception in the other two: it ends this leg."""

    on_rtp: PacketCallback
    on_rtcp: PacketCallback
    on_crash: Callable[[Exception], None]


_COUNTERS = (
    "received",
    "sent",
    "unsent",
    "strangers",
    "unlatched",
    "malformed",
    "undecryptable",
    "keep_alives",
    "crashes",
)


class RtpSection(Protocol):
    """What the port needs to know of a phone's media section (`plane.messages.RtpAudio`)."""

    @property
    def remote_address(self) -> str: ...

    @property
    def remote_port(self) -> int: ...

    @property
    def remote_rtcp_port(self) -> int: ...

    @property
    def srtp(self) -> SrtpKeys | None: ...

    @property
    def rtcp_mux(self) -> bool: ...

    @property
    def exchange(self) -> int: ...


class RtpPort:
    """Hands the phone's packets to its callbacks and everybody else's to a counter. With keys they are
    decrypted first, and what is sent is encrypted.

    A phone that sends no RTP here, as one that only looks or listens, shows where it is behind its NAT by RTCP and
    keep-alives (RFC 6263 section 4); RTP, once it comes, counts more. `neighbour` is the port of its other medium:
    the host that is proven there is believed here at once.

    RTCP may also come on the RTP port (RFC 5761). The pair of sockets stays the owner's: `close` only stops
    listening, and the owner gives the pair back to its pool.
    """

    __slots__ = (
        "_callbacks",
        "_clock",
        "_exchange",
        "_io",
        "_keys",
        "_loop",
        "_neighbour",
        "_pair",
        "_quiet_latch",
        "_rtcp_latch",
        "_rtcp_mux",
        "_rtp_latch",
        "_srtp",
        "crashes",
        "keep_alives",
        "malformed",
        "received",
        "sent",
        "strangers",
        "undecryptable",
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
        neighbour: "RtpPort | None" = None,
    ) -> None:
        self._loop = loop
        self._pair = pair
        self._clock = clock
        self._io = io
        self._callbacks = callbacks
        self._neighbour = neighbour
        self._rtp_latch = Latch()
        self._quiet_latch = Latch()
        self._rtcp_latch = Latch()
        self._exchange = 0
        self._rtcp_mux = False
        self._keys: SrtpKeys | None = None
        self._srtp: SrtpSession | None = None
        self.received = 0
        self.sent = 0
        self.unsent = 0  # nowhere to send to yet, or the kernel had no room
        self.strangers = 0  # not from the latched source
        self.unlatched = 0  # before there was one
        self.malformed = 0
        self.undecryptable = 0  # a wrong key, a replay, or no SRTP at all
        self.keep_alives = 0  # of the phone, for its NAT
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

    @property
    def found(self) -> Address | None:
        """Where the phone proved to be, by RTP or else by what it sends beside it."""
        return self._rtp_latch.locked or self._quiet_latch.locked

    @property
    def _destination(self) -> Address | None:
        return self.found or self._rtp_latch.destination

    def counters(self) -> dict[str, int]:
        """All counters of the port by name."""
        return {name: getattr(self, name) for name in _COUNTERS}

    def statistics(self) -> TransportStatistics:
        """As a diagnosis wants to know it."""
        return TransportStatistics(
            received=self.received,
            strangers=self.strangers + self.unlatched,
            undecryptable=self.undecryptable,
            unsent=self.unsent,
        )

    def declare(self, section: RtpSection, now: float) -> None:
        """What was agreed with the phone. The same again changes nothing; another address unlatches the port,
        and another exchange lets the phone have moved behind its NAT."""
        address, exchange = section.remote_address, section.exchange
        self._rtp_latch.declare((address, section.remote_port), exchange, now)
        self._quiet_latch.declare((address, section.remote_port), exchange, now)
        self._rtcp_latch.declare((address, section.remote_rtcp_port), exchange, now)
        self._rtcp_mux = section.rtcp_mux
        if section.srtp != self._keys:
            self._keys = section.srtp
            self._srtp = self._rekeyed(section.srtp)
        if exchange != self._exchange and self._srtp is not None:
            self._srtp.renew()
        self._exchange = exchange

    def _rekeyed(self, keys: SrtpKeys | None) -> SrtpSession | None:
        if keys is None:
            return None
        chosen = suite_keys(keys.suite, keys.local_key, keys.remote_key, keys.local_mki, keys.remote_mki)
        if self._srtp is None:
            return SrtpSession(chosen)
        self._srtp.rekey(chosen)
        return self._srtp

    def send_rtp(self, packet: bytes) -> None:
        self._send(self._pair.rtp, self._protected_rtp(packet), self._destination)

    def send_rtcp(self, packet: bytes) -> None:
        protected = packet if self._srtp is None else self._srtp.protect_rtcp(packet)
        if self._rtcp_mux:
            self._send(self._pair.rtp, protected, self._destination)
        else:
            self._send(self._pair.rtcp, protected, self._rtcp_destination())

    def _protected_rtp(self, packet: bytes) -> bytes | None:
        return packet if self._srtp is None else self._srtp.protect_rtp(packet)

    def _rtcp_destination(self) -> Address | None:
        """Behind a NAT the declared RTCP address is as wrong as the RTP one was: follow the latter."""
        rtp, rtcp = self.found, self._rtcp_latch
        if rtcp.locked is not None or rtp is None:
            return rtcp.destination
        declared = rtcp.destination
        if declared is not None and declared[0] == rtp[0]:
            return declared
        return rtp[0], rtp[1] + 1

    def _send(self, sock: socket.socket, packet: bytes | None, destination: Address | None) -> None:
        if packet is None or destination is None:
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
                self._receive_rtp(packet, source, now)
            elif kind is Kind.RTCP or is_keep_alive(packet, kind):
                self._receive_beside(packet, kind, source, now)
            else:
                self.malformed += 1

    def _receive_beside(self, packet: bytes, kind: Kind, source: Address, now: float) -> None:
        if self._rtp_latch.locked is None:
            self._quiet_latch.accepts(source, now, authentic=self._is_neighbours(source))
        if source != self._destination:
            self._count_unknown(self._rtp_latch)
        elif kind is Kind.RTCP:
            self._deliver_rtcp(packet, now)
        else:
            self.keep_alives += 1

    def _is_neighbours(self, source: Address) -> bool:
        """Behind the NAT that the other medium came through. Not where there is none: many calls of one gateway
        have its address, and each is declared with its own port."""
        proven = self._neighbour.remote if self._neighbour is not None else None
        declared = self._quiet_latch.declared
        return proven is not None and declared is not None and source[0] == proven[0] != declared[0]

    def _receive_rtp(self, packet: bytes, source: Address, now: float) -> None:
        """Latched is only what could be decrypted: with keys no stranger can take the phone's place."""
        latch, is_keyed = self._rtp_latch, self._srtp is not None
        is_expected = latch.may_accept(source, now)
        if not is_expected and not latch.may_accept(source, now, authentic=is_keyed):
            self.strangers += 1
            return
        plain = packet if self._srtp is None else self._srtp.unprotect_rtp(packet, may_search=is_expected)
        if plain is None:
            self.undecryptable += 1
            return
        locked = latch.locked
        place = None if source == locked else (ssrc_of(packet), sequence_number_of(packet))
        if latch.accepts(source, now, place, authentic=is_keyed):
            if locked is not None and locked != source:
                self._rtcp_latch.unlock()  # its reports come every few seconds, too late to be a move
            self._deliver(self._callbacks.on_rtp, plain, now)
        else:
            self._count_unknown(latch)

    def _deliver_rtcp(self, packet: bytes, now: float) -> None:
        plain = packet if self._srtp is None else self._srtp.unprotect_rtcp(packet)
        if plain is None:
            self.undecryptable += 1
        else:
            self._deliver(self._callbacks.on_rtcp, plain, now)

    def _rtcp_readable(self) -> None:
        now = self._clock.now()
        for packet, source in self._io.receive(self._pair.rtcp):
            self.received += 1
            phone = self._destination
            if classify(packet) is not Kind.RTCP:
                self.malformed += 1
            elif phone is None or phone[0] != source[0]:
                self._count_unknown(self._rtp_latch)  # one phone, one host: RTP proves which
            elif self._rtcp_latch.accepts(source, now):
                self._deliver_rtcp(packet, now)
            else:
                self._count_unknown(self._rtcp_latch)

    def _count_unknown(self, latch: Latch) -> None:
        if latch.locked is None:
            self.unlatched += 1
        else:
            self.strangers += 1

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
