"""The bounds of each trunk: calls at once, and new calls a second."""

from bridge.ids import TrunkId
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallArrived
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.trunk.trunk_load import FAST_RETRY_AFTER_S, FULL_RETRY_AFTER_S, TrunkLoad
from signaling.sip.wire.identity import LocalIdentity
from tests.unit.sip.line import ALICE, BOB, OFFER, RawPhone, names, tag_of

SMALL = Trunk(TrunkId("small"), (f"{ALICE}/32",), max_calls=2)
SLOW = Trunk(TrunkId("slow"), calls_per_second=2.0)
FREE = Trunk(TrunkId("free"))


def test_a_trunk_that_is_full_is_refused_until_a_call_ends() -> None:
    load = TrunkLoad()
    for expected in (0, 0, FULL_RETRY_AFTER_S):
        assert load.refuses(SMALL, 0.0) == expected
        if not expected:
            load.enter(SMALL.trunk_id)
    load.leave(SMALL.trunk_id)
    assert load.refuses(SMALL, 0.0) == 0
    assert load.calls(SMALL.trunk_id) == 1
    assert load.refused.counters() == {"sip_refused_trunk_full": 1, "sip_refused_trunk_fast": 0}


def test_calls_that_come_too_fast_are_refused_and_one_trunk_does_not_slow_another() -> None:
    load = TrunkLoad()
    assert [load.refuses(SLOW, 0.0) for _ in range(4)] == [0, 0, FAST_RETRY_AFTER_S, FAST_RETRY_AFTER_S]
    assert [load.refuses(FREE, 0.0) for _ in range(100)] == [0] * 100
    assert load.refuses(None, 0.0) == 0
    assert [load.refuses(SLOW, 0.5) for _ in range(2)] == [0, FAST_RETRY_AFTER_S]
    assert load.refused.counters() == {"sip_refused_trunk_full": 0, "sip_refused_trunk_fast": 3}


def test_a_caller_above_the_bound_hears_when_to_try_again() -> None:
    agent = UserAgent(
        AgentSettings(trunks=Trunks([SMALL])), LocalIdentity(BOB, 5060, lambda count: "ab" * count)
    )
    phone = RawPhone(agent)
    for number in (1, 2):
        assert phone.send("INVITE", 1, body=OFFER, call_id=f"call-{number}") == []
    (refusal,) = phone.send("INVITE", 1, body=OFFER, call_id="call-3")
    assert (names([refusal]), refusal.first("Retry-After")) == (["503 INVITE"], str(FULL_RETRY_AFTER_S))
    first, _ = [event for event in agent.events() if isinstance(event, CallArrived)]
    agent.reject(first.call, 486, 0.0)
    (busy,) = phone.heard()
    phone.send("ACK", 1, to_tag=tag_of(busy), branch="z9hG4bK1", call_id="call-1")
    phone.send("INVITE", 1, body=OFFER, call_id="call-4")
    assert [event.call for event in agent.events() if isinstance(event, CallArrived)] != []
