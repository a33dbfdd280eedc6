"""Callbacks: the calls that the desk asks for, made through the SIP door and told back to the desk."""

import asyncio
from contextlib import suppress

import structlog

from bridge.desk import commands
from bridge.desk.callback import CallbackState
from bridge.desk.events import CallbackMoved, DeskEvent
from bridge.desk.interaction import Interaction
from bridge.errors import BridgeError, CallFailedError, NotAllowedError
from bridge.ids import NO_TRUNK, InteractionId, LegId, TrunkId
from bridge.negotiation import PhoneSession
from bridge.switchboard.doors import PhoneDoor, Route
from bridge.switchboard.leg import PhoneLeg, Place
from bridge.switchboard.wiring import Wiring

log = structlog.get_logger()

NO_ROUTE = "no way out for calls: set sip.dial_target or the target of a trunk, or give a SIP URI"


class Callbacks:
    """`receive` is told of every committed event; `run` owns one task for each call that is being made.

    A callback that is canceled, or whose time is over, cancels its call.
    """

    __slots__ = ("_calls", "_door", "_due", "_wake", "_wiring")

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._door: PhoneDoor | None = None
        self._due: dict[InteractionId, Interaction] = {}
        self._calls: dict[LegId, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    def attach(self, door: PhoneDoor) -> None:
        self._door = door

    @property
    def busy(self) -> bool:
        """A call is to be made or rings."""
        return bool(self._due or self._calls)

    def route(self, number: str) -> Route:
        """How to reach a number. Raises NotAllowedError when the bridge knows no way out."""
        routes = self._open_door().routes(number)
        if not routes:
            raise NotAllowedError(NO_ROUTE)
        return routes[0]

    def receive(self, event: DeskEvent, interaction: Interaction | None) -> None:
        if not isinstance(event, CallbackMoved) or interaction is None:
            return
        if event.state is CallbackState.DIALING:
            self._due[event.interaction_id] = interaction
            self._wake.set()
        elif event.state is not CallbackState.ANSWERED:
            self._due.pop(event.interaction_id, None)
            for leg_id, call in tuple(self._calls.items()):
                leg = self._wiring.legs.get(leg_id)
                if leg is not None and leg.interaction_id == event.interaction_id:
                    call.cancel()

    async def run(self) -> None:
        """Makes calls until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                self._wake.clear()
                due, self._due = self._due, {}
                for interaction in due.values():
                    callback = interaction.live_callback
                    if callback is not None and callback.leg_id is not None:
                        call = tasks.create_task(self._call(interaction, callback.leg_id, callback.number))
                        self._calls[callback.leg_id] = call

    async def _call(self, interaction: Interaction, leg_id: LegId, number: str) -> None:
        leg = self._new_leg(interaction, leg_id, NO_TRUNK)
        try:
            route = self.route(number)
            leg = self._new_leg(interaction, leg_id, route.trunk_id)
            await self._dial(leg, route)
        except BridgeError as error:
            status = error.status if isinstance(error, CallFailedError) else 0
            log.info("x callback", interaction=leg.interaction_id, reason=error.reason, status=status)
            await self._drop(leg)
            pause_s = error.retry_after_s if isinstance(error, CallFailedError) else 0
            failed = commands.FailCallback(leg.interaction_id, leg_id, error.reason, status, pause_s)
            with suppress(BridgeError):  # it was canceled meanwhile
                await self._wiring.ledger.carry_out(failed)
        except asyncio.CancelledError:
            if not leg.committed:
                await asyncio.shield(self._drop(leg))
            raise
        finally:
            self._calls.pop(leg_id, None)

    async def _dial(self, leg: PhoneLeg, route: Route) -> None:
        wiring = self._wiring
        wiring.legs.add(leg)
        async with leg.lock:
            await wiring.performance.declare_phone(leg, None)
            offer = leg.session.offer()
        log.info("> callback", interaction=leg.interaction_id, leg=leg.leg_id, trunk=route.trunk_id)
        answer = await self._open_door().dial(leg.leg_id, route, offer)
        async with leg.lock:
            leg.session.receive_answer(answer)
            await wiring.performance.declare_phone(leg, None)
        answered = commands.AnswerCallback(leg.interaction_id, leg.leg_id)
        _, durable = wiring.ledger.begin(answered, (wiring.phone_memory.keeping(leg),))
        leg.committed = True
        await wiring.ledger.finish(durable)

    def _open_door(self) -> PhoneDoor:
        if self._door is None:
            raise NotAllowedError("there is no SIP door")
        return self._door

    async def _drop(self, leg: PhoneLeg) -> None:
        """The call came to nothing: no leg, no media, and a BYE or CANCEL if it had got that far."""
        leg.closing = True
        self._wiring.legs.remove(leg)
        if self._door is not None:
            with suppress(BridgeError):
                await self._door.hang_up(leg.leg_id, "the callback is over")
        await self._wiring.performance.remove_from_plane(leg)

    def _new_leg(self, interaction: Interaction, leg_id: LegId, trunk_id: TrunkId) -> PhoneLeg:
        wiring = self._wiring
        customer = next(interaction.customers())
        place = Place(interaction.interaction_id, customer.participant_id, interaction.room_id)
        # RFC 8866 section 5.2: numeric; below 2^62, where every phone can read it.
        session_id = int(wiring.token_hex(7), 16)
        return PhoneLeg(leg_id, place, PhoneSession(session_id, wiring.policy.phone_of(trunk_id)), trunk_id)
