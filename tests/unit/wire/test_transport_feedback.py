"""Transport-wide feedback: chunks and deltas of draft-holmer-rmcat-transport-wide-cc-extensions-01."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from bridge.wire.rtcp import TransportFeedback, parse_rtcp, serialize_rtcp
from bridge.wire.transport_feedback import parse_transport_feedback

deltas = st.none() | st.integers(0, 255) | st.integers(-0x8000, 0x7FFF)


def feedback(*values: int | None) -> TransportFeedback:
    return TransportFeedback(1, 2, 100, 3, 4, values)


@given(st.lists(deltas, min_size=1, max_size=120))
@settings(max_examples=100, deadline=None)
def test_arrivals_survive_the_wire(values: list[int | None]) -> None:
    assert parse_rtcp(serialize_rtcp([feedback(*values)])) == [feedback(*values)]


def test_a_long_run_is_one_chunk() -> None:
    # section 3.1.3: T=0, symbol 01, run length 200
    assert serialize_rtcp([feedback(*[1] * 200)])[20:22] == bytes.fromhex("20c8")


def test_mixed_packets_share_a_two_bit_vector() -> None:
    # section 3.1.4: 11, then 01 00 10 01 00 00 01
    data = serialize_rtcp([feedback(1, None, 300, 1, None, None, 1, 1)])
    assert data[20:22] == bytes([0b11010010, 0b01000001])


def test_one_bit_vectors_and_spare_symbols_are_read() -> None:
    body = bytes.fromhex("0064 0003 000003 04 a800 0102") + b"\x00\x00"
    assert parse_transport_feedback(1, 2, body).deltas == (1, None, 2)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("0064 0003 000003 04", id="no chunk"),
        pytest.param("0064 0003 000003 04 0000 0000", id="empty run"),
        pytest.param("0064 0003 000003 04 6003 0000", id="reserved symbol"),
        pytest.param("0064 0003 000003 04 2003 0101", id="too few deltas"),
        pytest.param("0064 0fff 000003 04 2001 01", id="too few chunks"),
        pytest.param("0064 2001 000003 04 1fff 0002", id="more packets than anybody sends"),
    ],
)
def test_what_does_not_add_up_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_transport_feedback(1, 2, bytes.fromhex(text))


def test_a_delta_beyond_sixteen_bits_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="16 bits"):
        serialize_rtcp([feedback(0x8000)])
