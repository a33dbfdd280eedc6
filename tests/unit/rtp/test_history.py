"""The packets kept for retransmission."""

import pytest

from bridge.rtp.history import SentHistory


def test_a_packet_is_found_until_it_is_too_old() -> None:
    history = SentHistory(4, max_age_s=1.0)
    history.push(7, b"seven", 10.0)
    found = history.find(7, 11.0)
    assert found is not None
    assert found.packet == b"seven"
    assert history.find(7, 11.1) is None
    assert history.find(3, 10.0) is None
    assert (history.too_old, history.unknown) == (1, 1)


def test_the_newest_packet_has_the_place() -> None:
    history = SentHistory(4)
    for number in range(65_534, 65_540):
        history.push(number & 0xFFFF, b"%d" % number, 0.0)
    assert history.overwritten == 2
    assert history.find(65_534, 0.0) is None
    newest = history.find(3, 0.0)
    assert newest is not None
    assert newest.packet == b"65539"


@pytest.mark.parametrize("capacity", [0, 3, 0x10000])
def test_capacities_are_powers_of_two(capacity: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        SentHistory(capacity)
