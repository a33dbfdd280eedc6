"""The four transaction state machines of RFC 3261 section 17, as amended by RFC 6026, as tables.

`Transaction` looks things up in a table and keeps its timers; it holds no message and sends nothing. What
to do is returned as `Action`s. `transaction_layer.py` owns the messages.
"""

from collections.abc import Mapping
from enum import Enum, auto

import msgspec

from bridge.errors import NotAllowedError


# Each member is one object, and its identity hashes faster than its name, which Python would take.
class State(Enum):
    __hash__ = object.__hash__

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class Event(Enum):
    __hash__ = object.__hash__

    # What the peer sent.
    REQUEST = auto()
    ACK = auto()
    PROVISIONAL = auto()
    SUCCESS = auto()
    FAILURE = auto()
    # What we answer.
    SEND_PROVISIONAL = auto()
    SEND_SUCCESS = auto()
    SEND_FAILURE = auto()
    # What time and transport do. C is a proxy's timer; 100 is the 200 ms of section 17.2.1.
    TIMER_A = auto()
    TIMER_B = auto()
    TIMER_D = auto()
    TIMER_E = auto()
    TIMER_F = auto()
    TIMER_G = auto()
    TIMER_H = auto()
    TIMER_I = auto()
    TIMER_J = auto()
    TIMER_K = auto()
    TIMER_L = auto()
    TIMER_M = auto()
    TIMER_100 = auto()
    TRANSPORT_ERROR = auto()


class Action(Enum):
    SEND = auto()  # the request, or the last response
    SEND_ACK = auto()  # of a final response that is not 2xx
    SEND_TRYING = auto()
    DELIVER = auto()  # the message goes up to the transaction user
    TIME_OUT = auto()  # the transaction user hears that nobody answered
    FAIL = auto()  # the transaction user hears that the message cannot be sent


class Timing(msgspec.Struct, frozen=True, gc=False):
    """RFC 3261 section 17.1.1.1: round trip estimate, longest interval, life of a message in the network."""

    t1_s: float = 0.5
    t2_s: float = 4.0
    t4_s: float = 5.0

    @property
    def patience_s(self) -> float:
        """64*T1: how long anything is waited for."""
        return 64 * self.t1_s


Table = Mapping[tuple[State, Event], tuple[State, tuple[Action, ...]]]
Timers = Mapping[State, tuple[Event, ...]]


class Machine(msgspec.Struct, frozen=True):
    """One of the four. `timers` names those that run in a state: entering it starts the missing ones."""

    name: str
    initial: State
    transitions: Table
    timers: Timers


_S, _E, _A = State, Event, Action

INVITE_CLIENT = Machine(
    name="INVITE client",  # section 17.1.1, RFC 6026 section 7.2
    initial=_S.CALLING,
    transitions={
        (_S.CALLING, _E.TIMER_A): (_S.CALLING, (_A.SEND,)),
        (_S.CALLING, _E.TIMER_B): (_S.TERMINATED, (_A.TIME_OUT,)),
        (_S.CALLING, _E.PROVISIONAL): (_S.PROCEEDING, (_A.DELIVER,)),
        (_S.CALLING, _E.SUCCESS): (_S.ACCEPTED, (_A.DELIVER,)),
        (_S.CALLING, _E.FAILURE): (_S.COMPLETED, (_A.SEND_ACK, _A.DELIVER)),
        (_S.CALLING, _E.TRANSPORT_ERROR): (_S.TERMINATED, (_A.FAIL,)),
        (_S.PROCEEDING, _E.PROVISIONAL): (_S.PROCEEDING, (_A.DELIVER,)),
        (_S.PROCEEDING, _E.SUCCESS): (_S.ACCEPTED, (_A.DELIVER,)),
        (_S.PROCEEDING, _E.FAILURE): (_S.COMPLETED, (_A.SEND_ACK, _A.DELIVER)),
        (_S.PROCEEDING, _E.TIMER_B): (_S.TERMINATED, ()),  # runs once nobody waits any more
        (_S.COMPLETED, _E.FAILURE): (_S.COMPLETED, (_A.SEND_ACK,)),
        # Only the ACK is lost. The transaction user has its final response, and a second one would be another call's.
        (_S.COMPLETED, _E.TRANSPORT_ERROR): (_S.TERMINATED, ()),
        (_S.COMPLETED, _E.TIMER_D): (_S.TERMINATED, ()),
        (_S.ACCEPTED, _E.SUCCESS): (_S.ACCEPTED, (_A.DELIVER,)),
        (_S.ACCEPTED, _E.TIMER_M): (_S.TERMINATED, ()),
    },
    timers={
        _S.CALLING: (_E.TIMER_A, _E.TIMER_B),
        _S.COMPLETED: (_E.TIMER_D,),
        _S.ACCEPTED: (_E.TIMER_M,),
    },
)

