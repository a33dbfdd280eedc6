"""Browsers in rooms of two, in a process of their own: real ICE checks, DTLS and SRTP on sockets.

They send at the pace of a camera and a microphone: a frame's packets back to back every 33 ms, an Opus packet
every 20 ms, each browser at its own phase, so that the bridge's batches are as small as with real browsers.
They say what browsers say: connectivity checks, reports, and a NACK for one in a hundred packets.
"""

import heapq
import secrets
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Protocol

from aioice import stun

from bridge.plane.messages import Fingerprint, IceCredentials
from bridge.transport.address import Address
from bridge.transport.dtls import Dtls, DtlsIdentity
from bridge.transport.srtp import SrtpSession
from bridge.wire.extensions import extension_block
from bridge.wire.rtcp import Nack, ReceiverReport, ReportBlock, SenderReport, parse_rtcp, serialize_rtcp
from bridge.wire.rtp import HEADER, MARKER_BIT, RtpPacket, parse_rtp
from tests.bench.footage import FRAMES_PER_S, OPUS, PACKETS_PER_FRAME, spoken, vp8_clip

AUDIO_MID, VIDEO_MID = "0", "1"
MID_ID, TRANSPORT_CC_ID = 4, 3
VP8_TYPE, RTX_TYPE = 96, 97
CHECK_S = 2.5  # as often as Chromium
REPORT_S = 1.0
NACK_EVERY = 100
CONNECT_S = 10.0
RETRY_S = 0.5
STUN_REQUEST = b"\x00\x01"  # RFC 8489 section 5: a binding request
BEAT_S = 0.001
DRAIN_S = 0.005


@dataclass(frozen=True)
class Invitation:
    """What a browser learns from the bridge's SDP."""

    address: Address
    fingerprint: Fingerprint
    bridge_ice: IceCredentials
    browser_ice: IceCredentials
    number: int  # of the browser; its SSRCs follow from it


@dataclass
class Tally:
    """Packets of all browsers together; `resent` are RTX, `feedback` RTCP packets of the bridge."""

    video_sent: int = 0
    audio_sent: int = 0
    video_received: int = 0
    audio_received: int = 0
    resent: int = 0
    feedback: int = 0
    foreign: int = 0

    @property
    def media_received(self) -> int:
        return self.video_received + self.audio_received


def video_ssrc(number: int) -> int:
    return 10_000 + number


def audio_ssrc(number: int) -> int:
    return 20_000 + number


def down_video_ssrc(number: int) -> int:
    return 30_000 + number


def down_audio_ssrc(number: int) -> int:
    return 40_000 + number


def down_rtx_ssrc(number: int) -> int:
    return 50_000 + number


@dataclass
class Stream:
    """One outgoing SSRC."""

    ssrc: int
    payload_type: int
    mid: str
    sequence_number: int = field(default_factory=lambda: secrets.randbelow(1 << 15))
    timestamp: int = field(default_factory=lambda: secrets.randbelow(1 << 31))
    packets: int = 0

    def packet(self, payload: bytes, transport_number: int, *, marker: bool) -> bytes:
        elements = {MID_ID: self.mid.encode(), TRANSPORT_CC_ID: transport_number.to_bytes(2, "big")}
        second = self.payload_type | (MARKER_BIT if marker else 0)
        head = HEADER.pack(0x90, second, self.sequence_number, self.timestamp, self.ssrc)
        self.sequence_number = (self.sequence_number + 1) & 0xFFFF
        self.packets += 1
        return head + extension_block(elements) + payload


