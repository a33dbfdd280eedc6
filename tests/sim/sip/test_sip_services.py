"""The services of RFC 5359 with the bridge in the middle, every message lost, doubled and late once.

Alice is the customer, Carol and Dave are experts. Whatever the others do, Alice's own call stands until she or the
bridge ends it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from signaling.sip.session.event import (
    CallArrived,
    CallEnded,
    CallRefused,
    ReferralArrived,
    ReofferAnswered,
)
from tests.sim.sip.service_wire import HOSTS, TEAM, Party, ServiceWire, uri_of
from tests.sim.sip.troubled_wire import TROUBLES, Treatment, Trouble, survives, untouched


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
    return [event.answer for event in party.told(ReofferAnswered)]


def ended(party: Party) -> list[str]:
    return [event.by for event in party.told(CallEnded)]


def refused(party: Party) -> list[int]:
    return [event.status for event in party.told(CallRefused)]


EARLY_ONLY = ";early-only"

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
    assert ended(wire.alice) == []


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
    assert (wire.carol.notified[-1], ended(wire.carol)) == ("200", ["remote"])
    assert ended(wire.alice) == []


def unattended_transfer_to_somebody_busy(wire: ServiceWire) -> None:
    """Carol hears of it and stays."""
    wire.dave.status = 486
    alice_calls(wire)
    bridge_calls(wire, "carol")
    wire.do(lambda: wire.carol.refer("bridge", uri_of("dave")), 8)
    assert wire.bridge.talks_with("carol")
    assert (wire.carol.notified[-1], ended(wire.carol)) == ("486", [])


def attended_transfer(wire: ServiceWire) -> None:
    """Section 2.5: Carol asks Dave herself; the bridge takes the place of that call by Replaces."""
    alice_calls(wire)
    bridge_calls(wire, "carol")
    wire.do(lambda: wire.carol.dial("dave"))
    assert wire.carol.talks_with("dave")
    wire.do(lambda: wire.carol.refer("bridge", uri_of("dave"), wire.carol.dialog_with("dave")), 8)
    assert wire.bridge.talks_with("dave")
    assert wire.carol.notified[-1] == "200"
    assert sorted(ended(wire.carol)) == ["remote", "remote"]  # by the bridge, and by Dave
    (replacing,) = (e for e in wire.dave.events if isinstance(e, CallArrived) and e.replaces is not None)
    assert replacing.replaces == wire.dave.calls["carol"]
    assert ended(wire.alice) == []


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
    assert refused(wire.bridge) == [302]
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
    assert (wire.bridge.talks_with("alice"), ended(wire.alice)) == (False, ["remote"])


def call_park(wire: ServiceWire) -> None:
    """Section 2.15: parked is held by the bridge; another phone takes it up again by Replaces."""
    alice_calls(wire)
    wire.do(lambda: wire.bridge.hold("alice"))
    wire.do(lambda: wire.dave.pick_up("bridge", wire.alice.dialog_with("bridge")))
    wire.do(lambda: wire.bridge.resume("dave"))
    assert agreed(wire.bridge) == ["answer to hold", "answer to resume"]
    assert wire.bridge.talks_with("dave")


def parked_at_a_server(wire: ServiceWire) -> None:
    """Section 2.15 to the letter: Carol sends the bridge to a server, Dave, and takes the call up from there."""
    alice_calls(wire)
    bridge_calls(wire, "carol")
    wire.do(lambda: wire.carol.refer("bridge", uri_of("dave")), 8)
    assert (wire.bridge.talks_with("dave"), ended(wire.carol)) == (True, ["remote"])
    wire.do(lambda: wire.carol.pick_up("bridge", wire.dave.dialog_with("bridge")))
    assert (wire.bridge.talks_with("carol"), ended(wire.dave)) == (True, ["remote"])
    assert ended(wire.alice) == []


def pickup_of_what_rings(wire: ServiceWire) -> None:
    """Section 2.16: Carol's phone rings by a call of the bridge, and Dave takes the call."""
    wire.carol.answers = False
    alice_calls(wire)
    bridge_calls(wire, "carol")
    wire.do(lambda: wire.carol.ring("bridge"), 1)
    wire.do(lambda: wire.dave.pick_up("bridge", wire.carol.dialog_with("bridge"), EARLY_ONLY))
    assert (wire.bridge.talks_with("dave"), wire.dave.talks_with("bridge")) == (True, True)
    assert ended(wire.carol) == ["remote"]
    assert (refused(wire.bridge), ended(wire.alice)) == ([], [])


