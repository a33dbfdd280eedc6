"""Queues at the desk: who is rung, when a wait is too long, what is said, the work after a call."""

import pytest
from msgspec.structs import replace

from bridge.desk import commands, events
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Overflow, OverflowTo, Profile, Queue, SkillMatch, Strategy, default_queue
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction.interaction import InteractionState
from bridge.desk.interaction.offer import OfferState
from bridge.desk.interaction.participant import Participant, ParticipantConflictError, ParticipantState
from bridge.errors import CapacityError, ForbiddenError, NotAllowedError, NotFoundError
from bridge.ids import InteractionId, QueueId
from tests.unit.desk.house import ALICE, BOB, EVE, House

S = ParticipantState
VIDEO, VOICE, DESKS = QueueId("video"), QueueId("voice"), QueueId("desks")
SME = ParticipantRole.SME
VIDEO_QUEUE = Queue(
    VIDEO,
    "Escalation - Video SME",
    role=SME,
    skills={"Video_Escalation": 2},
    wrap_up_s=30.0,
    wrap_up_codes=("Video Session Closed",),
    overflow=Overflow(OverflowTo.QUEUE, depth=5, wait_s=180.0, queue_id=VOICE),
    notify_depth=2,
)
VOICE_QUEUE = Queue(VOICE, "Voice SME", role=SME, video_enabled=False)
DESK_QUEUE = Queue(DESKS, "Desks", announce_every_s=30.0, announce_prompt="waiting")


def queue_house(*changed: Queue, policy: DeskPolicy | None = None) -> House:
    queues = {queue.queue_id: queue for queue in (default_queue(), VIDEO_QUEUE, VOICE_QUEUE, DESK_QUEUE)}
    queues.update((queue.queue_id, queue) for queue in changed)
    house = House(replace(policy or DeskPolicy(), queues=tuple(queues.values())))
    house.step(commands.SetProfile(Profile(EVE, {"Video_Escalation": 3}), "admin"))
    return house


def escalate(
    house: House, id_: InteractionId, queue_id: QueueId = VIDEO, kind: MediaType = MediaType.VIDEO
) -> None:
    house.step(commands.SeekFromQueue(id_, queue_id, kind, "alice", {"escalation_reason": "Complex Case"}))


def sought(house: House, id_: InteractionId, queue_id: QueueId = VIDEO) -> Participant:
    participant = house.interaction(id_).sought_in(queue_id)
    assert participant is not None
    return participant


def escalated(house: House) -> InteractionId:
    """Customer, Alice and, out of the video queue, Eve."""
    id_ = house.answered_call()
    house.ready_expert(EVE)
    escalate(house, id_)
    house.accept(EVE)
    house.connect(id_, EVE)
    return id_


def test_an_escalation_waits_in_its_queue_and_becomes_whoever_accepts() -> None:
    house = queue_house()
    id_ = house.answered_call()
    escalate(house, id_)
    stand_in = sought(house, id_)
    assert (stand_in.state, stand_in.user_id, stand_in.role) == (S.QUEUED, None, SME)
    assert house.interaction(id_).escalation_in_progress
    house.ready_expert(EVE)
    assert sought(house, id_).state is S.ALERTING
    house.accept(EVE)
    house.connect(id_, EVE)
    joined = house.participant(id_, EVE)
    assert (joined.participant_id, joined.state) == (stand_in.participant_id, S.IN_SESSION)
    assert not house.interaction(id_).escalation_in_progress
    assert house.interaction(id_).attributes["escalation_reason"] == "Complex Case"


def test_an_expert_whose_desktop_is_lost_while_it_rings_is_not_waited_for() -> None:
    """The queue has others: only who was asked by name has no next one."""
    house = queue_house()
    id_ = house.answered_call()
    house.ready_expert(EVE)
    house.step(commands.SetProfile(Profile(BOB, {"Video_Escalation": 3}), "admin"))
    house.pass_time(1)
    house.ready_expert(BOB)
    escalate(house, id_)
    assert house.offer_to(EVE) is not None
    house.step(commands.LoseDesktop(EVE))
    assert house.offer_to(EVE) is None
    assert house.offer_to(BOB) is not None
    assert sought(house, id_).state is S.ALERTING


