"""Use cases of interactions as a whole: read, found, given attributes, sent to a queue, ended."""

from collections.abc import Mapping

from bridge.desk import commands
from bridge.ids import InteractionId, QueueId
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.door.principal import INTERACTION_READ, Principal
from bridge.switchboard.view.search import PAGE_MAX, InteractionFilter, InteractionPage, page_of
from bridge.switchboard.view.sidebar import Sidebar
from bridge.switchboard.view.view import InteractionView, TimelineView
from bridge.switchboard.wiring import Wiring

TIMELINE_MAX_ENTRIES = 1000


class Interactions:
    """What was read is on disk; what was changed is on disk and performed."""

    __slots__ = ("_desktops", "_wiring")

    def __init__(self, wiring: Wiring, desktops: Desktops) -> None:
        self._wiring = wiring
        self._desktops = desktops

    async def get(self, principal: Principal, interaction_id: InteractionId) -> InteractionView:
        self._desktops.seen(principal)
        await self._wiring.read()
        return self._wiring.portraits.interaction(self._wiring.readable(principal, interaction_id))

    async def list(self, principal: Principal) -> tuple[InteractionView, ...]:
        """The live ones the principal may see."""
        principal.require(INTERACTION_READ)
        self._desktops.seen(principal)
        await self._wiring.read()
        live = self._wiring.desk.live_interactions()
        return tuple(
            self._wiring.portraits.interaction(interaction)
            for interaction in live
            if self._wiring.may_read(principal, interaction)
        )

    async def find(
        self, principal: Principal, wanted: InteractionFilter, cursor: str = "", limit: int = PAGE_MAX
    ) -> InteractionPage:
        """Those the principal may see, newest first, ended ones too while the desk remembers them."""
        principal.require(INTERACTION_READ)
        self._desktops.seen(principal)
        await self._wiring.read()
        may_read = self._wiring.may_read
        found = (i for i in self._wiring.desk.interactions() if wanted.matches(i) and may_read(principal, i))
        page, next_cursor = page_of(found, cursor, limit)
        return InteractionPage(tuple(map(self._wiring.portraits.interaction, page)), next_cursor)

    def sidebar(self, principal: Principal) -> Sidebar:
        """What a desktop shows of their data."""
        principal.require(INTERACTION_READ)
        return self._wiring.policy.sidebar

    async def timeline(
        self,
        principal: Principal,
        interaction_id: InteractionId,
        after: int = 0,
        limit: int = TIMELINE_MAX_ENTRIES,
    ) -> tuple[TimelineView, ...]:
        """The audit trail above the number `after`, oldest first, at most TIMELINE_MAX_ENTRIES."""
        self._desktops.seen(principal)
        self._wiring.readable(principal, interaction_id)
        await self._wiring.read()
        limit = min(limit, TIMELINE_MAX_ENTRIES)
        entries = await self._wiring.journal.read(after, interaction_id, limit)
        return tuple(self._wiring.portraits.timeline(entry) for entry in entries)

    async def set_attributes(
        self, principal: Principal, interaction_id: InteractionId, attributes: Mapping[str, str]
    ) -> InteractionView:
        self._desktops.admit(principal, interaction_id)
        command = commands.SetAttributes(interaction_id, attributes, principal.user_id)
        await self._wiring.do(interaction_id, command)
        return self.snapshot(interaction_id)

    async def queue(
        self, principal: Principal, interaction_id: InteractionId, queue_id: QueueId
    ) -> InteractionView:
        """Sends a waiting customer to another queue; place and clock go along."""
        self._desktops.admit(principal, interaction_id)
        command = commands.QueueInteraction(interaction_id, queue_id, principal.user_id)
        await self._wiring.do(interaction_id, command)
        return self.snapshot(interaction_id)

    async def end(self, principal: Principal, interaction_id: InteractionId) -> None:
        self._desktops.admit(principal, interaction_id)
        command = commands.EndInteraction(interaction_id, principal.user_id, "ended")
        await self._wiring.do(interaction_id, command)

    def peek(self, principal: Principal, interaction_id: InteractionId) -> InteractionView:
        """The interaction at this very moment, perhaps not on disk yet: to compare with, not to tell."""
        return self._wiring.portraits.interaction(self._wiring.readable(principal, interaction_id))

    def snapshot(self, interaction_id: InteractionId) -> InteractionView:
        """As `peek`, for the answer to a command that was allowed."""
        return self._wiring.interaction_view(interaction_id)
