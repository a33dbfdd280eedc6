"""Whatever is asked in whatever order while calls are handed over: nobody is lost, nothing passing stays."""

import random
from typing import TYPE_CHECKING

from bridge.desk import commands
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Queue
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.desk import Desk
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.desk.interaction.supervision import SupervisionMode
from bridge.desk.interaction.transfer import LIVE, TransferState
from bridge.errors import BridgeError
from bridge.ids import IdSource, LegId, LinkId, QueueId, UserId
from tests.unit.desk.house import House

STEPS = 24_000
AGENTS = [UserId(name) for name in ("alice", "bob", "carl")]
EXPERTS = [UserId(name) for name in ("eve", "finn")]
SUPERVISOR = UserId("sue")
QUEUES = (
    Queue(QueueId("experts"), "Experts", role=ParticipantRole.SME, timeout_s=50.0),
    Queue(QueueId("billing"), "Billing", timeout_s=80.0, wrap_up_s=4.0),
)
if TYPE_CHECKING:
    from collections.abc import Callable

Start = type[commands.StartConsult] | type[commands.TransferBlind]
End = type[commands.CompleteTransfer] | type[commands.MergeConsult] | type[commands.CancelTransfer]
STARTS: tuple[Start, ...] = (commands.StartConsult, commands.TransferBlind)
ENDS: tuple[End, ...] = (commands.CompleteTransfer, commands.MergeConsult, commands.CancelTransfer)
POLICY = DeskPolicy(
    queues=QUEUES, consult_s=45.0, transfer_s=25.0, max_interactions=3, missed_max=3, ended_kept=20
)
PRESENT = (ParticipantState.CONNECTING, ParticipantState.IN_SESSION, ParticipantState.HELD)


