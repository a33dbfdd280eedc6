"""What SIP statuses mean to the desk."""

import re

import pytest

from bridge.desk.interaction.call_failure import FAILURES, failure_of


@pytest.mark.parametrize(
    ("status", "code", "hopeless"),
    [
        (486, "busy", False),
        (600, "busy", False),
        (408, "no_answer", False),
        (404, "unknown_number", True),
        (603, "declined", True),
        (503, "overloaded", False),
        (488, "not_acceptable", False),
        (407, "unauthorized", False),
        (399, "no_route", False),
        (499, "refused", False),
        (599, "provider_error", False),
        (699, "declined", True),
        (0, "not_made", False),
    ],
)
def test_every_status_has_a_code(status: int, code: str, hopeless: bool) -> None:
    failure = failure_of(status)
    assert (failure.code, failure.hopeless) == (code, hopeless)


def test_codes_are_for_programs_and_texts_for_people() -> None:
    for status in range(300, 700):
        failure = failure_of(status)
        assert re.fullmatch("[a-z_]+", failure.code)
        assert failure.text
    assert all(300 <= status < 700 for status in FAILURES)
