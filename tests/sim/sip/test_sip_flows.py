"""The flows of RFC 3665 and RFC 5359 between two user agents, with every message lost, doubled and late once.

Each flow is played untouched first; that says how many messages it has. Then once for each message and each
trouble. What must come of it is the same every time, and nothing is left.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pytest

from signaling.sip.session.event import CallAcknowledged, CallAnswered, CallArrived, CallEnded, CallRefused
from signaling.sip.trunk.trunk import Trunk
from tests.sim.sip.flow_wire import TRUNK, FlowWire, Party
from tests.sim.sip.troubled_wire import TROUBLES, Treatment, Trouble, survives, untouched


def one_way_of_ending(party: Party) -> list[str]:
    return [event.by for event in party.events if isinstance(event, CallEnded)]


# --- the flows --------------------------------------------------------------------------------------------


def talk_and_hang_up(wire: FlowWire) -> None:
    """RFC 3665 section 3.1, RFC 5359 section 2: the caller hangs up."""
    wire.invite()
    wire.bob_answers()
    wire.run(3)
    assert wire.both_are_up()
    wire.do(lambda: wire.alice.agent.hang_up(wire.alice.call(), "", wire.now), 1)
    wire.run(5)
    assert (one_way_of_ending(wire.alice), one_way_of_ending(wire.bob)) == (["local"], ["remote"])


def the_callee_hangs_up(wire: FlowWire) -> None:
    wire.invite()
    wire.bob_answers()
    wire.run(3)
    wire.do(lambda: wire.bob.agent.hang_up(wire.bob.call(), "", wire.now), 1)
    wire.run(5)
    assert (one_way_of_ending(wire.alice), one_way_of_ending(wire.bob)) == (["remote"], ["local"])


def both_hang_up_at_once(wire: FlowWire) -> None:
    wire.invite()
    wire.bob_answers()
    wire.run(3)
    wire.alice.agent.hang_up(wire.alice.call(), "", wire.now)
    wire.do(lambda: wire.bob.agent.hang_up(wire.bob.call(), "", wire.now), 0)
    wire.run(10)
    assert (len(one_way_of_ending(wire.alice)), len(one_way_of_ending(wire.bob))) == (1, 1)


def no_answer_and_taken_back(wire: FlowWire) -> None:
    """RFC 3665 section 3.8."""
    wire.invite()
    call = wire.alice.agent.calls()[0]
    wire.run(0.7)
    wire.do(lambda: wire.bob.agent.ring(wire.bob.call(), wire.now), 0.1)
    wire.do(lambda: wire.alice.agent.cancel(call, wire.now), 3)
    wire.run(10)
    assert one_way_of_ending(wire.bob) == ["remote"]
    assert not wire.alice.told(CallAnswered)


def taken_back_as_it_is_answered(wire: FlowWire) -> None:
    """CANCEL crosses the 200: whoever answered is hung up, never left talking to nobody."""
    wire.invite()
    call = wire.alice.agent.calls()[0]
    wire.run(1.6)
    wire.bob.agent.accept(wire.bob.call(), "answer", wire.now)
    wire.do(lambda: wire.alice.agent.cancel(call, wire.now), 0)
    wire.run(10)
    assert len(one_way_of_ending(wire.bob)) == 1
    assert not wire.alice.told(CallAnswered)


def busy(wire: FlowWire) -> None:
    """RFC 3665 section 3.9."""
    wire.invite()
    wire.run(0.7)
    wire.do(lambda: wire.bob.agent.reject(wire.bob.call(), 486, wire.now), 0.1)
    wire.run(5)
    assert [event.status for event in wire.alice.events if isinstance(event, CallRefused)] == [486]


def temporarily_unavailable(wire: FlowWire) -> None:
    """RFC 3665 section 3.11."""
    wire.invite()
    wire.bob_rings()
    wire.do(lambda: wire.bob.agent.reject(wire.bob.call(), 480, wire.now), 1)
    wire.run(5)
    assert [event.status for event in wire.alice.told(CallRefused)] == [480]


def who_calls_proves_it(wire: FlowWire) -> None:
    """RFC 3665 section 3.3: the INVITE is challenged, and the BYE of who was challenged knows the password too."""
    wire.invite()
    wire.bob_answers()
    wire.run(3)
    assert wire.both_are_up()
    assert len(wire.bob.told(CallArrived)) == 1
    wire.do(lambda: wire.alice.agent.hang_up(wire.alice.call(), "", wire.now), 1)
    wire.run(8)
    assert (one_way_of_ending(wire.alice), one_way_of_ending(wire.bob)) == (["local"], ["remote"])


def late_offer(wire: FlowWire) -> None:
    """RFC 3264 by way of RFC 3261 section 13.2.1: the 200 offers."""
    wire.invite("")
    wire.bob_answers()
    wire.run(3)
    assert [event.answer for event in wire.alice.events if isinstance(event, CallAnswered)] == ["answer"]
    wire.do(lambda: wire.alice.agent.hang_up(wire.alice.call(), "", wire.now), 1)


def hold_and_resume(wire: FlowWire) -> None:
    """RFC 5359 section 2.1, each side once, by re-INVITE."""
    wire.agree_to_offers()
    wire.invite()
    wire.bob_answers()
    wire.do(lambda: wire.alice.agent.reinvite(wire.alice.call(), "hold", wire.now), 3)
    wire.do(lambda: wire.bob.agent.reinvite(wire.bob.call(), "resume", wire.now), 3)
    wire.run(3)
    assert wire.agreed(wire.alice) == ["answer to hold"]
    assert wire.agreed(wire.bob) == ["answer to resume"]
    wire.do(lambda: wire.alice.agent.hang_up(wire.alice.call(), "", wire.now), 1)


def hold_by_update(wire: FlowWire) -> None:
    """RFC 3311."""
    wire.agree_to_offers()
    wire.invite()
    wire.bob_answers()
    wire.do(lambda: wire.bob.agent.update(wire.bob.call(), "hold", wire.now), 3)
    wire.do(lambda: wire.alice.agent.update(wire.alice.call(), "resume", wire.now), 3)
    wire.run(3)
    assert (wire.agreed(wire.bob), wire.agreed(wire.alice)) == (["answer to hold"], ["answer to resume"])
    wire.do(lambda: wire.bob.agent.hang_up(wire.bob.call(), "", wire.now), 1)


def reliable_ringing(wire: FlowWire) -> None:
    """RFC 3262: asked for by the trunk."""
    wire.invite()
    wire.run(1)
    wire.do(lambda: wire.bob.agent.accept(wire.bob.call(), "answer", wire.now), 0.5)
    wire.run(4)
    assert wire.both_are_up()
    assert len(wire.bob.told(CallAcknowledged)) == 1
    wire.do(lambda: wire.alice.agent.hang_up(wire.alice.call(), "", wire.now), 1)


def kept_by_refreshes(wire: FlowWire) -> None:
    """RFC 4028: longer than the session would last without them."""
    wire.invite()
    wire.bob_answers()
    wire.run(200)
    assert wire.both_are_up()
    assert not wire.alice.told(CallEnded)
    wire.do(lambda: wire.bob.agent.hang_up(wire.bob.call(), "", wire.now), 1)


@dataclass(frozen=True)
class Story:
    play: Callable[[FlowWire], None]
    messages: tuple[str, ...]  # of an untouched run, as far as they tell which flow this is
    trunk: Trunk | None = None
    bobs_trunk: Trunk | None = None


NETWORK = ("192.0.2.0/24",)
CARRIER = Trunk(TRUNK, NETWORK, "sip:192.0.2.2", username="alice", password="correct horse")
CUSTOMER = Trunk(TRUNK, NETWORK, username="alice", password="correct horse", authenticate=True)


def trunk(**wishes: int) -> Trunk:
    reliable = bool(wishes.get("reliable"))
    expires_s = wishes.get("expires_s", 0)
    return Trunk(TRUNK, NETWORK, session_expires_s=expires_s, reliable_provisional=reliable)


CALL = ("alice INVITE", "bob 180 INVITE", "bob 200 INVITE", "alice ACK")
STORIES = (
    Story(talk_and_hang_up, (*CALL, "alice BYE", "bob 200 BYE")),
    Story(the_callee_hangs_up, (*CALL, "bob BYE", "alice 200 BYE")),
    Story(both_hang_up_at_once, (*CALL, "alice BYE", "bob BYE", "alice 200 BYE", "bob 200 BYE")),
    Story(
        no_answer_and_taken_back,
        ("alice INVITE", "bob 180 INVITE", "alice CANCEL", "bob 200 CANCEL", "bob 487 INVITE", "alice ACK"),
    ),
    Story(taken_back_as_it_is_answered, ("alice INVITE", "alice CANCEL", "bob 200 INVITE", "alice BYE")),
    Story(busy, ("alice INVITE", "bob 486 INVITE", "alice ACK")),
    Story(temporarily_unavailable, ("bob 180 INVITE", "bob 480 INVITE", "alice ACK")),
    Story(who_calls_proves_it, ("bob 401 INVITE", *CALL, "bob 200 BYE"), CARRIER, CUSTOMER),
    Story(late_offer, CALL),
    Story(hold_and_resume, (*CALL, "alice INVITE", "bob 200 INVITE", "bob INVITE", "alice 200 INVITE")),
    Story(hold_by_update, (*CALL, "bob UPDATE", "alice 200 UPDATE", "alice UPDATE", "bob 200 UPDATE")),
    Story(
        reliable_ringing,
        ("alice INVITE", "bob 180 INVITE", "alice PRACK", "bob 200 PRACK", "bob 200 INVITE"),
        trunk(reliable=1),
    ),
    Story(kept_by_refreshes, ("alice UPDATE", "bob 200 UPDATE"), trunk(expires_s=90)),
)


def play(story: Story, treatment: Treatment) -> Sequence[str]:
    wire = FlowWire(treatment, story.trunk, story.bobs_trunk)
    story.play(wire)
    assert wire.leftovers() == set()
    return wire.sent


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.play.__name__)
def test_untouched(story: Story) -> None:
    sent = play(story, untouched)
    for message in story.messages:
        assert message in sent


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.play.__name__)
def test_with_every_message_in_trouble_once(story: Story, trouble: Trouble) -> None:
    survives(partial(play, story), trouble)
