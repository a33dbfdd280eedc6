"""Parties on a wire that loses, doubles or delays what a test says, in virtual time; and what must hold even so."""

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from signaling.sip.agent.agent import UserAgent
from signaling.sip.session.event import AgentEvent
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import parse_message
from tests.unit.sip.line import name_of

TRANSIT_S = 0.02
LATE_S = 0.9  # later than the next retransmission: it arrives behind what was sent after it
Treatment = Callable[[int], Sequence[float]]  # the delays of the n-th message's copies; none: it is lost
Trouble = Callable[[int], Treatment]  # what happens to the n-th message, and to no other


def untouched(_: int) -> Sequence[float]:
    return (TRANSIT_S,)


def lost(number: int) -> Treatment:
    return lambda index: () if index == number else (TRANSIT_S,)


def doubled(number: int) -> Treatment:
    return lambda index: (TRANSIT_S, 2 * TRANSIT_S) if index == number else (TRANSIT_S,)


def late(number: int) -> Treatment:
    return lambda index: (LATE_S,) if index == number else (TRANSIT_S,)


TROUBLES = (lost, doubled, late)
E = TypeVar("E", bound=AgentEvent)


class WireParty:
    """One user agent, and what it was told."""

    def __init__(self, name: str, host: str, agent: UserAgent) -> None:
        self.name = name
        self.host = host
        self.agent = agent
        self.events: list[AgentEvent] = []

    def take(self, event: AgentEvent) -> None:
        self.events.append(event)

    def told(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        self.agent.receive_message(data, flow, now)

    def timer(self) -> float | None:
        return self.agent.timer()

    def handle_timer(self, now: float) -> None:
        self.agent.handle_timer(now)

    def messages(self) -> list[tuple[bytes, Flow]]:
        return self.agent.messages_to_send()

    def left(self) -> tuple[int, int, float | None]:
        """Calls, transactions, and the next timer."""
        return len(self.agent.calls()), self.agent.counters()["sip_transactions"], self.timer()


NOTHING_LEFT = (0, 0, None)


class TroubledWire:
    """`sent` is what went over the wire, by whom, copies not counted. `groups` are addresses of several."""

    def __init__(
        self,
        parties: Sequence[WireParty],
        treatment: Treatment = untouched,
        groups: Mapping[str, Sequence[WireParty]] | None = None,
    ) -> None:
        self.now = 0.0
        self.sent: list[str] = []
        self.parties = tuple(parties)
        self._by_host = {**{party.host: (party,) for party in parties}, **(groups or {})}
        self._treatment = treatment
        self._wire: list[tuple[float, int, str, str, bytes]] = []
        self._serial = 0

    def act(self, act: Callable[[], object]) -> None:
        """Somebody does something."""
        act()
        self._flush()

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            times = [party.timer() for party in self.parties]
            times.append(self._wire[0][0] if self._wire else None)
            at = min((at for at in times if at is not None), default=until)
            if at >= until:
                break
            self.now = max(self.now, at)
            self._deliver()
            for party in self.parties:
                party.handle_timer(self.now)
            self._flush()
        self.now = until

    def leftovers(self) -> set[tuple[int, int, float | None]]:
        """What anybody still has, once everything is over."""
        self.run(300)
        return {party.left() for party in self.parties} - {NOTHING_LEFT}

    def _deliver(self) -> None:
        while self._wire and self._wire[0][0] <= self.now:
            _, _, source, target, data = heapq.heappop(self._wire)
            for party in self._by_host[target]:
                party.receive(data, Flow("udp", source, 5060), self.now)

    def _flush(self) -> None:
        while any([self._flush_one(party) for party in self.parties]):
            pass

    def _flush_one(self, party: WireParty) -> bool:
        events, messages = party.agent.events(), party.messages()
        for event in events:
            party.take(event)
        for data, flow in messages:
            for delay_s in self._treatment(len(self.sent)):
                self._serial += 1
                entry = (self.now + delay_s, self._serial, party.host, flow.host, data)
                heapq.heappush(self._wire, entry)
            self.sent.append(f"{party.name} {name_of(parse_message(data))}")
        return bool(events or messages)


def survives(play: Callable[[Treatment], Sequence[str]], trouble: Trouble) -> None:
    """Plays the same with each of its messages in trouble once; `play` says what must come of it every time."""
    count = len(play(untouched))
    assert count >= 2
    lengths = [len(play(trouble(number))) for number in range(count)]
    assert max(lengths) >= count
    assert trouble is not lost or max(lengths) > count  # something was said again
