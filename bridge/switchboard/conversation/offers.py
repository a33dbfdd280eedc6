"""Use cases of offers: whoever it rings for accepts or rejects."""

from bridge.desk import commands
from bridge.ids import InteractionId, OfferId
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.door.principal import ROUTING_WRITE, Principal
from bridge.switchboard.view.view import InteractionView
from bridge.switchboard.wiring import Wiring


class Offers:
    """Scope routing:write. NotFoundError if the offer is over."""

    __slots__ = ("_desktops", "_wiring")

    def __init__(self, wiring: Wiring, desktops: Desktops) -> None:
        self._wiring = wiring
        self._desktops = desktops

    async def accept(self, principal: Principal, offer_id: OfferId) -> InteractionView:
        """Joins; the desktop now offers its media."""
        principal.require(ROUTING_WRITE)
        self._desktops.seen(principal)
        interaction_id = self.interaction_of(offer_id)
        await self._wiring.do(interaction_id, commands.AcceptOffer(offer_id, principal.user_id))
        return self._wiring.interaction_view(interaction_id)

    async def reject(self, principal: Principal, offer_id: OfferId, reason: str) -> None:
        principal.require(ROUTING_WRITE)
        self._desktops.seen(principal)
        await self._wiring.ledger.carry_out(commands.RejectOffer(offer_id, principal.user_id, reason))

    def interaction_of(self, offer_id: OfferId) -> InteractionId:
        return self._wiring.desk.offer(offer_id).interaction_id
