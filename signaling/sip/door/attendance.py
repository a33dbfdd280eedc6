"""The task of one call: its events in order, between the agent and the corridor, inside a guard of its own."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

from bridge.errors import (
    BridgeError,
    CallFailedError,
    ConflictError,
    NegotiationError,
    NotAllowedError,
    NotFoundError,
)
from bridge.ids import LegId
from bridge.journal.schema import Write
from bridge.switchboard.door.doors import ArrivingCall, Corridor
from signaling.sip.agent.agent import UserAgent
from signaling.sip.door.call_leg import CallLeg, CallLegs
from signaling.sip.session.event import (
    CallAcknowledged,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallProgressed,
    CallReoffered,
    DigitPressed,
    PictureWanted,
    ReferralArrived,
    RefreshDue,
)
from signaling.sip.shell.endpoint import SipEndpoint
from signaling.sip.trunk.refusal import reason_of, refusals_of_the_bridge, status_of

CORRIDOR_TIMEOUT_S = 10.0  # a caller hears nothing while the switchboard thinks
RETRY_AFTER_S = 5
_Told = DigitPressed | PictureWanted | RefreshDue | ReferralArrived


class Lobby:
    """What calls on their way to their answer share: some are set up at once, the others wait for their `turn`."""

    __slots__ = ("refused", "turn")

    def __init__(self, at_once: int) -> None:
        self.turn = asyncio.Semaphore(at_once)
        self.refused = refusals_of_the_bridge()


class _Answering:
    """On disk before it is on the wire: whoever was answered is answered again by the next process.

    In the commit of the switchboard if it asks, which saves one, and otherwise in one of its own.
    """

    __slots__ = ("_agent", "_asked", "_leg", "_legs")

    def __init__(self, legs: CallLegs, leg: CallLeg, agent: UserAgent) -> None:
        self._legs = legs
        self._leg = leg
        self._agent = agent
        self._asked = False

    def beside(self, answer: str) -> Sequence[Write]:
        try:
            memory = self._agent.remember_answer(self._leg.call, answer)
        except NotFoundError:
            return ()  # canceled meanwhile: CallEnded is in the inbox
        self._asked = True
        return self._legs.keeping(self._leg, memory)

    async def keep(self, answer: str) -> None:
        if not self._asked:
            await self._legs.keep(self._leg, self._agent.remember_answer(self._leg.call, answer))


class Attendance:
    """`legs` put what a restart needs on disk, `refer` sees to a REFER beside the call."""

    __slots__ = ("_corridor", "_endpoint", "_leg", "_legs", "_lobby", "_refer")

    def __init__(
        self,
        leg: CallLeg,
        endpoint: SipEndpoint,
        corridor: Corridor,
        legs: CallLegs,
        refer: Callable[[CallLeg, str, str], None],
        lobby: Lobby,
    ) -> None:
        self._leg = leg
        self._endpoint = endpoint
        self._corridor = corridor
        self._legs = legs
        self._refer = refer
        self._lobby = lobby

    async def run(self, arrived: CallArrived | None, replaces: LegId | None) -> None:
        """Until the call is over. A mistake of ours ends this call and no other."""
        try:
            if arrived is None or await self._take(arrived, replaces):
                await self._attend()
        except Exception:
            self._leg.log.exception("! call failed")
            await self._give_up()

    async def _give_up(self) -> None:
        """What is left to do for a call after a mistake, which may well meet the same mistake."""
        dialing = self._leg.dialing
        if dialing is not None and not dialing.done():
            dialing.set_exception(CallFailedError("internal error", 500))
        try:
            hang_up(self._endpoint, self._leg, "internal error")
            await self._tell_hung_up("internal error")
        except Exception:
            self._leg.log.exception("! call given up")

    async def _take(self, arrived: CallArrived, replaces: LegId | None) -> bool:
        """Answers or refuses a new call; False if there is nothing more to attend to."""
        leg, agent = self._leg, self._endpoint.agent
        answering = _Answering(self._legs, leg, agent)
        call = ArrivingCall(
            leg.leg_id,
            arrived.caller,
            arrived.called,
            arrived.offer,
            arrived.headers,
            arrived.trunk_id,
            arrived.ways,
            replaces,
            early_only=arrived.early_only,
            claims_video=arrived.claims_video,
            beside=answering.beside,
            waits=partial(agent.is_arriving, leg.call),
        )
        try:
            async with asyncio.timeout(CORRIDOR_TIMEOUT_S), self._lobby.turn:
                if not agent.is_arriving(leg.call):
                    return True  # canceled while it waited: CallEnded is in the inbox
                if replaces is None and arrived.replaces is not None:
                    raise NotFoundError("the call to be replaced is over")
                answer = await self._corridor.arrive(call)
        except TimeoutError:
            self._lobby.refused.count("late")
            self._reject(503, "no answer in time")
            await self._tell_hung_up("not answered in time")
            return False
        except BridgeError as error:
            gone = arrived.replaces is not None and isinstance(error, NotFoundError | NotAllowedError)
            self._lobby.refused.count(reason_of(error))
            self._reject(481 if gone else status_of(error), error.reason)  # RFC 3891 section 3
            return False
        try:
            await answering.keep(answer)
            agent.accept(leg.call, answer, self._endpoint.now())
        except (NotFoundError, NotAllowedError):
            return True  # canceled meanwhile: CallEnded is in the inbox
        leg.acknowledged.clear()
        self._endpoint.flush()
        leg.log.info("= answered")
        return True

    async def _attend(self) -> None:
        while True:
            event = await self._leg.inbox.get()
            if isinstance(event, CallReoffered):
                await self._take_reoffer(event)
            elif isinstance(event, CallAcknowledged):
                await self._take_late_answer(event)
            elif isinstance(event, DigitPressed | PictureWanted | RefreshDue | ReferralArrived):
                self._tell(event)
            elif isinstance(event, CallProgressed):
                await self._take_progress(event)
            elif isinstance(event, CallAnswered):
                if self._leg.dialing is not None and not self._leg.dialing.done():
                    self._leg.dialing.set_result(event.answer)
            elif isinstance(event, CallEnded):
                if event.by != "local":
                    await self._tell_hung_up(event.reason)
                return

    def _tell(self, event: _Told) -> None:
        leg = self._leg
        match event:
            case DigitPressed():
                self._corridor.pressed(leg.leg_id, event.digit, event.duration_ms)
            case PictureWanted():
                self._corridor.picture_wanted(leg.leg_id)
            case RefreshDue():
                self._corridor.refresh(leg.leg_id)
            case ReferralArrived():
                self._refer(leg, event.target, event.referrer)
            case _:
                assert_never(event)

    async def _take_progress(self, event: CallProgressed) -> None:
        """Sound that nobody can use is not heard; a binding answer that nobody can use ends the call."""
        try:
            await self._corridor.progressed(self._leg.leg_id, event.status, event.answer)
        except BridgeError as error:
            self._leg.log.info("x early media", status=event.status, reason=error.reason)
            if event.binding:
                hang_up(self._endpoint, self._leg, error.reason)

    async def _take_late_answer(self, event: CallAcknowledged) -> None:
        """The ACK cannot be refused: an answer nobody can use ends a call in which nothing was agreed before it.

        Other trouble is not the phone's: a new media worker is told what was agreed, and a call that is being hung up
        ends by itself.
        """
        if not event.owed:
            return
        try:
            await self._corridor.late_answer(self._leg.leg_id, event.answer)
        except NegotiationError as error:
            hang_up(self._endpoint, self._leg, error.reason)
            await self._tell_hung_up(error.reason)
        except BridgeError as error:
            self._leg.log.info("x late answer", reason=error.reason)

    async def _take_reoffer(self, event: CallReoffered) -> None:
        leg, agent = self._leg, self._endpoint.agent
        answer, status, reason, lost = "", 200, "", False
        try:
            async with asyncio.timeout(CORRIDOR_TIMEOUT_S):
                answer = await self._corridor.reoffer(leg.leg_id, event.offer)
        except TimeoutError:
            status, reason, lost = 500, "no answer in time", True
        except ConflictError as error:
            status, reason = 491, error.reason  # an offer of ours is in the making
        except BridgeError as error:
            status, reason = status_of(error), error.reason
        if status != 200:
            leg.log.info("x re-offer refused", status=status, reason=reason)
        try:
            if status == 200:
                agent.answer_reinvite(leg.call, answer, self._endpoint.now())
            else:
                agent.reject_reinvite(leg.call, status, self._endpoint.now(), reason)
            if agent.awaits_ack(leg.call):  # the answer to an UPDATE gets none
                leg.acknowledged.clear()
        except NotFoundError:
            return  # hung up meanwhile
        except NotAllowedError:
            lost = lost or status == 200  # taken back meanwhile
        self._endpoint.flush()
        if lost:
            self._corridor.answer_lost(leg.leg_id, event.offer)

    async def _tell_hung_up(self, reason: str) -> None:
        await self._corridor.hung_up(self._leg.leg_id, reason)

    def _reject(self, status: int, reason: str) -> None:
        leg, endpoint = self._leg, self._endpoint
        leg.log.info("x call refused", status=status, reason=reason)
        try:
            endpoint.agent.reject(
                leg.call, status, endpoint.now(), reason, RETRY_AFTER_S if status == 503 else None
            )
        except (NotFoundError, NotAllowedError):
            return  # canceled meanwhile
        endpoint.flush()


def hang_up(endpoint: SipEndpoint, leg: CallLeg, reason: str) -> None:
    """By BYE, CANCEL or a refusal, as the state of the call asks; nothing if it is over."""
    try:
        endpoint.agent.hang_up(leg.call, reason, endpoint.now())
    except NotFoundError:
        return
    endpoint.flush()
