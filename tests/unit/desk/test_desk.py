"""The desk's stories: waiting, being offered, meeting, leaving; with time moved by hand."""

import pytest

from bridge.desk import commands, events
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.role import ParticipantRole
from bridge.desk.interaction.interaction import InteractionState
from bridge.desk.interaction.offer import OfferState
from bridge.desk.interaction.participant import ParticipantConflictError, ParticipantState
from bridge.errors import CapacityError, ForbiddenError, NotAllowedError, NotFoundError
from bridge.ids import InteractionId, OfferId, ParticipantId
from tests.unit.desk.house import ALICE, BOB, EVE, House

S = ParticipantState


def test_a_caller_without_agents_waits() -> None:
    house = House()
    id_ = house.call()
    assert house.customer(id_).state is S.QUEUED
    assert house.interaction(id_).state is InteractionState.WAITING
    assert not house.desk.offers()


def test_a_caller_is_offered_to_the_longest_idle_ready_agent() -> None:
    house = House()
    house.ready(BOB)
    house.pass_time(5)
    house.ready(ALICE)
    house.call()
    assert house.offer_to(BOB) is not None
    assert house.offer_to(ALICE) is None


def test_repeating_ready_keeps_the_place_among_the_idle() -> None:
    house = House()
    house.ready(BOB)
    house.pass_time(5)
    house.ready(ALICE)
    house.ready(BOB)
    house.call()
    assert house.offer_to(BOB) is not None


def test_an_expert_gets_no_offers_from_the_waiting_list() -> None:
    house = House()
    house.ready_expert(EVE)
    house.call()
    assert not house.desk.offers()


def test_agent_going_ready_gets_the_oldest_caller() -> None:
    house = House()
    first = house.call()
    house.pass_time(1)
    house.call()
    house.ready(ALICE)
    offer = house.offer_to(ALICE)
    assert offer is not None
    assert offer.interaction_id == first


def test_accepting_connects_and_media_brings_both_into_session() -> None:
    house = House()
    house.ready(ALICE)
    id_ = house.call()
    house.accept(ALICE)
    assert house.participant(id_, ALICE).state is S.CONNECTING
    assert house.customer(id_).state is S.QUEUED
    house.connect(id_, ALICE)
    assert house.participant(id_, ALICE).state is S.IN_SESSION
    assert house.customer(id_).state is S.IN_SESSION
    assert house.interaction(id_).seats == ()


def test_one_agent_never_has_two_offers() -> None:
    house = House()
    house.ready(ALICE)
    house.call()
    house.call()
    assert len(house.desk.offers()) == 1


def test_two_callers_ring_two_agents() -> None:
    house = House()
    house.ready(ALICE)
    house.ready(BOB)
    house.call()
    house.call()
    assert {offer.user_id for offer in house.desk.offers()} == {ALICE, BOB}


def test_an_offer_that_rings_out_goes_to_the_next_and_the_first_is_not_responding() -> None:
    house = House()
    house.ready(ALICE)
    house.pass_time(1)
    house.ready(BOB)
    house.call()
    assert house.offer_to(ALICE) is not None
    house.pass_time(house.policy.offer_s)
    assert house.desk.expert(ALICE).presence is Presence.NOT_RESPONDING
    assert house.offer_to(BOB) is not None


def test_a_rejected_offer_goes_to_the_next_and_does_not_ring_again_at_once() -> None:
    house = House()
    house.ready(ALICE)
    id_ = house.call()
    offer = house.offer_to(ALICE)
    assert offer is not None
    house.step(commands.RejectOffer(offer.offer_id, ALICE, "busy"))
    assert house.offer_to(ALICE) is None
    assert house.customer(id_).state is S.QUEUED
    house.pass_time(house.policy.decline_rest_s - 1)
    assert house.offer_to(ALICE) is None
    house.pass_time(1)
    assert house.offer_to(ALICE) is not None


def test_an_offer_cannot_be_accepted_after_its_expiry_even_if_the_timer_is_late() -> None:
    house = House()
    house.ready(ALICE)
    house.call()
    offer = house.offer_to(ALICE)
    assert offer is not None
    house.now += house.policy.offer_s
    with pytest.raises(NotFoundError):
        house.step(commands.AcceptOffer(offer.offer_id, ALICE))


