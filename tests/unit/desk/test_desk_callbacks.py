"""Callbacks at the desk: the caller hangs up, the place stays; somebody is found first, then it rings."""

import pytest

from bridge.desk import commands, events
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Overflow, OverflowTo, Queue, default_queue
from bridge.desk.interaction.callback import TRANSITIONS, CallbackState, CallbackTrigger
from bridge.desk.interaction.interaction import InteractionState
from bridge.desk.interaction.participant import ParticipantState
from bridge.errors import NotAllowedError, NotFoundError
from bridge.ids import InteractionId, LegId, QueueId
from tests.unit.desk.house import ALICE, BOB, House

S, C = ParticipantState, CallbackState


def arranged(house: House, not_before: float = 0.0) -> InteractionId:
    id_ = house.call()
    house.step(commands.RequestCallback(id_, "ivr", not_before=not_before))
    return id_


def dialed(house: House, id_: InteractionId) -> LegId:
    callback = house.interaction(id_).callback
    assert callback is not None
    assert callback.state is C.DIALING
    assert callback.leg_id is not None
    return callback.leg_id


def state(house: House, id_: InteractionId) -> CallbackState:
    callback = house.interaction(id_).callback
    assert callback is not None
    return callback.state


def reached(house: House) -> InteractionId:
    """Alice took the callback; the phone rings."""
    id_ = arranged(house)
    house.ready(ALICE)
    house.accept(ALICE)
    house.connect(id_, ALICE)
    return id_


@pytest.mark.parametrize("current", list(CallbackState))
@pytest.mark.parametrize("trigger", list(CallbackTrigger))
def test_the_table_is_whole(current: CallbackState, trigger: CallbackTrigger) -> None:
    ends = (C.ANSWERED, C.FAILED, C.CANCELED)
    assert ((current, trigger) in TRANSITIONS) <= (current not in ends)


def test_the_call_ends_and_the_customer_keeps_the_place() -> None:
    house = House()
    first = arranged(house)
    house.pass_time(60)
    second = house.call()
    assert house.customer(first).leg_ids == ()
    assert house.interaction(first).state is InteractionState.WAITING
    waiting = house.desk.waiting(default_queue().queue_id)
    assert [place.interaction_id for place in waiting] == [first, second]
    house.ready(ALICE)
    offer = house.offer_to(ALICE)
    assert offer is not None
    assert offer.interaction_id == first


def test_somebody_is_there_before_the_phone_rings_and_both_meet() -> None:
    house = House()
    id_ = reached(house)
    leg_id = dialed(house, id_)
    assert house.customer(id_).state is S.ALERTING
    house.step(commands.AnswerCallback(id_, leg_id))
    assert house.customer(id_).state is S.IN_SESSION
    assert house.customer(id_).leg_ids == (leg_id,)
    assert state(house, id_) is C.ANSWERED


def test_an_unanswered_callback_is_tried_again_by_rule_and_then_given_up() -> None:
    house = House(DeskPolicy(callback_attempts=2, callback_retry_s=100.0))
    id_ = reached(house)
    house.step(commands.FailCallback(id_, dialed(house, id_), "busy", 486))
    assert state(house, id_) is C.WAITING
    assert house.interaction(id_).participant_of(ALICE) is None
    assert not house.desk.is_busy(ALICE)
    house.pass_time(99)
    assert house.offer_to(ALICE) is None
    house.pass_time(1)
    house.accept(ALICE)
    house.connect(id_, ALICE)
    house.pass_time(house.policy.dial_s)
    assert state(house, id_) is C.FAILED
    assert house.interaction(id_).state is InteractionState.ENDED
    assert "after 2 attempts" in house.interaction(id_).end_reason


def test_a_number_that_does_not_exist_is_not_tried_again() -> None:
    house = House()
    id_ = reached(house)
    house.step(commands.FailCallback(id_, dialed(house, id_), "Not Found", 404))
    assert house.interaction(id_).state is InteractionState.ENDED


def test_a_provider_that_wants_to_be_left_alone_is_asked_again_later() -> None:
    house = House(DeskPolicy(callback_retry_s=100.0))
    id_ = reached(house)
    house.step(commands.FailCallback(id_, dialed(house, id_), "Service Unavailable", 503, 300.0))
    callback = house.interaction(id_).callback
    assert callback is not None
    assert (callback.failure, callback.not_before) == ("overloaded", house.now + 300)


