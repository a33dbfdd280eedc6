"""RFC 8445 for a lite agent, RFC 7675 consent, and what browsers were seen to do."""

import itertools

import pytest
from aioice import stun
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import NotAllowedError
from bridge.plane.messages import IceCredentials
from bridge.transport import ice_lite
from bridge.transport.address import Address
from bridge.transport.ice_lite import (
    TRANSITIONS,
    Event,
    IceLite,
    State,
    host_candidates,
    next_state,
    username_of,
)
from tests.unit.transport.browser import BROWSER, LOCAL, REMOTE, STRANGER, check

NEW_LOCAL = IceCredentials("bridgeU2", "bridge-password-2-123456789")
NEW_REMOTE = IceCredentials("brwsU2", "browser-password-2-123456789")
MOVED = ("192.0.2.7", 50_001)


def agent(remote: IceCredentials | None = REMOTE) -> IceLite:
    return IceLite(LOCAL, remote, now=0.0)


def answer(
    ice: IceLite, request: stun.Message, source: tuple[str, int] = BROWSER, now: float = 1.0
) -> stun.Message:
    response = ice.receive_stun(bytes(request), source, now)
    assert response is not None
    return stun.parse_message(response)


def where(ice: IceLite) -> tuple[State, Address | None]:
    return ice.state, ice.selected


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_step_is_in_the_table_or_refused(state: State, event: Event) -> None:
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(NotAllowedError):
            next_state(state, event)


def test_a_check_is_answered_with_the_mapped_address_and_signed() -> None:
    request = check()
    response = answer(agent(), request)
    assert response.message_class is stun.Class.RESPONSE
    assert response.transaction_id == request.transaction_id
    assert response.attributes["XOR-MAPPED-ADDRESS"] == BROWSER
    assert response.check_message_integrity(LOCAL.pwd.encode())
    assert "FINGERPRINT" in response.attributes


def test_media_may_go_to_a_checked_address_before_nomination() -> None:
    ice = agent()
    assert ice.destination is None
    answer(ice, check())
    assert where(ice) == (State.CHECKED, None)
    assert ice.destination == BROWSER
    assert ice.accepts(BROWSER)
    assert not ice.accepts(STRANGER)


def test_use_candidate_nominates_and_may_move_later() -> None:
    ice = agent()
    answer(ice, check(use_candidate=True))
    assert where(ice) == (State.NOMINATED, BROWSER)
    answer(ice, check(use_candidate=True), MOVED)
    assert ice.selected == MOVED


def test_a_plain_check_from_elsewhere_does_not_move_the_selected_address() -> None:
    ice = agent()
    answer(ice, check(use_candidate=True))
    answer(ice, check(), MOVED)
    assert ice.selected == BROWSER


def test_ipv6_sources_are_answered() -> None:
    source = ("2001:db8::7", 5000)
    assert answer(agent(), check(), source).attributes["XOR-MAPPED-ADDRESS"] == source


def test_without_username_or_integrity_the_answer_is_400_and_unsigned() -> None:
    ice = agent()
    request = stun.Message(
        stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": "bridgeUf:brwsUf"}
    )
    request.add_fingerprint()
    response = answer(ice, request)
    assert response.error_code == 400
    assert "MESSAGE-INTEGRITY" not in response.attributes
    nameless = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    nameless.add_message_integrity(LOCAL.pwd.encode())
    assert answer(ice, nameless).error_code == 400
    assert not ice.accepts(BROWSER)
    assert ice.unauthorized == 2


@pytest.mark.parametrize(
    "credentials", [IceCredentials(LOCAL.ufrag, "wrong"), IceCredentials("unknown", LOCAL.pwd)]
)
def test_wrong_ufrag_or_password_is_401_and_changes_nothing(credentials: IceCredentials) -> None:
    ice = agent()
    assert answer(ice, check(credentials, use_candidate=True)).error_code == 401
    assert where(ice)[0] is State.WAITING
    assert not ice.accepts(BROWSER)