def test_an_offer_is_accepted_by_its_own_user_only_and_only_once() -> None:
    house = House()
    house.ready(ALICE)
    house.call()
    offer = house.offer_to(ALICE)
    assert offer is not None
    with pytest.raises(ForbiddenError):
        house.step(commands.AcceptOffer(offer.offer_id, BOB))
    house.accept(ALICE)
    with pytest.raises(NotFoundError):
        house.step(commands.AcceptOffer(offer.offer_id, ALICE))


def test_agent_without_media_in_time_is_out_and_the_caller_has_the_old_place() -> None:
    house = House()
    house.ready(ALICE)
    id_ = house.call()
    house.accept(ALICE)
    house.pass_time(house.policy.connect_s)
    assert house.interaction(id_).participant_of(ALICE) is None
    assert house.desk.expert(ALICE).presence is Presence.NOT_RESPONDING
    house.call()
    house.ready(BOB)
    offer = house.offer_to(BOB)
    assert offer is not None
    assert offer.interaction_id == id_


def test_going_away_while_it_rings_passes_the_offer_on() -> None:
    house = House()
    house.ready(ALICE)
    house.pass_time(1)
    house.ready(BOB)
    house.call()
    house.step(commands.SetPresence(ALICE, "Alice", ParticipantRole.AGENT, Presence.AWAY))
    assert house.offer_to(ALICE) is None
    assert house.offer_to(BOB) is not None
    assert house.desk.expert(ALICE).presence is Presence.AWAY


def test_the_expert_is_sought_alerted_and_third_in_the_room() -> None:
    house = House()
    id_ = house.answered_call()
    house.ready_expert(EVE)
    house.seek(id_, EVE)
    assert house.participant(id_, EVE).state is S.ALERTING
    assert house.interaction(id_).escalation_in_progress
    house.accept(EVE)
    house.connect(id_, EVE)
    states = {p.role: p.state for p in house.interaction(id_).participants}
    assert states == {
        ParticipantRole.CUSTOMER: S.IN_SESSION,
        ParticipantRole.AGENT: S.IN_SESSION,
        ParticipantRole.SME: S.IN_SESSION,
    }
    assert not house.interaction(id_).escalation_in_progress


def test_seeking_the_same_user_again_changes_nothing() -> None:
    house = House()
    id_ = house.answered_call()
    house.ready_expert(EVE)
    house.seek(id_, EVE)
    before = house.interaction(id_)
    house.seek(id_, EVE)
    assert house.interaction(id_) == before
    assert len(house.desk.offers()) == 1


def test_seeking_another_during_an_escalation_conflicts_and_names_who_is_coming() -> None:
    house = House()
    id_ = house.answered_call()
    house.ready_expert(EVE)
    house.ready_expert(BOB)
    house.seek(id_, EVE)
    with pytest.raises(ParticipantConflictError) as raised:
        house.seek(id_, BOB)
    assert raised.value.participant == house.participant(id_, EVE)
    assert raised.value.code == "conflict"
    house.seek(id_, BOB, second_expert=True)
    assert house.participant(id_, BOB).state is S.ALERTING


def test_an_expert_asked_for_as_agent_joins_as_expert() -> None:
    house = House()
    id_ = house.answered_call()
    house.ready_expert(EVE)
    house.step(
        commands.SeekParticipant(
            id_,
            EVE,
            ParticipantRole.AGENT,
            house.customer(id_).type,
            by="crm",
            attributes={"case_number": "1"},
        )
    )
    assert house.participant(id_, EVE).role is ParticipantRole.SME
    assert house.interaction(id_).attributes == {"case_number": "1"}


def test_whoever_is_unknown_away_or_busy_cannot_be_sought() -> None:
    house = House()
    id_ = house.answered_call()
    with pytest.raises(NotFoundError):
        house.seek(id_, EVE)
    house.step(commands.SetPresence(EVE, "Eve", ParticipantRole.SME, Presence.AWAY))
    with pytest.raises(NotAllowedError, match="away"):
        house.seek(id_, EVE)
    other = house.answered_call(BOB)
    with pytest.raises(NotAllowedError, match="busy"):
        house.seek(other, ALICE)


def test_a_sought_expert_who_does_not_answer_ends_the_escalation() -> None:
    house = House()
    id_ = house.answered_call()
    house.ready_expert(EVE)
    house.seek(id_, EVE)
    house.pass_time(house.policy.offer_s)
    assert house.interaction(id_).participant_of(EVE) is None
    assert not house.interaction(id_).escalation_in_progress
    assert house.customer(id_).state is S.IN_SESSION
    assert house.desk.expert(EVE).presence is Presence.NOT_RESPONDING