def test_a_scheduled_callback_waits_for_its_time_and_can_be_moved() -> None:
    house = House()
    house.ready(ALICE)
    house.step(commands.LoseDesktop(ALICE))
    id_ = arranged(house, not_before=house.now + 600)
    house.step(commands.ReturnDesktop(ALICE))
    assert house.offer_to(ALICE) is None
    house.step(commands.RequestCallback(id_, "crm", not_before=house.now + 60))
    house.pass_time(60)
    assert house.offer_to(ALICE) is not None


def test_an_agent_arranges_a_callback_out_of_the_conversation() -> None:
    house = House()
    id_ = house.answered_call()
    house.step(commands.RequestCallback(id_, "alice", "+49301", house.now + 60))
    assert house.interaction(id_).participant_of(ALICE) is None
    assert house.customer(id_).state is S.QUEUED
    assert house.interaction(id_).interaction_id == id_


def test_a_customer_who_answers_when_the_agent_has_left_waits_in_the_old_place() -> None:
    house = House()
    id_ = reached(house)
    leg_id = dialed(house, id_)
    house.leave(id_, ALICE)
    house.step(commands.AnswerCallback(id_, leg_id))
    assert house.customer(id_).state is S.QUEUED
    house.ready(BOB)
    assert {offer.interaction_id for offer in house.desk.offers()} == {id_}


def test_canceling_ends_it_and_what_is_over_cannot_be_answered() -> None:
    house = House()
    id_ = reached(house)
    leg_id = dialed(house, id_)
    house.step(commands.CancelCallback(id_, "alice"))
    assert state(house, id_) is C.CANCELED
    with pytest.raises(NotAllowedError):
        house.step(commands.AnswerCallback(id_, leg_id))
    with pytest.raises(NotFoundError):
        house.step(commands.CancelCallback(house.call(), "alice"))


def test_a_queue_that_overflows_into_callbacks_hangs_up_and_keeps_the_place() -> None:
    queue = Queue(QueueId("calls"), "Calls", overflow=Overflow(OverflowTo.CALLBACK, depth=1, wait_s=90.0))
    house = House(DeskPolicy(queues=(default_queue(), queue)))
    id_ = house.call()
    house.step(commands.QueueInteraction(id_, queue.queue_id, "flow"))
    house.pass_time(90)
    assert state(house, id_) is C.WAITING
    assert house.customer(id_).leg_ids == ()
    requested = [event for event in house.journal if isinstance(event, events.CallbackRequested)]
    assert "waited 90 s" in requested[0].reason
    assert house.interaction(id_).queue_id == queue.queue_id


CALLS = Queue(
    QueueId("calls"),
    "Calls",
    timeout_s=120.0,
    overflow=Overflow(OverflowTo.CALLBACK, depth=1, wait_s=90.0),
)


def test_a_caller_who_withheld_the_number_is_never_hung_up_on_for_a_callback() -> None:
    house = House(DeskPolicy(queues=(default_queue(), CALLS)))
    first = house.call(number="anonymous")
    house.step(commands.QueueInteraction(first, CALLS.queue_id, "flow"))
    second = house.call(number="anonymous")
    house.step(commands.QueueInteraction(second, CALLS.queue_id, "flow"))  # deeper than the line may be
    house.pass_time(90)
    for id_ in (first, second):
        assert house.interaction(id_).live_callback is None
        assert house.customer(id_).leg_ids != ()
    assert [place.interaction_id for place in house.desk.waiting(CALLS.queue_id)] == [first, second]
    house.ready(ALICE)
    offer = house.offer_to(ALICE)
    assert offer is not None
    assert offer.interaction_id == first
    house.pass_time(30)  # the queue's own time still counts
    assert [place.interaction_id for place in house.desk.waiting(default_queue().queue_id)] == [first, second]


def test_a_bridge_without_a_way_out_keeps_who_overflows_at_the_line() -> None:
    house = House(DeskPolicy(queues=(default_queue(), CALLS), dials_numbers=False))
    id_ = house.call()
    house.step(commands.QueueInteraction(id_, CALLS.queue_id, "flow"))
    house.pass_time(119)
    assert house.interaction(id_).live_callback is None
    assert house.interaction(id_).queue_id == CALLS.queue_id


