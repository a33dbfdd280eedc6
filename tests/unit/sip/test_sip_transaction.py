"""RFC 3261 section 17 and RFC 6026: the four transaction machines, over the whole State x Event product."""

import itertools

import pytest

from bridge.errors import NotAllowedError
from signaling.sip.transaction.transaction import (
    INVITE_CLIENT,
    INVITE_SERVER,
    MACHINES,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    OUR_EVENTS,
    Action,
    Event,
    Machine,
    State,
    Timing,
    Transaction,
)

TIMING = Timing()
TIMERS = {event for event in Event if event.name.startswith("TIMER_")}


def start(machine: Machine, *, reliable: bool = False) -> Transaction:
    return Transaction(machine, TIMING, 0.0, reliable=reliable)


def reach(machine: Machine, state: State) -> Transaction | None:
    """A transaction in `state`, by the shortest way through the table without timers firing."""
    ways: list[tuple[Event, ...]] = [()]
    for way in ways:
        transaction = start(machine)
        for event in way:
            transaction.handle(event, 0.0)
        if transaction.state is state:
            return transaction
        if len(way) < 3:
            events = {event for at, event in machine.transitions if at is transaction.state}
            ways.extend((*way, event) for event in sorted(events, key=lambda event: event.name))
    return None


def run_to_end(transaction: Transaction) -> list[tuple[float, Action]]:
    done: list[tuple[float, Action]] = []
    while (at := transaction.timer()) is not None:
        done.extend((at, action) for action in transaction.handle_timer(at))
    return done


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_state_takes_every_event(machine: Machine) -> None:
    for state, event in itertools.product(State, Event):
        transaction = reach(machine, state)
        if transaction is None:
            assert not any(at is state for at, _ in machine.transitions), f"{state} cannot be reached"
            continue
        row = machine.transitions.get((state, event))
        if row is not None:
            assert transaction.handle(event, 0.0) == row[1]
            assert transaction.state is row[0]
        elif event in OUR_EVENTS:
            with pytest.raises(NotAllowedError):
                transaction.handle(event, 0.0)
            assert transaction.state is state
        else:
            assert transaction.handle(event, 0.0) == ()
            assert (transaction.state, transaction.ignored) == (state, 1)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_timer_that_runs_has_a_row_and_every_state_has_a_way_out(machine: Machine) -> None:
    for state, timers in machine.timers.items():
        assert all((state, timer) in machine.transitions for timer in timers)
    fired = {event for _, event in machine.transitions if event in TIMERS}
    assert fired == {timer for timers in machine.timers.values() for timer in timers}
    assert {state for state, _ in machine.transitions} == {
        state for state in State if state is not State.TERMINATED and reach(machine, state) is not None
    }


def test_an_unanswered_invite_is_resent_with_doubling_and_times_out() -> None:
    done = run_to_end(start(INVITE_CLIENT))
    assert [at for at, action in done if action is Action.SEND] == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert done[-1] == (32.0, Action.TIME_OUT)


def test_over_tcp_an_invite_is_sent_once() -> None:
    assert run_to_end(start(INVITE_CLIENT, reliable=True)) == [(32.0, Action.TIME_OUT)]


def test_a_provisional_response_stops_an_invite_from_being_resent() -> None:
    transaction = start(INVITE_CLIENT)
    transaction.handle(Event.PROVISIONAL, 0.1)
    assert transaction.timer() is None


def test_a_refused_invite_acknowledges_each_copy_for_32_seconds() -> None:
    transaction = start(INVITE_CLIENT)
    assert transaction.handle(Event.FAILURE, 1.0) == (Action.SEND_ACK, Action.DELIVER)
    assert transaction.handle(Event.FAILURE, 1.5) == (Action.SEND_ACK,)
    assert transaction.timer() == 33.0
    transaction.handle_timer(33.0)
    assert transaction.state is State.TERMINATED


def test_over_tcp_a_refused_invite_ends_at_once() -> None:
    transaction = start(INVITE_CLIENT, reliable=True)
    transaction.handle(Event.FAILURE, 1.0)
    assert transaction.timer() == 1.0


