"""The RTCP reports of a leg (RFC 3550 section 6): when they are due, and what stands in one."""

from collections.abc import Callable, Iterable

from bridge.wire.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
)

REPORT_INTERVAL_S = 5.0  # RFC 3550 section 6.2: the recommended minimum
FIRST_REPORT_S = 1.0  # a browser shows round trip and lip sync only from the first report on
MAX_ENTRIES = 31  # of one packet: the count has five bits (RFC 3550 section 6.4.1)


class ReportSchedule:
    """When RTCP reports are due: the interval times 0.5 to 1.5, so that reports do not align (RFC 3550 6.3.1)."""

    __slots__ = ("_due_at", "_random_bits")

    def __init__(self, random_bits: Callable[[int], int], now: float) -> None:
        self._random_bits = random_bits
        self._due_at = now + FIRST_REPORT_S

    def take_due(self, now: float) -> bool:
        if now < self._due_at:
            return False
        self._due_at = now + REPORT_INTERVAL_S * (0.5 + self._random_bits(16) / 65536)
        return True


def compose_report(
    ssrc: int, cname: str, blocks: Iterable[ReportBlock], sent: Iterable[SenderReport | None]
) -> list[RtcpPacket]:
    """One compound packet: the blocks about what came in the name of `ssrc`, and what was `sent`, by whichever
    of our streams; None is one that has sent nothing yet."""
    said = tuple(blocks)[:MAX_ENTRIES]
    reports = [report for report in sent if report is not None]
    own = next((report for report in reports if report.ssrc == ssrc), None)
    others = [report for report in reports if report is not own]
    first: RtcpPacket = ReceiverReport(ssrc, said)
    if own is not None:
        first = SenderReport(
            own.ssrc, own.ntp_timestamp, own.timestamp, own.packet_count, own.octet_count, said
        )
    ssrcs = (ssrc, *(report.ssrc for report in others))[:MAX_ENTRIES]
    return [first, *others, SourceDescription(tuple((each, cname) for each in ssrcs))]


def farewell(report: list[RtcpPacket], ssrcs: Iterable[int]) -> list[RtcpPacket]:
    """The last report of streams that end (RFC 3550 section 6.6)."""
    return [*report, Goodbye(tuple(ssrcs)[:MAX_ENTRIES])]