def test_the_customer_survives_the_last_agent_and_keeps_the_old_place() -> None:
    house = House()
    id_ = house.answered_call()
    house.pass_time(60)
    later = house.call()
    house.leave(id_, ALICE)
    assert house.customer(id_).state is S.QUEUED
    house.ready(BOB)
    offers = {offer.interaction_id: offer.user_id for offer in house.desk.offers()}
    assert set(offers) == {id_, later}


def test_the_customer_stays_with_the_expert_when_the_agent_leaves() -> None:
    house = House()
    id_ = house.answered_call()
    house.ready_expert(EVE)
    house.seek(id_, EVE)
    house.accept(EVE)
    house.connect(id_, EVE)
    house.leave(id_, ALICE)
    assert house.customer(id_).state is S.IN_SESSION
    house.leave(id_, EVE)
    assert house.customer(id_).state is S.QUEUED


def test_the_customer_hanging_up_ends_it_for_all_and_frees_them() -> None:
    house = House()
    id_ = house.answered_call()
    house.ready_expert(EVE)
    house.seek(id_, EVE)
    customer_id = house.customer(id_).participant_id
    happened = house.step(commands.DisconnectParticipant(id_, customer_id, "customer", "hung up"))
    assert house.interaction(id_).state is InteractionState.ENDED
    assert all(p.state is S.DISCONNECTED for p in house.interaction(id_).participants)
    assert not house.desk.is_busy(ALICE)
    assert not house.desk.is_busy(EVE)
    ended = [event for event in happened if isinstance(event, events.OfferEnded)]
    assert [event.state for event in ended] == [OfferState.CANCELED]


def test_a_caller_who_hangs_up_while_it_rings_cancels_the_offer() -> None:
    house = House()
    house.ready(ALICE)
    id_ = house.call()
    customer_id = house.customer(id_).participant_id
    house.step(commands.DisconnectParticipant(id_, customer_id, "customer", "hung up"))
    assert not house.desk.offers()
    assert house.desk.expert(ALICE).presence is Presence.READY
    house.call()
    assert house.offer_to(ALICE) is not None


def test_end_interaction_disconnects_everybody() -> None:
    house = House()
    id_ = house.answered_call()
    house.step(commands.EndInteraction(id_, "alice", "ended by agent"))
    assert house.interaction(id_).ended_by == "alice"
    with pytest.raises(NotAllowedError):
        house.step(commands.EndInteraction(id_, "alice", "again"))


def test_hold_and_resume_go_by_the_table() -> None:
    house = House()
    id_ = house.answered_call()
    customer_id = house.customer(id_).participant_id
    house.step(commands.HoldParticipant(id_, customer_id, "alice"))
    assert house.customer(id_).state is S.HELD
    with pytest.raises(NotAllowedError):
        house.step(commands.HoldParticipant(id_, customer_id, "alice"))
    house.step(commands.ResumeParticipant(id_, customer_id, "alice"))
    assert house.customer(id_).state is S.IN_SESSION


def test_muting_twice_is_one_event() -> None:
    house = House()
    id_ = house.answered_call()
    customer_id = house.customer(id_).participant_id
    assert house.step(commands.MuteParticipant(id_, customer_id, "alice"))
    assert not house.step(commands.MuteParticipant(id_, customer_id, "alice"))
    assert house.customer(id_).muted
    house.step(commands.UnmuteParticipant(id_, customer_id, "alice"))
    assert not house.customer(id_).muted


def test_lost_media_has_a_deadline_and_can_come_back() -> None:
    house = House()
    id_ = house.answered_call()
    alice = house.participant(id_, ALICE)
    house.step(commands.DetachLeg(id_, alice.participant_id, alice.leg_ids[0], "consent lost"))
    assert house.participant(id_, ALICE).state is S.CONNECTING
    assert house.customer(id_).state is S.IN_SESSION
    house.pass_time(house.policy.connect_s - 1)
    house.connect(id_, ALICE)
    house.pass_time(house.policy.connect_s)
    assert house.participant(id_, ALICE).state is S.IN_SESSION


def test_who_was_held_when_the_media_went_is_held_when_it_returns() -> None:
    house = House()
    id_ = house.answered_call()
    alice = house.participant(id_, ALICE)
    house.step(commands.HoldParticipant(id_, alice.participant_id, "alice"))
    house.step(commands.DetachLeg(id_, alice.participant_id, alice.leg_ids[0], "consent lost"))
    assert house.participant(id_, ALICE).connect_by is not None
    house.connect(id_, ALICE)
    assert house.participant(id_, ALICE).state is S.HELD
    assert house.participant(id_, ALICE).connect_by is None


