"""What the door knows of one call: who waits for it, and what keeps its memory when nobody does."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from bridge.errors import BridgeError
from bridge.ids import LegId
from signaling.sip.session.event import AgentEvent, CallKey, ReofferAnswered, ReofferRefused

if TYPE_CHECKING:
    from bridge.journal.schema import Write
    from bridge.switchboard.door.doors import LegKeeper

MAX_INBOX = 32  # the core lets one offer through at a time, so a call has few events but for keys

_log = structlog.get_logger("sip")


class CallLeg:
    """A call and who waits for it."""

    __slots__ = ("acknowledged", "attended", "call", "dialing", "inbox", "leg_id", "log", "reoffering")

    def __init__(self, leg_id: LegId, call: CallKey, call_id: str) -> None:
        self.leg_id = leg_id
        self.call = call
        self.attended = False  # a task reads the inbox
        self.acknowledged = asyncio.Event()  # no 200 of ours waits for its ACK
        self.acknowledged.set()
        self.inbox: asyncio.Queue[AgentEvent] = asyncio.Queue(
            MAX_INBOX + 1
        )  # the end of the call always fits
        self.dialing: asyncio.Future[str] | None = None
        self.reoffering: asyncio.Future[ReofferAnswered | ReofferRefused] | None = None
        self.log = _log.bind(leg=leg_id, call_id=call_id)

    def end(self) -> None:
        """The call is over: whoever waits to change it hears so. Twice is fine."""
        self.acknowledged.set()
        if self.reoffering is not None and not self.reoffering.done():
            self.reoffering.set_result(ReofferRefused(self.call, 481, "the call ended", 0.0))


class Forgetful:
    """Keeps nothing: calls end with the process."""

    async def keep(self, leg_id: LegId, body: bytes) -> None: ...

    def keeping(self, _leg_id: LegId, _body: bytes, /) -> "Sequence[Write]":
        return ()

    def begin_keep(self, leg_id: LegId, body: bytes) -> None: ...

    def keep_along(self, leg_id: LegId, body: bytes) -> None: ...

    def forget(self, leg_id: LegId) -> None: ...


class CallLegs:
    """All calls of the door, by leg and by call. What a restart needs of each goes to `keeper`."""

    __slots__ = ("_by_call", "_by_leg", "_remember", "keeper")

    def __init__(self, remember: Callable[[CallKey], bytes]) -> None:
        self._remember = remember
        self._by_leg: dict[LegId, CallLeg] = {}
        self._by_call: dict[CallKey, CallLeg] = {}
        self.keeper: LegKeeper = Forgetful()

    def __len__(self) -> int:
        return len(self._by_leg)

    def __iter__(self) -> Iterator[CallLeg]:
        return iter(tuple(self._by_leg.values()))

    def get(self, leg_id: LegId) -> CallLeg | None:
        return self._by_leg.get(leg_id)

    def of(self, call: CallKey | None) -> CallLeg | None:
        return None if call is None else self._by_call.get(call)

    def enter(self, leg_id: LegId, call: CallKey, call_id: str) -> CallLeg:
        leg = CallLeg(leg_id, call, call_id)
        self._by_leg[leg_id] = leg
        self._by_call[call] = leg
        return leg

    def forget(self, leg: CallLeg) -> None:
        """The call is over. Twice is fine, and another call may have its leg by then: one without video, say."""
        if self._by_leg.get(leg.leg_id) is leg:
            del self._by_leg[leg.leg_id]
            with suppress(BridgeError):
                self.keeper.forget(leg.leg_id)
        self._by_call.pop(leg.call, None)
        leg.end()

    async def keep(self, leg: CallLeg, body: bytes) -> None:
        """Returns once it is on disk."""
        if body:
            await self.keeper.keep(leg.leg_id, body)

    def keeping(self, leg: CallLeg, body: bytes) -> "Sequence[Write]":
        """For a commit that somebody waits for."""
        return self.keeper.keeping(leg.leg_id, body) if body else ()

    def begin_keep(self, leg: CallLeg) -> None:
        """The call as it is now; nobody waits for it. One that is over, or a disk that is, keeps nothing."""
        self._keep_by(self.keeper.begin_keep, leg)

    def keep_along(self, leg: CallLeg) -> None:
        """The same for what the peer would tell again, should it be forgotten by a kill in the next moment."""
        self._keep_by(self.keeper.keep_along, leg)

    def _keep_by(self, keep: Callable[[LegId, bytes], None], leg: CallLeg) -> None:
        with suppress(BridgeError):
            body = self._remember(leg.call)
            if body:
                keep(leg.leg_id, body)
