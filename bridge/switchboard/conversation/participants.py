"""Use cases of participants: one more is added, by name, from a queue or by phone; muted, held, taken out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.desk import commands
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction.participant import Participant
from bridge.errors import NotAllowedError, NotFoundError
from bridge.ids import InteractionId, ParticipantId, QueueId, UserId
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.door.principal import INTERACTION_WRITE, ROUTING_WRITE, VIDEO_USE, Principal
from bridge.switchboard.phone.dialer import Dialer
from bridge.switchboard.phone.phones import Phones
from bridge.switchboard.view.view import ParticipantView
from bridge.switchboard.wiring import Wiring


@dataclass(frozen=True)
class AddParticipant:
    """A wish for one more participant. `second_expert` allows it while another escalation is in progress."""

    user_id: UserId
    type: str = "video"  # voice | video
    role: str = "sme"  # sme | agent
    properties: Mapping[str, str] = field(default_factory=dict)
    second_expert: bool = False


@dataclass(frozen=True)
class AddFromQueue:
    """A wish for whoever serves a queue. `second_expert` as in `AddParticipant`."""

    queue_id: QueueId
    type: str = "video"  # voice | video
    properties: Mapping[str, str] = field(default_factory=dict)
    second_expert: bool = False


@dataclass(frozen=True)
class DialOut:
    """A wish for whoever answers at `address`, a number or SIP URI. `name` is shown in its place."""

    address: str
    role: str = "sme"  # sme | agent
    name: str = ""
    second_expert: bool = False


@dataclass(frozen=True)
class Added:
    """What a wish came to. `created` is False when the user took part or was asked already."""

    participant: ParticipantView
    created: bool


class Participants:
    """Each method returns when it is on disk and performed. Raises a `BridgeError` and has changed nothing."""

    __slots__ = ("_desktops", "_dialer", "_phones", "_wiring")

    def __init__(self, wiring: Wiring, desktops: Desktops, dialer: Dialer, phones: Phones) -> None:
        self._wiring = wiring
        self._desktops = desktops
        self._dialer = dialer
        self._phones = phones

    # --- one more -----------------------------------------------------------------------------------------

    async def add(self, principal: Principal, interaction_id: InteractionId, wish: AddParticipant) -> Added:
        """The same user again gives the participant there is. Another one while an escalation is in
        progress raises `ParticipantConflictError` (a ConflictError) with `.participant`."""
        self._invite(principal, interaction_id)
        kind = MediaType(wish.type)
        if kind is MediaType.VIDEO:
            principal.require(VIDEO_USE)
        role = _staff_role(wish.role)
        command = commands.SeekParticipant(
            interaction_id, wish.user_id, role, kind, principal.user_id, wish.properties, wish.second_expert
        )
        happened = await self._wiring.do(interaction_id, command)
        return Added(self.peek(interaction_id, wish.user_id), created=bool(happened))

    async def add_from_queue(
        self, principal: Principal, interaction_id: InteractionId, wish: AddFromQueue
    ) -> Added:
        """The participant stands for whoever the queue sends, and has a `user_id` once somebody accepts.

        The same queue again gives the participant there is; another one while an escalation is in progress
        raises `ParticipantConflictError`. A queue without video makes voice of it: `downgrade_reason` says so.
        """
        self._invite(principal, interaction_id)
        kind = MediaType(wish.type)
        if kind is MediaType.VIDEO:
            principal.require(VIDEO_USE)
        command = commands.SeekFromQueue(
            interaction_id, wish.queue_id, kind, principal.user_id, wish.properties, wish.second_expert
        )
        happened = await self._wiring.do(interaction_id, command)
        sought = self._wiring.desk.interaction(interaction_id).sought_in(wish.queue_id)
        if sought is None:
            raise NotFoundError(f"nobody is sought in {wish.queue_id} any more")
        return Added(self.describe(sought), created=bool(happened))

    async def dial(self, principal: Principal, interaction_id: InteractionId, wish: DialOut) -> Added:
        """The participant is `alerting` while the phone rings. The same address again gives the one there is."""
        self._invite(principal, interaction_id)
        role = _staff_role(wish.role)
        self._dialer.routes(wish.address)  # no way out is said now, not by a phone that never rings
        command = commands.DialParticipant(
            interaction_id, wish.address, role, principal.user_id, wish.name, wish.second_expert
        )
        happened = await self._wiring.do(interaction_id, command)
        return Added(self.peek_dialed(interaction_id, wish.address), created=bool(happened))

    # --- those there are ----------------------------------------------------------------------------------

    async def remove(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        self._desktops.admit(principal, interaction_id)
        command = commands.DisconnectParticipant(interaction_id, participant_id, principal.user_id, "removed")
        await self._wiring.do(interaction_id, command)

    async def leave(self, principal: Principal, interaction_id: InteractionId) -> None:
        self._desktops.seen(principal)
        principal.require(INTERACTION_WRITE)
        participant_id = self._wiring.own_participant(principal, interaction_id).participant_id
        command = commands.DisconnectParticipant(interaction_id, participant_id, principal.user_id, "left")
        await self._wiring.do(interaction_id, command)

    async def mute(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        self._desktops.admit(principal, interaction_id)
        command = commands.MuteParticipant(interaction_id, participant_id, principal.user_id)
        await self._wiring.do(interaction_id, command)

    async def unmute(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        self._desktops.admit(principal, interaction_id)
        command = commands.UnmuteParticipant(interaction_id, participant_id, principal.user_id)
        await self._wiring.do(interaction_id, command)

    async def hold(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        self._desktops.admit(principal, interaction_id)
        command = commands.HoldParticipant(interaction_id, participant_id, principal.user_id)
        await self._wiring.do(interaction_id, command)

    async def resume(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId
    ) -> None:
        self._desktops.admit(principal, interaction_id)
        command = commands.ResumeParticipant(interaction_id, participant_id, principal.user_id)
        await self._wiring.do(interaction_id, command)

    async def send_digits(
        self, principal: Principal, interaction_id: InteractionId, participant_id: ParticipantId, digits: str
    ) -> None:
        """Presses keys towards a participant's phone, for a menu at the other end. Returns when they are on
        their way; they take 200 ms each."""
        self._desktops.admit(principal, interaction_id)
        await self._phones.send_digits(interaction_id, participant_id, digits)

    # --- at this very moment ------------------------------------------------------------------------------

    def peek(self, interaction_id: InteractionId, user_id: UserId) -> ParticipantView:
        """The live part of a user, perhaps not on disk yet. Raises NotFoundError."""
        return self._wiring.part_view(interaction_id, user_id)

    def peek_dialed(self, interaction_id: InteractionId, address: str) -> ParticipantView:
        """Whoever was called last at `address`."""
        interaction = self._wiring.desk.interaction(interaction_id)
        found = [p for p in interaction.participants if p.dialed_leg_id and p.address == address]
        return self.describe(found[-1])

    def describe(self, participant: Participant) -> ParticipantView:
        """The view of one that an error carries."""
        return self._wiring.portraits.participant(participant)

    def _invite(self, principal: Principal, interaction_id: InteractionId) -> None:
        """Seeking somebody for it is routing, too."""
        principal.require(ROUTING_WRITE)
        self._desktops.admit(principal, interaction_id)


def _staff_role(name: str) -> ParticipantRole:
    role = ParticipantRole(name)
    if role not in (ParticipantRole.SME, ParticipantRole.AGENT):
        raise NotAllowedError(f"a participant is added as sme or agent, not as {name}")
    return role