def test_a_lost_desktop_is_offered_nothing_and_offline_after_the_grace() -> None:
    house = House()
    house.ready(ALICE)
    house.pass_time(1)
    house.ready(BOB)
    house.call()
    house.step(commands.LoseDesktop(ALICE))
    assert house.offer_to(BOB) is not None
    house.pass_time(house.policy.reconnect_grace_s)
    assert house.desk.expert(ALICE).presence is Presence.OFFLINE


def test_a_returning_desktop_keeps_presence_and_part() -> None:
    house = House()
    id_ = house.answered_call()
    house.step(commands.LoseDesktop(ALICE))
    house.pass_time(house.policy.reconnect_grace_s - 1)
    house.step(commands.ReturnDesktop(ALICE))
    house.pass_time(60)
    assert house.participant(id_, ALICE).state is S.IN_SESSION
    assert house.desk.expert(ALICE).presence is Presence.READY


def test_the_only_agent_is_offered_the_caller_again_after_a_return() -> None:
    house = House()
    house.ready(ALICE)
    house.call()
    house.step(commands.LoseDesktop(ALICE))
    assert house.offer_to(ALICE) is None
    house.step(commands.ReturnDesktop(ALICE))
    assert house.offer_to(ALICE) is not None


def test_who_was_asked_by_name_and_lost_the_desktop_is_still_asked() -> None:
    house = House()
    id_ = house.answered_call()
    house.ready(EVE, ParticipantRole.SME)
    house.seek(id_, EVE)
    offer = house.offer_to(EVE)
    house.step(commands.LoseDesktop(EVE))
    house.pass_time(house.policy.reconnect_grace_s - 1)
    assert house.offer_to(EVE) == offer
    house.step(commands.ReturnDesktop(EVE))
    house.accept(EVE)
    assert house.participant(id_, EVE).state is S.CONNECTING


def test_who_was_asked_by_name_and_stays_away_is_given_up() -> None:
    house = House()
    id_ = house.answered_call()
    house.ready(EVE, ParticipantRole.SME)
    house.seek(id_, EVE)
    house.step(commands.LoseDesktop(EVE))
    house.pass_time(house.policy.reconnect_grace_s)
    assert house.offer_to(EVE) is None
    assert house.interaction(id_).participant_of(EVE) is None


def test_a_desktop_lost_for_good_leaves_and_the_customer_waits() -> None:
    house = House()
    id_ = house.answered_call()
    house.step(commands.LoseDesktop(ALICE))
    house.pass_time(house.policy.reconnect_grace_s)
    assert house.interaction(id_).participant_of(ALICE) is None
    assert house.customer(id_).state is S.QUEUED


def test_attributes_are_bounded() -> None:
    house = House(DeskPolicy(attributes_max_bytes=20))
    id_ = house.call()
    house.step(commands.SetAttributes(id_, {"case": "12345"}, "alice"))
    with pytest.raises(CapacityError):
        house.step(commands.SetAttributes(id_, {"note": "x" * 20}, "alice"))
    assert house.interaction(id_).attributes == {"case": "12345"}


def test_calls_beyond_the_limit_are_refused() -> None:
    house = House(DeskPolicy(max_interactions=1))
    house.call()
    with pytest.raises(CapacityError):
        house.call()


def test_ended_interactions_are_kept_up_to_a_bound() -> None:
    house = House(DeskPolicy(ended_kept=2))
    ids = [house.call() for _ in range(3)]
    for id_ in ids:
        house.step(commands.EndInteraction(id_, "system", "test"))
    house.call()
    assert house.desk.forgotten == 1
    with pytest.raises(NotFoundError):
        house.interaction(ids[0])
    assert house.interaction(ids[2]).ended_at is not None


def test_unknown_things_are_not_found() -> None:
    house = House()
    with pytest.raises(NotFoundError):
        house.step(commands.EndInteraction(InteractionId("int_x"), "a", "b"))
    with pytest.raises(NotFoundError):
        house.step(commands.AcceptOffer(OfferId("off_x"), ALICE))
    id_ = house.call()
    with pytest.raises(NotFoundError):
        house.step(commands.MuteParticipant(id_, ParticipantId("prt_x"), "alice"))
