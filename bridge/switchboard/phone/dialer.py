"""Calls of the bridge's own: a leg is dialed, can be heard before its answer, and leaves nothing if none comes."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from bridge.desk import commands
from bridge.errors import BridgeError, CallFailedError, CapacityError, NegotiationError, NotAllowedError
from bridge.ids import LegId
from bridge.negotiation import PhoneSession
from bridge.switchboard.diagnosis.equipment import Equipment
from bridge.switchboard.door.doors import PhoneDoor, Route
from bridge.switchboard.performance.leg import PhoneLeg, Place
from bridge.switchboard.performance.picture import calls_with_video
from bridge.switchboard.view.view import TrunkView
from bridge.switchboard.wiring import Wiring

log = structlog.get_logger()

VIDEO_REFUSED = (415, 488, 606)  # RFC 3261 sections 21.4.13, 21.4.26, 21.6.4: of what the SDP says
RINGS = (180, 182)  # somebody's phone has heard of the call; 183 may be no more than the trunk's own voice
NO_ROUTE = "no way out for calls: set sip.dial_target or the target of a trunk, or give a SIP URI"


class Dialer:
    """Whoever calls commits the leg to the desk, or drops it."""

    __slots__ = ("_door", "_equipment", "_wiring")

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._equipment = Equipment(wiring)
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

    async def commit(self, leg: PhoneLeg, answered: commands.AnswerDial | commands.AnswerCallback) -> None:
        """The desk has the leg from here on, and what it can; returns when it is on disk."""
        _, durable = self._wiring.ledger.begin(answered, self._wiring.phone_memory.keeping(leg))
        leg.committed = True
        await self._wiring.ledger.finish(durable)
        await self._equipment.note(leg)

    async def _attempt(
        self, leg_id: LegId, place: Place, route: Route, over: str, no_video: str = ""
    ) -> PhoneLeg:
        """`no_video` is why this phone is not to be offered video once more."""
        leg = self._new_leg(leg_id, place, route)
        if no_video:
            leg.session.decline_video(no_video)
        log.info("> dial", interaction=leg.interaction_id, leg=leg_id, trunk=route.trunk_id)
        try:
            await self._dial(leg, route)
        except asyncio.CancelledError:
            await asyncio.shield(self.drop(leg, over))
            raise
        except BridgeError as error:
            refusal = _refusal_of_video(leg, error)
            await self.drop(leg, over)
            if not refusal and leg.rang and isinstance(error, CallFailedError):
                # It rang, whatever the trunk says of itself: by another way it would ring a second time.
                raise CallFailedError(error.reason, error.status, error.retry_after_s) from error
            if not refusal:
                raise
            log.info("x video", interaction=leg.interaction_id, leg=leg_id, reason=refusal)
            return await self._attempt(leg_id, place, route, over, refusal)
        except Exception:
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
        interaction = self._wiring.desk.interaction(leg.interaction_id)
        legs = self._wiring.legs.of(leg.interaction_id)
        leg.session.want_video(wanted=calls_with_video(leg, interaction, legs))
        async with leg.lock:
            await performance.declare_phone(leg, None)
            offer = leg.session.offer()
            leg.ringing = leg.session.fork()
        answer = await self._open_door().dial(leg.leg_id, route, offer)
        if answer:
            await self._take(leg, answer)
        elif leg.session.audio is None:
            raise NegotiationError("The answer has no session description.")
        leg.ringing = None
        if leg.closing:
            raise CallFailedError("hung up as soon as it was answered", 487)

    async def progressed(self, leg_id: LegId, status: int, answer: str) -> None:
        """It rings. With SDP the far end can be heard already: its ringing, or why it does not ring."""
        leg = self._wiring.legs.get(leg_id)
        if not isinstance(leg, PhoneLeg) or leg.ringing is None or leg.closing:
            return
        leg.rang = leg.rang or status in RINGS
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
            session = leg.ringing.fork()
            session.receive_answer(answer)
            leg.session = session
            await self._wiring.performance.declare_phone(leg, None)

    def _open_door(self) -> PhoneDoor:
        if self._door is None:
            raise NotAllowedError("there is no SIP door")
        return self._door


def call_error(trouble: Exception, leg_id: LegId) -> BridgeError:
    """What a call of ours came to. A mistake of ours ends this call and no other."""
    if isinstance(trouble, BridgeError):
        return trouble
    log.error("! dial", leg=leg_id, exc_info=trouble)
    return BridgeError("internal error; the log says which")


def _refusal_of_video(leg: PhoneLeg, error: BridgeError) -> str:
    """Why a phone that refused a call with video is to be called without it, or ""."""
    offered = leg.ringing is not None and leg.ringing.offers_video
    if not offered or not isinstance(error, CallFailedError) or error.status not in VIDEO_REFUSED:
        return ""
    return f"the phone, or a trunk before it, refused the call with video: {error.reason}"