def test_only_who_has_the_skill_at_the_proficiency_is_rung() -> None:
    house = queue_house()
    id_ = house.answered_call()
    house.step(commands.SetProfile(Profile(BOB, {"Video_Escalation": 1}), "admin"))
    house.ready_expert(BOB)
    escalate(house, id_)
    assert house.offer_to(BOB) is None
    house.step(commands.SetProfile(Profile(BOB, {"Video_Escalation": 2}), "admin"))
    assert house.offer_to(BOB) is not None


def test_without_the_video_licence_nobody_is_rung_for_video_but_for_voice() -> None:
    house = queue_house()
    house.step(commands.SetProfile(Profile(EVE, {"Video_Escalation": 3}, video=False), "admin"))
    id_ = house.answered_call()
    house.ready_expert(EVE)
    escalate(house, id_)
    assert house.offer_to(EVE) is None
    with pytest.raises(ForbiddenError, match="licence"):
        house.seek(id_, EVE, second_expert=True)
    house.step(commands.DisconnectParticipant(id_, sought(house, id_).participant_id, "alice", "removed"))
    escalate(house, id_, VIDEO, MediaType.VOICE)
    assert house.offer_to(EVE) is not None


@pytest.mark.parametrize(
    ("match", "strategy", "first"),
    [
        (SkillMatch.BEST, Strategy.LONGEST_IDLE, EVE),
        (SkillMatch.NONE, Strategy.LONGEST_IDLE, BOB),
        (SkillMatch.NONE, Strategy.MOST_SKILLED, EVE),
    ],
)
def test_skills_and_strategy_come_before_idleness(match: SkillMatch, strategy: Strategy, first: str) -> None:
    house = queue_house(replace(VIDEO_QUEUE, skill_match=match, strategy=strategy))
    id_ = house.answered_call()
    house.ready_expert(BOB)
    house.pass_time(5)
    house.ready_expert(EVE)
    escalate(house, id_)
    assert [offer.user_id for offer in house.desk.offers()] == [first]


def test_the_same_queue_again_is_the_same_wish_and_another_one_conflicts() -> None:
    house = queue_house()
    id_ = house.answered_call()
    escalate(house, id_)
    before = house.interaction(id_)
    escalate(house, id_)
    assert house.interaction(id_) == before
    with pytest.raises(ParticipantConflictError) as raised:
        escalate(house, id_, VOICE)
    assert raised.value.participant == sought(house, id_)


def test_a_queue_without_video_makes_voice_of_it_and_says_so() -> None:
    house = queue_house()
    id_ = house.answered_call()
    escalate(house, id_, VOICE)
    stand_in = sought(house, id_, VOICE)
    assert stand_in.type is MediaType.VOICE
    assert "takes no video" in stand_in.downgrade_reason
    assert [type(event) for event in house.journal].count(events.VideoDowngraded) == 1


def test_a_wait_that_is_too_long_overflows_once_and_then_ends_in_time() -> None:
    house = queue_house()
    id_ = house.answered_call()
    escalate(house, id_)
    house.pass_time(179.9)
    assert house.interaction(id_).seats[0].queue_id == VIDEO
    house.pass_time(0.1)
    assert house.interaction(id_).seats[0].queue_id == VOICE
    assert sought(house, id_, VIDEO).type is MediaType.VOICE
    assert house.desk.figures(VIDEO).overflowed == 1
    house.pass_time(300)
    assert not house.interaction(id_).escalation_in_progress
    gone = [p for p in house.interaction(id_).participants if p.role is SME]
    assert "within 300 s" in gone[0].disconnect_reason
    assert house.customer(id_).state is S.IN_SESSION