NON_INVITE_CLIENT = Machine(
    name="non-INVITE client",  # section 17.1.2
    initial=_S.TRYING,
    transitions={
        (_S.TRYING, _E.TIMER_E): (_S.TRYING, (_A.SEND,)),
        (_S.TRYING, _E.TIMER_F): (_S.TERMINATED, (_A.TIME_OUT,)),
        (_S.TRYING, _E.TRANSPORT_ERROR): (_S.TERMINATED, (_A.FAIL,)),
        (_S.TRYING, _E.PROVISIONAL): (_S.PROCEEDING, (_A.DELIVER,)),
        (_S.TRYING, _E.SUCCESS): (_S.COMPLETED, (_A.DELIVER,)),
        (_S.TRYING, _E.FAILURE): (_S.COMPLETED, (_A.DELIVER,)),
        (_S.PROCEEDING, _E.TIMER_E): (_S.PROCEEDING, (_A.SEND,)),
        (_S.PROCEEDING, _E.TIMER_F): (_S.TERMINATED, (_A.TIME_OUT,)),
        (_S.PROCEEDING, _E.TRANSPORT_ERROR): (_S.TERMINATED, (_A.FAIL,)),
        (_S.PROCEEDING, _E.PROVISIONAL): (_S.PROCEEDING, (_A.DELIVER,)),
        (_S.PROCEEDING, _E.SUCCESS): (_S.COMPLETED, (_A.DELIVER,)),
        (_S.PROCEEDING, _E.FAILURE): (_S.COMPLETED, (_A.DELIVER,)),
        (_S.COMPLETED, _E.TIMER_K): (_S.TERMINATED, ()),
    },
    timers={
        _S.TRYING: (_E.TIMER_E, _E.TIMER_F),
        _S.PROCEEDING: (_E.TIMER_E, _E.TIMER_F),
        _S.COMPLETED: (_E.TIMER_K,),
    },
)

# TRYING is ours: section 17.2.1 sends the 100 only if there is no other answer within 200 ms, and the
# state says that nothing was sent yet.
INVITE_SERVER = Machine(
    name="INVITE server",  # section 17.2.1, RFC 6026 section 7.1
    initial=_S.TRYING,
    transitions={
        (_S.TRYING, _E.TIMER_100): (_S.PROCEEDING, (_A.SEND_TRYING,)),
        (_S.TRYING, _E.SEND_PROVISIONAL): (_S.PROCEEDING, (_A.SEND,)),
        (_S.TRYING, _E.SEND_SUCCESS): (_S.ACCEPTED, (_A.SEND,)),
        (_S.TRYING, _E.SEND_FAILURE): (_S.COMPLETED, (_A.SEND,)),
        (_S.PROCEEDING, _E.REQUEST): (_S.PROCEEDING, (_A.SEND,)),
        (_S.PROCEEDING, _E.SEND_PROVISIONAL): (_S.PROCEEDING, (_A.SEND,)),
        (_S.PROCEEDING, _E.SEND_SUCCESS): (_S.ACCEPTED, (_A.SEND,)),
        (_S.PROCEEDING, _E.SEND_FAILURE): (_S.COMPLETED, (_A.SEND,)),
        (_S.PROCEEDING, _E.TRANSPORT_ERROR): (_S.TERMINATED, (_A.FAIL,)),
        (_S.COMPLETED, _E.REQUEST): (_S.COMPLETED, (_A.SEND,)),
        (_S.COMPLETED, _E.ACK): (_S.CONFIRMED, ()),
        (_S.COMPLETED, _E.TIMER_G): (_S.COMPLETED, (_A.SEND,)),
        (_S.COMPLETED, _E.TIMER_H): (_S.TERMINATED, ()),
        (_S.COMPLETED, _E.TRANSPORT_ERROR): (_S.TERMINATED, ()),
        (_S.CONFIRMED, _E.TIMER_I): (_S.TERMINATED, ()),
        (_S.ACCEPTED, _E.ACK): (_S.ACCEPTED, (_A.DELIVER,)),
        (_S.ACCEPTED, _E.TIMER_L): (_S.TERMINATED, ()),
    },
    timers={
        _S.TRYING: (_E.TIMER_100,),
        _S.COMPLETED: (_E.TIMER_G, _E.TIMER_H),
        _S.CONFIRMED: (_E.TIMER_I,),
        _S.ACCEPTED: (_E.TIMER_L,),
    },
)

NON_INVITE_SERVER = Machine(
    name="non-INVITE server",  # section 17.2.2
    initial=_S.TRYING,
    transitions={
        (_S.TRYING, _E.SEND_PROVISIONAL): (_S.PROCEEDING, (_A.SEND,)),
        (_S.TRYING, _E.SEND_SUCCESS): (_S.COMPLETED, (_A.SEND,)),
        (_S.TRYING, _E.SEND_FAILURE): (_S.COMPLETED, (_A.SEND,)),
        (_S.PROCEEDING, _E.REQUEST): (_S.PROCEEDING, (_A.SEND,)),
        (_S.PROCEEDING, _E.SEND_PROVISIONAL): (_S.PROCEEDING, (_A.SEND,)),
        (_S.PROCEEDING, _E.SEND_SUCCESS): (_S.COMPLETED, (_A.SEND,)),
        (_S.PROCEEDING, _E.SEND_FAILURE): (_S.COMPLETED, (_A.SEND,)),
        (_S.PROCEEDING, _E.TRANSPORT_ERROR): (_S.TERMINATED, (_A.FAIL,)),
        (_S.COMPLETED, _E.REQUEST): (_S.COMPLETED, (_A.SEND,)),
        (_S.COMPLETED, _E.TIMER_J): (_S.TERMINATED, ()),
        (_S.COMPLETED, _E.TRANSPORT_ERROR): (_S.TERMINATED, (_A.FAIL,)),
    },
    timers={_S.COMPLETED: (_E.TIMER_J,)},
)

