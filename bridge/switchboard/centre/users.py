"""Use cases of users at their desktops: presence, proofs of readiness, the work after a call, profiles."""

from contextlib import suppress
from dataclasses import dataclass

from bridge.desk import commands
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.queue import Profile
from bridge.desk.centre.role import ParticipantRole
from bridge.errors import NotAllowedError, NotFoundError
from bridge.ids import InteractionId, UserId
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.centre.accounts import check_profile
from bridge.switchboard.door.principal import INTERACTION_READ, ROUTING_WRITE, USER_WRITE, Principal
from bridge.switchboard.view.view import UserView
from bridge.switchboard.wiring import Wiring


@dataclass(frozen=True)
class Readiness:
    """What a desktop found out about itself; `detail` says in words what is wrong."""

    microphone: bool
    camera: bool
    ice: bool
    detail: str = ""


class Users:
    """Who may sign in as whom is `accounts`; here is what they do once they did."""

    __slots__ = ("_desktops", "_wiring")

    def __init__(self, wiring: Wiring, desktops: Desktops) -> None:
        self._wiring = wiring
        self._desktops = desktops

    async def set_presence(self, principal: Principal, presence: str, role: str) -> UserView:
        """`presence`: ready | away | offline; `role`: agent | sme. Scope routing:write."""
        principal.require(ROUTING_WRITE)
        if presence not in ("ready", "away", "offline") or role not in ("agent", "sme"):
            raise NotAllowedError(f"no presence {presence!r} as {role!r}: ready, away, offline as agent, sme")
        self._desktops.seen(principal)
        command = commands.SetPresence(
            principal.user_id, principal.name, ParticipantRole(role), Presence(presence)
        )
        await self._wiring.ledger.carry_out(command)
        return self.snapshot(principal.user_id)

    async def prove_ready(self, principal: Principal, readiness: Readiness) -> UserView:
        """The desktop's report about itself, to be repeated before it expires. After `set_presence`."""
        self._desktops.seen(principal)
        principal.require(ROUTING_WRITE)
        command = commands.ProveReady(
            principal.user_id, readiness.microphone, readiness.camera, readiness.ice, readiness.detail
        )
        await self._wiring.ledger.carry_out(command)
        return self.snapshot(principal.user_id)

    async def complete_wrap_up(
        self, principal: Principal, interaction_id: InteractionId, code: str, note: str
    ) -> UserView:
        """The work after the principal's own part in a call is done."""
        self._desktops.seen(principal)
        principal.require(ROUTING_WRITE)
        command = commands.CompleteWrapUp(interaction_id, principal.user_id, code, note)
        await self._wiring.ledger.carry_out(command)
        return self.snapshot(principal.user_id)

    async def set_profile(self, principal: Principal, profile: Profile) -> None:
        """Skills, entitlements and capacity of a user, whose account is not beyond one's rights. Scope user:write."""
        self._desktops.seen(principal)
        principal.require(USER_WRITE)
        with suppress(NotFoundError):  # whoever has no account here has no rights by it
            check_profile(principal, self._wiring.desk.registration(profile.user_id), profile)
        await self._wiring.ledger.carry_out(commands.SetProfile(profile, principal.user_id))

    async def get(self, principal: Principal, user_id: UserId) -> UserView:
        principal.require(INTERACTION_READ)
        self._desktops.seen(principal)
        await self._wiring.read()
        return self.snapshot(user_id)

    async def list(self, principal: Principal) -> tuple[UserView, ...]:
        principal.require(INTERACTION_READ)
        self._desktops.seen(principal)
        await self._wiring.read()
        return tuple(self.snapshot(expert.user_id) for expert in self._wiring.desk.experts())

    def snapshot(self, user_id: UserId) -> UserView:
        """At this very moment, for the answer to a command that was allowed."""
        desk = self._wiring.desk
        return self._wiring.portraits.user(
            desk.expert(user_id), busy=desk.is_busy(user_id), wrapping_up=desk.is_wrapping_up(user_id)
        )

    def named(self, name: str) -> UserId:
        """The user whose id this is, ours or another system's."""
        return self._wiring.desk.user_named(name)