def test_limits_that_are_met_at_one_instant_decide_once() -> None:
    """Wait, time and the end of an offer together, and again in the step that follows."""
    overflow = Overflow(OverflowTo.QUEUE, depth=1, wait_s=60.0, queue_id=VOICE)
    house = queue_house(replace(VIDEO_QUEUE, timeout_s=60.0, offer_s=20.0, overflow=overflow))
    house.step(commands.SetProfile(Profile(EVE, {"Video_Escalation": 2}), "admin"))
    id_ = house.answered_call()
    escalate(house, id_)
    house.pass_time(40)
    house.ready_expert(EVE)
    assert house.offer_to(EVE) is not None
    house.pass_time(20)
    moved = [event for event in house.journal if isinstance(event, events.SeatQueued)]
    assert [(event.queue_id, event.overflowed) for event in moved] == [(VOICE, True)]
    ended = [event for event in house.journal if isinstance(event, events.OfferEnded)]
    assert [event.state for event in ended][1:] == [OfferState.TIMED_OUT]  # Alice accepted before
    assert house.desk.figures(VIDEO).overflowed == 1
    before = len(house.journal)
    house.step(commands.ExpireDeadlines())
    assert len(house.journal) == before
    assert len([p for p in house.interaction(id_).participants if p.role is SME]) == 1


def test_a_caller_who_leaves_at_the_instant_of_the_offers_end_is_gone_once() -> None:
    house = queue_house()
    house.ready(ALICE)
    id_ = house.call()
    offer = house.offer_to(ALICE)
    assert offer is not None
    house.now = offer.expires_at
    customer_id = house.customer(id_).participant_id
    house.step(commands.DisconnectParticipant(id_, customer_id, "customer", "hung up"))
    house.step(commands.ExpireDeadlines())
    assert house.interaction(id_).state is InteractionState.ENDED
    assert house.desk.offers() == ()
    assert not house.desk.is_busy(ALICE)
    with pytest.raises(NotFoundError):
        house.step(commands.AcceptOffer(offer.offer_id, ALICE))


def test_a_line_that_is_too_deep_overflows_at_the_door_and_is_notified_once() -> None:
    house = queue_house(policy=DeskPolicy())
    for _ in range(6):
        caller = house.call()
        escalate(house, caller)
        house.pass_time(1)
    assert [len(house.desk.waiting(queue_id)) for queue_id in (VIDEO, VOICE)] == [5, 1]
    told = [event for event in house.journal if isinstance(event, events.QueueDepthExceeded)]
    assert [(event.depth, event.threshold) for event in told] == [(3, 2)]
    house.pass_time(120)
    assert len(house.desk.waiting(VIDEO)) == 5


def test_who_is_written_to_about_a_long_line_reads_its_figures() -> None:
    queue = replace(
        VIDEO_QUEUE, notify_groups=("experts", "chiefs"), notify_subject="{queue}: {depth} > {threshold}"
    )
    house = queue_house(queue, policy=DeskPolicy(notify_groups=frozenset({"experts"})))
    for _ in range(3):
        escalate(house, house.call())
        house.pass_time(45)
    (told,) = [event for event in house.journal if isinstance(event, events.QueueDepthExceeded)]
    assert told.notify == ("experts",)
    assert told.subject == "Escalation - Video SME: 3 > 2"
    assert (
        told.text
        == "3 are waiting in Escalation - Video SME, the longest for 1:30 min. More than 2 is too many."
    )


def test_a_queue_that_writes_to_nobody_or_of_what_nobody_knows_is_refused() -> None:
    house = queue_house(policy=DeskPolicy(notify_groups=frozenset({"experts"})))
    for wrong in (
        replace(VIDEO_QUEUE, notify_groups=("chiefs",)),
        replace(VIDEO_QUEUE, notify_text="{depht} wait"),
    ):
        with pytest.raises(NotAllowedError, match=r"'chiefs'|depht"):
            house.step(commands.DeclareQueue(wrong, "admin"))


def test_a_full_line_without_overflow_refuses_and_changes_nothing() -> None:
    house = queue_house(replace(VOICE_QUEUE, max_depth=1))
    escalate(house, house.call(), VOICE)
    second = house.call()
    before = house.interaction(second)
    with pytest.raises(CapacityError, match="full"):
        escalate(house, second, VOICE)
    assert house.interaction(second) == before


def test_nobody_joins_a_queue_that_nobody_serves_if_it_says_so() -> None:
    house = queue_house(replace(VOICE_QUEUE, join_empty=False, leave_when_empty=True))
    id_ = house.call()
    with pytest.raises(CapacityError, match="nobody serves"):
        escalate(house, id_, VOICE)
    house.ready_expert(EVE)
    house.seek(id_, EVE)
    other = house.call()
    escalate(house, other, VOICE)
    assert house.interaction(other).escalation_in_progress
    house.step(commands.SetPresence(EVE, "Eve", SME, Presence.OFFLINE))
    house.pass_time(0)
    assert not house.interaction(other).escalation_in_progress


