"""A start on what an earlier process left: the desk as it was, and the phone legs that may come back."""

import structlog

from bridge.desk import commands
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import Participant
from bridge.errors import NegotiationError
from bridge.ids import LegId
from bridge.journal.snapshots import Snapshots
from bridge.negotiation import PhoneSession
from bridge.switchboard.performance.leg import PhoneLeg, Place
from bridge.switchboard.performance.phone_memory import RememberedPhone
from bridge.switchboard.wiring import Wiring

log = structlog.get_logger()

NOWHERE = ("", 0)  # the port of the last process: whichever the worker gives now is another


class Restoration:
    """`restore` first, then, when the clock goes on from there, `restart`. Both before anything runs."""

    __slots__ = ("_snapshots", "_wiring")

    def __init__(self, wiring: Wiring, snapshots: Snapshots) -> None:
        self._wiring = wiring
        self._snapshots = snapshots

    async def restore(self) -> float:
        """Brings the desk to where the journal ends. Returns the last instant known there."""
        last_at = await self._snapshots.restore()
        desk = self._wiring.desk
        live = desk.live_interactions()
        self._wiring.announcer.restore(desk)
        if live or self._snapshots.replayed:
            log.info("= restored", interactions=len(live), replayed=self._snapshots.replayed)
        return last_at

    async def restart(self, returning: frozenset[LegId]) -> None:
        """Ends what did not survive. `returning` are the legs whose door can take them up again."""
        memories = await self._wiring.phone_memory.recall()
        legs = set()
        for interaction in self._wiring.desk.live_interactions():
            # Performed once the media worker and the doors are there.
            self._wiring.conductor.note(interaction)
            for participant in interaction.participants:
                for leg_id in participant.leg_ids if participant.is_live else ():
                    if leg_id in returning and self._take_up(
                        interaction, participant, leg_id, memories.get(leg_id)
                    ):
                        legs.add(leg_id)
        for leg_id in memories.keys() - legs:
            self._wiring.phone_memory.forget(leg_id)
        if self._wiring.journal.last_number:
            self._wiring.ledger.begin(commands.Restart(frozenset(legs)))

    def _take_up(
        self,
        interaction: Interaction,
        participant: Participant,
        leg_id: LegId,
        memory: RememberedPhone | None,
    ) -> bool:
        if memory is None:
            return False
        try:
            session = PhoneSession.recall(
                bytes(memory.session), self._wiring.policy.phone_of(memory.trunk_id)
            )
        except NegotiationError as error:
            log.warning("! leg memory", leg=leg_id, reason=error.reason)
            return False
        place = Place(interaction.interaction_id, participant.participant_id, interaction.room_id)
        leg = PhoneLeg(leg_id, place, session, memory.trunk_id)
        leg.committed = leg.restored = True
        leg.local = NOWHERE
        self._wiring.legs.add(leg)
        return True
