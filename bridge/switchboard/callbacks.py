"""Callbacks: the calls that the desk asks for, made through the SIP door and told back to the desk."""

import asyncio
from contextlib import suppress

import structlog

from bridge.desk import commands
from bridge.desk.callback import CallbackState
from bridge.desk.events import CallbackMoved, DeskEvent
from bridge.desk.interaction import Interaction
from bridge.errors import BridgeError, CallFailedError
from bridge.ids import InteractionId, LegId
from bridge.switchboard.dialer import Dialer
from bridge.switchboard.leg import PhoneLeg, Place
from bridge.switchboard.wiring import Wiring

log = structlog.get_logger()

OVER = "the callback is over"


class Callbacks:
    """`receive` is told of every committed event; `run` owns one task for each call that is being made.

    A callback that is canceled, or whose time is over, cancels its call.
    """

    __slots__ = ("_calls", "_dialer", "_due", "_wake", "_wiring")

    def __init__(self, wiring: Wiring, dialer: Dialer) -> None:
        self._wiring = wiring
        self._dialer = dialer
        self._due: dict[InteractionId, Interaction] = {}
        self._calls: dict[LegId, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    @property
    def busy(self) -> bool:
        """A call is to be made or rings."""
        return bool(self._due or self._calls)

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
        leg: PhoneLeg | None = None
        try:
            leg = await self._dialer.call(leg_id, _place(interaction), number, OVER)
            await self._commit(leg)
        except BridgeError as error:
            await self._fail(interaction.interaction_id, leg_id, leg, error)
        except asyncio.CancelledError:
            if leg is not None and not leg.committed:
                await asyncio.shield(self._dialer.drop(leg, OVER))
            raise
        finally:
            self._calls.pop(leg_id, None)

    async def _fail(
        self, interaction_id: InteractionId, leg_id: LegId, leg: PhoneLeg | None, error: BridgeError
    ) -> None:
        status, pause_s = 0, 0
        if isinstance(error, CallFailedError):
            status, pause_s = error.status, error.retry_after_s
        log.info("x callback", interaction=interaction_id, reason=error.reason, status=status)
        if leg is not None:
            await self._dialer.drop(leg, OVER)
        failed = commands.FailCallback(interaction_id, leg_id, error.reason, status, pause_s)
        with suppress(BridgeError):  # it was canceled meanwhile
            await self._wiring.ledger.carry_out(failed)

    async def _commit(self, leg: PhoneLeg) -> None:
        wiring = self._wiring
        answered = commands.AnswerCallback(leg.interaction_id, leg.leg_id)
        _, durable = wiring.ledger.begin(answered, (wiring.phone_memory.keeping(leg),))
        leg.committed = True
        await wiring.ledger.finish(durable)


def _place(interaction: Interaction) -> Place:
    customer = next(interaction.customers())
    return Place(interaction.interaction_id, customer.participant_id, interaction.room_id)
