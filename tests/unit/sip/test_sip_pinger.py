"""Trunks are asked whether they are there, and passed over while they are not."""

import itertools

import pytest

from bridge.ids import TrunkId
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import TrunkMoved
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.trunk.trunk_state import TRUNK_TRANSITIONS, TrunkEvent, TrunkState
from tests.unit.sip.line import ALICE, BOB, Line, make_agent

PING_S = 10.0
TO_BOB = Trunk(TrunkId("bob"), (f"{BOB}/32",), f"sip:{{number}}@{BOB}", ping_s=PING_S)
NOWHERE = Trunk(TrunkId("nowhere"), target="sip:192.0.2.77", priority=-1, ping_s=PING_S)
UNASKED = Trunk(TrunkId("unasked"), target="sip:192.0.2.78", priority=1)


def make_line(*trunks: Trunk) -> Line:
    line = Line()
    line.agents = {
        ALICE: make_agent(ALICE, AgentSettings(trunks=Trunks(trunks))),
        BOB: make_agent(BOB, AgentSettings(trunks=Trunks([Trunk(TrunkId("alice"), ("0.0.0.0/0",))]))),
    }
    return line


def moves(line: Line) -> list[tuple[str, TrunkState, str]]:
    return [(e.trunk_id, e.state, e.reason) for e in line.take(ALICE) if isinstance(e, TrunkMoved)]


@pytest.mark.parametrize("state", TrunkState)
@pytest.mark.parametrize("event", TrunkEvent)
def test_the_table_is_whole(state: TrunkState, event: TrunkEvent) -> None:
    after = TrunkState.UP if event is TrunkEvent.ANSWERED else TrunkState.DOWN
    assert TRUNK_TRANSITIONS[state, event] is after
    assert len(TRUNK_TRANSITIONS) == len(list(itertools.product(TrunkState, TrunkEvent)))


def test_a_trunk_that_answers_is_up_and_asked_again_and_again() -> None:
    line = make_line(TO_BOB)
    line.run(3 * PING_S + 1)
    assert line.take_log() == ["alice OPTIONS", "bob 200 OPTIONS"] * 4
    assert moves(line) == [("bob", TrunkState.UP, "200 OK")]
    assert line.alice.trunk_state(TO_BOB) == (TrunkState.UP, 0)


def test_a_trunk_that_falls_silent_is_down_and_comes_back() -> None:
    line = make_line(TO_BOB)
    line.run(1)
    assert [state for _, state, _ in moves(line)] == [TrunkState.UP]
    line.lost = lambda entry: entry.startswith("bob")
    line.run(PING_S + 33)  # 64*T1 for one that has no answer
    assert moves(line) == [("bob", TrunkState.DOWN, "408 no answer")]
    line.lost = lambda _: False
    line.run(PING_S + 33)
    assert [state for _, state, _ in moves(line)] == [TrunkState.UP]
    counters = line.alice.counters()
    assert (counters["sip_trunks_up"], counters["sip_trunks_down"]) == (1, 0)


def test_a_trunk_that_drains_is_down() -> None:
    line = make_line(TO_BOB)
    line.bob.drain()
    line.run(1)
    assert moves(line) == [("bob", TrunkState.DOWN, "503 Service Unavailable")]


def test_calls_go_by_priority_and_by_those_that_are_away_last() -> None:
    line = make_line(TO_BOB, UNASKED, NOWHERE)

    def order() -> list[str]:
        return [trunk.trunk_id for trunk in line.alice.ways_out()]

    assert order() == ["nowhere", "bob", "unasked"]
    line.run(40)
    assert ("nowhere", TrunkState.DOWN, "408 no answer") in moves(line)
    assert order() == ["bob", "unasked", "nowhere"]
    assert line.alice.trunk_state(UNASKED) == (TrunkState.UNKNOWN, 0)
