"""Participants on phones at the desk: called, answered, refused, not wanted any more."""

import pytest

from bridge.desk import commands, events
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.commands import RESTART
from bridge.desk.interaction.interaction import InteractionState
from bridge.desk.interaction.participant import Participant, ParticipantConflictError, ParticipantState
from bridge.errors import CapacityError, NotAllowedError, NotFoundError
from bridge.ids import InteractionId, LegId
from tests.unit.desk.house import ALICE, BOB, House

S = ParticipantState
NUMBER = "+4930123"


def dial(house: House, id_: InteractionId, address: str = NUMBER, *, second: bool = False) -> None:
    role = ParticipantRole.SME
    house.step(commands.DialParticipant(id_, address, role, ALICE, "The bank", second_expert=second))


def called(house: House, id_: InteractionId, address: str = NUMBER) -> Participant:
    return [p for p in house.interaction(id_).participants if p.address == address][-1]


def leg_of(participant: Participant) -> LegId:
    assert participant.dialed_leg_id is not None
    return participant.dialed_leg_id


def test_whoever_is_called_rings_and_takes_part_once_they_answer() -> None:
    house = House()
    id_ = house.answered_call()
    dial(house, id_)
    bank = called(house, id_)
    assert (bank.state, bank.role, bank.type) == (S.ALERTING, ParticipantRole.SME, MediaType.VOICE)
    assert (bank.name, bank.user_id, bank.leg_ids) == ("The bank", None, ())
    house.step(commands.AnswerDial(id_, leg_of(bank)))
    bank = called(house, id_)
    assert (bank.state, bank.leg_ids, bank.connect_by) == (S.IN_SESSION, (leg_of(bank),), None)
    house.pass_time(1000)
    assert called(house, id_).state is S.IN_SESSION


def test_the_same_number_again_changes_nothing_and_another_one_conflicts() -> None:
    house = House()
    id_ = house.answered_call()
    dial(house, id_)
    before = house.interaction(id_)
    dial(house, id_)
    assert house.interaction(id_) == before
    assert before.escalation_in_progress
    with pytest.raises(ParticipantConflictError) as raised:
        dial(house, id_, "sip:lab@192.0.2.7")
    assert raised.value.participant == called(house, id_)
    dial(house, id_, "sip:lab@192.0.2.7", second=True)
    assert called(house, id_, "sip:lab@192.0.2.7").state is S.ALERTING


def test_while_an_expert_s_phone_rings_another_expert_is_a_second_one() -> None:
    house = House()
    house.ready_expert(BOB)
    id_ = house.answered_call()
    dial(house, id_)
    with pytest.raises(ParticipantConflictError) as raised:
        house.seek(id_, BOB)
    assert raised.value.participant == called(house, id_)
    house.step(commands.AnswerDial(id_, leg_of(called(house, id_))))
    assert not house.interaction(id_).escalation_in_progress
    house.seek(id_, BOB)
    assert house.offer_to(BOB) is not None


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        (486, "486 Busy Here", "busy: 486 Busy Here"),
        (603, "", "declined: the call was declined"),
        (0, "no way out", "not_made: no way out"),
    ],
)
def test_what_comes_to_nothing_says_why(status: int, reason: str, told: str) -> None:
    house = House()
    id_ = house.answered_call()
    dial(house, id_)
    house.step(commands.FailDial(id_, leg_of(called(house, id_)), reason, status))
    bank = called(house, id_)
    assert (bank.state, bank.disconnect_reason) == (S.DISCONNECTED, told)
    dial(house, id_)  # another try is another participant
    assert called(house, id_).participant_id != bank.participant_id


def test_a_phone_that_rings_too_long_is_given_up() -> None:
    house = House(DeskPolicy(dial_s=30))
    id_ = house.answered_call()
    dial(house, id_)
    house.pass_time(29)
    assert called(house, id_).state is S.ALERTING
    house.pass_time(1)
    bank = called(house, id_)
    assert (bank.state, bank.disconnect_reason) == (S.DISCONNECTED, "no_answer: nobody answered")
    with pytest.raises(NotAllowedError):
        house.step(commands.AnswerDial(id_, leg_of(bank)))  # the door hangs it up then


def test_whoever_is_taken_out_while_it_rings_is_out() -> None:
    house = House()
    id_ = house.answered_call()
    dial(house, id_)
    bank = called(house, id_)
    house.step(commands.DisconnectParticipant(id_, bank.participant_id, ALICE, "removed"))
    assert called(house, id_).state is S.DISCONNECTED
    with pytest.raises(NotAllowedError):
        house.step(commands.FailDial(id_, leg_of(bank), "canceled", 487))


