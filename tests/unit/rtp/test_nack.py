"""Asking for lost packets (RFC 4585 section 6.2.1)."""

from bridge.rtp.nack import MAX_AGE_S, MAX_MISSING, MAX_RETRIES, MAX_RETRY_S, REORDER_WAIT_S, NackGenerator


def after(*indexes: int) -> NackGenerator:
    nack = NackGenerator()
    for index in indexes:
        nack.receive(index, 0.0)
    return nack


def test_a_hole_is_asked_for_after_reordering_had_its_chance() -> None:
    nack = after(10, 13)
    assert nack.timer() == REORDER_WAIT_S
    assert nack.take_due(0.0) == ()
    nack.receive(11, 0.005)
    assert nack.take_due(REORDER_WAIT_S) == (12,)
    assert (nack.requested, nack.recovered, len(nack)) == (1, 1, 1)


def test_it_is_asked_for_again_after_a_round_trip() -> None:
    nack = after(10, 12)
    nack.round_trip_s = 0.05
    assert nack.take_due(0.02) == (11,)
    assert nack.take_due(0.06) == ()
    assert nack.take_due(0.07) == (11,)
    nack.receive(11, 0.08)
    assert nack.timer() is None
    assert nack.take_due(1.0) == ()


def test_a_round_trip_that_cannot_be_is_not_waited_for() -> None:
    """A phone that leaves the delay since our report out of its own seems a report interval away."""
    nack = after(10, 12)
    nack.round_trip_s = 5.0
    assert nack.take_due(0.02) == (11,)
    assert nack.take_due(0.02 + MAX_RETRY_S) == (11,)


def test_what_never_comes_is_given_up_for_a_key_frame() -> None:
    nack = after(10, 12)
    now, asked = 0.0, 0
    while (due_at := nack.timer()) is not None:
        now = due_at
        asked += len(nack.take_due(now))
    assert asked == MAX_RETRIES
    assert now <= MAX_AGE_S + 0.2
    assert nack.take_wants_key_frame()
    assert not nack.take_wants_key_frame()


def test_an_old_hole_is_given_up_whatever_the_tries() -> None:
    nack = after(10, 12)
    assert nack.take_due(MAX_AGE_S + 0.1) == ()
    assert (nack.given_up, len(nack)) == (1, 0)


def test_an_outage_is_not_asked_for_packet_by_packet() -> None:
    nack = after(10, 12, 12 + MAX_MISSING + 1)
    assert len(nack) == 0
    assert nack.take_wants_key_frame()
    assert nack.given_up == MAX_MISSING + 1


def test_a_key_frame_makes_older_holes_worthless() -> None:
    nack = after(10, 12, 14)
    nack.key_frame_began(12)
    assert nack.take_due(1.0) == (13,)


def test_sequence_numbers_wrap() -> None:
    assert after(0x1FFFE, 0x20001).take_due(0.02) == (0xFFFF, 0)


def test_a_restart_forgets_what_was_before() -> None:
    nack = after(10, 12)
    nack.restart()
    nack.receive(5, 0.0)
    nack.receive(5, 0.0)
    assert nack.timer() is None
