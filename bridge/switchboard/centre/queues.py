"""Use cases of queues: looked at, declared, removed."""

from bridge.desk import commands
from bridge.desk.centre.queue import Queue
from bridge.ids import QueueId
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.door.principal import INTERACTION_READ, QUEUE_WRITE, Principal
from bridge.switchboard.view.view import QueueView
from bridge.switchboard.wiring import Wiring


class Queues:
    """A view has the figures of its moment. Scope queue:write to change."""

    __slots__ = ("_desktops", "_wiring")

    def __init__(self, wiring: Wiring, desktops: Desktops) -> None:
        self._wiring = wiring
        self._desktops = desktops

    async def list(self, principal: Principal) -> tuple[QueueView, ...]:
        self._desktops.seen(principal)
        principal.require(INTERACTION_READ)
        await self._wiring.read()
        return tuple(self._view(queue) for queue in self._wiring.desk.queues())

    async def get(self, principal: Principal, queue_id: QueueId) -> QueueView:
        self._desktops.seen(principal)
        principal.require(INTERACTION_READ)
        await self._wiring.read()
        return self._view(self._wiring.desk.queue(queue_id))

    async def declare(self, principal: Principal, queue: Queue) -> QueueView:
        """Makes or changes a queue, also one of the configuration."""
        self._desktops.seen(principal)
        principal.require(QUEUE_WRITE)
        await self._wiring.ledger.carry_out(commands.DeclareQueue(queue, principal.user_id))
        return self._view(self._wiring.desk.queue(queue.queue_id))

    async def remove(self, principal: Principal, queue_id: QueueId) -> None:
        """Only one in which nobody waits."""
        self._desktops.seen(principal)
        principal.require(QUEUE_WRITE)
        await self._wiring.ledger.carry_out(commands.RemoveQueue(queue_id, principal.user_id))

    def _view(self, queue: Queue) -> QueueView:
        desk, clock = self._wiring.desk, self._wiring.clock
        waits = [
            desk.interaction(place.interaction_id).seat(place.seat_id).entered_at
            for place in desk.waiting(queue.queue_id)
        ]
        longest_s = clock.now() - min(waits) if waits else 0.0
        return self._wiring.portraits.queue(queue, desk.figures(queue.queue_id), len(waits), longest_s)