MACHINES = (INVITE_CLIENT, NON_INVITE_CLIENT, INVITE_SERVER, NON_INVITE_SERVER)
OUR_EVENTS = frozenset({_E.SEND_PROVISIONAL, _E.SEND_SUCCESS, _E.SEND_FAILURE})

TRYING_AFTER_S = 0.2  # section 17.2.1
TIMER_D_S = 32.0  # section 17.1.1.2: at least 32 s over UDP, because the server waits 64*T1 for its ACK
_RESENDING = frozenset({_E.TIMER_A, _E.TIMER_E, _E.TIMER_G})  # each doubles its interval
_CAPPED = frozenset({_E.TIMER_E, _E.TIMER_G})  # at T2; A only ends by B
_ABSORBING = frozenset({_E.TIMER_D, _E.TIMER_I, _E.TIMER_J, _E.TIMER_K})  # nothing to absorb over TCP


def _first_duration(timer: Event, timing: Timing, *, reliable: bool) -> float | None:
    """How long a timer runs when started (RFC 3261 table 4); None if this transport does not need it."""
    if timer in _RESENDING:
        return None if reliable else timing.t1_s
    if timer in _ABSORBING and reliable:
        return 0.0
    if timer in (Event.TIMER_I, Event.TIMER_K):
        return timing.t4_s
    if timer is Event.TIMER_D:
        return max(TIMER_D_S, timing.patience_s)
    return TRYING_AFTER_S if timer is Event.TIMER_100 else timing.patience_s


class Transaction:
    """One transaction's state and timers. `ignored` counts what the peer sent without a row in the table."""

    __slots__ = (
        "_deadlines",
        "_interval_s",
        "_is_let_go",
        "_machine",
        "_reliable",
        "_timing",
        "ignored",
        "state",
    )

    def __init__(self, machine: Machine, timing: Timing, now: float, *, reliable: bool) -> None:
        self._machine = machine
        self._timing = timing
        self._reliable = reliable
        self._interval_s = timing.t1_s
        self._is_let_go = False
        self._deadlines: dict[Event, float] = {}
        self.ignored = 0
        self.state = machine.initial
        self._start_timers(now)

    def handle(self, event: Event, now: float) -> tuple[Action, ...]:
        """Follows the table. A miss raises NotAllowedError if it is our command, and is counted otherwise."""
        row = self._machine.transitions.get((self.state, event))
        if row is None:
            if event in OUR_EVENTS:
                raise NotAllowedError(f"{self._machine.name} in {self.state.name} cannot {event.name}")
            self.ignored += 1
            return ()
        state, actions = row
        if state is not self.state:
            self.state = state
            self._start_timers(now)
        return actions

    def let_go(self, now: float) -> None:
        """Nobody waits for the final response: one that never comes keeps an INVITE alive for 64*T1 more only
        (section 9.1 wants that of a canceled one)."""
        self._is_let_go = True
        self._start_timers(now)

    def timer(self) -> float | None:
        """When `handle_timer` must be called next."""
        return min(self._deadlines.values()) if self._deadlines else None

    def handle_timer(self, now: float) -> tuple[Action, ...]:
        """Lets all timers due at `now` fire, each once."""
        actions: list[Action] = []
        for timer in [timer for timer, at in self._deadlines.items() if at <= now]:
            if self._deadlines.pop(timer, None) is not None:  # an earlier one may have stopped it
                actions.extend(self.handle(timer, now))
                self._restart(timer, now)
        return tuple(actions)

    def _start_timers(self, now: float) -> None:
        wanted = self._machine.timers.get(self.state, ())
        if self._is_let_go and self._machine is INVITE_CLIENT and self.state is State.PROCEEDING:
            wanted = (Event.TIMER_B,)
        deadlines: dict[Event, float] = {}
        for timer in wanted:
            at = self._deadlines.get(timer)
            if at is None:
                duration_s = _first_duration(timer, self._timing, reliable=self._reliable)
                at = None if duration_s is None else now + duration_s
            if at is not None:
                deadlines[timer] = at
        self._deadlines = deadlines

    def _restart(self, timer: Event, now: float) -> None:
        if timer not in _RESENDING or timer not in self._machine.timers.get(self.state, ()):
            return
        self._interval_s *= 2
        if timer in _CAPPED:
            # Section 17.1.2.2: once a provisional response came, E runs at T2.
            slow = self.state is State.PROCEEDING
            self._interval_s = self._timing.t2_s if slow else min(self._interval_s, self._timing.t2_s)
        self._deadlines[timer] = now + self._interval_s
