"""Consultations, warm and blind transfers: each passes, and the customer is never lost on the way."""

import itertools

import pytest
from msgspec.structs import replace

from bridge.desk import commands, events
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Queue
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction import transfer
from bridge.desk.interaction.participant import ParticipantConflictError, ParticipantState
from bridge.desk.interaction.transfer import TransferKind, TransferState
from bridge.errors import ConflictError, NotAllowedError, NotFoundError
from bridge.ids import InteractionId, ParticipantId, QueueId, SeatId, UserId
from tests.unit.desk.house import ALICE, BOB, EVE, House

EXPERTS = QueueId("experts")
QUEUES = (
    Queue(EXPERTS, "Experts", role=ParticipantRole.SME, timeout_s=120.0),
    Queue(QueueId("billing"), "Billing", timeout_s=None),
)
TRANSFER = transfer.Transfer(
    TransferKind.CONSULT,
    TransferState.SEEKING,
    ParticipantId("prt_1"),
    ParticipantId("prt_2"),
    SeatId("seat_1"),
    (),
    0.0,
    1.0,
)


@pytest.mark.parametrize(
    ("state", "trigger"),
    list(itertools.product(transfer.TransferState, transfer.TransferTrigger)),
)
def test_transfer_follows_its_table(state: transfer.TransferState, trigger: transfer.TransferTrigger) -> None:
    one = replace(TRANSFER, state=state)
    if (state, trigger) in transfer.TRANSITIONS:
        assert one.next_state(trigger) is transfer.TRANSITIONS[state, trigger]
        return
    with pytest.raises(NotAllowedError, match=str(state)):
        one.next_state(trigger)


def test_what_is_over_has_no_way_on() -> None:
    for state, _ in transfer.TRANSITIONS:
        assert state in transfer.LIVE


def house_with_queues(**policy: float) -> House:
    return House(DeskPolicy(queues=QUEUES, **policy))  # type: ignore[arg-type]


def consult(house: House, id_: InteractionId, user_id: UserId = EVE, by: str = ALICE) -> None:
    house.step(commands.StartConsult(id_, by, user_id, type=MediaType.VOICE))


def blind(house: House, id_: InteractionId, user_id: UserId = BOB, by: str = ALICE) -> None:
    house.step(commands.TransferBlind(id_, by, user_id))


def consulting(house: House) -> InteractionId:
    """Alice talks with Eve, the customer hears music."""
    id_ = house.answered_call()
    house.ready_expert(EVE)
    consult(house, id_)
    house.accept(EVE)
    house.connect(id_, EVE)
    assert state_of(house, id_) is TransferState.CONSULTING
    return id_


def state_of(house: House, id_: InteractionId) -> TransferState | None:
    under_way = house.interaction(id_).transfer
    return None if under_way is None else under_way.state


def outcome(house: House) -> tuple[TransferState, str]:
    moves = [event for event in house.journal if isinstance(event, events.TransferMoved)]
    return moves[-1].state, moves[-1].reason


def in_session(house: House, id_: InteractionId) -> set[str]:
    present = ParticipantState.IN_SESSION
    return {p.user_id or "customer" for p in house.interaction(id_).participants if p.state is present}


