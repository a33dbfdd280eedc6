"""The desk in virtual time: 200,000 transitions, and at each of them what must always hold.

Never two live offers for one seat or one expert, never a stuck lease, no passing state beyond its deadline,
never a lost caller, longest idle exact, and after a restart at any point the queues as they were.
"""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bridge.desk.centre.policy import DeskPolicy
from tests.unit.desk.walk import POLICY, WITH_PROOF, Walk

TRANSITIONS = 200_000
WALKS = 20
CHECK_EVERY = 16  # takes; every offer is checked when it is made, whatever this says


def walk(seed: int, transitions: int) -> Walk:
    """Goes on until so many transitions are done. The seed of a walk that fails is in its parameters."""
    walker = Walk(random.Random(seed), POLICY if seed % 3 else WITH_PROOF)
    takes = 0
    while walker.transitions < transitions:
        walker.take()
        takes += 1
        if takes % CHECK_EVERY == 0:
            walker.check()
    walker.check()
    return walker


@pytest.mark.parametrize("seed", range(WALKS))
def test_whatever_is_asked_of_the_desk_its_rules_hold(seed: int) -> None:
    walker = walk(seed, TRANSITIONS // WALKS)
    assert walker.calls > 100
    assert sum(walker.desk.figures(queue.queue_id).answered for queue in walker.desk.queues()) > 20


class WalkMachine(RuleBasedStateMachine):
    """The same walk with hypothesis choosing the way, so that a failure shrinks to the few deeds it takes."""

    policy: DeskPolicy = POLICY

    def __init__(self) -> None:
        super().__init__()
        self.walker = Walk(random.Random(0), self.policy)

    @rule(deed=st.integers(0, 15), chance=st.integers(0, 2**32))
    def take(self, deed: int, chance: int) -> None:
        self.walker.chance.seed(chance)
        self.walker.take(deed)

    @invariant()
    def holds(self) -> None:
        self.walker.check()


TestWalk = WalkMachine.TestCase
TestWalk.settings = settings(
    max_examples=30,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=5, deadline=None)
def test_a_walk_from_anywhere(seed: int) -> None:
    walk(seed, 500)
