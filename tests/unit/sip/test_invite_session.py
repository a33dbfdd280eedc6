"""The life of a call and of its offers, over the whole State x Event product."""

import itertools

import pytest

from bridge.errors import NotAllowedError
from signaling.sip.session.event import CallKey
from signaling.sip.session.invite_session import (
    CALL_TRANSITIONS,
    EXCHANGE_TRANSITIONS,
    OUR_CALL_EVENTS,
    CallEvent,
    CallState,
    ExchangeEvent,
    ExchangeState,
    InviteSession,
)
from signaling.sip.transaction.transaction import Timing
from signaling.sip.wire.flow import Flow

FLOW = Flow("udp", "192.0.2.1", 5060)


def in_state(state: CallState) -> InviteSession:
    session = InviteSession(CallKey(1), Timing(), outbound=False)
    session.state = state
    return session


@pytest.mark.parametrize(("state", "event"), [*itertools.product(CallState, CallEvent)])
def test_every_state_takes_every_event(state: CallState, event: CallEvent) -> None:
    session = in_state(state)
    target = CALL_TRANSITIONS.get((state, event))
    if target is not None:
        assert session.step(event) is (target is not state)
        assert session.state is target
    elif event in OUR_CALL_EVENTS:
        with pytest.raises(NotAllowedError):
            session.step(event)
        assert session.state is state
    else:
        assert session.step(event) is False
        assert (session.state, session.ignored) == (state, 1)


def test_every_call_can_be_hung_up_until_it_has_ended_and_none_comes_back() -> None:
    assert {state for state, event in CALL_TRANSITIONS if event is CallEvent.HANG_UP} == {
        state for state in CallState if state is not CallState.ENDED
    }
    assert not [state for state, _ in CALL_TRANSITIONS if state is CallState.ENDED]


def test_every_state_leads_to_the_end() -> None:
    ends = {CallState.ENDED}
    while True:
        more = {state for (state, _), target in CALL_TRANSITIONS.items() if target in ends} - ends
        if not more:
            break
        ends |= more
    assert ends == set(CallState)


@pytest.mark.parametrize(("state", "event"), [*itertools.product(ExchangeState, ExchangeEvent)])
def test_one_offer_at_a_time(state: ExchangeState, event: ExchangeEvent) -> None:
    session = in_state(CallState.CONFIRMED)
    session.exchange = state
    target = EXCHANGE_TRANSITIONS.get((state, event))
    assert session.may(event) is (target is not None)
    if target is None:
        with pytest.raises(NotAllowedError):
            session.step_exchange(event)
        assert session.exchange is state
    else:
        session.step_exchange(event)
        assert session.exchange is target


def test_a_2xx_is_resent_with_doubling_up_to_t2_until_the_ack_is_overdue() -> None:
    session = in_state(CallState.ANSWERED)
    session.await_ack(b"200", FLOW, 0.0)
    resent = []
    while (at := session.timer()) is not None:
        event, again = session.take_due(at)
        if again:
            resent.append(at)
        else:
            assert (event, at) == (CallEvent.ACK_OVERDUE, 32.0)
    assert resent == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def test_an_ack_stops_the_2xx() -> None:
    session = in_state(CallState.ANSWERED)
    session.await_ack(b"200", FLOW, 0.0)
    session.acknowledged()
    assert session.timer() is None
    assert session.success is None