def goes(house: House, presence: Presence, role: ParticipantRole = SME) -> None:
    house.pass_time(1)
    house.step(commands.SetPresence(EVE, "Eve", role, presence))
    house.pass_time(0)


@pytest.mark.parametrize("ends", [(Presence.AWAY, SME), (Presence.READY, ParticipantRole.AGENT)])
def test_who_joined_an_empty_queue_waits_until_somebody_came_and_went(
    ends: tuple[Presence, ParticipantRole],
) -> None:
    house = queue_house(replace(VOICE_QUEUE, join_empty=True, leave_when_empty=True))
    goes(house, Presence.READY)
    goes(house, Presence.OFFLINE)
    id_ = house.call()
    escalate(house, id_, VOICE)
    house.pass_time(100)
    goes(house, Presence.AWAY)  # was not ready before: nobody has come yet
    assert house.interaction(id_).escalation_in_progress
    goes(house, Presence.READY)  # who is rung now, and does not answer
    assert house.interaction(id_).escalation_in_progress
    goes(house, *ends)
    house.pass_time(30)  # what rang has rung out
    assert not house.interaction(id_).escalation_in_progress


def test_who_overflows_into_an_empty_queue_that_lets_nobody_wait_goes_on() -> None:
    overflow = Overflow(OverflowTo.QUEUE, wait_s=10.0, queue_id=VOICE)
    for join_empty in (True, False):
        house = queue_house(
            replace(VIDEO_QUEUE, overflow=overflow),
            replace(VOICE_QUEUE, join_empty=join_empty, leave_when_empty=True),
        )
        id_ = house.call()
        escalate(house, id_)
        house.pass_time(11)
        house.pass_time(1)
        assert house.interaction(id_).escalation_in_progress is join_empty


def test_priority_counts_as_waiting_and_age_wins_in_the_end() -> None:
    house = queue_house()
    old = house.call()
    house.pass_time(299)
    young = house.call()
    house.step(commands.SetAttributes(young, {"priority": "High"}, "ivr"))
    assert [place.interaction_id for place in house.desk.waiting(default_queue().queue_id)] == [young, old]
    house.pass_time(2)
    last = house.call()
    house.step(commands.SetAttributes(last, {"priority": "High"}, "ivr"))
    ranked = [place.interaction_id for place in house.desk.waiting(default_queue().queue_id)]
    assert ranked == [young, old, last]


def test_a_caller_who_is_sent_on_keeps_the_clock() -> None:
    house = queue_house()
    first = house.call()
    house.pass_time(10)
    second = house.call()
    house.step(commands.QueueInteraction(second, DESKS, "flow"))
    house.pass_time(10)
    house.step(commands.QueueInteraction(first, DESKS, "flow"))
    assert [place.interaction_id for place in house.desk.waiting(DESKS)] == [first, second]
    with pytest.raises(NotFoundError):
        house.step(commands.QueueInteraction(first, QueueId("none"), "flow"))


def test_who_waits_is_told_the_place_at_the_interval_of_the_queue() -> None:
    house = queue_house()
    for _ in range(2):
        house.step(commands.QueueInteraction(house.call(), DESKS, "flow"))
    house.pass_time(60)
    told = [event for event in house.journal if isinstance(event, events.PositionAnnounced)]
    assert [event.position for event in told] == [1, 2, 1, 2]
    assert {event.prompt for event in told} == {"waiting"}


def test_a_caller_whose_queue_has_no_time_left_goes_to_the_default_one() -> None:
    house = queue_house()
    id_ = house.call()
    house.step(commands.QueueInteraction(id_, DESKS, "flow"))
    house.pass_time(300)
    assert house.interaction(id_).queue_id == default_queue().queue_id
    assert house.interaction(id_).state is InteractionState.WAITING


