"""Whatever is asked of the desk in whatever order: what must never happen does not happen."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bridge.desk import commands
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.desk import Desk
from bridge.desk.interaction.interaction import Interaction, InteractionState
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.desk.interaction.seat import SeatState
from bridge.errors import BridgeError
from bridge.ids import IdSource, LegId, OfferId, UserId
from tests.unit.desk.house import House

USERS = [UserId(name) for name in ("alice", "bob", "eve", "mallory")]
users = st.sampled_from(USERS)
indices = st.integers(0, 5)


class DeskMachine(RuleBasedStateMachine):
    """Throws commands, sensible and not, at a small house."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House(DeskPolicy(max_interactions=4))

    def attempt(self, command: commands.DeskCommand) -> None:
        """A refusal must change nothing."""
        before = self.state()
        try:
            self.house.step(command)
        except BridgeError:
            assert self.state() == before

    def state(self) -> tuple[object, ...]:
        desk = self.house.desk
        return desk.interactions(), desk.experts(), desk.offers()

    def pick(self, index: int) -> Interaction | None:
        interactions = self.house.desk.interactions()
        return interactions[index % len(interactions)] if interactions else None

    def pick_participant(self, index: int, which: int) -> tuple[Interaction, Participant] | None:
        interaction = self.pick(index)
        if interaction is None:
            return None
        return interaction, interaction.participants[which % len(interaction.participants)]

    @rule()
    def call(self) -> None:
        try:
            self.house.call()
        except BridgeError:
            assert len(self.house.desk.live_interactions()) == 4

    @rule(
        user=users,
        role=st.sampled_from([ParticipantRole.AGENT, ParticipantRole.SME]),
        presence=st.sampled_from([Presence.READY, Presence.READY, Presence.AWAY, Presence.OFFLINE]),
    )
    def set_presence(self, user: UserId, role: ParticipantRole, presence: Presence) -> None:
        self.attempt(commands.SetPresence(user, user, role, presence))

    @rule(user=users, accepts=st.booleans())
    def answer(self, user: UserId, accepts: bool) -> None:
        offer = self.house.offer_to(user)
        offer_id = offer.offer_id if offer else OfferId("off_none")
        self.attempt(
            commands.AcceptOffer(offer_id, user) if accepts else commands.RejectOffer(offer_id, user, "no")
        )

    @rule()
    def everybody_serves(self) -> None:
        """The happy path, so that the machine gets beyond it."""
        for offer in self.house.desk.offers():
            self.attempt(commands.AcceptOffer(offer.offer_id, offer.user_id))
        for interaction in self.house.desk.live_interactions():
            for participant in interaction.staff():
                if participant.is_present:
                    id_, participant_id = interaction.interaction_id, participant.participant_id
                    self.attempt(commands.AttachLeg(id_, participant_id, LegId("leg_media")))
                    self.attempt(commands.ConnectMedia(id_, participant_id))

    @rule(index=indices, user=users, second=st.booleans(), agent=st.booleans())
    def seek(self, index: int, user: UserId, second: bool, agent: bool) -> None:
        interaction = self.pick(index)
        if interaction is not None:
            role = ParticipantRole.AGENT if agent else ParticipantRole.SME
            id_ = interaction.interaction_id
            self.attempt(
                commands.SeekParticipant(id_, user, role, MediaType.VIDEO, "x", second_expert=second)
            )

    @rule(index=indices, which=indices, deed=st.integers(0, 8))
    def do_to_participant(self, index: int, which: int, deed: int) -> None:
        picked = self.pick_participant(index, which)
        if picked is None:
            return
        id_, participant_id = picked[0].interaction_id, picked[1].participant_id
        leg_id = picked[1].leg_ids[0] if picked[1].leg_ids else LegId("leg_x")
        deeds: list[commands.DeskCommand] = [
            commands.DisconnectParticipant(id_, participant_id, "x", "test"),
            commands.MuteParticipant(id_, participant_id, "x"),
            commands.UnmuteParticipant(id_, participant_id, "x"),
            commands.HoldParticipant(id_, participant_id, "x"),
            commands.ResumeParticipant(id_, participant_id, "x"),
            commands.AttachLeg(id_, participant_id, LegId("leg_new")),
            commands.DetachLeg(id_, participant_id, leg_id, "test"),
            commands.ConnectMedia(id_, participant_id),
            commands.ConnectMedia(id_, participant_id),
        ]
        self.attempt(deeds[deed])

    @rule(index=indices)
    def end(self, index: int) -> None:
        interaction = self.pick(index)
        if interaction is not None:
            self.attempt(commands.EndInteraction(interaction.interaction_id, "x", "test"))

    @rule(user=users, lost=st.booleans())
    def desktop(self, user: UserId, lost: bool) -> None:
        self.attempt(commands.LoseDesktop(user) if lost else commands.ReturnDesktop(user))

    @rule(seconds=st.sampled_from([0.5, 5.0, 11.0, 16.0, 21.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.house.pass_time(seconds)

    @invariant()
    def nobody_has_two_offers_or_an_offer_and_a_call(self) -> None:
        offered = [offer.user_id for offer in self.house.desk.offers()]
        assert len(offered) == len(set(offered))
        present = [
            participant.user_id
            for interaction in self.house.desk.live_interactions()
            for participant in interaction.staff()
            if participant.is_present
        ]
        assert len(present) == len(set(present))
        assert not set(present) & set(offered)

    @invariant()
    def every_offer_has_its_seat_and_every_offered_seat_its_offer(self) -> None:
        offers = {offer.seat_id: offer for offer in self.house.desk.offers()}
        seats = {
            seat.seat_id: seat
            for interaction in self.house.desk.live_interactions()
            for seat in interaction.seats
            if seat.state is SeatState.OFFERED
        }
        assert offers.keys() == seats.keys()
        assert len(offers) == len(self.house.desk.offers())

    @invariant()
    def nothing_of_an_ended_interaction_lives(self) -> None:
        for interaction in self.house.desk.interactions():
            if interaction.state is InteractionState.ENDED:
                assert not any(participant.is_live for participant in interaction.participants)
                assert not interaction.seats

    @invariant()
    def no_customer_is_forgotten(self) -> None:
        """Who waits has a seat; who does not has somebody of ours, at least on the way back."""
        for interaction in self.house.desk.live_interactions():
            (customer,) = interaction.customers()
            waiting = [seat for seat in interaction.seats if seat.user_id is None]
            if customer.state is ParticipantState.QUEUED:
                assert len(waiting) == 1
                with_customer = (ParticipantState.IN_SESSION, ParticipantState.HELD)
                assert not any(participant.state in with_customer for participant in interaction.staff())
            else:
                assert any(participant.is_present for participant in interaction.staff())
                assert all(seat.state is SeatState.TAKEN for seat in waiting)

    @invariant()
    def a_taken_seat_waits_for_the_media_of_whoever_took_it(self) -> None:
        for interaction in self.house.desk.live_interactions():
            for seat in interaction.seats:
                if seat.state is SeatState.TAKEN:
                    assert seat.participant_id is not None
                    taker = interaction.participant(seat.participant_id)
                    assert taker.state is ParticipantState.CONNECTING

    @invariant()
    def every_passing_state_has_a_deadline_ahead(self) -> None:
        timer = self.house.desk.timer()
        for interaction in self.house.desk.live_interactions():
            for participant in interaction.staff():
                if participant.state is ParticipantState.CONNECTING:
                    assert participant.connect_by is not None
                    assert timer is not None
                    assert timer <= participant.connect_by
                if participant.state is ParticipantState.ALERTING:
                    assert self.house.desk.offer_to(participant.user_id or UserId("")) is not None

    @invariant()
    def an_idle_ready_agent_and_a_caller_never_both_wait(self) -> None:
        """Unless the agent has just turned this caller down."""
        desk, rest = self.house.desk, self.house.policy.decline_rest_s
        idle = [e.user_id for e in desk.experts() if e.takes_offers and not desk.is_busy(e.user_id)]
        agents = [u for u in idle if desk.expert(u).role is ParticipantRole.AGENT]
        for interaction in desk.live_interactions():
            for seat in interaction.seats:
                if seat.user_id is None and seat.state is SeatState.OPEN:
                    for agent in agents:
                        declined_at = seat.declined_at(agent)
                        assert declined_at is not None
                        assert declined_at + rest > self.house.now

    @invariant()
    def the_journal_gives_the_state_back(self) -> None:
        again = Desk(self.house.policy, IdSource(lambda size: "0" * size))
        again.replay(self.house.journal)
        assert (again.interactions(), again.experts(), again.offers()) == self.state()


TestDesk = DeskMachine.TestCase
TestDesk.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