class Walk:
    """One seeded life of a small house."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.house = House(POLICY)
        self.done: dict[str, int] = {}
        self.links = 0
        self.deeds: list[Callable[[], None]] = [
            self.call,
            *[self.presence] * 4,
            *[self.answer] * 5,
            *[self.media] * 6,
            *[self.hand_over] * 6,
            *[self.decide] * 4,
            self.person,
            self.person,
            self.supervise,
            self.companion,
            self.time_passes,
        ]

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.chance.choice(self.deeds)()
            for interaction in self.house.desk.live_interactions():
                self.check(interaction)

    def attempt(self, command: commands.DeskCommand) -> None:
        """A refusal changes nothing."""
        before = self.house.desk.interactions(), self.house.desk.experts(), self.house.desk.offers()
        try:
            happened = self.house.step(command)
        except BridgeError:
            after = self.house.desk.interactions(), self.house.desk.experts(), self.house.desk.offers()
            assert before == after
        else:
            name = type(command).__name__
            self.done[name] = self.done.get(name, 0) + bool(happened)

    def interaction(self) -> Interaction | None:
        live = self.house.desk.live_interactions()
        return self.chance.choice(live) if live else None

    # --- deeds --------------------------------------------------------------------------------------------

    def call(self) -> None:
        if len(self.house.desk.live_interactions()) < POLICY.max_interactions:
            self.house.call()

    def presence(self) -> None:
        user_id = self.chance.choice([*AGENTS, *EXPERTS])
        role = ParticipantRole.SME if user_id in EXPERTS else ParticipantRole.AGENT
        presence = self.chance.choice([Presence.READY] * 5 + [Presence.AWAY])
        self.attempt(commands.SetPresence(user_id, user_id, role, presence))

    def answer(self) -> None:
        for offer in self.house.desk.offers():
            if self.chance.random() < 0.8:
                self.attempt(commands.AcceptOffer(offer.offer_id, offer.user_id))
            else:
                self.attempt(commands.RejectOffer(offer.offer_id, offer.user_id, "no"))

    def media(self) -> None:
        for interaction in self.house.desk.live_interactions():
            for participant in interaction.staff():
                if participant.state is not ParticipantState.CONNECTING or self.chance.random() < 0.2:
                    continue
                id_, participant_id = interaction.interaction_id, participant.participant_id
                self.attempt(commands.AttachLeg(id_, participant_id, LegId(f"leg_{participant_id}")))
                self.attempt(commands.ConnectMedia(id_, participant_id))

    def hand_over(self) -> None:
        interaction = self.interaction()
        if interaction is None:
            return
        by = self.chance.choice([*AGENTS, "crm"])
        kind = self.chance.choice(STARTS)
        if self.chance.random() < 0.3:
            queue_id = self.chance.choice(QUEUES).queue_id
            self.attempt(kind(interaction.interaction_id, by, queue_id=queue_id, type=MediaType.VOICE))
        else:
            user_id = self.chance.choice([*AGENTS, *EXPERTS])
            self.attempt(kind(interaction.interaction_id, by, user_id, type=MediaType.VOICE))

    def decide(self) -> None:
        interaction = self.interaction()
        if interaction is not None:
            self.attempt(self.chance.choice(ENDS)(interaction.interaction_id, "alice"))

    def person(self) -> None:
        """Somebody leaves, is held, resumed, loses or regains the media."""
        interaction = self.interaction()
        if interaction is None:
            return
        id_, one = interaction.interaction_id, self.chance.choice(interaction.participants)
        leg_id = one.leg_ids[0] if one.leg_ids else LegId("leg_none")
        deeds: list[commands.DeskCommand] = [
            commands.DisconnectParticipant(id_, one.participant_id, "x", "left"),
            commands.HoldParticipant(id_, one.participant_id, "x"),
            commands.ResumeParticipant(id_, one.participant_id, "x"),
            commands.ResumeParticipant(id_, one.participant_id, "x"),
            commands.DetachLeg(id_, one.participant_id, leg_id, "network"),
        ]
        if one.is_customer and self.chance.random() < 0.7:
            return
        self.attempt(self.chance.choice(deeds))

    def supervise(self) -> None:
        interaction = self.interaction()
        if interaction is not None:
            mode = self.chance.choice(list(SupervisionMode))
            self.attempt(commands.Supervise(interaction.interaction_id, SUPERVISOR, "Sue", mode))

    def companion(self) -> None:
        interaction = self.interaction()
        if interaction is None:
            return
        id_, customer = interaction.interaction_id, interaction.customers()[0]
        self.links += 1
        link_id = LinkId(f"lnk_{self.links}")
        until = self.house.now + 30.0
        self.attempt(commands.CreateCompanionLink(id_, customer.participant_id, link_id, until, "alice"))
        if self.chance.random() < 0.5:
            self.attempt(commands.JoinCompanion(id_, customer.participant_id, link_id, "hash"))

    def time_passes(self) -> None:
        self.house.pass_time(self.chance.choice([0.5, 3.0, 11.0, 26.0, 46.0]))

    # --- what must hold -----------------------------------------------------------------------------------

    def check(self, interaction: Interaction) -> None:
        self.check_customer(interaction)
        self.check_transfer(interaction)
        for customer in interaction.customers():
            states = [link.state for link in customer.companions]
            assert len(states) == len(set(states)) <= 2, "at most one open and one bound link"

    def check_customer(self, interaction: Interaction) -> None:
        (customer,) = interaction.customers()
        attendants = [p for p in interaction.attendants() if p.state in PRESENT]
        if customer.state is ParticipantState.QUEUED:
            assert sum(seat.is_customers for seat in interaction.seats) == 1
        else:
            assert attendants, "a customer talks with nobody, and waits for nobody"

    def check_transfer(self, interaction: Interaction) -> None:
        transfer = interaction.transfer
        if transfer is None:
            return
        assert transfer.state in LIVE
        timer = self.house.desk.timer()
        assert timer is not None
        assert self.house.now < transfer.expires_at
        assert timer <= transfer.expires_at
        target = interaction.participant(transfer.target_id)
        assert target.is_live
        if transfer.state is TransferState.CONSULTING:
            assert interaction.participant(transfer.initiator_id).is_live
            assert all(not self.hears(interaction, held) for held in transfer.held)
        else:
            assert target.state in (
                ParticipantState.QUEUED,
                ParticipantState.ALERTING,
                ParticipantState.CONNECTING,
            )

    def hears(self, interaction: Interaction, participant_id: str) -> bool:
        one: Participant = next(p for p in interaction.participants if p.participant_id == participant_id)
        return one.state is ParticipantState.IN_SESSION


def test_no_order_of_commands_loses_a_customer_or_keeps_a_transfer() -> None:
    done: dict[str, int] = {}
    for seed in range(6):
        walk = Walk(seed)
        walk.run(STEPS // 6)
        again = Desk(POLICY, IdSource(lambda size: "0" * size))
        again.replay(walk.house.journal)
        assert again.interactions() == walk.house.desk.interactions()
        for name, count in walk.done.items():
            done[name] = done.get(name, 0) + count
    for command in ("StartConsult", "TransferBlind", "CompleteTransfer", "MergeConsult", "CancelTransfer"):
        assert done[command] >= 20, f"the walk hardly came to {command}: {done}"


def test_left_alone_every_transfer_is_over_in_time() -> None:
    for seed in range(6):
        walk = Walk(100 + seed)
        walk.run(400)
        longest = POLICY.consult_s + POLICY.connect_s
        walk.house.pass_time(longest)
        assert all(i.transfer is None for i in walk.house.desk.live_interactions())
