"""Use cases of handing over: consult, warm and blind transfer, conference; and of supervisors who listen in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.desk import commands
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction.supervision import SupervisionMode
from bridge.errors import NotAllowedError
from bridge.ids import InteractionId, ParticipantId, QueueId, UserId
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.door.principal import INTERACTION_SUPERVISE, VIDEO_USE, Principal
from bridge.switchboard.view.view import InteractionView, ParticipantView
from bridge.switchboard.wiring import Wiring

if TYPE_CHECKING:
    from bridge.desk.interaction.participant import Participant

_ROLES = (ParticipantRole.SME, ParticipantRole.AGENT)


@dataclass(frozen=True)
class TransferWish:
    """To whom: a user, or whoever serves a queue; exactly one of them is given."""

    user_id: UserId | None = None
    queue_id: QueueId | None = None
    type: str = "voice"  # voice | video
    role: str = "sme"  # sme | agent
    properties: Mapping[str, str] = field(default_factory=dict)
    second_expert: bool = False


class Transfers:
    """Each method returns when it is on disk and performed. Raises a `BridgeError` and has changed nothing."""

    __slots__ = ("_desktops", "_wiring")

    def __init__(self, wiring: Wiring, desktops: Desktops) -> None:
        self._wiring = wiring
        self._desktops = desktops

    async def consult(
        self, principal: Principal, interaction_id: InteractionId, wish: TransferWish
    ) -> ParticipantView:
        """The customers hear music from now on; whoever is sought talks with the agent alone. The same again
        gives the participant there is; another one raises `ParticipantConflictError`."""
        await self._start(commands.StartConsult, principal, interaction_id, wish)
        return self._target(interaction_id)

    async def transfer_blind(
        self, principal: Principal, interaction_id: InteractionId, wish: TransferWish
    ) -> InteractionView:
        """To a user: the agent is out once that one is there, and has the customer back if not. To a queue:
        the agent is out at once and the customer waits there, by the interaction's own clock."""
        await self._start(commands.TransferBlind, principal, interaction_id, wish)
        return self._wiring.interaction_view(interaction_id)

    async def complete_transfer(self, principal: Principal, interaction_id: InteractionId) -> InteractionView:
        """Warm: the agent who consults leaves, the expert stays with the customer."""
        self._desktops.admit(principal, interaction_id)
        command = commands.CompleteTransfer(interaction_id, principal.user_id)
        await self._wiring.do(interaction_id, command)
        return self._wiring.interaction_view(interaction_id)

    async def merge_consult(self, principal: Principal, interaction_id: InteractionId) -> InteractionView:
        """Conference: everybody talks with everybody."""
        self._desktops.admit(principal, interaction_id)
        await self._wiring.do(interaction_id, commands.MergeConsult(interaction_id, principal.user_id))
        return self._wiring.interaction_view(interaction_id)

    async def cancel_transfer(
        self, principal: Principal, interaction_id: InteractionId, reason: str = ""
    ) -> InteractionView:
        """Back to the old place."""
        self._desktops.admit(principal, interaction_id)
        command = commands.CancelTransfer(interaction_id, principal.user_id, reason)
        await self._wiring.do(interaction_id, command)
        return self._wiring.interaction_view(interaction_id)

    async def supervise(
        self,
        principal: Principal,
        interaction_id: InteractionId,
        mode: str,
        coached_id: ParticipantId | None = None,
    ) -> ParticipantView:
        """`mode`: monitor | whisper | coach; again with another one to change it. Then `media.offer`."""
        self._desktops.seen(principal)
        principal.require(INTERACTION_SUPERVISE)
        kind = MediaType.VIDEO if VIDEO_USE in principal.scopes else MediaType.VOICE
        command = commands.Supervise(
            interaction_id, principal.user_id, principal.name, SupervisionMode(mode), coached_id, kind
        )
        await self._wiring.do(interaction_id, command)
        return self._wiring.part_view(interaction_id, principal.user_id)

    async def _start(
        self,
        command: type[commands.StartConsult | commands.TransferBlind],
        principal: Principal,
        interaction_id: InteractionId,
        wish: TransferWish,
    ) -> None:
        self._desktops.admit(principal, interaction_id)
        if (wish.user_id is None) == (wish.queue_id is None):
            raise NotAllowedError("name either a user or a queue to transfer to")
        role, kind = ParticipantRole(wish.role), MediaType(wish.type)
        if role not in _ROLES:
            raise NotAllowedError(f"a transfer goes to an sme or an agent, not to a {wish.role}")
        if kind is MediaType.VIDEO:
            principal.require(VIDEO_USE)
        await self._wiring.do(
            interaction_id,
            command(
                interaction_id,
                principal.user_id,
                wish.user_id,
                wish.queue_id,
                role,
                kind,
                wish.properties,
                wish.second_expert,
            ),
        )

    def _target(self, interaction_id: InteractionId) -> ParticipantView:
        interaction = self._wiring.desk.interaction(interaction_id)
        if interaction.transfer is None:
            raise NotAllowedError("the consultation was over at once")
        target: Participant = interaction.participant(interaction.transfer.target_id)
        return self._wiring.portraits.participant(target)
