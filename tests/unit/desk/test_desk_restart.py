"""A desk that starts anew: what a snapshot keeps, what a restart ends, and what it leaves alone."""

from msgspec.structs import replace

from bridge.desk.centre.account import Directory
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Queue, default_queue
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.commands import RESTART, Restart, ReturnDesktop, SeekFromQueue
from bridge.desk.desk import Desk
from bridge.desk.interaction.offer import OfferState
from bridge.desk.interaction.participant import ParticipantState
from bridge.desk.state.snapshot import DeskSnapshot
from bridge.desk.state.state import DeskState
from bridge.ids import IdSource, InteractionId, LegId, QueueId
from tests.unit.desk.house import ALICE, EVE, House

# Indexes that `put` keeps, the configured queues, a bound, and proofs, which a restart voids.
DERIVED = {
    "live",
    "seeking",
    "flowing",
    "linked",
    "connecting",
    "dialing",
    "transferring",
    "lines",
    "queues",
    "proofs",
    "_busy",
    "_engaged",
    "_ended_kept",
    "_idle",
    "_offer_of_seat",
    "_offer_to",
    "_wrapping",
}


def conference(house: House) -> InteractionId:
    id_ = house.answered_call()
    house.ready_expert(EVE)
    house.seek(id_, EVE)
    house.accept(EVE)
    house.connect(id_, EVE)
    return id_


def test_everything_the_state_holds_is_in_its_snapshot() -> None:
    """Whoever adds a container to the state must say here whether a restart has to keep it."""
    kept = {name.lstrip("_") for name in DeskState.__slots__ if name not in DERIVED} - {"directory"}
    kept |= {name for name in Directory.__slots__ if name not in {"configured", "_with_email"}}
    assert kept == set(DeskSnapshot.__dataclass_fields__) - {"deadlines"}


def test_a_desk_restored_from_a_snapshot_goes_on_like_the_old_one() -> None:
    house = House()
    conference(house)
    house.call()
    again = Desk(DeskPolicy(), IdSource(lambda size: "0" * size))
    again.restore(house.desk.snapshot())
    assert again.snapshot() == house.desk.snapshot()
    assert again.timer() == house.desk.timer()
    before = len(house.journal)
    house.call()
    again.replay(house.journal[before:])
    assert again.snapshot() == house.desk.snapshot()


def legs_of(house: House, id_: InteractionId) -> dict[str, frozenset[LegId]]:
    return {p.role: frozenset(p.leg_ids) for p in house.desk.interaction(id_).participants}


def test_a_restart_keeps_whose_leg_returns_and_gives_the_others_time() -> None:
    house = House()
    id_ = conference(house)
    legs = legs_of(house, id_)
    house.step(Restart(legs["customer"]))
    interaction = house.desk.interaction(id_)
    states = {p.role: p.state for p in interaction.participants}
    assert states == {
        "customer": ParticipantState.IN_SESSION,
        "agent": ParticipantState.CONNECTING,
        "sme": ParticipantState.CONNECTING,
    }
    assert [p.leg_ids for p in interaction.participants] == [tuple(legs["customer"]), (), ()]
    assert all(expert.presence is Presence.READY for expert in house.desk.experts())
    assert all(expert.lost_at == house.now for expert in house.desk.experts())


def test_what_cannot_come_back_is_reported_as_ended_by_the_restart() -> None:
    house = House()
    id_ = conference(house)
    house.step(Restart(frozenset()))
    interaction = house.desk.interaction(id_)
    assert interaction.ended_by == RESTART
    assert interaction.participants[0].disconnected_by == RESTART


def test_offers_expire_and_the_queue_keeps_its_order() -> None:
    house = House()
    house.ready(ALICE)
    first = house.call()
    house.pass_time(3)
    second = house.call()
    offer = house.desk.offers()[0]
    all_legs = frozenset(
        leg for id_ in (first, second) for legs in legs_of(house, id_).values() for leg in legs
    )
    created = [house.desk.interaction(id_).created_at for id_ in (first, second)]
    happened = house.step(Restart(all_legs))
    ended = [event for event in happened if getattr(event, "offer_id", None) == offer.offer_id]
    assert [getattr(event, "state", None) for event in ended] == [OfferState.TIMED_OUT]
    assert house.desk.offers() == ()
    assert [house.desk.interaction(id_).created_at for id_ in (first, second)] == created
    house.step(ReturnDesktop(ALICE))
    assert house.desk.offers()[0].interaction_id == first  # at once, and the oldest first


def test_an_expert_who_was_coming_out_of_a_queue_that_is_gone_now_is_followed_by_nobody() -> None:
    desks = Queue(QueueId("video"), "Video", role=ParticipantRole.SME)
    house = House(DeskPolicy(queues=(desks,)))
    id_ = house.answered_call()
    house.step(SeekFromQueue(id_, desks.queue_id, MediaType.VOICE, "alice"))
    house.ready_expert(EVE)
    house.accept(EVE)
    again = House(DeskPolicy())
    again.desk.restore(house.desk.snapshot())
    again.step(Restart(frozenset(leg for legs in legs_of(house, id_).values() for leg in legs)))
    again.step(ReturnDesktop(ALICE))
    again.pass_time(60)
    assert again.interaction(id_).seats == ()
    assert again.interaction(id_).participant_of(EVE) is None
    assert again.participant(id_, ALICE).state is ParticipantState.IN_SESSION


def test_who_waits_over_a_restart_that_brings_a_limit_is_sent_on_when_it_is_met() -> None:
    house = House()
    id_ = house.call()
    again = House(DeskPolicy(queues=(replace(default_queue(), timeout_s=60.0),)))
    again.desk.restore(house.desk.snapshot())
    again.step(Restart(legs_of(house, id_)["customer"]))
    again.pass_time(59)
    assert again.interaction(id_).ended_at is None
    again.pass_time(1)
    assert again.interaction(id_).ended_at == again.now
