"""Use cases of queues, wrap-up, readiness and callbacks."""

from dataclasses import dataclass

from bridge.desk import commands
from bridge.desk.participant import MediaType
from bridge.desk.queue import Profile, Queue
from bridge.errors import NotFoundError
from bridge.ids import InteractionId, QueueId
from bridge.switchboard.dialer import Dialer
from bridge.switchboard.principal import (
    INTERACTION_READ,
    QUEUE_WRITE,
    ROUTING_WRITE,
    USER_WRITE,
    VIDEO_USE,
    Principal,
)
from bridge.switchboard.view import CallbackView, QueueView
from bridge.switchboard.wiring import Wiring


@dataclass(frozen=True)
class Readiness:
    """What a desktop found out about itself; `detail` says in words what is wrong."""

    microphone: bool
    camera: bool
    ice: bool
    detail: str = ""


@dataclass(frozen=True)
class CallbackWish:
    """`number` "" is the caller's own; `at` wall time, 0 as soon as it is the caller's turn."""

    number: str = ""
    at: float = 0.0
    queue_id: QueueId | None = None
    reason: str = ""


class Queues:
    """The switchboard's methods of the same names, without the desktop's bookkeeping."""

    __slots__ = ("_dialer", "_wiring")

    def __init__(self, wiring: Wiring, dialer: Dialer) -> None:
        self._wiring = wiring
        self._dialer = dialer

    async def prove_ready(self, principal: Principal, readiness: Readiness) -> None:
        principal.require(ROUTING_WRITE)
        await self._wiring.ledger.carry_out(
            commands.ProveReady(
                principal.user_id,
                readiness.microphone,
                readiness.camera,
                readiness.ice,
                readiness.detail,
            )
        )

    async def complete_wrap_up(
        self, principal: Principal, interaction_id: InteractionId, code: str, note: str
    ) -> None:
        """Of the principal's own part in it."""
        principal.require(ROUTING_WRITE)
        command = commands.CompleteWrapUp(interaction_id, principal.user_id, code, note)
        await self._wiring.ledger.carry_out(command)

    async def seek(self, principal: Principal, wish: commands.SeekFromQueue) -> bool:
        """One more participant out of a queue. False when the same was asked for already."""
        if wish.type is MediaType.VIDEO:
            principal.require(VIDEO_USE)
        return bool(await self._wiring.do(wish.interaction_id, wish))

    async def queue_interaction(
        self, principal: Principal, interaction_id: InteractionId, queue_id: QueueId
    ) -> None:
        command = commands.QueueInteraction(interaction_id, queue_id, principal.user_id)
        await self._wiring.do(interaction_id, command)

    async def request_callback(
        self, principal: Principal, interaction_id: InteractionId, wish: CallbackWish
    ) -> CallbackView:
        interaction = self._wiring.desk.interaction(interaction_id)
        self._dialer.routes(wish.number or interaction.caller)
        clock = self._wiring.clock
        not_before = wish.at - clock.wall() + clock.now() if wish.at else 0.0
        await self._wiring.do(
            interaction_id,
            commands.RequestCallback(
                interaction_id, principal.user_id, wish.number, not_before, wish.queue_id, wish.reason
            ),
        )
        callback = self._wiring.portraits.callback(self._wiring.desk.interaction(interaction_id))
        if callback is None:
            raise NotFoundError(f"no callback in interaction {interaction_id}")
        return callback

    async def cancel_callback(self, principal: Principal, interaction_id: InteractionId, reason: str) -> None:
        command = commands.CancelCallback(interaction_id, principal.user_id, reason)
        await self._wiring.do(interaction_id, command)

    async def list_callbacks(self, principal: Principal) -> tuple[CallbackView, ...]:
        """The live ones of interactions the principal may see."""
        principal.require(INTERACTION_READ)
        await self._wiring.read()
        found = (
            self._wiring.portraits.callback(interaction)
            for interaction in self._wiring.desk.live_interactions()
            if interaction.live_callback is not None and self._wiring.may_read(principal, interaction)
        )
        return tuple(callback for callback in found if callback is not None)

    async def list_queues(self, principal: Principal) -> tuple[QueueView, ...]:
        principal.require(INTERACTION_READ)
        await self._wiring.read()
        return tuple(self._view(queue) for queue in self._wiring.desk.queues())

    async def get_queue(self, principal: Principal, queue_id: QueueId) -> QueueView:
        principal.require(INTERACTION_READ)
        await self._wiring.read()
        return self._view(self._wiring.desk.queue(queue_id))

    async def declare_queue(self, principal: Principal, queue: Queue) -> QueueView:
        principal.require(QUEUE_WRITE)
        await self._wiring.ledger.carry_out(commands.DeclareQueue(queue, principal.user_id))
        return self._view(self._wiring.desk.queue(queue.queue_id))

    async def remove_queue(self, principal: Principal, queue_id: QueueId) -> None:
        principal.require(QUEUE_WRITE)
        await self._wiring.ledger.carry_out(commands.RemoveQueue(queue_id, principal.user_id))

    async def set_profile(self, principal: Principal, profile: Profile) -> None:
        """Skills, entitlements and capacity of a user."""
        principal.require(USER_WRITE)
        await self._wiring.ledger.carry_out(commands.SetProfile(profile, principal.user_id))

    def _view(self, queue: Queue) -> QueueView:
        desk, clock = self._wiring.desk, self._wiring.clock
        waits = [
            desk.interaction(place.interaction_id).seat(place.seat_id).entered_at
            for place in desk.waiting(queue.queue_id)
        ]
        longest_s = clock.now() - min(waits) if waits else 0.0
        return self._wiring.portraits.queue(queue, desk.figures(queue.queue_id), len(waits), longest_s)
