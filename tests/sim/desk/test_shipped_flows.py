"""The two flows that are shipped, from the first ring on, as mission and configuration describe them."""

from collections.abc import Callable

import pytest

from bridge.desk import commands, events
from bridge.desk.centre.flow import FlowResult
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction.interaction import InteractionState
from bridge.desk.interaction.participant import ParticipantState
from bridge.ids import InteractionId
from tests.sim.desk.shipped import Shipped
from tests.unit.desk.house import ALICE, BOB, EVE

IN_SESSION = ParticipantState.IN_SESSION


# --- inbound ----------------------------------------------------------------------------------------------


def test_a_call_is_offered_at_once_when_somebody_is_ready() -> None:
    house = Shipped()
    house.ready(ALICE)
    id_ = house.call()
    assert house.offer_to(ALICE) is not None
    assert house.interaction(id_).attributes["dialed"] == "sip:desk"
    house.accept(ALICE)
    house.connect(id_, ALICE)
    assert house.path()[-1] == ("offer", "success")
    assert house.interaction(id_).state is InteractionState.IN_PROGRESS


def test_nobody_available_leads_to_a_callback_that_keeps_place_and_clock() -> None:
    house = Shipped()
    id_ = house.call()
    opened_at = house.now
    house.pass_time(300)
    assert house.prompts() == ["press-one", "callback"]
    house.finish_prompt(id_)
    callback = house.interaction(id_).live_callback
    assert callback is not None
    (seat,) = house.interaction(id_).seats
    assert seat.queued_at == opened_at
    assert house.interaction(id_).flows == ()
    later = house.call()
    house.ready(ALICE)
    offer = house.offer_to(ALICE)
    assert offer is not None
    assert offer.interaction_id == id_ != later


def test_a_caller_presses_one_and_is_called_back_in_the_old_place() -> None:
    house = Shipped()
    id_ = house.call()
    opened_at = house.now
    house.pass_time(30)
    house.press(id_, "1")
    assert house.prompts() == ["press-one", "callback"]
    house.finish_prompt(id_)
    house.call()
    callback = house.interaction(id_).live_callback
    assert callback is not None
    assert callback.number == house.interaction(id_).caller
    (seat,) = house.interaction(id_).seats
    assert seat.queued_at == opened_at
    house.ready(ALICE)
    offer = house.offer_to(ALICE)
    assert offer is not None
    assert offer.interaction_id == id_
    house.check_replay()


def test_nobody_is_promised_what_cannot_be_kept() -> None:
    house = Shipped(dials=False)
    withheld = Shipped()
    for one, id_ in ((house, house.call()), (withheld, withheld.call(number="anonymous"))):
        one.press(id_, "1")
        assert one.prompts() == []
        assert [run.step for run in one.interaction(id_).flows] == ["line"]
        assert one.interaction(id_).live_callback is None


def test_who_cannot_be_called_back_keeps_waiting_in_the_old_place() -> None:
    house = Shipped(dials=False)
    first = house.call()
    house.pass_time(10)
    house.call()
    house.pass_time(1000)
    assert house.prompts() == []
    assert [run.step for run in house.interaction(first).flows] == ["line"]
    house.ready(ALICE)
    offer = house.offer_to(ALICE)
    assert offer is not None
    assert offer.interaction_id == first


def test_a_prompt_that_never_ends_does_not_keep_the_callback_from_being_arranged() -> None:
    house = Shipped()
    id_ = house.call()
    house.pass_time(330)
    assert house.interaction(id_).live_callback is not None


def test_an_agent_who_leaves_brings_the_caller_back_to_the_line() -> None:
    house = Shipped()
    id_ = house.conversation(video=False)
    house.leave(id_, ALICE)
    assert house.customer(id_).state is ParticipantState.QUEUED
    assert len(house.interaction(id_).seats) == 1
    house.step(commands.SetPresence(ALICE, "Alice", ParticipantRole.AGENT, house.desk.expert(ALICE).presence))
    assert house.offer_to(ALICE) is not None


# --- escalation -------------------------------------------------------------------------------------------