def test_after_the_call_the_expert_wraps_up_with_a_code_and_is_idle_then() -> None:
    house = queue_house()
    id_ = escalated(house)
    house.pass_time(60)
    house.leave(id_, EVE)
    (expert,) = [p for p in house.interaction(id_).participants if p.role is SME]
    assert (expert.state, expert.disconnect_reason) == (S.WRAP_UP, "left")
    assert house.desk.is_busy(EVE)
    with pytest.raises(NotAllowedError, match="Video Session Closed"):
        house.step(commands.CompleteWrapUp(id_, EVE, "Whatever"))
    house.pass_time(12)
    house.step(commands.CompleteWrapUp(id_, EVE, "Video Session Closed", "paid back"))
    (expert,) = [p for p in house.interaction(id_).participants if p.role is SME]
    assert (expert.state, expert.wrap_up_code, expert.wrap_up_note) == (
        S.DISCONNECTED,
        "Video Session Closed",
        "paid back",
    )
    assert not house.desk.is_busy(EVE)
    assert house.desk.expert(EVE).idle_since == house.now
    figures = house.desk.figures(VIDEO)
    assert (figures.average_handle_s, figures.average_wrap_up_s) == (60.0, 12.0)
    assert (figures.entered, figures.offered, figures.answered, figures.answered_in_target) == (1, 1, 1, 1)


def test_wrap_up_outlives_the_interaction_and_ends_by_itself() -> None:
    house = queue_house()
    id_ = escalated(house)
    customer_id = house.customer(id_).participant_id
    house.step(commands.DisconnectParticipant(id_, customer_id, "customer", "hung up"))
    assert house.interaction(id_).state is InteractionState.ENDED
    assert house.desk.is_wrapping_up(EVE)
    house.pass_time(29.9)
    assert house.desk.is_busy(EVE)
    house.pass_time(0.1)
    assert not house.desk.is_busy(EVE)


def test_so_many_missed_offers_in_a_row_make_somebody_not_responding() -> None:
    house = queue_house(policy=DeskPolicy(missed_max=2))
    house.ready(ALICE)
    house.call()
    house.pass_time(20)
    assert house.desk.expert(ALICE).presence is Presence.READY
    house.pass_time(50)
    assert house.desk.expert(ALICE).presence is Presence.NOT_RESPONDING


def test_an_unproved_desktop_is_offered_nothing_and_a_proof_expires() -> None:
    house = queue_house(policy=DeskPolicy(proof_s=30.0))
    house.ready(ALICE)
    house.call()
    assert house.offer_to(ALICE) is None
    house.step(commands.ProveReady(ALICE, microphone=False, camera=True, ice=True, detail="blocked"))
    assert house.offer_to(ALICE) is None
    assert house.desk.expert(ALICE).fault == "no microphone: blocked"
    house.step(commands.ProveReady(ALICE, microphone=True, camera=True, ice=True))
    offer = house.offer_to(ALICE)
    assert offer is not None
    house.step(commands.RejectOffer(offer.offer_id, ALICE, "no"))
    house.pass_time(30)
    assert not house.desk.expert(ALICE).proved
    assert house.offer_to(ALICE) is None


def test_an_expert_asked_by_name_before_the_first_proof_is_said_to_be_checked_still() -> None:
    house = queue_house(policy=DeskPolicy(proof_s=30.0))
    house.ready(ALICE)
    house.step(commands.ProveReady(ALICE, microphone=True, camera=True, ice=True))
    id_ = house.answered_call()
    house.ready_expert(EVE)
    with pytest.raises(NotAllowedError, match="still being checked"):
        house.seek(id_, EVE)
    house.step(commands.ProveReady(EVE, microphone=True, camera=True, ice=True))
    house.seek(id_, EVE)
    assert house.offer_to(EVE) is not None


def test_a_desktop_without_a_camera_is_offered_voice_only() -> None:
    house = queue_house(policy=DeskPolicy(proof_s=30.0))
    house.ready_expert(EVE)
    house.step(commands.ProveReady(EVE, microphone=True, camera=False, ice=True))
    id_ = house.call()
    escalate(house, id_)
    assert house.offer_to(EVE) is None
    other = house.call()
    escalate(house, other, VIDEO, MediaType.VOICE)
    assert house.offer_to(EVE) is not None


