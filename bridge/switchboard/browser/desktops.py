"""Which connections are open, and what follows when the last one of a user closes or a new one comes."""

from bridge.desk import commands
from bridge.desk.interaction.interaction import Interaction
from bridge.ids import InteractionId, UserId
from bridge.switchboard.browser.browsers import Browsers
from bridge.switchboard.door.principal import Principal
from bridge.switchboard.wiring import Wiring


class Desktops:
    """Every command of a websocket passes `seen`: that is how a reconnect is noticed."""

    __slots__ = ("_browsers", "_open", "_wiring")

    def __init__(self, wiring: Wiring, browsers: Browsers) -> None:
        self._wiring = wiring
        self._browsers = browsers
        self._open: dict[UserId, set[str]] = {}

    def seen(self, principal: Principal) -> None:
        """A command came over this connection. Requests without one (REST) are nobody's desktop."""
        if not principal.connection_id:
            return
        connections = self._open.setdefault(principal.user_id, set())
        if principal.connection_id in connections:
            return
        connections.add(principal.connection_id)
        self._browsers.rebind(principal.user_id, principal.connection_id, frozenset(connections))
        self._wiring.announcer.repeat_offers(principal.user_id, principal.connection_id)
        self._wiring.ledger.begin(commands.ReturnDesktop(principal.user_id))

    def admit(self, principal: Principal, interaction_id: InteractionId) -> Interaction:
        """A command that changes an interaction came over this connection. Raises what `writable` raises."""
        self.seen(principal)
        return self._wiring.writable(principal, interaction_id)

    async def closed(self, principal: Principal) -> None:
        """The websocket is gone. Presence and media survive a grace period for a reconnect."""
        self._browsers.orphan(principal.connection_id)
        connections = self._open.get(principal.user_id, set())
        connections.discard(principal.connection_id)
        if not connections:
            self._open.pop(principal.user_id, None)
            await self._wiring.ledger.carry_out(commands.LoseDesktop(principal.user_id))
