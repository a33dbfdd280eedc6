"""The parts the use cases share, and what they all do with them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bridge.clock import Clock
from bridge.desk import commands
from bridge.desk.desk import Desk
from bridge.desk.events import DeskEvent
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import Participant
from bridge.errors import ForbiddenError, NotFoundError
from bridge.ids import IdSource, InteractionId, TrunkId, UserId
from bridge.journal.journal import Journal
from bridge.negotiation import BrowserPreferences, PhonePreferences
from bridge.switchboard.door.doors import Sounds
from bridge.switchboard.door.principal import (
    INTERACTION_ALL,
    INTERACTION_READ,
    INTERACTION_SUPERVISE,
    INTERACTION_WRITE,
    Principal,
)
from bridge.switchboard.ledger.announcer import Announcer
from bridge.switchboard.ledger.conductor import Conductor
from bridge.switchboard.ledger.ledger import Ledger
from bridge.switchboard.performance.leg import Legs
from bridge.switchboard.performance.overload import Overload
from bridge.switchboard.performance.performance import Performance
from bridge.switchboard.performance.phone_memory import PhoneMemory
from bridge.switchboard.view.portrait import Portraits
from bridge.switchboard.view.sidebar import Sidebar
from bridge.switchboard.view.view import InteractionView, ParticipantView


@dataclass(frozen=True)
class SwitchboardPolicy:
    """What the settings say. `answer_s`: how long a browser may take to answer our offer."""

    phones: Mapping[TrunkId, PhonePreferences] = field(default_factory=dict)
    browser: BrowserPreferences = field(default_factory=BrowserPreferences)
    sounds: Sounds = field(default_factory=Sounds)
    answer_s: float = 10.0
    prove_every_s: float = 10.0  # how often a desktop is asked to prove itself
    companion_link_s: float = 900.0  # for the customer to press join
    sidebar: Sidebar = field(default_factory=Sidebar)

    def phone_of(self, trunk_id: TrunkId) -> PhonePreferences:
        """What is taken from and offered to phones behind a trunk; by default for those behind none."""
        return self.phones.get(trunk_id) or PhonePreferences()


@dataclass(frozen=True)
class Wiring:
    """One of each part."""

    desk: Desk
    journal: Journal
    ledger: Ledger
    legs: Legs
    conductor: Conductor
    performance: Performance
    announcer: Announcer
    portraits: Portraits
    ids: IdSource
    token_hex: Callable[[int], str]
    clock: Clock
    policy: SwitchboardPolicy
    phone_memory: PhoneMemory
    overload: Overload

    async def do(self, interaction_id: InteractionId, command: commands.DeskCommand) -> tuple[DeskEvent, ...]:
        """Carries out a command on an interaction; returns when it is on disk and performed."""
        happened = await self.ledger.carry_out(command)
        await self.conductor.settled(interaction_id)
        return happened

    async def read(self) -> None:
        """Returns at a moment when all that can be read is on disk."""
        while self.journal.pending:
            await self.journal.settled()

    def readable(self, principal: Principal, interaction_id: InteractionId) -> Interaction:
        """An interaction that `principal` takes or took part in, is offered, or may see anyway."""
        principal.require(INTERACTION_READ)
        interaction = self.desk.interaction(interaction_id)
        if not self.may_read(principal, interaction):
            # Not "forbidden": that would tell a stranger that it exists.
            raise NotFoundError(f"no interaction {interaction_id}")
        return interaction

    def may_read(self, principal: Principal, interaction: Interaction) -> bool:
        if principal.may(INTERACTION_SUPERVISE):
            return True
        if any(p.user_id == principal.user_id for p in interaction.participants):
            return True
        offer = self.desk.offer_to(principal.user_id)
        return offer is not None and offer.interaction_id == interaction.interaction_id

    def writable(self, principal: Principal, interaction_id: InteractionId) -> Interaction:
        """An interaction that `principal` takes part in now, or may act on anyway."""
        principal.require(INTERACTION_WRITE)
        interaction = self.desk.interaction(interaction_id)
        inside = interaction.participant_of(principal.user_id)
        if INTERACTION_ALL in principal.scopes:
            return interaction
        if inside is not None and inside.is_present and inside.supervision is None:
            return interaction  # who supervises listens, and changes nothing
        if self.may_read(principal, interaction):
            raise ForbiddenError(f"{principal.user_id} takes no part in interaction {interaction_id}")
        raise NotFoundError(f"no interaction {interaction_id}")

    def interaction_view(self, interaction_id: InteractionId) -> InteractionView:
        """As it is at this moment, for the answer to a command that was allowed."""
        return self.portraits.interaction(self.desk.interaction(interaction_id))

    def part_view(self, interaction_id: InteractionId, user_id: UserId) -> ParticipantView:
        """The live part of a user, as it is at this moment."""
        participant = self.desk.interaction(interaction_id).participant_of(user_id)
        if participant is None:
            raise NotFoundError(f"{user_id} left again")
        return self.portraits.participant(participant)

    def own_participant(self, principal: Principal, interaction_id: InteractionId) -> Participant:
        """The principal's own live part in an interaction, or the customer's whose companion it is."""
        interaction = self.desk.interaction(interaction_id)
        participant = interaction.participant_of(principal.user_id)
        if participant is None:
            participant = interaction.customer_bound_to(principal.user_id)
        if participant is None:
            raise ForbiddenError(f"{principal.user_id} takes no part in interaction {interaction_id}")
        return participant
