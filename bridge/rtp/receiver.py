"""What one stream's packets say about themselves: index, loss, jitter, reports (RFC 3550 appendix A)."""

import msgspec

from bridge.rtp.unwrap import Unwrap
from bridge.wire.rtcp import ReportBlock, SenderReport

MAX_DROPOUT = 3000  # RFC 3550 appendix A.1
MAX_MISORDER = 100  # the same; what is further back is a retransmission, or a sender that counts anew
MAX_LATE_S = 10.0  # in media time, of a retransmission: no endpoint keeps packets half as long
HISTORY_SIZE = 1024  # packets; older ones count as too old. Power of two, above any retransmission's age
_WINDOW_MASK = HISTORY_SIZE - 1
_JITTER_SHIFT = 16  # appendix A.8: gain 1/16
_SEQUENCE_MASK = 0xFFFF


class Received(msgspec.Struct, frozen=True, gc=False):
    """A packet's place in its stream. `restarted` is True when the sender jumped: forget what was before."""

    index: int
    media_time: int
    restarted: bool = False


class StreamReceiver:
    """Statistics of one SSRC from the endpoint. No probation: the transport has authenticated the peer."""

    __slots__ = (
        "_base_index",
        "_clock_rate_hz",
        "_expected_before",
        "_expected_prior",
        "_highest",
        "_jitter",
        "_media_time",
        "_newest_timestamp",
        "_received_prior",
        "_report_at",
        "_resync_at",
        "_seen",
        "_sequence",
        "_transit",
        "duplicates",
        "last_sender_report",
        "octets",
        "packets",
        "recovered",
        "restarts",
        "ssrc",
        "too_old",
    )

    def __init__(self, ssrc: int, clock_rate_hz: int) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self.duplicates = 0
        self.too_old = 0
        self.restarts = 0
        self.recovered = 0
        self.last_sender_report: SenderReport | None = None
        self._clock_rate_hz = clock_rate_hz
        self._sequence = Unwrap(16)
        self._media_time = Unwrap(32)
        self._seen = [-1] * HISTORY_SIZE
        self._highest: int | None = None
        self._newest_timestamp = 0
        self._base_index = 0
        self._expected_before = 0
        self._expected_prior = 0
        self._received_prior = 0
        self._resync_at: int | None = None
        self._transit: float | None = None
        self._jitter = 0.0
        self._report_at = 0.0

    def receive(self, sequence_number: int, timestamp: int, size: int, now: float) -> Received | None:
        """Counts a packet whose payload has `size` octets. None = duplicate, too old, or a lone jump."""
        highest = self._highest
        if highest is None:
            return self._begin(self._sequence(sequence_number), timestamp, size, now)
        ahead = (sequence_number - highest) & _SEQUENCE_MASK
        if MAX_DROPOUT <= ahead < 0x10000 - MAX_MISORDER and self._jumps(ahead, timestamp):
            return self._jump(sequence_number, timestamp, size, now)
        index = self._sequence(sequence_number)
        slot = index & _WINDOW_MASK
        if self._seen[slot] == index:
            self.duplicates += 1
            return None
        self._seen[slot] = index
        if index > highest:
            self._highest, self._newest_timestamp = index, timestamp
            self._resync_at = None
        self._count(timestamp, size, now)
        return Received(index, self._media_time(timestamp))

    def recover(self, sequence_number: int, timestamp: int) -> Received | None:
        """Places a retransmitted packet. It is no part of the loss and jitter we report (RFC 4588 section 6).

        None = here already (Chromium probes the path with such), too old, or ahead of the stream.
        """
        highest = self._highest
        if highest is None:
            return None
        behind = (highest - sequence_number) & _SEQUENCE_MASK
        index = highest - behind
        if behind >= HISTORY_SIZE or self._seen[index & _WINDOW_MASK] == index:
            self.duplicates += 1
            return None
        self._seen[index & _WINDOW_MASK] = index
        self.recovered += 1
        return Received(index, self._media_time(timestamp))

    def is_doubtful(self, sequence_number: int) -> bool:
        """Whether this packet was taken for a lone jump, and the next one would make it the first of a new era."""
        return self._resync_at == (sequence_number + 1) & _SEQUENCE_MASK

    def has(self, sequence_number: int) -> bool:
        """Whether this packet, one of the last 1024, is here already."""
        highest = self._highest
        if highest is None:
            return False
        index = highest + ((sequence_number - highest + 0x8000) & _SEQUENCE_MASK) - 0x8000
        return self._seen[index & _WINDOW_MASK] == index

    def _begin(
        self, index: int, timestamp: int, size: int, now: float, *, restarted: bool = False
    ) -> Received:
        self._highest = self._base_index = index
        self._newest_timestamp = timestamp
        self._seen[index & _WINDOW_MASK] = index
        self._count(timestamp, size, now)
        return Received(index, self._media_time(timestamp), restarted)

    def _jumps(self, ahead: int, timestamp: int) -> bool:
        """Out of what may be late: by its number, or because it is not of that time."""
        if ahead <= 0x10000 - HISTORY_SIZE:
            return True
        age = (self._newest_timestamp - timestamp) & 0xFFFFFFFF
        return age > MAX_LATE_S * self._clock_rate_hz

    def _jump(self, sequence_number: int, timestamp: int, size: int, now: float) -> Received | None:
        """RFC 3550 A.1: one packet far off is dropped, two in a row are a sender that started anew."""
        if sequence_number != self._resync_at:
            self._resync_at = (sequence_number + 1) & _SEQUENCE_MASK
            self.too_old += 1
            return None
        self._expected_before += self._expected_of_era()
        self.restarts += 1
        self._resync_at = None
        self._transit = None
        return self._begin(self._sequence.restart(sequence_number), timestamp, size, now, restarted=True)

    def _count(self, timestamp: int, size: int, now: float) -> None:
        self.packets += 1
        self.octets += size
        transit = now * self._clock_rate_hz - timestamp
        previous = self._transit
        self._transit = transit
        if previous is not None:
            difference = abs(transit - previous)
            if difference < self._clock_rate_hz * 10:  # a timestamp that wraps or jumps is no jitter
                self._jitter += (difference - self._jitter) / _JITTER_SHIFT

    def _expected_of_era(self) -> int:
        return 0 if self._highest is None else self._highest - self._base_index + 1

    @property
    def expected(self) -> int:
        """Packets the sequence numbers promise so far."""
        return self._expected_before + self._expected_of_era()

    @property
    def lost(self) -> int:
        """Packets the network lost over the stream's life; `recovered` of them came as retransmissions."""
        return max(0, self.expected - self.packets)

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter (RFC 3550 section 6.4.1)."""
        return self._jitter * 1000 / self._clock_rate_hz

    def receive_sender_report(self, report: SenderReport, now: float) -> None:
        """Remembers a sender report, for DLSR and for aligning audio with video."""
        self.last_sender_report = report
        self._report_at = now

    def take_report_block(self, now: float) -> ReportBlock | None:
        """The report since the last one taken; None before the first packet."""
        if self._highest is None:
            return None
        expected = self.expected
        expected_interval = expected - self._expected_prior
        lost_interval = expected_interval - (self.packets - self._received_prior)
        self._expected_prior = expected
        self._received_prior = self.packets
        fraction = 0
        if expected_interval > 0 and lost_interval > 0:
            fraction = min(255, (lost_interval << 8) // expected_interval)
        last_report, delay = self._last_sender_report(now)
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            packets_lost=expected - self.packets,
            highest_sequence_number=(self._highest - 0x10000) & 0xFFFFFFFF,  # Unwrap starts one turn up
            jitter=int(self._jitter) & 0xFFFFFFFF,
            last_sender_report=last_report,
            delay_since_last_sender_report=delay,
        )

    def _last_sender_report(self, now: float) -> tuple[int, int]:
        if self.last_sender_report is None:
            return 0, 0
        middle = self.last_sender_report.ntp_timestamp >> 16 & 0xFFFFFFFF
        return middle, min(0xFFFFFFFF, max(0, int((now - self._report_at) * 65536)))
