"""What the door knows of one call: who waits for it, and what keeps its memory when nobody does."""

import asyncio

import structlog

from bridge.ids import LegId
from signaling.sip.event import AgentEvent, CallKey, ReofferAnswered, ReofferRefused

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


class Forgetful:
    """Keeps nothing: calls end with the process."""

    async def keep(self, leg_id: LegId, body: bytes) -> None: ...

    def begin_keep(self, leg_id: LegId, body: bytes) -> None: ...

    def forget(self, leg_id: LegId) -> None: ...
