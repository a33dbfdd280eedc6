"""Two user agents over a bad wire, in virtual time: calls end the same on both sides, and leave nothing."""

import heapq
import random
from typing import TYPE_CHECKING

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
from signaling.sip.wire.flow import Flow
from tests.unit.sip.line import ALICE, BOB, make_agent

if TYPE_CHECKING:
    from signaling.sip.agent.agent import UserAgent

CALLS = 12
TALK_S = 20.0
ACTS_EVERY_S = 3.0


class BadWire:
    """Loses, delays, reorders and doubles datagrams by a seeded chance. Everybody answers and hangs up."""

    def __init__(self, seed: int, loss: float) -> None:
        self.chance = random.Random(seed)
        self.loss = loss
        self.now = 0.0
        self.serial = 0
        self.wire: list[tuple[float, int, str, str, bytes]] = []
        self.agents: dict[str, UserAgent] = {ALICE: make_agent(ALICE), BOB: make_agent(BOB)}
        self.up: dict[str, set[CallKey]] = {ALICE: set(), BOB: set()}
        self.outcomes: dict[str, list[str]] = {ALICE: [], BOB: []}
        self.reoffers = 0

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            times = [agent.timer() for agent in self.agents.values()]
            times.append(self.wire[0][0] if self.wire else None)
            at = min((at for at in times if at is not None), default=until)
            if at >= until:
                break
            self.now = max(self.now, at)
            while self.wire and self.wire[0][0] <= self.now:
                _, _, source, target, data = heapq.heappop(self.wire)
                self.agents[target].receive_message(data, Flow("udp", source, 5060), self.now)
            for agent in self.agents.values():
                agent.handle_timer(self.now)
            self.flush()
        self.now = until

    def flush(self) -> None:
        for host, agent in self.agents.items():
            for event in agent.events():
                self.follow(host, event)
            for data, flow in agent.messages_to_send():
                for _ in range(2 if self.chance.random() < 0.05 else 1):
                    if self.chance.random() >= self.loss:
                        self.serial += 1
                        arrives_at = self.now + self.chance.uniform(0.01, 0.3)
                        heapq.heappush(self.wire, (arrives_at, self.serial, host, flow.host, data))

    def follow(self, host: str, event: AgentEvent) -> None:
        agent = self.agents[host]
        match event:
            case CallArrived(call=call):
                self.up[host].add(call)
                agent.accept(call, "answer", self.now)
            case CallAnswered(call=call):
                self.up[host].add(call)
            case CallReoffered(call=call):
                agent.answer_reinvite(call, "answer", self.now)
            case ReofferAnswered():
                self.reoffers += 1
            case CallRefused():
                self.outcomes[host].append("refused")
            case CallEnded(call=call, by=by):
                self.up[host].discard(call)
                self.outcomes[host].append(by)
            case _:
                pass

    def act(self) -> None:
        """Somebody holds or resumes a call, or hangs one up."""
        host = self.chance.choice((ALICE, BOB))
        if not self.up[host]:
            return
        call = self.chance.choice(sorted(self.up[host]))
        try:
            if self.chance.random() < 0.7:
                self.agents[host].reinvite(call, "offer", self.now)
            else:
                self.agents[host].hang_up(call, "", self.now)
                self.up[host].discard(call)
        except BridgeError:
            pass  # an offer is on its way already
        self.flush()


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_calls_over_a_bad_wire_end_on_both_sides_and_leave_nothing(seed: int, loss: float) -> None:
    wire = BadWire(seed, loss)
    for _ in range(CALLS):
        wire.agents[ALICE].invite("sip:bob@192.0.2.2", "offer", wire.now)
        wire.flush()
        wire.run(0.5)
    for _ in range(int(TALK_S / ACTS_EVERY_S) * 4):
        wire.act()
        wire.run(ACTS_EVERY_S / 4)
    wire.run(70)
    for host, agent in wire.agents.items():
        for call in agent.calls():
            agent.hang_up(call, "", wire.now)
        wire.flush()
        assert len(wire.outcomes[host]) <= CALLS
    wire.run(200)
    for agent in wire.agents.values():
        assert (agent.counters()["sip_calls"], agent.counters()["sip_transactions"]) == (0, 0)
        assert agent.timer() is None
    assert len(wire.outcomes[ALICE]) == CALLS
    assert wire.reoffers > 0
    if loss == 0.0:
        assert wire.outcomes[ALICE].count("refused") == 0
        assert "timeout" not in wire.outcomes[ALICE] + wire.outcomes[BOB]
