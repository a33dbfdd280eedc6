"""RTCP reports of legs: one compound packet whatever the leg sends and receives."""

import pytest

from bridge.legs.report import (
    FIRST_REPORT_S,
    MAX_ENTRIES,
    REPORT_INTERVAL_S,
    ReportSchedule,
    compose_report,
    farewell,
)
from bridge.wire.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    parse_rtcp,
    serialize_rtcp,
)

OWN, OTHER, CNAME = 7, 8, "cname"


def sent(ssrc: int) -> SenderReport:
    return SenderReport(ssrc, 1 << 60, 160, 10, 1600, ())


def block(ssrc: int) -> ReportBlock:
    return ReportBlock(ssrc, 0, 0, 1, 0, 0, 0)


def test_who_sends_nothing_reports_as_a_receiver() -> None:
    assert compose_report(OWN, CNAME, (block(1),), (None,)) == [
        ReceiverReport(OWN, (block(1),)),
        SourceDescription(((OWN, CNAME),)),
    ]


def test_the_blocks_ride_on_the_report_of_the_stream_that_speaks_for_the_leg() -> None:
    first, description = compose_report(OWN, CNAME, (block(1),), (sent(OWN),))
    assert first == SenderReport(OWN, 1 << 60, 160, 10, 1600, (block(1),))
    assert description == SourceDescription(((OWN, CNAME),))


def test_streams_beside_it_have_reports_and_names_of_their_own() -> None:
    assert compose_report(OWN, CNAME, (block(1),), (sent(OTHER), None, sent(9))) == [
        ReceiverReport(OWN, (block(1),)),
        sent(OTHER),
        sent(9),
        SourceDescription(((OWN, CNAME), (OTHER, CNAME), (9, CNAME))),
    ]


@pytest.mark.parametrize("count", [0, 1, 31, 32, 100])
def test_whatever_there_is_to_say_fits_the_counts_of_the_packets(count: int) -> None:
    report = compose_report(OWN, CNAME, map(block, range(count)), map(sent, range(100, 100 + count)))
    packets = parse_rtcp(serialize_rtcp(farewell(report, range(count))))
    head, *_, description, goodbye = packets
    assert isinstance(head, ReceiverReport)
    assert isinstance(description, SourceDescription)
    assert isinstance(goodbye, Goodbye)
    assert len(head.blocks) == len(goodbye.ssrcs) == min(count, MAX_ENTRIES)


def test_reports_come_at_the_interval_and_not_all_at_once() -> None:
    drawn = iter((0, 65_535, 32_768, 0))
    schedule = ReportSchedule(lambda _bits: next(drawn), 0.0)
    due = [at / 10 for at in range(180) if schedule.take_due(at / 10)]
    second = FIRST_REPORT_S + 0.5 * REPORT_INTERVAL_S
    third = second + 1.5 * REPORT_INTERVAL_S
    assert due == pytest.approx([FIRST_REPORT_S, second, third, third + REPORT_INTERVAL_S], abs=0.11)
