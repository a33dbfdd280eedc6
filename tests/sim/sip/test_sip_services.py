"""The services of RFC 5359 with the bridge in the middle, every message lost, doubled and late once.

Alice is the customer, Carol and Dave are experts. Whatever the others do, Alice's own call stands until she or the
bridge ends it. What is the user's own business, as screening and redialing (sections 2.13, 2.14, 2.17), is left out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from signaling.sip.session.event import CallArrived, CallRefused, ReferralArrived, ReofferAnswered
from tests.sim.sip.flow_wire import Treatment, untouched
from tests.sim.sip.service_wire import TEAM, Party, ServiceWire, uri_of
from tests.sim.sip.test_sip_flows import doubled, late, lost

NOTHING = (0, 0, 0, None)


def alice_calls(wire: ServiceWire) -> None:
    wire.do(lambda: wire.alice.dial("bridge"))
    assert wire.bridge.talks_with("alice")


def bridge_calls(wire: ServiceWire, name: str, target: str = "") -> None:
    wire.do(lambda: wire.bridge.dial(name, target))


def all_hang_up(wire: ServiceWire) -> None:
    for party in (wire.bridge, wire.alice, wire.carol, wire.dave):
        for name in party.calls:
            party.hang_up(name)
    wire.do(lambda: None)


def agreed(party: Party) -> list[str]:
    return [event.answer for event in party.events if isinstance(event, ReofferAnswered)]


# --- the services -----------------------------------------------------------------------------------------


def consultation_hold(wire: ServiceWire) -> None:
    """Section 2.2: Alice is held while Carol is asked, and resumed when Carol has gone."""
    alice_calls(wire)
    wire.do(lambda: wire.bridge.hold("alice"))
    bridge_calls(wire, "carol")
    assert wire.bridge.talks_with("carol")
    wire.do(lambda: wire.carol.hang_up("bridge"))
    wire.do(lambda: wire.bridge.resume("alice"))
    assert agreed(wire.bridge) == ["answer to hold", "answer to resume"]
    assert wire.ended(wire.alice) == []


def music_on_hold(wire: ServiceWire) -> None:
    """Section 2.3: the phone that holds asks for our offer (a re-INVITE without SDP), and resumes with its own."""
    alice_calls(wire)
    wire.do(lambda: wire.alice.agent.reinvite(wire.alice.calls["bridge"], "", wire.now))
    wire.do(lambda: wire.alice.agent.reinvite(wire.alice.calls["bridge"], "resume", wire.now))
    assert agreed(wire.alice) == ["answer to ", "answer to resume"]


def unattended_transfer(wire: ServiceWire) -> None:
    """Section 2.4: Carol sends the bridge to Dave, hears that he answered, and is hung up."""
    alice_calls(wire)
    bridge_calls(wire, "carol")
    wire.do(lambda: wire.carol.refer("bridge", uri_of("dave")), 8)
    assert wire.bridge.talks_with("dave")
    assert (wire.carol.told[-1], wire.ended(wire.carol)) == ("200", ["remote"])
    assert wire.ended(wire.alice) == []


def unattended_transfer_to_somebody_busy(wire: ServiceWire) -> None:
    """Carol hears of it and stays."""
    wire.dave.status = 486
    alice_calls(wire)
    bridge_calls(wire, "carol")
    wire.do(lambda: wire.carol.refer("bridge", uri_of("dave")), 8)
    assert wire.bridge.talks_with("carol")
    assert (wire.carol.told[-1], wire.ended(wire.carol)) == ("486", [])


def attended_transfer(wire: ServiceWire) -> None:
    """Section 2.5: Carol asks Dave herself; the bridge takes the place of that call by Replaces."""
    alice_calls(wire)
    bridge_calls(wire, "carol")
    wire.do(lambda: wire.carol.dial("dave"))
    assert wire.carol.talks_with("dave")
    wire.do(lambda: wire.carol.refer("bridge", uri_of("dave"), wire.carol.dialog_with("dave")), 8)
    assert wire.bridge.talks_with("dave")
    assert wire.carol.told[-1] == "200"
    assert sorted(wire.ended(wire.carol)) == ["remote", "remote"]  # by the bridge, and by Dave
    (replacing,) = (e for e in wire.dave.events if isinstance(e, CallArrived) and e.replaces is not None)
    assert replacing.replaces == wire.dave.calls["carol"]
    assert wire.ended(wire.alice) == []


def call_forwarding(wire: ServiceWire) -> None:
    """Sections 2.7 to 2.9, as who calls sees them: 302 says where else."""
    wire.carol.moved_to = "dave"
    alice_calls(wire)
    bridge_calls(wire, "carol")
    assert wire.bridge.talks_with("carol")
    assert wire.dave.talks_with("bridge")


def call_forwarding_in_a_circle(wire: ServiceWire) -> None:
    wire.carol.moved_to, wire.dave.moved_to = "dave", "carol"
    alice_calls(wire)
    bridge_calls(wire, "carol")
    assert [event.status for event in wire.bridge.events if isinstance(event, CallRefused)] == [302]
    assert wire.bridge.talks_with("alice")


def three_way_conference(wire: ServiceWire) -> None:
    """Sections 2.10 and 2.11: a third is called in, one more calls in, and leaving ends nobody else's call."""
    alice_calls(wire)
    bridge_calls(wire, "carol")
    wire.do(lambda: wire.dave.dial("bridge"))
    assert all(wire.bridge.talks_with(name) for name in ("alice", "carol", "dave"))
    wire.do(lambda: wire.carol.hang_up("bridge"))
    assert [wire.bridge.talks_with(name) for name in ("alice", "carol", "dave")] == [True, False, True]