def test_a_peer_that_thinks_itself_controlled_is_told_487() -> None:
    ice = agent()
    response = answer(ice, check(role="ICE-CONTROLLED"))
    assert response.error_code == 487
    assert response.check_message_integrity(LOCAL.pwd.encode())
    assert ice.role_conflicts == 1
    assert not ice.accepts(BROWSER)


def test_a_check_without_or_with_a_wrong_fingerprint_is_not_answered() -> None:
    ice = agent()
    signed = bytes(check())
    assert ice.receive_stun(signed[:-1] + bytes([signed[-1] ^ 1]), BROWSER, 1.0) is None
    bare = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": "bridgeUf:brwsUf"})
    assert ice.receive_stun(bytes(bare), BROWSER, 1.0) is None
    assert ice.malformed == 2


def test_indications_and_responses_are_taken_in_silence() -> None:
    ice = agent()
    for kind in (stun.Class.INDICATION, stun.Class.RESPONSE, stun.Class.ERROR):
        message = stun.Message(stun.Method.BINDING, kind)
        message.add_fingerprint()
        assert ice.receive_stun(bytes(message), BROWSER, 1.0) is None


def test_checks_are_answered_before_our_offer_was() -> None:
    ice = agent(remote=None)
    assert ice.timer() is None
    answer(ice, check(use_candidate=True))
    ice.update(LOCAL, REMOTE, 2.0)
    assert ice.selected == BROWSER
    assert where(ice)[0] is State.NOMINATED


def test_the_consent_clock_starts_with_the_answer() -> None:
    ice = agent(remote=None)
    ice.update(LOCAL, REMOTE, 100.0)
    assert ice.timer() == 130.0


def test_consent_ends_30_s_after_the_last_check_of_the_selected_address() -> None:
    ice = agent()
    answer(ice, check(use_candidate=True), now=1.0)
    answer(ice, check(), now=3.5)
    answer(ice, check(), MOVED, now=20.0)
    assert ice.timer() == 33.5
    ice.handle_timer(33.4)
    assert where(ice)[0] is State.NOMINATED
    ice.handle_timer(33.5)
    assert where(ice)[0] is State.LOST
    assert ice.timer() is None


def test_after_lost_consent_only_an_ice_restart_helps() -> None:
    ice = agent()
    answer(ice, check(use_candidate=True), now=1.0)
    ice.handle_timer(31.0)
    answer(ice, check(use_candidate=True), now=32.0)
    assert where(ice)[0] is State.LOST
    ice.update(NEW_LOCAL, NEW_REMOTE, 33.0)
    assert where(ice)[0] is State.WAITING
    answer(ice, check(NEW_LOCAL, NEW_REMOTE, use_candidate=True), MOVED, now=34.0)
    assert where(ice) == (State.NOMINATED, MOVED)


def test_an_ice_restart_keeps_the_old_pair_until_the_new_one_is_nominated() -> None:
    ice = agent()
    answer(ice, check(use_candidate=True))
    ice.update(NEW_LOCAL, NEW_REMOTE, 2.0)
    assert where(ice) == (State.NOMINATED, BROWSER)
    assert ice.local_ufrags == (NEW_LOCAL.ufrag, LOCAL.ufrag)
    assert answer(ice, check(), now=3.0).message_class is stun.Class.RESPONSE
    answer(ice, check(NEW_LOCAL, NEW_REMOTE, use_candidate=True), MOVED, now=4.0)
    assert ice.selected == MOVED


def test_an_old_generation_never_moves_the_selected_address() -> None:
    ice = agent()
    answer(ice, check(use_candidate=True))
    ice.update(NEW_LOCAL, NEW_REMOTE, 2.0)
    answer(ice, check(NEW_LOCAL, NEW_REMOTE, use_candidate=True), MOVED)
    answer(ice, check(use_candidate=True), BROWSER)
    assert ice.selected == MOVED


