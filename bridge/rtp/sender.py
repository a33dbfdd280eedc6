"""What we say about one stream we send, and what its receiver answers (RFC 3550 section 6.4)."""

from collections import OrderedDict

from bridge.wire.rtcp import ReportBlock, SenderReport

REMEMBERED_REPORTS = 16  # round trips of up to 16 report intervals can still be measured


class StreamSender:
    """Counters and reports of one SSRC from us to the endpoint."""

    __slots__ = (
        "_clock_rate_hz",
        "_reports",
        "_sent_at",
        "_timestamp",
        "fraction_lost",
        "octets",
        "packets",
        "packets_lost",
        "remote_jitter_ms",
        "round_trip_s",
        "ssrc",
    )

    def __init__(self, ssrc: int, clock_rate_hz: int) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self.round_trip_s: float | None = None
        self.fraction_lost = 0.0
        self.packets_lost = 0
        self.remote_jitter_ms = 0.0
        self._clock_rate_hz = clock_rate_hz
        self._timestamp = 0
        self._sent_at: float | None = None
        self._reports: OrderedDict[int, float] = OrderedDict()

    def sent(self, timestamp: int, size: int, now: float) -> None:
        """A packet with `size` octets of payload left."""
        self.packets += 1
        self.octets += size
        if timestamp != self._timestamp or self._sent_at is None:
            # The frame's first packet is the nearest to its capture: later ones of the frame, and
            # retransmitted ones, must not move the mapping.
            self._timestamp = timestamp
            self._sent_at = now

    def sender_report(self, now: float, ntp_seconds: float) -> SenderReport | None:
        """The report for this instant (`ntp_seconds` since 1900); None before the first packet."""
        if self._sent_at is None:
            return None
        ntp_timestamp = int(ntp_seconds * 4294967296) & 0xFFFFFFFFFFFFFFFF
        elapsed = max(0.0, now - self._sent_at)
        self._remember(ntp_timestamp >> 16 & 0xFFFFFFFF, now)
        return SenderReport(
            ssrc=self.ssrc,
            ntp_timestamp=ntp_timestamp,
            timestamp=(self._timestamp + round(elapsed * self._clock_rate_hz)) & 0xFFFFFFFF,
            packet_count=self.packets & 0xFFFFFFFF,
            octet_count=self.octets & 0xFFFFFFFF,
        )

    def receive_report_block(self, block: ReportBlock, now: float) -> float | None:
        """Takes the receiver's view; returns the round trip in seconds if the block lets us measure it."""
        self.fraction_lost = block.fraction_lost / 256
        self.packets_lost = block.packets_lost
        self.remote_jitter_ms = block.jitter * 1000 / self._clock_rate_hz
        sent_at = self._reports.get(block.last_sender_report)
        if sent_at is None:
            return None
        round_trip = now - sent_at - block.delay_since_last_sender_report / 65536
        self.round_trip_s = max(0.0, round_trip)
        return self.round_trip_s

    def _remember(self, middle: int, now: float) -> None:
        self._reports[middle] = now
        if len(self._reports) > REMEMBERED_REPORTS:
            self._reports.popitem(last=False)
