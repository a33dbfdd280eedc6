"""Symmetric RTP: whom the bridge believes to be the phone."""

from bridge.transport.latch import MOVING_S, PATIENCE_S, Latch

DECLARED = ("192.0.2.10", 4000)
NAT = ("203.0.113.5", 31_000)
OTHER = ("198.51.100.66", 6_666)


def declared() -> Latch:
    latch = Latch()
    latch.declare(DECLARED)
    return latch


def test_nobody_is_believed_before_the_sdp_is_known() -> None:
    latch = Latch()
    assert not latch.accepts(DECLARED, 0.0)
    assert latch.destination is None


def test_the_declared_address_is_believed_at_once_and_alone() -> None:
    latch = declared()
    assert latch.accepts(DECLARED, 0.0)
    assert not latch.accepts(OTHER, 60.0)
    assert latch.locked == DECLARED


def test_media_goes_to_the_declared_address_until_another_proved_itself() -> None:
    latch = declared()
    assert latch.destination == DECLARED
    latch.accepts(NAT, 0.0)
    latch.accepts(NAT, PATIENCE_S)
    assert latch.destination == NAT


def test_a_nat_address_is_believed_when_the_declared_one_stays_silent() -> None:
    latch = declared()
    assert not latch.accepts(NAT, 1.0)
    assert not latch.accepts(NAT, 1.0 + PATIENCE_S - 0.01)
    assert latch.accepts(NAT, 1.0 + PATIENCE_S)
    assert not latch.accepts(DECLARED, 2.0)


def test_the_declared_address_wins_against_a_stranger_who_was_first() -> None:
    latch = declared()
    assert not latch.accepts(OTHER, 0.0)
    assert latch.accepts(DECLARED, 0.1)
    assert not latch.accepts(OTHER, 1.0)


def test_one_packet_of_a_stranger_does_not_keep_the_phone_out() -> None:
    latch = declared()
    latch.accepts(OTHER, 0.0)
    accepted = [latch.accepts(NAT, 0.02 * tick) for tick in range(1, 40)]
    assert accepted[-1]


def test_an_unspecified_address_means_whoever_comes() -> None:
    latch = Latch()
    latch.declare(("0.0.0.0", 4000))
    assert latch.destination is None
    assert latch.accepts(NAT, 0.0)
    assert latch.destination == NAT


def test_a_host_name_is_never_sent_to() -> None:
    latch = Latch()
    latch.declare(("phone.example.org", 4000))
    assert latch.destination is None


def test_declaring_the_same_again_changes_nothing_and_another_one_unlatches() -> None:
    latch = declared()
    latch.accepts(DECLARED, 0.0)
    latch.declare(DECLARED)
    assert latch.locked == DECLARED
    latch.declare(OTHER)
    assert latch.locked is None
    assert latch.accepts(OTHER, 1.0)


def test_after_a_new_exchange_a_phone_that_moved_is_found_again() -> None:
    latch = declared()
    latch.accepts(DECLARED, 0.0)
    latch.declare(DECLARED, exchange=1, now=1.0)
    assert latch.destination == DECLARED, "the old place goes on until a new one has proved itself"
    assert not latch.accepts(NAT, 1.1)
    assert latch.accepts(NAT, 1.1 + PATIENCE_S)
    assert latch.destination == NAT
    assert not latch.accepts(DECLARED, 1.2 + PATIENCE_S)


def test_a_new_exchange_lets_nobody_in_while_the_phone_speaks() -> None:
    latch = declared()
    latch.accepts(DECLARED, 0.0)
    latch.declare(DECLARED, exchange=1, now=1.0)
    for tick in range(100):
        assert latch.accepts(DECLARED, 1.0 + tick * 0.02)
        assert not latch.accepts(OTHER, 1.001 + tick * 0.02)


def test_a_silent_phone_keeps_its_place_when_there_was_no_new_exchange() -> None:
    latch = declared()
    latch.accepts(DECLARED, 0.0)
    latch.declare(DECLARED, exchange=1, now=1.0)
    late = 1.0 + MOVING_S
    assert not latch.may_accept(OTHER, late)
    assert not any(latch.accepts(OTHER, late + tick * 0.02) for tick in range(100))


def test_a_spray_of_packets_is_no_stream() -> None:
    latch = declared()
    spray = [(7, 100), (8, 101), (9, 102), (9, 40_000), (9, 39_999)]
    assert not any(
        latch.accepts(OTHER, tick * PATIENCE_S, place) for tick, place in enumerate(spray * 3, start=1)
    )
    assert not latch.accepts(NAT, 9.0, (1, 65_535))
    assert latch.accepts(NAT, 9.0 + PATIENCE_S, (1, 0))


def test_an_authentic_packet_proves_its_source_at_once() -> None:
    latch = declared()
    assert latch.accepts(NAT, 0.0, (1, 1), authentic=True)
    assert not latch.accepts(OTHER, 0.1, (1, 2), authentic=True), "locked all the same"


def test_the_declared_address_wins_against_a_stream_that_was_there_before_the_phone_began() -> None:
    """As of the last call on this port, whose phone missed the BYE: the new one speaks when it has its answer."""
    latch = declared()
    for number in range(20):
        latch.accepts(OTHER, 0.02 * number, (1, number))
    assert latch.locked == OTHER
    for number in range(20):
        now = 1.0 + 0.02 * number
        assert latch.may_accept(DECLARED, now)
        latch.accepts(OTHER, now, (1, 50 + number))
        latch.accepts(DECLARED, now + 0.001, (2, number))
    assert latch.locked == DECLARED
    assert not latch.may_accept(OTHER, 2.0)


def test_one_packet_from_the_declared_address_does_not_take_a_phone_behind_a_nat_off() -> None:
    latch = declared()
    for number in range(20):
        latch.accepts(NAT, 0.02 * number, (1, number))
    assert not latch.accepts(DECLARED, 1.0, (2, 1))
    assert latch.accepts(NAT, 1.01, (1, 50))
    assert latch.locked == NAT


def test_who_proves_it_by_its_key_may_move_whenever_its_old_place_is_silent() -> None:
    """Its NAT forgot it, or it changed the network: without that the call would be lost."""
    latch = declared()
    assert latch.accepts(NAT, 0.0, (1, 1), authentic=True)
    assert not latch.may_accept(OTHER, 0.1, authentic=True), "while it speaks, a stranger costs no decryption"
    assert not latch.may_accept(OTHER, 60.0)
    assert latch.may_accept(OTHER, 60.0, authentic=True)
    assert latch.accepts(OTHER, 60.0, (1, 2), authentic=True)
    assert latch.locked == OTHER
