"""Two user agents over a bad wire, in virtual time: calls end the same on both sides, and leave nothing."""

import random
from collections.abc import Sequence

import pytest

from bridge.errors import BridgeError
from signaling.sip.session.event import (
    AgentEvent,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallKey,
    CallRefused,
    CallReoffered,
    ReofferAnswered,
)
from tests.sim.sip.troubled_wire import TroubledWire, WireParty
from tests.unit.sip.line import ALICE, BOB, make_agent

CALLS = 12
TALK_S = 20.0
ACTS_EVERY_S = 3.0


class Talker(WireParty):
    """Answers whatever comes."""

    def __init__(self, name: str, host: str, wire: "BadWire") -> None:
        super().__init__(name, host, make_agent(host))
        self.up: set[CallKey] = set()
        self.outcomes: list[str] = []
        self._wire = wire

    def take(self, event: AgentEvent) -> None:
        super().take(event)
        match event:
            case CallArrived(call=call):
                self.up.add(call)
                self.agent.accept(call, "answer", self._wire.now)
            case CallAnswered(call=call):
                self.up.add(call)
            case CallReoffered(call=call):
                self.agent.answer_reinvite(call, "answer", self._wire.now)
            case CallRefused():
                self.outcomes.append("refused")
            case CallEnded(call=call, by=by):
                self.up.discard(call)
                self.outcomes.append(by)
            case _:
                pass

    def act(self, chance: random.Random) -> None:
        """Holds or resumes a call, or hangs one up."""
        if not self.up:
            return
        call = chance.choice(sorted(self.up))
        try:
            if chance.random() < 0.7:
                self.agent.reinvite(call, "offer", self._wire.now)
            else:
                self.agent.hang_up(call, "", self._wire.now)
                self.up.discard(call)
        except BridgeError:
            pass  # an offer is on its way already


class BadWire(TroubledWire):
    """Loses, delays, reorders and doubles datagrams by a seeded chance."""

    def __init__(self, seed: int, loss: float) -> None:
        self.chance = random.Random(seed)
        self.loss = loss
        self.alice, self.bob = Talker("alice", ALICE, self), Talker("bob", BOB, self)
        super().__init__((self.alice, self.bob), self._treat)

    def _treat(self, _: int) -> Sequence[float]:
        copies = 2 if self.chance.random() < 0.05 else 1
        return [self.chance.uniform(0.01, 0.3) for _ in range(copies) if self.chance.random() >= self.loss]


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_calls_over_a_bad_wire_end_on_both_sides_and_leave_nothing(seed: int, loss: float) -> None:
    wire = BadWire(seed, loss)
    alice, bob = wire.alice, wire.bob
    for _ in range(CALLS):
        wire.act(lambda: alice.agent.invite("sip:bob@192.0.2.2", "offer", wire.now))
        wire.run(0.5)
    for _ in range(int(TALK_S / ACTS_EVERY_S) * 4):
        wire.act(lambda: wire.chance.choice((alice, bob)).act(wire.chance))
        wire.run(ACTS_EVERY_S / 4)
    wire.run(70)
    for party in (alice, bob):
        for call in party.agent.calls():
            party.agent.hang_up(call, "", wire.now)
        wire.act(lambda: None)
        assert len(party.outcomes) <= CALLS
    assert wire.leftovers() == set()
    assert len(alice.outcomes) == CALLS
    assert alice.told(ReofferAnswered) + bob.told(ReofferAnswered)
    if loss == 0.0:
        assert alice.outcomes.count("refused") == 0
        assert "timeout" not in alice.outcomes + bob.outcomes
