"""Callbacks: asked for by users, called in by the desk, made through the SIP door and told back to the desk."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import structlog

from bridge.desk import commands
from bridge.desk.events import CallbackMoved, DeskEvent
from bridge.desk.interaction.callback import CallbackState
from bridge.desk.interaction.interaction import Interaction
from bridge.errors import BridgeError, CallFailedError, NotFoundError
from bridge.ids import InteractionId, LegId, QueueId
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.door.principal import INTERACTION_READ, Principal
from bridge.switchboard.performance.leg import PhoneLeg, Place
from bridge.switchboard.phone.dialer import Dialer, call_error
from bridge.switchboard.view.view import CallbackView
from bridge.switchboard.wiring import Wiring

log = structlog.get_logger()

OVER = "the callback is over"


@dataclass(frozen=True)
class CallbackWish:
    """`number` "" is the caller's own; `at` wall time, 0 as soon as it is the caller's turn."""

    number: str = ""
    at: float = 0.0
    queue_id: QueueId | None = None
    reason: str = ""


class Callbacks:
    """`receive` is told of every committed event; `run` owns one task for each call that is being made.

    A callback that is canceled, or whose time is over, cancels its call.
    """

    concerns: ClassVar[Collection[type[DeskEvent]]] = (CallbackMoved,)

    __slots__ = ("_calls", "_desktops", "_dialer", "_due", "_made_for", "_wake", "_wiring")

    def __init__(self, wiring: Wiring, desktops: Desktops, dialer: Dialer) -> None:
        self._wiring = wiring
        self._desktops = desktops
        self._dialer = dialer
        self._due: dict[InteractionId, Interaction] = {}
        self._calls: dict[LegId, asyncio.Task[None]] = {}
        # Of the calls that may still be taken back. Not by their legs: between two trunks a call has none.
        self._made_for: dict[LegId, InteractionId] = {}
        self._wake = asyncio.Event()

    # --- what users want ----------------------------------------------------------------------------------

    async def request(
        self, principal: Principal, interaction_id: InteractionId, wish: CallbackWish
    ) -> CallbackView:
        """The call ends and is made again in the same place of the queue. Asked again: scheduled anew."""
        self._desktops.admit(principal, interaction_id)
        interaction = self._wiring.desk.interaction(interaction_id)
        self._dialer.routes(wish.number or interaction.caller)
        clock = self._wiring.clock
        not_before = wish.at - clock.wall() + clock.now() if wish.at else 0.0
        command = commands.RequestCallback(
            interaction_id, principal.user_id, wish.number, not_before, wish.queue_id, wish.reason
        )
        await self._wiring.do(interaction_id, command)
        callback = self._wiring.portraits.callback(self._wiring.desk.interaction(interaction_id))
        if callback is None:
            raise NotFoundError(f"no callback in interaction {interaction_id}")
        return callback

    async def cancel(self, principal: Principal, interaction_id: InteractionId, reason: str) -> None:
        """Nobody is called back, and the interaction ends."""
        self._desktops.admit(principal, interaction_id)
        command = commands.CancelCallback(interaction_id, principal.user_id, reason)
        await self._wiring.do(interaction_id, command)

    async def list(self, principal: Principal) -> tuple[CallbackView, ...]:
        """The live ones of interactions the principal may see."""
        self._desktops.seen(principal)
        principal.require(INTERACTION_READ)
        await self._wiring.read()
        found = (
            self._wiring.portraits.callback(interaction)
            for interaction in self._wiring.desk.live_interactions()
            if interaction.live_callback is not None and self._wiring.may_read(principal, interaction)
        )
        return tuple(callback for callback in found if callback is not None)

    # --- the calls ----------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """A call is to be made or rings."""
        return bool(self._due or self._calls)

    def receive(self, event: DeskEvent, interaction: Interaction) -> None:
        if not isinstance(event, CallbackMoved):
            return
        if event.state is CallbackState.DIALING:
            self._due[event.interaction_id] = interaction
            self._wake.set()
        elif event.state is not CallbackState.ANSWERED:
            self._due.pop(event.interaction_id, None)
            for leg_id, interaction_id in tuple(self._made_for.items()):
                if interaction_id == event.interaction_id:
                    self._calls[leg_id].cancel()

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
                        self._made_for[callback.leg_id] = interaction.interaction_id
                        call.add_done_callback(partial(self._over, callback.leg_id))

    def _over(self, leg_id: LegId, _call: "asyncio.Task[None]") -> None:
        """Also of a call that was taken back before it began."""
        self._calls.pop(leg_id, None)
        self._made_for.pop(leg_id, None)

    async def _call(self, interaction: Interaction, leg_id: LegId, number: str) -> None:
        leg: PhoneLeg | None = None
        try:
            leg = await self._dialer.call(leg_id, _place(interaction), number, OVER)
            await self._dialer.commit(leg, commands.AnswerCallback(leg.interaction_id, leg.leg_id))
        except asyncio.CancelledError:
            if leg is not None and not leg.committed:
                await asyncio.shield(self._dialer.drop(leg, OVER))
            raise
        except Exception as trouble:
            # What is told now moves the callback, and must not end its telling.
            self._made_for.pop(leg_id, None)
            await self._fail(interaction.interaction_id, leg_id, leg, call_error(trouble, leg_id))

    async def _fail(
        self, interaction_id: InteractionId, leg_id: LegId, leg: PhoneLeg | None, error: BridgeError
    ) -> None:
        status, pause_s = 0, 0
        if isinstance(error, CallFailedError):
            status, pause_s = error.status, error.retry_after_s
        if leg is not None:
            await self._dialer.drop(leg, OVER)
        failed = commands.FailCallback(interaction_id, leg_id, error.reason, status, pause_s)
        with suppress(BridgeError):  # it was canceled meanwhile, or picked up by another phone
            await self._wiring.ledger.carry_out(failed)
            log.info("x callback", interaction=interaction_id, reason=error.reason, status=status)


def _place(interaction: Interaction) -> Place:
    customer = interaction.customers()[0]
    return Place(interaction.interaction_id, customer.participant_id, interaction.room_id)
