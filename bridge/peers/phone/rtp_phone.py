"""The media of a synthetic phone: PCMU or PCMA both ways over its own sockets, and RFC 4733 digits."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bridge.codec.g711 import PCMA, PCMU, RATE_HZ
from bridge.codec.sample import from_pcm16, to_pcm16
from bridge.errors import ParseError
from bridge.peers.hearing import Hearing
from bridge.peers.phone.rtp_pair import RtpPair
from bridge.peers.tone import Samples, Tone
from bridge.rtp.receiver import StreamReceiver
from bridge.wire.dtmf import TelephoneEvent, event_of_digit, serialize_telephone_event
from bridge.wire.rtp import RtpPacket, parse_rtp, serialize_rtp

FRAME_S = 0.02
FRAME_SAMPLES = 160
LAWS = {0: PCMU, 8: PCMA}  # by payload type (RFC 3551 table 4)
RECORDED_FRAMES = 30_000  # ten minutes; older sound is dropped
LONGEST_GAP = 50  # lost packets filled with silence; a longer gap is a pause, not a loss
END_REPEATS = 3  # RFC 4733 section 2.5.1.4: the last packet of a digit is sent three times


@dataclass
class RtpTraffic:
    """What the wire carried. `last_packet_at` is in the loop's time, 0 before the first packet."""

    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    jitter_ms: float = 0.0
    last_packet_at: float = 0.0


class RtpPhone(asyncio.DatagramProtocol):
    """Plays its tones while `sends`, and measures and records what it receives."""

    def __init__(
        self, plays_hz: Sequence[float], tones_hz: Mapping[str, float], token_hex: Callable[[int], str]
    ) -> None:
        self._tone = Tone(plays_hz, RATE_HZ)
        self._ssrc = int(token_hex(4), 16)
        self._sequence_number = int(token_hex(2), 16)
        self._timestamp = int(token_hex(4), 16)
        self._pair = RtpPair()
        self._receiver: StreamReceiver | None = None
        self._last_index = -1
        self._digits: deque[RtpPacket] = deque()
        self.hearing = Hearing(tones_hz, RATE_HZ)
        self.traffic = RtpTraffic()
        self.recorded: deque[Samples] = deque(maxlen=RECORDED_FRAMES)
        self.remote: tuple[str, int] | None = None
        self.sends = True
        self.payload_type = 0  # of what it sends and understands
        self.dtmf_payload_type: int | None = None

    @property
    def pair(self) -> RtpPair:
        """Its sockets, and the keys of what goes over them."""
        return self._pair

    async def open(self, host: str) -> None:
        """Binds an even port for RTP and the next for RTCP, which is taken and not read."""
        await self._pair.open(host, self, asyncio.DatagramProtocol())

    @property
    def address(self) -> tuple[str, int]:
        return self._pair.address

    def close(self) -> None:
        self._pair.close()

    async def run(self) -> None:
        """Sends a packet every 20 ms, on absolute ticks, while there is somebody to send to."""
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        while True:
            self._tick()
            next_at += FRAME_S
            if loop.time() - next_at > 1:
                next_at = loop.time()  # the machine stood still: no burst
            await asyncio.sleep(next_at - loop.time())

    def press(self, digit: str, duration_ms: int) -> None:
        """Sends a digit instead of sound, from the next tick on. Raises ValueError for what is no digit."""
        if self.dtmf_payload_type is None:
            raise ValueError("the other side takes no digits")
        frames = max(1, duration_ms // 20)
        durations = [FRAME_SAMPLES * (count + 1) for count in range(frames)] + [FRAME_SAMPLES * frames] * (
            END_REPEATS - 1
        )
        for count, duration in enumerate(durations):
            event = TelephoneEvent(event_of_digit(digit), count >= frames - 1, 10, duration)
            # Sequence number, timestamp and SSRC are filled in when it is sent.
            self._digits.append(
                RtpPacket(self.dtmf_payload_type, count, 0, 0, serialize_telephone_event(event), count == 0)
            )

    @property
    def pcm(self) -> Samples:
        """All recorded sound at 8 kHz."""
        return np.concatenate(self.recorded) if self.recorded else np.zeros(0, np.int16)

    # --- inside -------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        samples = self._tone.take(FRAME_SAMPLES)
        if self.remote is None or not self.sends or not self._pair.is_open:
            self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
            return
        payload_type, payload, marker = self.payload_type, b"", False
        timestamp = self._timestamp
        if self._digits:
            digit = self._digits.popleft()
            payload_type, payload, marker = digit.payload_type, digit.payload, digit.marker
            # All packets of a digit have the timestamp of its first (RFC 4733 section 2.5.1.2).
            timestamp = (self._timestamp - FRAME_SAMPLES * digit.sequence_number) & 0xFFFFFFFF
        else:
            payload = LAWS[self.payload_type].encode(from_pcm16(samples))
        packet = RtpPacket(payload_type, self._sequence_number, timestamp, self._ssrc, payload, marker)
        self._pair.send(serialize_rtp(packet), self.remote)
        self._sequence_number = (self._sequence_number + 1) & 0xFFFF
        self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        self.traffic.packets_sent += 1

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        now = asyncio.get_running_loop().time()
        plain = self._pair.read(data)
        if plain is None:
            return
        try:
            packet = parse_rtp(plain)
        except ParseError:
            return
        self.traffic.packets_received += 1
        self.traffic.last_packet_at = now
        self._receive(packet, now)

    def _receive(self, packet: RtpPacket, now: float) -> None:
        if self._receiver is None or self._receiver.ssrc != packet.ssrc:
            self._receiver = StreamReceiver(packet.ssrc, RATE_HZ)
            self._last_index = -1
        receiver = self._receiver
        received = receiver.receive(packet.sequence_number, packet.timestamp, len(packet.payload), now)
        self.traffic.packets_lost = receiver.lost
        self.traffic.jitter_ms = receiver.jitter_ms
        if received is None:
            return
        gap = received.index - self._last_index - 1 if self._last_index >= 0 else 0
        self._last_index = max(self._last_index, received.index)
        if packet.payload_type != self.payload_type:
            return
        for _ in range(gap if 0 < gap <= LONGEST_GAP else 0):
            self._keep(np.zeros(FRAME_SAMPLES, np.int16), now)
        self._keep(to_pcm16(LAWS[self.payload_type].decode(packet.payload)), now)

    def _keep(self, samples: Samples, now: float) -> None:
        self.hearing.receive(samples, now)
        self.recorded.append(samples)