def test_whoever_has_the_capacity_takes_two_but_is_rung_for_one_at_a_time() -> None:
    house = queue_house()
    house.step(commands.SetProfile(Profile(ALICE, capacity=2), "admin"))
    first = house.answered_call()
    second, third = house.call(), house.call()
    assert len(house.desk.offers()) == 1
    house.accept(ALICE)
    house.connect(second, ALICE)
    assert house.customer(first).state is house.customer(second).state is S.IN_SESSION
    assert not house.desk.offers()
    assert house.customer(third).state is S.QUEUED


def test_a_queue_is_declared_changed_and_removed_when_nobody_waits_there() -> None:
    house = queue_house()
    night = Queue(QueueId("night"), "Night", timeout_s=60.0)
    house.step(commands.DeclareQueue(night, "admin"))
    id_ = house.call()
    house.step(commands.QueueInteraction(id_, night.queue_id, "flow"))
    with pytest.raises(NotAllowedError, match="waits"):
        house.step(commands.RemoveQueue(night.queue_id, "admin"))
    house.pass_time(60)
    house.step(commands.RemoveQueue(night.queue_id, "admin"))
    with pytest.raises(NotAllowedError, match="default"):
        house.step(commands.RemoveQueue(default_queue().queue_id, "admin"))


def test_a_limit_that_is_declared_while_somebody_waits_is_met_at_its_moment() -> None:
    house = queue_house(replace(default_queue(), timeout_s=None))
    id_ = house.call()
    house.pass_time(10)
    limited = replace(default_queue(), timeout_s=60.0, announce_every_s=25.0)
    house.step(commands.DeclareQueue(limited, "admin"))
    house.pass_time(49)
    told = [event.at for event in house.journal if isinstance(event, events.PositionAnnounced)]
    assert told == [125.0, 150.0]
    assert house.interaction(id_).state is InteractionState.WAITING
    house.pass_time(1)
    assert house.interaction(id_).state is InteractionState.ENDED


def test_a_limit_that_is_declared_while_somebody_connects_is_met_when_that_came_to_nothing() -> None:
    house = queue_house(replace(default_queue(), timeout_s=None))
    house.ready(ALICE)
    id_ = house.call()
    house.accept(ALICE)
    house.step(commands.DeclareQueue(replace(default_queue(), timeout_s=60.0), "admin"))
    house.pass_time(house.policy.connect_s)
    assert house.interaction(id_).state is InteractionState.WAITING
    house.pass_time(60)
    assert house.interaction(id_).state is InteractionState.ENDED


def test_a_wait_that_binary_numbers_cannot_hold_ends_at_its_deadline() -> None:
    house = queue_house(replace(default_queue(), timeout_s=20.1))
    house.now = 1_700_000_000.25
    id_ = house.call()
    house.pass_time(21)
    assert house.interaction(id_).state is InteractionState.ENDED


def test_a_queue_that_is_removed_is_no_way_out_any_more() -> None:
    overflow = Overflow(OverflowTo.QUEUE, wait_s=10.0, depth=1, queue_id=DESKS)
    house = queue_house(Queue(VOICE, "Voice", timeout_s=60.0, overflow=overflow))
    first, second = house.call(), house.call()
    house.step(commands.QueueInteraction(first, VOICE, "ivr"))
    house.step(commands.RemoveQueue(DESKS, "admin"))
    house.step(commands.QueueInteraction(second, VOICE, "ivr"))
    house.pass_time(59)
    assert {house.interaction(id_).queue_id for id_ in (first, second)} == {VOICE}
    house.pass_time(1)
    assert {house.interaction(id_).queue_id for id_ in (first, second)} == {default_queue().queue_id}


def test_who_hangs_up_while_the_agent_connects_has_given_up() -> None:
    house = queue_house()
    house.ready(ALICE)
    id_ = house.call()
    house.accept(ALICE)
    house.step(commands.DisconnectParticipant(id_, house.customer(id_).participant_id, "customer", "hung up"))
    figures = house.desk.figures(default_queue().queue_id)
    assert (figures.entered, figures.answered, figures.abandoned) == (1, 0, 1)


def test_an_expert_who_takes_a_caller_from_another_line_is_one() -> None:
    house = queue_house()
    id_ = house.call()
    house.step(commands.QueueInteraction(id_, VOICE, "ivr"))
    house.ready_expert(EVE)
    house.accept(EVE)
    house.connect(id_, EVE)
    assert house.participant(id_, EVE).role is SME
