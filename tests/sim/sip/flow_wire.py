"""Two user agents on a wire that does something to one of its messages, in virtual time."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bridge.ids import TrunkId
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import (
    AgentEvent,
    CallAnswered,
    CallArrived,
    CallKey,
    CallReoffered,
    ReofferAnswered,
    ReofferRefused,
    TrunkMoved,
)
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import parse_message
from tests.unit.sip.line import ALICE, BOB, make_agent, name_of

TRANSIT_S = 0.02
TRUNK = TrunkId("t")
Treatment = Callable[[int], Sequence[float]]  # the delays of the n-th message's copies; none: it is lost


def untouched(_: int) -> Sequence[float]:
    return (TRANSIT_S,)


E = TypeVar("E", bound=AgentEvent)


@dataclass
class Party:
    """One side: what it was told, and what it does by itself."""

    agent: UserAgent
    events: list[AgentEvent] = field(default_factory=list)
    on_event: Callable[[AgentEvent], None] = lambda _: None

    def call(self) -> CallKey:
        """Its only call."""
        (call,) = {event.call for event in self.events if not isinstance(event, TrunkMoved)}
        return call

    def told(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


class FlowWire:
    """Alice calls, Bob is called. `sent` is what went over the wire, by whom, copies not counted."""

    def __init__(self, treatment: Treatment = untouched, trunk: Trunk | None = None) -> None:
        settings = AgentSettings(trunks=Trunks((trunk,))) if trunk is not None else AgentSettings()
        self.alice, self.bob = Party(make_agent(ALICE, settings)), Party(make_agent(BOB, settings))
        self.now = 0.0
        self.sent: list[str] = []
        self._treatment = treatment
        self._parties = {ALICE: self.alice, BOB: self.bob}
        self._wire: list[tuple[float, int, str, str, bytes]] = []
        self._serial = 0

    def invite(self, offer: str = "offer") -> None:
        self.alice.agent.invite("sip:bob@192.0.2.2", offer, self.now, trunk_id=TRUNK)
        self._flush()

    def do(self, act: Callable[[], None], after_s: float) -> None:
        """Lets time pass, then somebody does something."""
        self.run(after_s)
        act()
        self._flush()

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            times = [party.agent.timer() for party in self._parties.values()]
            times.append(self._wire[0][0] if self._wire else None)
            at = min((at for at in times if at is not None), default=until)
            if at >= until:
                break
            self.now = max(self.now, at)
            self._deliver()
            for party in self._parties.values():
                party.agent.handle_timer(self.now)
            self._flush()
        self.now = until

    def _deliver(self) -> None:
        while self._wire and self._wire[0][0] <= self.now:
            _, _, source, target, data = heapq.heappop(self._wire)
            self._parties[target].agent.receive_message(data, Flow("udp", source, 5060), self.now)

    def _flush(self) -> None:
        for host, party in self._parties.items():
            for event in party.agent.events():
                party.events.append(event)
                party.on_event(event)
            for data, flow in party.agent.messages_to_send():
                who = "alice" if host == ALICE else "bob"
                for delay_s in self._treatment(len(self.sent)):
                    self._serial += 1
                    heapq.heappush(self._wire, (self.now + delay_s, self._serial, host, flow.host, data))
                self.sent.append(f"{who} {name_of(parse_message(data))}")

    # --- what Bob does ------------------------------------------------------------------------------------

    def bob_answers(self, after_s: float = 1.0) -> None:
        """Rings once the INVITE is sure to be there, though it was lost once; answers later."""
        self.run(0.7)
        (arrived,) = self.bob.told(CallArrived)
        self.bob.agent.ring(arrived.call, self.now)
        self._flush()
        self.do(lambda: self.bob.agent.accept(arrived.call, "answer", self.now), after_s)

    def agree_to_offers(self) -> None:
        """Both sides answer whatever is offered in the call."""
        for party in self._parties.values():
            party.on_event = self._agreeing(party)

    def _agreeing(self, party: Party) -> Callable[[AgentEvent], None]:
        def agree(event: AgentEvent) -> None:
            if isinstance(event, CallReoffered):
                party.agent.answer_reinvite(event.call, f"answer to {event.offer}", self.now)

        return agree

    def both_are_up(self) -> bool:
        return bool(self.alice.told(CallAnswered)) and all(
            party.agent.is_confirmed(party.call()) for party in self._parties.values()
        )

    def agreed(self, party: Party) -> list[str]:
        """The answers to its offers within the call."""
        assert not party.told(ReofferRefused)
        return [event.answer for event in party.events if isinstance(event, ReofferAnswered)]

    def leftovers(self) -> dict[str, tuple[int, int, float | None]]:
        """Calls, transactions and timers, once everything is over."""
        self.run(300)
        return {
            host: (len(party.agent.calls()), party.agent.counters()["sip_transactions"], party.agent.timer())
            for host, party in self._parties.items()
        }
