"""When an interaction is performed: after each commit, one at a time, the latest state wins."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bridge.desk.interaction.interaction import Interaction
from bridge.errors import BridgeError
from bridge.ids import InteractionId

log = structlog.get_logger()


class Conductor:
    """`perform` declares the wanted state, so states that were overtaken meanwhile need no performance.

    A performance that crashes ends its interaction (`on_crash`) and no other.
    """

    __slots__ = ("_dirty", "_idle", "_on_crash", "_perform", "_performing", "_scores", "_stage", "_wake")

    def __init__(
        self,
        perform: Callable[[Interaction], Awaitable[None]],
        on_crash: Callable[[InteractionId], None],
    ) -> None:
        self._perform = perform
        self._on_crash = on_crash
        self._scores: dict[InteractionId, Interaction] = {}  # the last committed state of each
        self._dirty: dict[InteractionId, None] = {}
        self._performing: set[InteractionId] = set()
        self._idle: dict[InteractionId, asyncio.Event] = {}
        self._wake = asyncio.Event()
        self._stage = asyncio.Event()  # there is a media worker to perform on

    def __len__(self) -> int:
        """How many interactions are not yet performed to their end."""
        return len(self._scores)

    @property
    def busy(self) -> bool:
        """Something is committed and not yet performed."""
        return bool(self._idle)

    def touch(self, interaction: Interaction) -> None:
        """`interaction` is committed: perform it."""
        self._scores[interaction.interaction_id] = interaction
        self.touch_again(interaction.interaction_id)

    def touch_again(self, interaction_id: InteractionId) -> None:
        """Something outside the desk changed for it: perform the same state again."""
        if interaction_id not in self._scores:
            return
        self._dirty[interaction_id] = None
        if interaction_id not in self._idle:
            self._idle[interaction_id] = asyncio.Event()
        self._wake.set()

    def note(self, interaction: Interaction) -> None:
        """`interaction` stands as an earlier process left it: perform it once there is a media worker."""
        self._scores[interaction.interaction_id] = interaction
        if self._stage.is_set():
            self.touch_again(interaction.interaction_id)

    def touch_all(self) -> None:
        """A media worker is there, for the first time or anew."""
        self._stage.set()
        for interaction_id in tuple(self._scores):
            self.touch_again(interaction_id)

    async def settled(self, interaction_id: InteractionId) -> None:
        """Returns when the interaction is performed as it was committed before the call."""
        idle = self._idle.get(interaction_id)
        if idle is not None:
            await idle.wait()

    async def all_settled(self) -> None:
        while self._idle:
            await next(iter(self._idle.values())).wait()

    async def run(self) -> None:
        """Performs until cancelled; nothing before the first media worker is there."""
        try:
            await self._stage.wait()
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    for interaction_id in tuple(self._dirty):
                        if interaction_id not in self._performing:
                            self._performing.add(interaction_id)
                            tasks.create_task(self._play(interaction_id))
        finally:
            for idle in self._idle.values():
                idle.set()

    async def _play(self, interaction_id: InteractionId) -> None:
        try:
            while interaction_id in self._dirty:
                del self._dirty[interaction_id]
                await self._play_once(interaction_id)
        finally:
            self._performing.discard(interaction_id)
            self._idle.pop(interaction_id).set()
            if self._scores[interaction_id].ended_at is not None:
                del self._scores[interaction_id]

    async def _play_once(self, interaction_id: InteractionId) -> None:
        try:
            await self._perform(self._scores[interaction_id])
        except BridgeError as error:
            # The plane is lost or refuses; legs that suffer were told, and a new worker touches all again.
            log.warning("! performance", interaction=interaction_id, code=error.code, reason=error.reason)
        except Exception:
            # The guard of style rule 6: a mistake of ours ends one interaction, not the daemon.
            log.exception("! performance", interaction=interaction_id)
            self._on_crash(interaction_id)
