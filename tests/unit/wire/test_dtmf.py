"""Telephone events (RFC 4733 section 2.3)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from bridge.wire.dtmf import (
    DIGITS,
    TelephoneEvent,
    event_of_digit,
    parse_telephone_event,
    serialize_telephone_event,
)


def test_the_fields_are_where_figure_1_puts_them() -> None:
    assert parse_telephone_event(bytes.fromhex("0b 8a 0640")) == TelephoneEvent(11, True, 10, 1600)
    assert parse_telephone_event(bytes.fromhex("0b 8a 0640")).digit == "#"
    # the reserved bit is ignored by receivers
    assert parse_telephone_event(bytes.fromhex("00 40 0000")) == TelephoneEvent(0, False, 0, 0)


@given(
    st.builds(TelephoneEvent, st.integers(0, 255), st.booleans(), st.integers(0, 63), st.integers(0, 65535))
)
@settings(max_examples=50, deadline=None)
def test_an_event_survives_the_wire(event: TelephoneEvent) -> None:
    assert parse_telephone_event(serialize_telephone_event(event)) == event


def test_sixteen_events_are_keys() -> None:
    for number, digit in enumerate(DIGITS):
        assert event_of_digit(digit.lower()) == number
        assert TelephoneEvent(number, False, 0, 0).digit == digit
    assert TelephoneEvent(16, False, 0, 0).digit is None


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(ParseError):
        parse_telephone_event(b"\x00\x00\x00")
    for digit in ("", "E", "12"):
        with pytest.raises(ValueError, match="digit"):
            event_of_digit(digit)
    with pytest.raises(ValueError, match="range"):
        serialize_telephone_event(TelephoneEvent(0, False, 64, 0))
