"""Participants on phones: their calls are made through the SIP door and told back to the desk."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from typing import ClassVar

import structlog

from bridge.desk import commands, events
from bridge.desk.events import DeskEvent
from bridge.desk.interaction.call_failure import RANG_OUT
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import ParticipantState
from bridge.errors import BridgeError, CallFailedError
from bridge.ids import InteractionId, LegId, ParticipantId
from bridge.switchboard.performance.leg import PhoneLeg, Place
from bridge.switchboard.phone.dialer import Dialer, call_error
from bridge.switchboard.wiring import Wiring

log = structlog.get_logger()

OVER = "the call is not wanted any more"


class DialOuts:
    """`receive` is told of every committed event; `run` owns one task for each phone that rings.

    A participant that is taken out, or whose interaction ends, takes its call along: no phone rings for nobody.
    """

    concerns: ClassVar[Collection[type[DeskEvent]]] = (events.ParticipantDialed, events.ParticipantMoved)

    __slots__ = ("_calls", "_dialer", "_due", "_outcomes", "_wake", "_wiring")

    def __init__(self, wiring: Wiring, dialer: Dialer) -> None:
        self._wiring = wiring
        self._dialer = dialer
        self._due: dict[ParticipantId, tuple[LegId, Interaction]] = {}
        self._calls: dict[ParticipantId, asyncio.Task[None]] = {}
        self._outcomes: dict[ParticipantId, asyncio.Future[int]] = {}
        self._wake = asyncio.Event()

    @property
    def busy(self) -> bool:
        """A phone is to ring or rings."""
        return bool(self._due or self._calls)

    async def outcome(self, interaction_id: InteractionId, participant_id: ParticipantId) -> int:
        """Waits until the phone answered (200), or for the SIP status of why not. One waits for each."""
        participant = self._wiring.desk.interaction(interaction_id).participant(participant_id)
        if participant.state is not ParticipantState.ALERTING:
            return 200 if participant.is_present else 480
        outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._outcomes[participant_id] = outcome
        try:
            return await outcome
        finally:
            self._outcomes.pop(participant_id, None)

    def _tell(self, participant_id: ParticipantId, status: int) -> None:
        outcome = self._outcomes.get(participant_id)
        if outcome is not None and not outcome.done():
            outcome.set_result(status)

    def receive(self, event: DeskEvent, interaction: Interaction) -> None:
        if isinstance(event, events.ParticipantDialed):
            self._due[event.participant_id] = (event.leg_id, interaction)
            self._wake.set()
        elif isinstance(event, events.ParticipantMoved) and event.state is ParticipantState.IN_SESSION:
            self._tell(event.participant_id, 200)
        elif isinstance(event, events.ParticipantMoved) and event.state is ParticipantState.DISCONNECTED:
            if event.reason == RANG_OUT:
                self._tell(event.participant_id, 408)
            if self._due.pop(event.participant_id, None) is not None:
                self._tell(event.participant_id, 487)
            call = self._calls.get(event.participant_id)
            if call is not None:
                call.cancel()

    async def run(self) -> None:
        """Makes calls until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                self._wake.clear()
                due, self._due = self._due, {}
                for participant_id, (leg_id, interaction) in due.items():
                    call = tasks.create_task(self._call(interaction, participant_id, leg_id))
                    self._calls[participant_id] = call
                    call.add_done_callback(partial(self._over, participant_id))

    def _over(self, participant_id: ParticipantId, _call: "asyncio.Task[None]") -> None:
        """Also of a call that was taken back before it began."""
        self._tell(participant_id, 487)
        self._calls.pop(participant_id, None)

    async def _call(self, interaction: Interaction, participant_id: ParticipantId, leg_id: LegId) -> None:
        leg: PhoneLeg | None = None
        try:
            address = interaction.participant(participant_id).address
            place = Place(interaction.interaction_id, participant_id, interaction.room_id)
            leg = await self._dialer.call(leg_id, place, address, OVER)
            await self._dialer.commit(leg, commands.AnswerDial(leg.interaction_id, leg.leg_id))
        except asyncio.CancelledError:
            if leg is not None and not leg.committed:
                await asyncio.shield(self._dialer.drop(leg, OVER))
            raise
        except Exception as trouble:
            error = call_error(trouble, leg_id)
            self._calls.pop(participant_id, None)  # what the desk says of it now is no reason to cancel this
            await self._fail(interaction, leg_id, leg, error)
            self._tell(participant_id, (error.status if isinstance(error, CallFailedError) else 0) or 480)

    async def _fail(
        self, interaction: Interaction, leg_id: LegId, leg: PhoneLeg | None, error: BridgeError
    ) -> None:
        status = error.status if isinstance(error, CallFailedError) else 0
        if leg is not None:
            await self._dialer.drop(leg, OVER)
        failed = commands.FailDial(interaction.interaction_id, leg_id, error.reason, status)
        with suppress(BridgeError):  # it was taken back meanwhile, or picked up by another phone
            await self._wiring.ledger.carry_out(failed)
            log.info("x dial", interaction=interaction.interaction_id, reason=error.reason, status=status)