def pickup_too_late(wire: ServiceWire) -> None:
    """Carol was faster: who wants only what still rings hears that it is busy."""
    alice_calls(wire)
    bridge_calls(wire, "carol")
    wire.do(lambda: wire.dave.pick_up("bridge", wire.carol.dialog_with("bridge"), EARLY_ONLY))
    assert refused(wire.dave) == [486]
    assert (wire.bridge.talks_with("carol"), ended(wire.carol)) == (True, [])


def screened_by_the_bridge(wire: ServiceWire) -> None:
    """Section 2.13: a number nobody has here is refused, and nobody hears of it."""
    alice_calls(wire)
    wire.do(lambda: wire.dave.dial("nobody", f"sip:nobody@{HOSTS['bridge']}"))
    assert refused(wire.dave) == [403]
    assert [event.caller for event in wire.bridge.told(CallArrived)] == ["alice"]


def screened_by_others(wire: ServiceWire) -> None:
    """Section 2.14: whoever stands before Dave lets the bridge not through; the others talk on."""
    wire.dave.status = 403
    alice_calls(wire)
    bridge_calls(wire, "carol")
    bridge_calls(wire, "dave")
    assert refused(wire.bridge) == [403]
    assert [wire.bridge.talks_with(name) for name in ("alice", "carol", "dave")] == [True, True, False]


def automatic_redial(wire: ServiceWire) -> None:
    """Section 2.17, as a callback does it: Carol is busy, and is called again."""
    wire.carol.status = 486
    bridge_calls(wire, "carol")
    assert refused(wire.bridge) == [486]
    wire.carol.status = 200
    bridge_calls(wire, "carol")
    assert (wire.bridge.talks_with("carol"), refused(wire.bridge)) == (True, [486])


def redial_by_a_phone(wire: ServiceWire) -> None:
    """Section 2.17 to the letter: Alice's phone would be told when the bridge is free. It is not, and calls again."""
    wire.bridge.status = 486
    wire.do(lambda: wire.alice.dial("bridge"))
    assert refused(wire.alice) == [486]
    wire.do(lambda: wire.alice.ask("SUBSCRIBE", "bridge", (("Event", "dialog"), ("Expires", "600"))))
    assert wire.alice.heard == [489]
    wire.bridge.status = 200
    alice_calls(wire)


def click_to_dial(wire: ServiceWire) -> None:
    """Section 2.18, as the bridge does it: nobody has called, both sides are."""
    bridge_calls(wire, "carol")
    bridge_calls(wire, "dave")
    assert [wire.bridge.talks_with(name) for name in ("carol", "dave")] == [True, True]
    wire.do(lambda: wire.carol.hang_up("bridge"))
    assert [wire.bridge.talks_with(name) for name in ("carol", "dave")] == [False, True]


def click_to_dial_for_a_stranger(wire: ServiceWire) -> None:
    """Section 2.18 to the letter, a REFER outside a call: the bridge calls nobody for who is in no call."""
    wire.do(lambda: wire.alice.ask("REFER", "bridge", (("Refer-To", f"<{uri_of('dave')}>"),)))
    assert wire.alice.heard == [603]
    assert (wire.dave.events, wire.bridge.events) == ([], [])


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


CALLED_UP = ("carol 200 INVITE", "dave 200 INVITE")
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
    Service(
        parked_at_a_server, ("carol REFER", "dave 200 INVITE", "carol INVITE", "bridge BYE", "dave 200 BYE")
    ),
    Service(
        pickup_of_what_rings, ("carol 180 INVITE", "bridge 200 INVITE", "bridge CANCEL", "carol 487 INVITE")
    ),
    Service(pickup_too_late, ("carol 200 INVITE", "dave INVITE", "bridge 486 INVITE")),
    Service(screened_by_the_bridge, ("bridge 403 INVITE",)),
    Service(screened_by_others, ("dave 403 INVITE", "bridge ACK")),
    Service(automatic_redial, ("carol 486 INVITE", "carol 200 INVITE")),
    Service(redial_by_a_phone, ("bridge 486 INVITE", "bridge 489 SUBSCRIBE", "bridge 200 INVITE")),
    Service(click_to_dial, CALLED_UP),
    Service(click_to_dial_for_a_stranger, ("alice REFER", "bridge 603 REFER")),
    Service(referred_by, ("carol REFER",)),
)


def play(service: Service, treatment: Treatment) -> list[str]:
    wire = ServiceWire(treatment)
    service.play(wire)
    all_hang_up(wire)
    assert wire.leftovers() == set()
    return wire.sent


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.play.__name__)
def test_untouched(service: Service) -> None:
    sent = play(service, untouched)
    for message in service.messages:
        assert message in sent


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.play.__name__)
def test_with_every_message_in_trouble_once(service: Service, trouble: Trouble) -> None:
    survives(partial(play, service), trouble)