def test_an_escalation_with_video_ends_in_a_conference_of_three() -> None:
    house = Shipped()
    house.video_expert(EVE)
    id_ = house.conversation(video=True)
    house.escalate(id_, escalation_context="Case #12345 - Payment Dispute.", case_number="12345")
    attributes = house.interaction(id_).attributes
    assert attributes["escalation_reason"] == "Complex Case"
    assert attributes["case_number"] == "12345"
    assert attributes["customer_video_capable"] == "true"
    assert attributes["priority"] == "High"
    assert house.prompts() == ["press-one", "connecting"]
    assert house.last_prompt().participant_id == house.customer(id_).participant_id
    house.accept(EVE)
    house.connect(id_, EVE)
    states = {p.role: (p.type, p.state) for p in house.interaction(id_).participants}
    assert states[ParticipantRole.SME] == (MediaType.VIDEO, IN_SESSION)
    assert states[ParticipantRole.AGENT][1] is IN_SESSION
    assert states[ParticipantRole.CUSTOMER][1] is IN_SESSION
    assert house.path()[-2:] == [("video", "success"), ("together", "success")]
    assert {event.interaction_id for event in house.journal if isinstance(event, events.FlowMoved)} == {id_}
    house.check_replay()


def test_a_customer_without_video_gets_a_voice_specialist_who_reads_why() -> None:
    house = Shipped()
    house.ready_expert(EVE)
    id_ = house.escalated(video=False)
    assert house.at(id_) == "voice"
    moved = next(e for e in house.journal if isinstance(e, events.FlowMoved) and e.left == "picture")
    assert moved.reason.startswith("customer_video_capable is ")
    offer = house.offer_to(EVE)
    assert offer is not None
    assert (
        house.interaction(id_).attributes["escalation_route"].startswith("voice: the customer sends no video")
    )
    house.accept(EVE)
    house.connect(id_, EVE)
    assert house.participant(id_, EVE).type is MediaType.VOICE
    assert house.path()[-1] == ("together", "success")


def test_nobody_with_video_is_followed_by_voice_and_says_so() -> None:
    house = Shipped()
    house.ready_expert(BOB)  # an expert without the skill
    id_ = house.escalated()
    assert house.at(id_) == "video"
    assert house.offer_to(BOB) is None
    house.pass_time(180)  # the queue's own overflow, before the flow's 300 s
    assert house.offer_to(BOB) is not None
    assert any(isinstance(event, events.VideoDowngraded) for event in house.journal)
    house.accept(BOB)
    house.connect(id_, BOB)
    assert house.participant(id_, BOB).type is MediaType.VOICE
    assert house.path()[-1] == ("together", "success")


def test_nobody_at_all_leaves_customer_and_agent_together_and_tells_them() -> None:
    house = Shipped()
    id_ = house.escalated()
    house.pass_time(300)
    assert house.at(id_) == "voice"
    assert (
        house.interaction(id_)
        .attributes["escalation_route"]
        .endswith("no specialist with video was available")
    )
    house.pass_time(120)
    assert house.at(id_) == "nobody"
    assert house.prompts() == ["press-one", "connecting", "unavailable"]
    assert house.last_prompt().participant_id is None
    house.finish_prompt(id_)
    assert house.ended().result is FlowResult.COMPLETED
    assert house.interaction(id_).seats == ()
    assert house.customer(id_).state is IN_SESSION
    assert house.participant(id_, ALICE).state is IN_SESSION
    house.escalate(id_)  # and again, if the agent wants to
    assert house.at(id_) == "video"


def test_an_expert_who_lets_it_ring_is_followed_by_the_next() -> None:
    house = Shipped()
    house.video_expert(EVE)
    house.pass_time(1)
    house.video_expert(BOB)
    id_ = house.escalated()
    assert house.offer_to(EVE) is not None
    house.pass_time(20)
    assert house.offer_to(EVE) is None
    assert house.offer_to(BOB) is not None
    assert house.at(id_) == "video"


def test_an_expert_who_leaves_before_the_conference_does_not_strand_anybody() -> None:
    house = Shipped()
    house.video_expert(EVE)
    id_ = house.escalated()
    house.accept(EVE)
    house.pass_time(15)  # her media never comes: the next one is sought
    assert house.at(id_) == "video"
    assert house.customer(id_).state is IN_SESSION
    house.video_expert(BOB)
    house.accept(BOB)
    house.connect(id_, BOB)
    assert house.path()[-1] == ("together", "success")