def find_me(wire: ServiceWire) -> None:
    """Section 2.12: a proxy rings two phones, both answer, and one of them is hung up at once."""
    alice_calls(wire)
    bridge_calls(wire, "team", f"sip:team@{TEAM}")
    assert wire.bridge.talks_with("team")
    talking = [wire.carol.talks_with("bridge"), wire.dave.talks_with("bridge")]
    assert sorted(talking) == [False, True]


def call_pickup(wire: ServiceWire) -> None:
    """Section 2.16 for a call that is up: Dave takes Alice's place, as her second phone would."""
    alice_calls(wire)
    wire.do(lambda: wire.dave.pick_up("bridge", wire.alice.dialog_with("bridge")))
    assert wire.bridge.talks_with("dave")
    assert (wire.bridge.talks_with("alice"), wire.ended(wire.alice)) == (False, ["remote"])


def call_park(wire: ServiceWire) -> None:
    """Section 2.15: parked is held by the bridge; another phone takes it up again by Replaces."""
    alice_calls(wire)
    wire.do(lambda: wire.bridge.hold("alice"))
    wire.do(lambda: wire.dave.pick_up("bridge", wire.alice.dialog_with("bridge")))
    wire.do(lambda: wire.bridge.resume("dave"))
    assert agreed(wire.bridge) == ["answer to hold", "answer to resume"]
    assert wire.bridge.talks_with("dave")


def referred_by(wire: ServiceWire) -> None:
    """RFC 3892: what is told of a transfer is what the phone may say of itself."""
    alice_calls(wire)
    bridge_calls(wire, "carol")
    wire.do(lambda: wire.carol.refer("bridge", uri_of("dave")), 8)
    (referral,) = (event for event in wire.bridge.events if isinstance(event, ReferralArrived))
    assert referral.referrer == uri_of("carol")


@dataclass(frozen=True)
class Service:
    play: Callable[[ServiceWire], None]
    messages: tuple[str, ...]  # of an untouched run, as far as they tell which service this is


REPLACED = ("dave INVITE", "bridge 200 INVITE", "bridge BYE", "alice 200 BYE")
SERVICES = (
    Service(consultation_hold, ("alice 200 INVITE", "carol BYE")),
    Service(music_on_hold, ("alice INVITE", "bridge 200 INVITE")),
    Service(
        unattended_transfer,
        ("carol REFER", "bridge 202 REFER", "bridge NOTIFY", "dave 200 INVITE", "bridge BYE"),
    ),
    Service(unattended_transfer_to_somebody_busy, ("carol REFER", "dave 486 INVITE", "carol 200 NOTIFY")),
    Service(attended_transfer, ("carol INVITE", "carol REFER", "dave 200 INVITE", "dave BYE", "bridge BYE")),
    Service(call_forwarding, ("carol 302 INVITE", "dave 200 INVITE")),
    Service(call_forwarding_in_a_circle, ("carol 302 INVITE", "dave 302 INVITE")),
    Service(three_way_conference, ("carol 200 INVITE", "dave INVITE", "carol BYE")),
    Service(find_me, ("carol 200 INVITE", "dave 200 INVITE", "bridge BYE")),
    Service(call_pickup, REPLACED),
    Service(call_park, REPLACED),
    Service(referred_by, ("carol REFER",)),
)


def play(service: Service, treatment: Treatment) -> list[str]:
    wire = ServiceWire(treatment)
    service.play(wire)
    all_hang_up(wire)
    assert set(wire.leftovers().values()) == {NOTHING}
    return wire.sent


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.play.__name__)
def test_untouched(service: Service) -> None:
    sent = play(service, untouched)
    for message in service.messages:
        assert message in sent


@pytest.mark.parametrize("trouble", [lost, doubled, late])
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.play.__name__)
def test_with_every_message_in_trouble_once(service: Service, trouble: Callable[[int], Treatment]) -> None:
    count = len(play(service, untouched))
    lengths = [len(play(service, trouble(number))) for number in range(count)]
    assert max(lengths) >= count
    assert trouble is not lost or max(lengths) > count  # something was said again