def test_an_accepted_invite_delivers_every_2xx_for_64_t1() -> None:
    transaction = start(INVITE_CLIENT)
    assert transaction.handle(Event.SUCCESS, 1.0) == (Action.DELIVER,)
    assert transaction.handle(Event.SUCCESS, 2.0) == (Action.DELIVER,)
    assert transaction.timer() == 33.0


def test_other_requests_are_resent_with_doubling_up_to_t2() -> None:
    done = run_to_end(start(NON_INVITE_CLIENT))
    sent = [at for at, action in done if action is Action.SEND]
    assert sent == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert done[-1] == (32.0, Action.TIME_OUT)


def test_after_a_provisional_response_other_requests_are_resent_at_t2() -> None:
    transaction = start(NON_INVITE_CLIENT)
    transaction.handle(Event.PROVISIONAL, 0.1)
    done = run_to_end(transaction)
    assert [at for at, action in done if action is Action.SEND][:3] == [0.5, 4.5, 8.5]
    assert done[-1] == (32.0, Action.TIME_OUT)


def test_an_answered_request_absorbs_copies_for_t4() -> None:
    transaction = start(NON_INVITE_CLIENT)
    transaction.handle(Event.SUCCESS, 1.0)
    assert transaction.handle(Event.SUCCESS, 1.1) == ()
    assert transaction.timer() == 6.0


def test_a_slow_answer_to_an_invite_is_announced_after_200_ms() -> None:
    transaction = start(INVITE_SERVER)
    assert transaction.handle(Event.REQUEST, 0.1) == ()  # nothing to repeat yet
    assert transaction.timer() == 0.2
    assert transaction.handle_timer(0.2) == (Action.SEND_TRYING,)
    assert transaction.handle(Event.REQUEST, 0.5) == (Action.SEND,)


def test_a_quick_answer_to_an_invite_needs_no_trying() -> None:
    transaction = start(INVITE_SERVER)
    transaction.handle(Event.SEND_SUCCESS, 0.1)
    assert transaction.timer() == 32.1  # timer L


def test_a_refusal_is_resent_until_its_ack() -> None:
    transaction = start(INVITE_SERVER)
    transaction.handle(Event.SEND_FAILURE, 0.0)
    assert transaction.timer() == 0.5
    assert transaction.handle_timer(0.5) == (Action.SEND,)
    assert transaction.timer() == 1.5
    transaction.handle(Event.ACK, 1.0)
    assert transaction.handle(Event.REQUEST, 1.0) == ()  # confirmed
    assert transaction.timer() == 6.0  # timer I
    transaction.handle_timer(6.0)
    assert transaction.state is State.TERMINATED


def test_a_refusal_without_ack_ends_after_64_t1() -> None:
    transaction = start(INVITE_SERVER)
    transaction.handle(Event.SEND_FAILURE, 0.0)
    sent = [at for at, _ in run_to_end(transaction)]
    assert sent == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def test_over_tcp_a_refusal_is_sent_once_and_its_ack_still_awaited() -> None:
    transaction = start(INVITE_SERVER, reliable=True)
    transaction.handle(Event.SEND_FAILURE, 0.0)
    assert run_to_end(transaction) == []
    transaction = start(INVITE_SERVER, reliable=True)
    transaction.handle(Event.SEND_FAILURE, 0.0)
    assert transaction.timer() == 32.0


def test_an_answered_request_repeats_its_answer_for_64_t1() -> None:
    transaction = start(NON_INVITE_SERVER)
    transaction.handle(Event.SEND_SUCCESS, 0.0)
    assert transaction.handle(Event.REQUEST, 31.0) == (Action.SEND,)
    assert transaction.timer() == 32.0
    over_tcp = start(NON_INVITE_SERVER, reliable=True)
    over_tcp.handle(Event.SEND_SUCCESS, 0.0)
    assert over_tcp.timer() == 0.0


def test_a_late_clock_fires_each_timer_once() -> None:
    transaction = start(NON_INVITE_CLIENT)
    assert transaction.handle_timer(20.0) == (Action.SEND,)
    assert transaction.timer() == 21.0
