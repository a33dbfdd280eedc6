"""A random walk through calls with the shipped flows: no run sticks, and no customer is lost on the way."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bridge.desk import commands
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.flow import FlowKind, StepKind
from bridge.desk.centre.role import ParticipantRole
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import ParticipantState
from bridge.desk.interaction.seat import SeatState
from bridge.errors import BridgeError
from bridge.ids import LegId, PromptId, QueueId, UserId
from tests.sim.desk.shipped import ESCALATION, Shipped
from tests.unit.desk.house import ALICE, BOB, EVE

USERS = (ALICE, BOB, EVE)
indices = st.integers(0, 4)
chances = st.integers(0, 3)


class FlowMachine(RuleBasedStateMachine):
    """Few users, few calls: so that everything meets everything."""

    def __init__(self) -> None:
        super().__init__()
        self.house = Shipped()
        self.told = 0

    def attempt(self, command: commands.DeskCommand) -> None:
        """A refusal changes nothing."""
        before = self.house.desk.interactions()
        try:
            self.house.step(command)
        except BridgeError:
            assert self.house.desk.interactions() == before

    def pick(self, index: int) -> Interaction | None:
        live = self.house.desk.live_interactions()
        return live[index % len(live)] if live else None

    @rule()
    def call(self) -> None:
        if len(self.house.desk.live_interactions()) < 4:
            self.house.call()

    @rule(index=indices)
    def customer_shows_a_picture(self, index: int) -> None:
        interaction = self.pick(index)
        if interaction is not None and self.house.customer(interaction.interaction_id).leg_ids:
            self.house.show_customer(interaction.interaction_id)

    @rule(user=st.sampled_from(USERS), expert=st.booleans(), away=st.integers(0, 4))
    def presence(self, user: UserId, expert: bool, away: int) -> None:
        presence = Presence.AWAY if away == 0 else Presence.READY
        role = ParticipantRole.SME if expert else ParticipantRole.AGENT
        self.attempt(commands.SetPresence(user, user, role, presence))

    @rule(no=chances)
    def everybody_answers(self, no: int) -> None:
        for offer in self.house.desk.offers():
            if no == 0:
                self.attempt(commands.RejectOffer(offer.offer_id, offer.user_id, "no"))
            else:
                self.attempt(commands.AcceptOffer(offer.offer_id, offer.user_id))

    @rule()
    def media_connects(self) -> None:
        for interaction in self.house.desk.live_interactions():
            for participant in interaction.staff():
                if participant.state is ParticipantState.CONNECTING:
                    id_, participant_id = interaction.interaction_id, participant.participant_id
                    leg_id = LegId(f"leg_{participant_id}")
                    self.attempt(commands.AttachLeg(id_, participant_id, leg_id))
                    self.attempt(commands.ConnectMedia(id_, participant_id))

    @rule(escalates=st.booleans())
    def a_conversation_begins(self, escalates: bool) -> None:
        """The happy path, so that the machine gets beyond it."""
        self.call()
        self.attempt(commands.SetPresence(ALICE, "Alice", ParticipantRole.AGENT, Presence.READY))
        self.everybody_answers(no=1)
        self.media_connects()
        if escalates:
            for index in range(4):
                self.escalate(index, ALICE)

    @rule(index=indices, by=st.sampled_from(USERS))
    def escalate(self, index: int, by: UserId) -> None:
        interaction = self.pick(index)
        if interaction is not None:
            self.attempt(commands.StartFlow(interaction.interaction_id, ESCALATION, by))

    @rule(index=indices)
    def dial(self, index: int) -> None:
        interaction = self.pick(index)
        if interaction is not None:
            customer = interaction.customers()[0]
            id_ = interaction.interaction_id
            self.attempt(commands.DialDigits(id_, customer.participant_id, "*9"))

    @rule(index=indices)
    def stop(self, index: int) -> None:
        interaction = self.pick(index)
        for run in interaction.flows if interaction else ():
            assert interaction is not None
            self.attempt(commands.StopFlow(interaction.interaction_id, run.flow_run_id, "x"))

    @rule(failed=chances)
    def prompts_end(self, failed: int) -> None:
        for interaction in self.house.desk.live_interactions():
            for run in interaction.flows:
                if run.current is not None and run.current.kind is StepKind.PLAY_PROMPT:
                    error = "broken" if failed == 0 else ""
                    prompt_id = PromptId(run.subject)
                    self.attempt(commands.FinishPrompt(interaction.interaction_id, prompt_id, error))

    @rule(index=indices, which=indices, deed=st.integers(0, 6))
    def something_else(self, index: int, which: int, deed: int) -> None:
        interaction = self.pick(index)
        if interaction is None:
            return
        id_ = interaction.interaction_id
        participant_id = interaction.participants[which % len(interaction.participants)].participant_id
        deeds: list[commands.DeskCommand] = [
            commands.DisconnectParticipant(id_, participant_id, "x", "test"),
            commands.HoldParticipant(id_, participant_id, "x"),
            commands.ResumeParticipant(id_, participant_id, "x"),
            commands.StartConsult(id_, "x", user_id=USERS[which % 3]),
            commands.CancelTransfer(id_, "x"),
            commands.RequestCallback(id_, "x"),
            commands.SeekFromQueue(
                id_, QueueId("escalation-voice-sme"), interaction.participants[0].type, "x"
            ),
        ]
        self.attempt(deeds[deed])

    @rule(answered=st.booleans())
    def callbacks(self, answered: bool) -> None:
        for interaction in self.house.desk.live_interactions():
            callback = interaction.live_callback
            if callback is not None and callback.leg_id is not None:
                id_, leg_id = interaction.interaction_id, callback.leg_id
                failed = commands.FailCallback(id_, leg_id, "busy", 486)
                self.attempt(commands.AnswerCallback(id_, leg_id) if answered else failed)

    @rule()
    def restart(self) -> None:
        live = self.house.desk.live_interactions()
        legs = frozenset(leg for i in live for p in i.participants for leg in p.leg_ids)
        self.house.step(commands.Restart(legs))
        for user in USERS:
            self.attempt(commands.ReturnDesktop(user))

    @rule(seconds=st.sampled_from([0.5, 5.0, 16.0, 21.0, 31.0, 121.0, 301.0]))
    def time_passes(self, seconds: float) -> None:
        self.house.pass_time(seconds)

    @invariant()
    def no_run_outlives_its_interaction(self) -> None:
        for interaction in self.house.desk.interactions():
            if interaction.ended_at is not None:
                assert interaction.flows == ()

    @invariant()
    def every_run_waits_for_something_that_comes(self) -> None:
        """A deadline ahead, or a seat for which somebody is rung or on the way."""
        for interaction in self.house.desk.live_interactions():
            for run in interaction.flows:
                assert run.current is not None
                assert run.due_at is not None
                if run.due_at > self.house.now:
                    assert (self.house.desk.timer() or 0) <= run.due_at
                    continue
                seat = next(s for s in interaction.seats if s.seat_id == run.subject)
                assert seat.state is not SeatState.OPEN

    @invariant()
    def a_run_in_a_queue_has_its_seat(self) -> None:
        for interaction in self.house.desk.live_interactions():
            for run in interaction.flows:
                if run.current is not None and run.current.kind is StepKind.QUEUE:
                    assert run.subject in {seat.seat_id for seat in interaction.seats}

    @invariant()
    def what_a_flow_seeks_is_sought_no_longer_than_it_waits(self) -> None:
        """Whoever else seeks somebody in a queue here is called x."""
        for interaction in self.house.desk.live_interactions():
            for seat in interaction.seats:
                if seat.escalation and seat.opened_by != "x":
                    assert interaction.awaited_by_flow(seat.seat_id) is not None

    @invariant()
    def no_customer_is_lost(self) -> None:
        """Somebody is there or on the way, or there is a place in a line, or a flow says what comes next."""
        for interaction in self.house.desk.live_interactions():
            present = any(p.is_present for p in interaction.staff())
            in_line = any(seat.is_customers for seat in interaction.seats)
            led = FlowKind.INBOUND in self.house.kinds_running(interaction.interaction_id)
            rung = any(c.state is ParticipantState.ALERTING for c in interaction.customers())  # a callback
            assert present or in_line or led or rung

    @invariant()
    def at_most_one_run_that_somebody_started(self) -> None:
        for interaction in self.house.desk.live_interactions():
            kinds = self.house.kinds_running(interaction.interaction_id)
            assert len(kinds) == len(set(kinds)) <= 2

    @invariant()
    def the_journal_gives_the_state_back(self) -> None:
        again = Shipped()
        again.desk.replay(self.house.journal)
        assert again.desk.interactions() == self.house.desk.interactions()


TestFlows = FlowMachine.TestCase
TestFlows.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
