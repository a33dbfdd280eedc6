"""kill -9 and restart with real phones and browsers, in short; `make crash` is the long version."""

from pathlib import Path

from tests.load.crash import IN_MEMORY, crash


async def test_what_was_told_is_true_after_two_kills(tmp_path: Path) -> None:
    report = await crash(tmp_path, kills=2, seed=7, phones=4)
    figures = report.figures()
    assert report.complaints() == []
    assert figures["kills"] == 2
    assert figures["lost_interactions"] == figures["order_errors"] == 0
    assert report.findings.clock_error_ms <= 1.0
    assert figures["legs_back"] == figures["legs_total"] != 0


async def test_without_a_journal_the_same_run_reports_losses(tmp_path: Path) -> None:
    report = await crash(tmp_path, kills=1, seed=7, phones=4, journal_url=IN_MEMORY)
    assert len(report.findings.lost) >= 4
    assert report.figures()["legs_back"] == 0
