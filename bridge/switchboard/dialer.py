"""Calls of the bridge's own: a leg is dialed, can be heard before its answer, and leaves nothing if none comes."""

import asyncio
import copy
from collections.abc import Sequence
from contextlib import suppress

import structlog

from bridge.errors import BridgeError, CallFailedError, CapacityError, NotAllowedError
from bridge.ids import LegId
from bridge.negotiation import PhoneSession
from bridge.switchboard.doors import PhoneDoor, Route
from bridge.switchboard.leg import PhoneLeg, Place
from bridge.switchboard.view import TrunkView
from bridge.switchboard.wiring import Wiring

log = structlog.get_logger()

NO_ROUTE = "no way out for calls: set sip.dial_target or the target of a trunk, or give a SIP URI"


class Dialer:
    """Whoever calls commits the leg to the desk, or drops it."""

    __slots__ = ("_door", "_wiring")

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._door: PhoneDoor | None = None

    def attach(self, door: PhoneDoor) -> None:
        self._door = door

    def trunks(self) -> Sequence[TrunkView]:
        return self._open_door().trunks()

    def routes(self, number: str) -> Sequence[Route]:
        """The ways to a number, the best first. Raises NotAllowedError when the bridge knows none."""
        routes = self._open_door().routes(number)
        if not routes:
            raise NotAllowedError(NO_ROUTE)
        return routes

    async def call(self, leg_id: LegId, place: Place, number: str, over: str) -> PhoneLeg:
        """The leg, answered and its media declared, by the first way that leads anywhere.

        Raises NotAllowedError without any, CallFailedError with the status; then nothing is left of it. `over`
        is what a phone hears that is let go.
        """
        *others, last = self.routes(number)
        for route in others:
            try:
                return await self._attempt(leg_id, place, route, over)
            except CapacityError as error:
                reason = error.reason
            except CallFailedError as error:
                if not error.unreached:
                    raise
                reason = error.reason
            log.info("x trunk passed over", leg=leg_id, trunk=route.trunk_id, reason=reason)
        return await self._attempt(leg_id, place, last, over)

    async def _attempt(self, leg_id: LegId, place: Place, route: Route, over: str) -> PhoneLeg:
        leg = self._new_leg(leg_id, place, route)
        log.info("> dial", interaction=leg.interaction_id, leg=leg_id, trunk=route.trunk_id)
        try:
            await self._dial(leg, route)
        except asyncio.CancelledError:
            await asyncio.shield(self.drop(leg, over))
            raise
        except BridgeError:
            await self.drop(leg, over)
            raise
        return leg

    def _new_leg(self, leg_id: LegId, place: Place, route: Route) -> PhoneLeg:
        # RFC 8866 section 5.2: numeric; below 2^62, where every phone can read it.
        session_id = int(self._wiring.token_hex(7), 16)
        session = PhoneSession(session_id, self._wiring.policy.phone_of(route.trunk_id))
        return PhoneLeg(leg_id, place, session, route.trunk_id)

    async def _dial(self, leg: PhoneLeg, route: Route) -> None:
        performance = self._wiring.performance
        self._wiring.legs.add(leg)
        async with leg.lock:
            await performance.declare_phone(leg, None)
            offer = leg.session.offer()
            leg.ringing = copy.copy(leg.session)
        answer = await self._open_door().dial(leg.leg_id, route, offer)
        if answer:
            await self._take(leg, answer)
        leg.ringing = None
        if leg.closing:
            raise CallFailedError("hung up as soon as it was answered", 487)

    async def progressed(self, leg_id: LegId, status: int, answer: str) -> None:
        """It rings. With SDP the far end can be heard already: its ringing, or why it does not ring."""
        leg = self._wiring.legs.get(leg_id)
        if not isinstance(leg, PhoneLeg) or leg.ringing is None or leg.closing:
            return
        log.info("= progress", interaction=leg.interaction_id, leg=leg_id, status=status, sound=bool(answer))
        if answer:
            await self._take(leg, answer)

    async def reoffer(self, leg: PhoneLeg, offer: str) -> str:
        """The far end moves its sound before anybody answered; returns the answer."""
        async with leg.lock:
            leg.session.receive_offer(offer)
            await self._wiring.performance.declare_phone(leg, None)
            return leg.session.answer()

    async def drop(self, leg: PhoneLeg, reason: str) -> None:
        """The call came to nothing: no leg, no media, and a BYE or CANCEL if it had got that far."""
        leg.closing = True
        leg.ringing = None
        self._wiring.legs.remove(leg)
        if self._door is not None:
            with suppress(BridgeError):
                await self._door.hang_up(leg.leg_id, reason)
        await self._wiring.performance.remove_from_plane(leg)

    async def _take(self, leg: PhoneLeg, answer: str) -> None:
        """Every answer, of whichever phone that rings, is one to the same offer."""
        async with leg.lock:
            if leg.ringing is None:
                return
            session = copy.copy(leg.ringing)
            session.receive_answer(answer)
            leg.session = session
            await self._wiring.performance.declare_phone(leg, None)

    def _open_door(self) -> PhoneDoor:
        if self._door is None:
            raise NotAllowedError("there is no SIP door")
        return self._door
