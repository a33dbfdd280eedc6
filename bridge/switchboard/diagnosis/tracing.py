"""The SIP messages of an interaction's calls, for whoever has to find out what a phone and the bridge said."""

from bridge.ids import InteractionId, LegId
from bridge.switchboard.door.doors import PhoneDoor, Signal
from bridge.switchboard.door.principal import INTERACTION_ALL, Principal
from bridge.switchboard.view.view import SignalView
from bridge.switchboard.wiring import Wiring


class Tracing:
    """Which legs an interaction had is in the journal; what was said on them the SIP door still knows."""

    __slots__ = ("_phone_door", "_wiring")

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._phone_door: PhoneDoor | None = None

    def attach(self, phone_door: PhoneDoor) -> None:
        self._phone_door = phone_door

    async def trace(self, principal: Principal, interaction_id: InteractionId) -> tuple[SignalView, ...]:
        """Oldest first. Scope interaction:all: a trace names networks and every party's address."""
        principal.require(INTERACTION_ALL)
        self._wiring.readable(principal, interaction_id)
        await self._wiring.read()
        signals: list[Signal] = []
        for leg_id in await self._legs(interaction_id):
            signals += self._phone_door.signals(leg_id) if self._phone_door is not None else ()
        wall = self._wiring.portraits.wall
        return tuple(
            SignalView(
                wall(one.at), one.leg_id, one.received, one.transport, one.remote, one.summary, one.text
            )
            for one in sorted(signals, key=lambda signal: signal.at)
        )

    async def _legs(self, interaction_id: InteractionId) -> tuple[LegId, ...]:
        """Every leg its timeline names, gone ones too."""
        entries = await self._wiring.journal.read(interaction_id=interaction_id)
        legs = (getattr(entry.event, "leg_id", None) for entry in entries)
        return tuple(dict.fromkeys(leg_id for leg_id in legs if leg_id))