class TestConsult:
    def test_the_customer_is_on_hold_from_the_first_ring_on(self) -> None:
        house = House()
        id_ = house.answered_call()
        house.ready_expert(EVE)
        consult(house, id_)
        assert house.customer(id_).state is ParticipantState.HELD
        assert state_of(house, id_) is TransferState.SEEKING
        assert house.participant(id_, EVE).state is ParticipantState.ALERTING

    def test_agent_and_expert_talk_while_the_customer_waits(self) -> None:
        house = House()
        id_ = consulting(house)
        assert in_session(house, id_) == {ALICE, EVE}
        assert house.customer(id_).state is ParticipantState.HELD

    def test_warm_transfer_leaves_the_expert_with_the_customer(self) -> None:
        house = House()
        id_ = consulting(house)
        house.step(commands.CompleteTransfer(id_, ALICE))
        assert in_session(house, id_) == {"customer", EVE}
        assert house.interaction(id_).transfer is None
        alice = next(p for p in house.interaction(id_).participants if p.user_id == ALICE)
        assert (alice.disconnect_reason, alice.disconnected_by) == ("transferred to eve", ALICE)
        assert house.interaction(id_).ended_at is None
        assert house.customer(id_).leg_ids == ("leg_1",)

    def test_merge_makes_a_conference(self) -> None:
        house = House()
        id_ = consulting(house)
        house.step(commands.MergeConsult(id_, ALICE))
        assert in_session(house, id_) == {"customer", ALICE, EVE}
        assert outcome(house)[0] is TransferState.MERGED

    def test_cancel_brings_all_back(self) -> None:
        house = House()
        id_ = consulting(house)
        house.step(commands.CancelTransfer(id_, ALICE))
        assert in_session(house, id_) == {"customer", ALICE}

    def test_a_customer_on_hold_before_is_on_hold_again(self) -> None:
        house = House()
        id_ = house.answered_call()
        house.step(commands.HoldParticipant(id_, house.customer(id_).participant_id, ALICE))
        house.ready_expert(EVE)
        consult(house, id_)
        house.step(commands.CancelTransfer(id_, ALICE))
        assert house.customer(id_).state is ParticipantState.HELD

    def test_but_hears_the_expert_after_the_warm_transfer(self) -> None:
        house = House()
        id_ = house.answered_call()
        house.step(commands.HoldParticipant(id_, house.customer(id_).participant_id, ALICE))
        house.ready_expert(EVE)
        consult(house, id_)
        house.accept(EVE)
        house.connect(id_, EVE)
        house.step(commands.CompleteTransfer(id_, ALICE))
        assert house.customer(id_).state is ParticipantState.IN_SESSION

    def test_nobody_can_resume_the_customer_under_it(self) -> None:
        house = House()
        id_ = consulting(house)
        with pytest.raises(NotAllowedError, match="merge"):
            house.step(commands.ResumeParticipant(id_, house.customer(id_).participant_id, ALICE))

    @pytest.mark.parametrize("answer", ["rejects", "lets it ring", "accepts without media"])
    def test_an_expert_who_does_not_come_brings_all_back(self, answer: str) -> None:
        house = House()
        id_ = house.answered_call()
        house.ready_expert(EVE)
        consult(house, id_)
        if answer == "rejects":
            offer = house.offer_to(EVE)
            assert offer is not None
            house.step(commands.RejectOffer(offer.offer_id, EVE, "no time"))
        elif answer == "accepts without media":
            house.accept(EVE)
        house.pass_time(40.0)
        assert in_session(house, id_) == {"customer", ALICE}
        assert house.interaction(id_).transfer is None
        assert outcome(house)[0] is TransferState.RETURNED

    def test_a_consultation_without_an_end_ends(self) -> None:
        house = House(DeskPolicy(consult_s=90.0))
        id_ = consulting(house)
        house.pass_time(89.0)
        assert state_of(house, id_) is TransferState.CONSULTING
        house.pass_time(1.5)
        assert in_session(house, id_) == {"customer", ALICE}
        assert outcome(house) == (TransferState.RETURNED, "nothing was decided in time")

    def test_the_expert_hangs_up(self) -> None:
        house = House()
        id_ = consulting(house)
        house.leave(id_, EVE)
        assert in_session(house, id_) == {"customer", ALICE}

    def test_the_agent_hangs_up_and_the_expert_has_the_customer(self) -> None:
        house = House()
        id_ = consulting(house)
        house.leave(id_, ALICE)
        assert in_session(house, id_) == {"customer", EVE}
        assert outcome(house)[0] is TransferState.COMPLETED

    def test_the_agent_hangs_up_before_the_answer_and_the_customer_waits_in_the_old_place(self) -> None:
        house = House()
        id_ = house.answered_call()
        house.ready_expert(EVE)
        consult(house, id_)
        house.leave(id_, ALICE)
        assert house.customer(id_).state is ParticipantState.QUEUED
        assert house.offer_to(EVE) is None
        (seat,) = house.interaction(id_).seats
        assert seat.queued_at == house.interaction(id_).created_at

    def test_the_customer_hangs_up(self) -> None:
        house = House()
        id_ = consulting(house)
        house.step(
            commands.DisconnectParticipant(id_, house.customer(id_).participant_id, "customer", "hung up")
        )
        assert house.interaction(id_).ended_at is not None
        assert house.interaction(id_).transfer is None
        assert outcome(house) == (TransferState.RETURNED, "hung up")

    def test_the_expert_loses_the_media_and_comes_back(self) -> None:
        house = House()
        id_ = consulting(house)
        eve = house.participant(id_, EVE)
        house.step(commands.DetachLeg(id_, eve.participant_id, eve.leg_ids[0], "network"))
        with pytest.raises(NotAllowedError, match="not in session"):
            house.step(commands.CompleteTransfer(id_, ALICE))
        house.connect(id_, EVE)
        house.step(commands.CompleteTransfer(id_, ALICE))
        assert in_session(house, id_) == {"customer", EVE}

    def test_the_same_again_changes_nothing(self) -> None:
        house = House()
        id_ = house.answered_call()
        house.ready_expert(EVE)
        consult(house, id_)
        assert house.step(commands.StartConsult(id_, ALICE, EVE, type=MediaType.VOICE)) == ()

    def test_another_one_is_a_conflict_that_says_with_whom(self) -> None:
        house = House()
        id_ = consulting(house)
        house.ready_expert(BOB)
        with pytest.raises(ParticipantConflictError) as raised:
            consult(house, id_, BOB)
        assert raised.value.participant.user_id == EVE

    def test_whoever_takes_part_already_is_not_consulted(self) -> None:
        house = House()
        id_ = consulting(house)
        house.step(commands.MergeConsult(id_, ALICE))
        with pytest.raises(ConflictError, match="in the interaction"):
            consult(house, id_, EVE)

    def test_before_anybody_talks_with_the_customer_there_is_nothing_to_hand_over(self) -> None:
        house = House()
        id_ = house.call()
        house.ready_expert(EVE)
        with pytest.raises(NotAllowedError, match="nothing to hand over"):
            consult(house, id_)

    def test_an_integration_asks_on_behalf_of_the_agent(self) -> None:
        house = House()
        id_ = house.answered_call()
        house.ready_expert(EVE)
        consult(house, id_, by="crm")
        under_way = house.interaction(id_).transfer
        assert under_way is not None
        assert under_way.initiator_id == house.participant(id_, ALICE).participant_id

    @pytest.mark.parametrize(
        "end", [commands.CompleteTransfer, commands.MergeConsult, commands.CancelTransfer]
    )
    def test_without_a_transfer_there_is_none_to_end(self, end: type[commands.CompleteTransfer]) -> None:
        house = House()
        id_ = house.answered_call()
        with pytest.raises(NotAllowedError, match="no transfer"):
            house.step(end(id_, ALICE))

    @pytest.mark.parametrize("end", [commands.CompleteTransfer, commands.MergeConsult])
    def test_while_it_rings_it_cannot_be_completed(self, end: type[commands.CompleteTransfer]) -> None:
        house = House()
        id_ = house.answered_call()
        house.ready_expert(EVE)
        consult(house, id_)
        with pytest.raises(NotAllowedError, match="seeking"):
            house.step(end(id_, ALICE))

    def test_whoever_the_queue_sends_is_consulted(self) -> None:
        house = house_with_queues()
        id_ = house.answered_call()
        house.step(commands.StartConsult(id_, ALICE, queue_id=EXPERTS, type=MediaType.VOICE))
        assert house.customer(id_).state is ParticipantState.HELD
        house.ready_expert(EVE)
        house.accept(EVE)
        house.connect(id_, EVE)
        assert state_of(house, id_) is TransferState.CONSULTING
        house.step(commands.CompleteTransfer(id_, ALICE))
        assert in_session(house, id_) == {"customer", EVE}

    def test_the_queue_sends_another_one_if_the_first_does_not_stay(self) -> None:
        house = house_with_queues()
        id_ = house.answered_call()
        house.step(commands.StartConsult(id_, ALICE, queue_id=EXPERTS, type=MediaType.VOICE))
        house.ready_expert(EVE)
        house.accept(EVE)
        house.leave(id_, EVE)
        assert state_of(house, id_) is TransferState.SEEKING
        house.ready_expert(BOB)
        house.accept(BOB)
        house.connect(id_, BOB)
        assert state_of(house, id_) is TransferState.CONSULTING
        assert in_session(house, id_) == {ALICE, BOB}

    def test_a_queue_without_anybody_gives_the_customer_back(self) -> None:
        house = house_with_queues()
        id_ = house.answered_call()
        house.step(commands.StartConsult(id_, ALICE, queue_id=EXPERTS, type=MediaType.VOICE))
        house.pass_time(125.0)
        assert in_session(house, id_) == {"customer", ALICE}
        assert house.interaction(id_).seats == ()