class Browser:
    """One of them, on its own socket."""

    def __init__(
        self, invitation: Invitation, identity: DtlsIdentity, tally: Tally, sock: socket.socket | None = None
    ) -> None:
        self.socket = sock or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.connect(invitation.address)
        self._invitation = invitation
        self._tally = tally
        self._dtls = Dtls(identity, (invitation.fingerprint,), time.monotonic(), server=False)
        number = invitation.number
        self._video = Stream(video_ssrc(number), VP8_TYPE, VIDEO_MID)
        self._audio = Stream(audio_ssrc(number), OPUS.payload_type, AUDIO_MID)
        self._voice = spoken(OPUS, number % 8)
        self._clip = vp8_clip()
        self._frame = number  # not all key frames at once
        self._transport_number = 0
        self._newest: dict[int, int] = {}
        self._unasked = 0
        self._srtp = self._connect()

    def _connect(self) -> SrtpSession:
        self.socket.settimeout(RETRY_S)
        self.check()
        answered, until = False, time.monotonic() + CONNECT_S
        while not answered or self._dtls.keys is None:
            try:
                datagram = self.socket.recv(2048)
            except TimeoutError:
                if time.monotonic() > until:
                    raise
                self.check()
                self._dtls.handle_timer(time.monotonic())
                datagram = b""
            if not datagram:
                pass
            elif datagram[0] < 4:
                answered = answered or not self._answer(datagram)
            else:
                self._dtls.receive(datagram, time.monotonic())
            for flight in self._dtls.datagrams_to_send() if answered else ():
                self.socket.send(flight)
        self.socket.settimeout(0)
        return SrtpSession(self._dtls.keys)

    def check(self) -> None:
        """A connectivity check that nominates (RFC 8445 section 7.2.2), and consent later on (RFC 7675)."""
        ours, theirs = self._invitation.browser_ice, self._invitation.bridge_ice
        attributes: dict[str, object] = {"USERNAME": f"{theirs.ufrag}:{ours.ufrag}", "PRIORITY": 1}
        attributes |= {"ICE-CONTROLLING": 7, "USE-CANDIDATE": None}
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)
        request.add_message_integrity(theirs.pwd.encode())
        self.socket.send(bytes(request))

    def _answer(self, datagram: bytes) -> bool:
        """Answers a check of the bridge: a full ICE agent asks back. Returns whether it was one."""
        if datagram[:2] != STUN_REQUEST:
            return False
        request = stun.parse_message(datagram)
        attributes = {"XOR-MAPPED-ADDRESS": self._invitation.address}
        response = stun.Message(
            stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id, attributes=attributes
        )
        response.add_message_integrity(self._invitation.browser_ice.pwd.encode())
        response.add_fingerprint()
        self.socket.send(bytes(response))
        return True

    def send_frame(self) -> None:
        """One VP8 frame in packets of the same size (RFC 7741 section 4.2: X, S; I; 15 bits of picture id)."""
        frame = self._clip[self._frame % len(self._clip)]
        picture_id = (0x8000 | self._frame & 0x7FFF).to_bytes(2, "big")
        size = -(-len(frame) // PACKETS_PER_FRAME)
        for part in range(PACKETS_PER_FRAME):
            first = b"\x90\x80" if part == 0 else b"\x80\x80"
            payload = first + picture_id + frame[part * size : (part + 1) * size]
            self._send(self._video, payload, marker=part == PACKETS_PER_FRAME - 1)
        self._video.timestamp = (self._video.timestamp + 90_000 // FRAMES_PER_S) & 0xFFFFFFFF
        self._frame += 1
        self._tally.video_sent += PACKETS_PER_FRAME

    def send_voice(self) -> None:
        self._send(self._audio, self._voice[self._audio.packets % len(self._voice)], marker=False)
        self._audio.timestamp = (self._audio.timestamp + 960) & 0xFFFFFFFF
        self._tally.audio_sent += 1

    def _send(self, stream: Stream, payload: bytes, *, marker: bool) -> None:
        self._transport_number = (self._transport_number + 1) & 0xFFFF
        protected = self._srtp.protect_rtp(stream.packet(payload, self._transport_number, marker=marker))
        assert protected is not None
        self.socket.send(protected)

    def report(self) -> None:
        """Sender reports of both streams and a receiver report on what the bridge sends."""
        now = int(time.monotonic() * 65536) << 16
        senders = [SenderReport(s.ssrc, now, s.timestamp, s.packets, 0) for s in (self._audio, self._video)]
        blocks = tuple(ReportBlock(ssrc, 0, 0, newest, 0, 0, 0) for ssrc, newest in self._newest.items())
        self._send_rtcp(serialize_rtcp([*senders, ReceiverReport(self._video.ssrc, blocks)]))

    def _send_rtcp(self, compound: bytes) -> None:
        protected = self._srtp.protect_rtcp(compound)
        assert protected is not None
        self.socket.send(protected)

    def drain(self) -> None:
        """Takes in what has arrived."""
        try:
            while True:
                datagram = self.socket.recv(2048)
                if datagram[0] >= 128:
                    self._receive_media(datagram)
                elif datagram[0] < 4:
                    self._answer(datagram)
        except BlockingIOError:
            return

    def _receive_media(self, datagram: bytes) -> None:
        if 192 <= datagram[1] < 224:  # RFC 5761 section 4
            compound = self._srtp.unprotect_rtcp(datagram)
            self._tally.feedback += len(parse_rtcp(compound)) if compound else 0
            return
        data = self._srtp.unprotect_rtp(datagram)
        if data is None:
            self._tally.foreign += 1
            return
        self._count(parse_rtp(data))

    def _count(self, packet: RtpPacket) -> None:
        number, tally = self._invitation.number, self._tally
        if packet.ssrc == down_video_ssrc(number):
            self._count_video(packet)
        elif packet.ssrc == down_audio_ssrc(number):
            tally.audio_received += 1
        elif packet.ssrc == down_rtx_ssrc(number):
            tally.resent += 1
        else:
            tally.foreign += 1
        self._newest[packet.ssrc] = packet.sequence_number

    def _count_video(self, packet: RtpPacket) -> None:
        self._tally.video_received += 1
        self._unasked += 1
        if self._unasked == NACK_EVERY:
            self._unasked = 0
            nack = Nack(self._video.ssrc, packet.ssrc, (packet.sequence_number,))
            self._send_rtcp(serialize_rtcp([nack]))


class Actor(Protocol):
    """What a crowd is made of."""

    def check(self) -> None: ...

    def send_frame(self) -> None: ...

    def send_voice(self) -> None: ...

    def report(self) -> None: ...

    def drain(self) -> None: ...


class Crowd:
    """All browsers and what each does next.

    Sockets are emptied on a beat, not at each arrival: on a machine with few cores the wake-up of a reader
    would interrupt the bridge in the middle of its batch, 1600 times a second, which no network does.
    """

    def __init__(self, browsers: Sequence[Actor], tally: Tally) -> None:
        self.video = self.audio = False
        self._browsers = browsers
        self._tally = tally
        self._due: list[tuple[float, int, str]] = []
        now = time.monotonic()
        for position in range(len(browsers)):
            phase = (position * 0.618) % 1.0
            for name, period in _PERIODS.items():
                heapq.heappush(self._due, (now + phase * period, position, name))

    def run(self, orders: Connection) -> None:
        """Until told to stop: `orders` are (video, audio) to begin sending, "tally", or None."""
        drained_at = 0.0
        while not orders.poll() or self._obey(orders):
            now = time.monotonic()
            self._act(now)
            if now - drained_at >= DRAIN_S:
                drained_at = now
                for browser in self._browsers:
                    browser.drain()
            time.sleep(BEAT_S)

    def _obey(self, orders: Connection) -> bool:
        order = orders.recv()
        if order is None:
            return False
        if order == "tally":
            orders.send(self._tally)
        else:
            self.video, self.audio = order
        return True

    def _act(self, now: float) -> None:
        while self._due[0][0] <= now:
            at, position, name = self._due[0]
            browser = self._browsers[position]
            if name == "frame" and self.video:
                browser.send_frame()
            elif name == "voice" and self.audio:
                browser.send_voice()
            elif name == "check":
                browser.check()
            elif name == "report":
                browser.report()
            heapq.heapreplace(self._due, (at + _PERIODS[name], position, name))


_PERIODS = {"frame": 1 / FRAMES_PER_S, "voice": 0.02, "check": CHECK_S, "report": REPORT_S}


def run_browsers(orders: Connection) -> None:
    """The process: says its fingerprint, gets its invitations, says "up", then obeys."""
    identity = DtlsIdentity.generate()
    vp8_clip()
    orders.send(identity.fingerprint)
    tally = Tally()
    browsers = [Browser(invitation, identity, tally) for invitation in orders.recv()]
    orders.send("up")
    Crowd(browsers, tally).run(orders)
