"""Phones of ours that send the others elsewhere (SIP REFER): the customer's leg stays, somebody else is called."""

from contextlib import suppress

import structlog

from bridge.desk import commands
from bridge.desk.events import ParticipantDialed
from bridge.errors import ConflictError, ForbiddenError, NotAllowedError, NotFoundError
from bridge.ids import LegId
from bridge.switchboard.door.doors import Referrer
from bridge.switchboard.performance.leg import PhoneLeg
from bridge.switchboard.phone.dial_outs import DialOuts
from bridge.switchboard.phone.dialer import Dialer
from bridge.switchboard.wiring import Wiring

log = structlog.get_logger()

NOT_CUSTOMERS = "a caller cannot send the call elsewhere: the conversation is the bridge's to keep"
ANSWERED = 200


class Referrals:
    """Whoever is called takes the place of the phone that asked; if nobody answers, all stays as it is."""

    __slots__ = ("_dial_outs", "_dialer", "_wiring")

    def __init__(self, wiring: Wiring, dialer: Dialer, dial_outs: DialOuts) -> None:
        self._wiring = wiring
        self._dialer = dialer
        self._dial_outs = dial_outs

    async def refer(self, leg_id: LegId, target: str, referrer: Referrer) -> int:
        leg = self._wiring.legs.get(leg_id)
        if not isinstance(leg, PhoneLeg) or not leg.committed or leg.closing:
            raise NotFoundError(f"no call on leg {leg_id}")
        id_, asking_id = leg.interaction_id, leg.participant_id
        asking = self._wiring.desk.interaction(id_).participant(asking_id)
        if asking.is_customer or asking.supervision is not None:
            raise ForbiddenError(NOT_CUSTOMERS)
        self._dialer.routes(target)
        wish = commands.DialParticipant(
            id_, target, asking.role, asking_id, _name_of(target), second_expert=True
        )
        happened, durable = self._wiring.ledger.begin(wish)
        dialed = next((event for event in happened if isinstance(event, ParticipantDialed)), None)
        if dialed is None:
            raise ConflictError(f"{target} takes part or is called already")
        referrer.dials(dialed.leg_id)
        await self._wiring.ledger.finish(durable)
        referrer.accepted()
        status = await self._dial_outs.outcome(id_, dialed.participant_id)
        log.info("= referred", interaction=id_, leg=leg_id, status=status)
        if status == ANSWERED:
            reason = f"transferred to {_name_of(target)}"
            with suppress(NotAllowedError, NotFoundError):  # hung up, as most do
                await self._wiring.ledger.carry_out(
                    commands.DisconnectParticipant(id_, asking_id, asking_id, reason)
                )
        return status


def _name_of(target: str) -> str:
    """What people call it: no parameters, no dialog that is to be replaced."""
    return target.partition("?")[0].partition(";")[0]