class TestBlind:
    def test_the_agent_is_out_once_the_other_is_there(self) -> None:
        house = House()
        id_ = house.answered_call()
        house.ready(BOB)
        blind(house, id_)
        assert house.customer(id_).state is ParticipantState.HELD
        assert ALICE in in_session(house, id_)
        house.accept(BOB)
        house.connect(id_, BOB)
        assert in_session(house, id_) == {"customer", BOB}
        assert outcome(house)[0] is TransferState.COMPLETED
        assert house.customer(id_).leg_ids == ("leg_1",)
        assert house.interaction(id_).interaction_id == id_

    @pytest.mark.parametrize("seconds", [21.0, 70.0])
    def test_nobody_answers_and_the_agent_has_the_customer_back(self, seconds: float) -> None:
        house = House()
        id_ = house.answered_call()
        house.ready(BOB)
        blind(house, id_)
        house.pass_time(seconds)
        assert in_session(house, id_) == {"customer", ALICE}

    def test_its_own_deadline_ends_it_too(self) -> None:
        house = House(DeskPolicy(transfer_s=12.0))
        id_ = house.answered_call()
        house.ready(BOB)
        blind(house, id_)
        house.pass_time(12.5)
        assert in_session(house, id_) == {"customer", ALICE}
        assert house.offer_to(BOB) is None

    def test_it_is_not_completed_by_the_command_of_the_warm_one(self) -> None:
        house = House()
        id_ = house.answered_call()
        house.ready(BOB)
        blind(house, id_)
        with pytest.raises(NotAllowedError, match="transferring"):
            house.step(commands.CompleteTransfer(id_, ALICE))

    def test_an_agent_who_leaves_meanwhile_leaves_the_customer_in_the_queue_and_the_other_rung(self) -> None:
        house = House()
        id_ = house.answered_call()
        house.ready(BOB)
        blind(house, id_)
        house.leave(id_, ALICE)
        assert house.customer(id_).state is ParticipantState.QUEUED
        assert house.offer_to(BOB) is not None
        house.accept(BOB)
        house.connect(id_, BOB)
        assert in_session(house, id_) == {"customer", BOB}
        assert house.interaction(id_).seats == ()

    def test_to_a_queue_the_agent_is_out_at_once_and_the_clock_stays(self) -> None:
        house = house_with_queues()
        id_ = house.answered_call()
        house.pass_time(30.0)
        house.step(commands.TransferBlind(id_, ALICE, queue_id=QueueId("billing")))
        interaction = house.interaction(id_)
        assert in_session(house, id_) == set()
        assert house.customer(id_).state is ParticipantState.QUEUED
        (seat,) = interaction.seats
        assert (seat.queue_id, seat.queued_at) == ("billing", interaction.created_at)
        assert interaction.queue_id == "billing"

    def test_to_an_unknown_queue_changes_nothing(self) -> None:
        house = house_with_queues()
        id_ = house.answered_call()
        with pytest.raises(NotFoundError):
            house.step(commands.TransferBlind(id_, ALICE, queue_id=QueueId("nowhere")))
        assert in_session(house, id_) == {"customer", ALICE}

    def test_to_a_queue_only_when_nobody_else_talks_with_the_customer(self) -> None:
        house = house_with_queues()
        id_ = consulting(house)
        house.step(commands.MergeConsult(id_, ALICE))
        with pytest.raises(NotAllowedError, match="others talk"):
            house.step(commands.TransferBlind(id_, ALICE, queue_id=QueueId("billing")))

    def test_to_nobody(self) -> None:
        house = House()
        id_ = house.answered_call()
        with pytest.raises(NotAllowedError, match="a user or a queue"):
            house.step(commands.TransferBlind(id_, ALICE))


def test_a_restart_in_the_middle_of_ringing_brings_all_back() -> None:
    house = House()
    id_ = house.answered_call()
    house.ready_expert(EVE)
    consult(house, id_)
    house.step(commands.Restart(frozenset(house.customer(id_).leg_ids)))
    assert house.interaction(id_).transfer is None
    assert house.customer(id_).state is ParticipantState.IN_SESSION


def test_a_restart_in_the_middle_of_a_consultation_goes_on_when_both_come_back() -> None:
    house = House()
    id_ = consulting(house)
    house.step(commands.Restart(frozenset(house.customer(id_).leg_ids)))
    assert state_of(house, id_) is TransferState.CONSULTING
    for user_id in (ALICE, EVE):
        house.step(commands.ReturnDesktop(user_id))
        house.connect(id_, user_id)
    house.step(commands.CompleteTransfer(id_, ALICE))
    assert in_session(house, id_) == {"customer", EVE}