def test_digits_of_the_customer_escalate() -> None:
    house = Shipped()
    id_ = house.conversation(video=True)
    house.step(commands.DialDigits(id_, house.customer(id_).participant_id, "*9"))
    assert house.at(id_) == "video"


# --- whoever leaves, wherever it is -----------------------------------------------------------------------


def _line(house: Shipped) -> InteractionId:
    return house.call()


def _promise(house: Shipped) -> InteractionId:
    id_ = house.call()
    house.pass_time(300)
    return id_


def _called_back(house: Shipped) -> InteractionId:
    id_ = _promise(house)
    house.finish_prompt(id_)
    return id_


def _video(house: Shipped) -> InteractionId:
    return house.escalated()


def _ringing(house: Shipped) -> InteractionId:
    house.video_expert(EVE)
    return house.escalated()


def _connecting(house: Shipped) -> InteractionId:
    id_ = _ringing(house)
    house.accept(EVE)
    return id_


def _voice(house: Shipped) -> InteractionId:
    return house.escalated(video=False)


def _nobody(house: Shipped) -> InteractionId:
    id_ = house.escalated(video=False)
    house.pass_time(120)
    return id_


def _conference(house: Shipped) -> InteractionId:
    id_ = _connecting(house)
    house.connect(id_, EVE)
    return id_


WAITING: list[Callable[[Shipped], InteractionId]] = [_line, _promise]
TALKING: list[Callable[[Shipped], InteractionId]] = [
    _video,
    _ringing,
    _connecting,
    _voice,
    _nobody,
    _conference,
]


@pytest.mark.parametrize("scene", [*WAITING, *TALKING])
def test_a_customer_who_hangs_up_ends_everything(scene: Callable[[Shipped], InteractionId]) -> None:
    house = Shipped()
    id_ = scene(house)
    house.step(commands.DisconnectParticipant(id_, house.customer(id_).participant_id, "customer", "hung up"))
    interaction = house.interaction(id_)
    assert (interaction.state, interaction.end_reason) == (InteractionState.ENDED, "hung up")
    assert interaction.flows == ()
    assert interaction.seats == ()
    assert house.desk.offers() == ()
    house.pass_time(1000)
    house.check_replay()


@pytest.mark.parametrize("scene", TALKING)
def test_an_agent_who_leaves_never_loses_the_customer(scene: Callable[[Shipped], InteractionId]) -> None:
    """Whoever comes first has the customer: the next agent, or the specialist."""
    house = Shipped()
    id_ = scene(house)
    house.leave(id_, ALICE)
    assert house.interaction(id_).ended_at is None
    house.pass_time(1000)
    assert house.interaction(id_).ended_at is None
    with_customer = [p for p in house.interaction(id_).staff() if p.is_present]
    waiting = [seat for seat in house.interaction(id_).seats if seat.is_customers]
    assert bool(with_customer) != bool(waiting)
    house.check_replay()


def test_a_specialist_alone_with_the_customer_is_a_conference_too() -> None:
    house = Shipped()
    house.video_expert(EVE)
    id_ = house.escalated()
    house.leave(id_, ALICE)
    house.accept(EVE)
    house.connect(id_, EVE)
    assert house.path()[-1] == ("together", "success")
    assert house.customer(id_).state is IN_SESSION
    assert house.interaction(id_).seats == ()


@pytest.mark.parametrize("scene", [*WAITING, _called_back, *TALKING])
def test_a_restart_at_any_point_goes_on_from_there(scene: Callable[[Shipped], InteractionId]) -> None:
    """The journal is read back on another desk, which goes on as the first would have."""
    house = Shipped()
    id_ = scene(house)
    again = Shipped()
    again.desk.replay(house.journal)
    again.journal, again.now = list(house.journal), house.now
    legs = frozenset(leg for p in house.interaction(id_).participants for leg in p.leg_ids)
    again.step(commands.Restart(legs))
    assert [run.step for run in again.interaction(id_).flows] == [
        run.step for run in house.interaction(id_).flows
    ]
    again.pass_time(2000)
    assert again.interaction(id_).ended_at is None
    kinds = again.kinds_running(id_)
    assert kinds == ([] if again.interaction(id_).live_callback or scene not in WAITING else kinds)
    again.check_replay()