def test_chromiums_new_sockets_with_our_old_ufrag_are_the_new_generation() -> None:
    ice = agent()
    answer(ice, check(use_candidate=True))
    ice.update(NEW_LOCAL, NEW_REMOTE, 2.0)
    answer(ice, check(LOCAL, NEW_REMOTE, use_candidate=True), MOVED, now=3.0)
    assert ice.selected == MOVED
    third = IceCredentials("bridgeU3", "bridge-password-3-123456789")
    ice.update(third, IceCredentials("brwsU3", "x" * 22), 4.0)
    pair_in_use = check(LOCAL, NEW_REMOTE, use_candidate=True)
    assert answer(ice, pair_in_use, BROWSER).message_class is stun.Class.RESPONSE
    assert ice.selected == MOVED


def test_after_a_restart_by_us_the_old_pair_does_not_pull_back() -> None:
    ice = agent()
    answer(ice, check(use_candidate=True))
    ice.update(NEW_LOCAL, REMOTE, 2.0)
    answer(ice, check(NEW_LOCAL, NEW_REMOTE, use_candidate=True), MOVED)
    answer(ice, check(use_candidate=True))
    assert ice.selected == MOVED


def test_generations_are_bounded() -> None:
    ice = agent()
    for number in range(10):
        ice.update(IceCredentials(f"l{number}", "x" * 22), IceCredentials(f"r{number}", "y" * 22), number)
    assert ice.local_ufrags == ("l9", "l8", "l7")
    assert answer(ice, check()).error_code == 401


def test_a_browser_restart_that_keeps_our_ufrag_retires_the_browsers_old_one() -> None:
    ice = agent()
    answer(ice, check(use_candidate=True))
    ice.update(LOCAL, NEW_REMOTE, 2.0)
    answer(ice, check(LOCAL, NEW_REMOTE, use_candidate=True), MOVED)
    answer(ice, check(LOCAL, REMOTE, use_candidate=True), BROWSER)
    assert ice.selected == MOVED


def test_a_restart_by_us_takes_checks_before_its_answer_came() -> None:
    ice = agent()
    answer(ice, check(use_candidate=True))
    ice.update(NEW_LOCAL, REMOTE, 2.0)
    answer(ice, check(NEW_LOCAL, NEW_REMOTE, use_candidate=True), MOVED)
    assert ice.selected == MOVED


def test_saying_the_same_twice_changes_nothing() -> None:
    ice = agent()
    answer(ice, check(use_candidate=True), now=1.0)
    ice.update(LOCAL, REMOTE, 9.0)
    assert ice.timer() == 31.0
    assert ice.local_ufrags == (LOCAL.ufrag,)


def test_addresses_are_bounded_and_the_selected_one_stays() -> None:
    ice = agent()
    answer(ice, check(use_candidate=True))
    for port in range(1, 100):
        answer(ice, check(), ("192.0.2.7", port))
    known = [port for port in range(1, 100) if ice.accepts(("192.0.2.7", port))]
    assert len(known) == ice_lite.MAX_SOURCES - 1
    assert ice.accepts(BROWSER)


def test_username_is_read_without_trust() -> None:
    assert username_of(bytes(check())) == (LOCAL.ufrag, REMOTE.ufrag)
    assert username_of(b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)) is None
    colonless = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": "abc"})
    assert username_of(bytes(colonless)) is None


@settings(max_examples=150)
@given(st.binary(max_size=80), st.integers(0, 200), st.integers(0, 255))
def test_no_bytes_raise_or_open_the_door(tail: bytes, position: int, value: int) -> None:
    ice = agent()
    valid = bytearray(bytes(check(use_candidate=True)))
    valid[position % len(valid)] ^= value
    header = b"\x00\x01" + len(tail).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12)
    ice.receive_stun(header + tail, STRANGER, 1.0)
    username_of(header + tail)
    ice.receive_stun(bytes(valid), BROWSER, 1.0)
    username_of(bytes(valid))
    assert not ice.accepts(STRANGER)
    assert ice.accepts(BROWSER) == (value == 0)


def test_host_candidates_prefer_the_first_address() -> None:
    first, second = host_candidates(["192.0.2.1", "2001:db8::1"], 10_000)
    assert first == "1 1 udp 2130706431 192.0.2.1 10000 typ host"
    assert second == "2 1 udp 2130706175 2001:db8::1 10000 typ host"