def test_the_end_of_the_interaction_ends_the_ringing() -> None:
    house = House()
    id_ = house.answered_call()
    dial(house, id_)
    house.step(commands.EndInteraction(id_, ALICE, "done"))
    assert house.interaction(id_).state is InteractionState.ENDED
    assert called(house, id_).state is S.DISCONNECTED
    with pytest.raises(NotAllowedError):
        dial(house, id_)


def test_a_customer_is_not_left_waiting_while_somebody_on_a_phone_is_there() -> None:
    house = House()
    id_ = house.answered_call()
    dial(house, id_)
    house.step(commands.AnswerDial(id_, leg_of(called(house, id_))))
    alice = house.interaction(id_).participant_of(ALICE)
    assert alice is not None
    house.step(commands.DisconnectParticipant(id_, alice.participant_id, ALICE, "left"))
    customer = house.interaction(id_).customers()[0]
    assert customer.state is S.IN_SESSION


def test_while_an_expert_is_sought_a_phone_is_a_second_one() -> None:
    house = House()
    house.ready_expert(BOB)
    id_ = house.answered_call()
    house.seek(id_, BOB)
    with pytest.raises(ParticipantConflictError):
        dial(house, id_)
    dial(house, id_, second=True)
    assert called(house, id_).state is S.ALERTING


def test_numbers_need_a_way_out_and_uris_do_not() -> None:
    house = House(DeskPolicy(dials_numbers=False))
    id_ = house.answered_call()
    with pytest.raises(NotAllowedError, match="no way out"):
        dial(house, id_)
    dial(house, id_, "SIP:lab@192.0.2.7")


def test_a_full_room_calls_nobody() -> None:
    house = House(DeskPolicy(max_participants=2))
    id_ = house.answered_call()
    with pytest.raises(CapacityError):
        dial(house, id_)


def test_after_a_restart_nothing_rings() -> None:
    house = House()
    id_ = house.answered_call()
    dial(house, id_)
    house.step(commands.Restart(frozenset()))
    bank = called(house, id_)
    assert (bank.state, bank.disconnected_by) == (S.DISCONNECTED, RESTART)


def test_an_answer_of_nobody_is_refused() -> None:
    house = House()
    id_ = house.answered_call()
    with pytest.raises(NotFoundError):
        house.step(commands.AnswerDial(id_, LegId("leg_x")))


def test_the_call_is_in_the_journal() -> None:
    house = House()
    id_ = house.answered_call()
    happened = house.step(commands.DialParticipant(id_, NUMBER, ParticipantRole.AGENT, ALICE))
    kinds = [type(event) for event in happened]
    assert kinds[:3] == [events.ParticipantAdded, events.ParticipantDialed, events.ParticipantMoved]


@pytest.mark.parametrize("held", ["customer", "bank"])
def test_whom_the_last_desktop_leaves_on_hold_or_muted_with_a_phone_is_heard_again(held: str) -> None:
    """A phone has no way to end either: they would hear music for as long as they stay."""
    house = House()
    id_ = house.answered_call()
    dial(house, id_)
    house.step(commands.AnswerDial(id_, leg_of(called(house, id_))))
    whom = house.customer(id_) if held == "customer" else called(house, id_)
    house.step(commands.MuteParticipant(id_, whom.participant_id, ALICE))
    house.step(commands.HoldParticipant(id_, whom.participant_id, ALICE))
    house.leave(id_, ALICE)
    for participant in (house.customer(id_), called(house, id_)):
        assert (participant.state, participant.muted) == (S.IN_SESSION, False)


def test_whom_another_desktop_can_resume_stays_on_hold() -> None:
    house = House()
    house.ready_expert(BOB)
    id_ = house.answered_call()
    house.seek(id_, BOB)
    house.accept(BOB)
    house.connect(id_, BOB)
    house.step(commands.HoldParticipant(id_, house.customer(id_).participant_id, ALICE))
    house.step(commands.MuteParticipant(id_, house.customer(id_).participant_id, ALICE))
    house.leave(id_, ALICE)
    assert (house.customer(id_).state, house.customer(id_).muted) == (S.HELD, True)


def test_a_customer_whom_the_last_agent_muted_is_heard_by_the_next() -> None:
    house = House()
    id_ = house.answered_call()
    house.step(commands.MuteParticipant(id_, house.customer(id_).participant_id, ALICE))
    house.leave(id_, ALICE)
    assert (house.customer(id_).state, house.customer(id_).muted) == (S.QUEUED, False)