def test_a_customer_whom_the_agent_leaves_is_not_hung_up_on_either() -> None:
    full = Queue(default_queue().queue_id, "Waiting list", overflow=Overflow(OverflowTo.CALLBACK, depth=1))
    house = House(DeskPolicy(queues=(full,)))
    id_ = house.answered_call(number="anonymous")
    house.call(number="anonymous")
    house.leave(id_, ALICE)
    assert house.customer(id_).state is S.QUEUED
    assert house.customer(id_).leg_ids != ()
    assert house.interaction(id_).live_callback is None


def test_nobody_arranges_a_callback_to_a_number_that_is_withheld() -> None:
    house = House()
    id_ = house.call(number="anonymous")
    before = house.interaction(id_)
    with pytest.raises(NotAllowedError, match="withheld"):
        house.step(commands.RequestCallback(id_, "crm"))
    assert house.interaction(id_) == before
    house.step(commands.RequestCallback(id_, "crm", "+49301"))
    assert state(house, id_) is C.WAITING


def test_who_came_through_a_queue_that_is_removed_meanwhile_can_be_called_back() -> None:
    house = House()
    sales = QueueId("sales")
    house.step(commands.DeclareQueue(Queue(sales, "Sales"), "admin"))
    id_ = house.call()
    house.step(commands.QueueInteraction(id_, sales, "ivr"))
    house.ready(ALICE)
    house.accept(ALICE)
    house.connect(id_, ALICE)
    house.step(commands.RemoveQueue(sales, "admin"))
    house.step(commands.RequestCallback(id_, ALICE))
    assert state(house, id_) is C.WAITING
    assert house.interaction(id_).queue_id == default_queue().queue_id


def test_a_callback_that_is_put_off_while_it_rings_for_somebody_is_not_made_now() -> None:
    house = House()
    id_ = arranged(house)
    house.ready(ALICE)
    assert house.offer_to(ALICE) is not None
    house.step(commands.RequestCallback(id_, "ivr", not_before=house.now + 5000))
    assert house.offer_to(ALICE) is None
    house.pass_time(4999)
    assert house.offer_to(ALICE) is None
    house.pass_time(1)
    assert house.offer_to(ALICE) is not None


def test_a_callback_that_somebody_has_accepted_is_not_put_off() -> None:
    house = House()
    id_ = arranged(house)
    house.ready(ALICE)
    house.accept(ALICE)
    with pytest.raises(NotAllowedError, match="right now"):
        house.step(commands.RequestCallback(id_, "ivr", not_before=house.now + 5000))


def test_a_restart_in_the_last_attempt_leaves_one_more_and_no_third() -> None:
    house = House(DeskPolicy(callback_attempts=1))
    id_ = reached(house)
    for left in (C.WAITING, C.FAILED):
        house.step(commands.Restart(frozenset()))
        assert state(house, id_) is left
        house.step(commands.ReturnDesktop(ALICE))
        house.pass_time(house.policy.callback_retry_s)
        if left is C.WAITING:
            house.accept(ALICE)
            house.connect(id_, ALICE)


def test_one_who_is_called_back_in_the_second_attempt_is_answered_once() -> None:
    house = House(DeskPolicy(callback_retry_s=10.0))
    id_ = reached(house)
    house.step(commands.FailCallback(id_, dialed(house, id_), "busy", 486))
    house.pass_time(10)
    house.accept(ALICE)
    house.connect(id_, ALICE)
    house.step(commands.AnswerCallback(id_, dialed(house, id_)))
    figures = house.desk.figures(default_queue().queue_id)
    assert (figures.entered, figures.answered) == (1, 1)


def test_who_comes_by_a_callback_at_the_door_has_entered() -> None:
    overflow = Overflow(OverflowTo.CALLBACK, depth=1)
    house = House(DeskPolicy(queues=(Queue(QueueId("default"), "Line", overflow=overflow),)))
    house.call()
    assert state(house, house.call()) is C.WAITING
    assert house.desk.figures(QueueId("default")).entered == 2
