"""The desk's agenda: instants in order, those of calls that are over left out."""

from bridge.desk import commands
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import default_queue
from bridge.desk.state.deadline import SWEPT_FROM, Agenda
from bridge.desk.value import replace
from bridge.ids import InteractionId
from tests.unit.desk.house import House

ONE, TWO = InteractionId("int_1"), InteractionId("int_2")


def test_the_next_instant_is_the_earliest_that_still_counts() -> None:
    live = {ONE: None, TWO: None}
    agenda = Agenda(live)
    agenda.note(30.0, ONE)
    agenda.note(20.0, TWO)
    agenda.note(40.0)
    assert agenda.next() == 20.0
    del live[TWO]
    assert agenda.next() == 30.0
    agenda.forget(30.0)
    assert agenda.next() == 40.0
    agenda.forget(40.0)
    assert agenda.next() is None


def test_what_is_kept_over_a_restart_is_what_counts() -> None:
    live = {ONE: None}
    agenda = Agenda(live)
    for at, id_ in ((30.0, ONE), (20.0, TWO), (40.0, None)):
        agenda.note(at, id_)
    again = Agenda(live)
    again.restore(agenda.instants())
    assert sorted(again.instants()) == [30.0, 40.0]
    assert again.next() == 30.0


def test_calls_that_are_over_leave_nothing_behind_however_many_there_were() -> None:
    live = {ONE: None}
    agenda = Agenda(live)
    agenda.note(5_000.0, ONE)
    for number in range(10 * SWEPT_FROM):
        agenda.note(float(number), InteractionId(f"int_over_{number}"))
    assert len(agenda) < SWEPT_FROM
    assert agenda.next() == 5_000.0


def test_a_caller_who_hung_up_makes_the_desk_look_at_the_clock_no_more() -> None:
    house = House(DeskPolicy(queues=(replace(default_queue(), timeout_s=300.0),)))
    interaction_id = house.call()
    assert house.desk.timer() is not None
    customer = house.customer(interaction_id).participant_id
    house.step(commands.DisconnectParticipant(interaction_id, customer, "system", "BYE"))
    assert house.desk.timer() is None
