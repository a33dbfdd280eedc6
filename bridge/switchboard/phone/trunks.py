"""Use cases of trunks: how they are, and who is told when that changes."""

import structlog

from bridge.journal.database import JournalError
from bridge.switchboard.door.doors import Audience, Outbox
from bridge.switchboard.door.principal import TRUNK_ADMIN, Principal
from bridge.switchboard.phone.dialer import Dialer
from bridge.switchboard.view.event import TrunkUpdated
from bridge.switchboard.view.view import TrunkView
from bridge.switchboard.wiring import Wiring

log = structlog.get_logger()


class Trunks:
    """Not journaled: how a trunk is can be asked any time. Webhooks are told by a commit of its own."""

    __slots__ = ("_dialer", "_outbox", "_wiring")

    def __init__(self, wiring: Wiring, dialer: Dialer) -> None:
        self._wiring = wiring
        self._dialer = dialer
        self._outbox: Outbox | None = None

    def attach(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def list(self, principal: Principal) -> tuple[TrunkView, ...]:
        principal.require(TRUNK_ADMIN)
        return tuple(self._dialer.trunks())

    def moved(self, status: TrunkView, reason: str) -> None:
        event, audience = TrunkUpdated(status, reason), Audience(scope=TRUNK_ADMIN)
        writes = self._outbox.writes_aside(event, audience) if self._outbox is not None else ()
        if writes:
            try:
                self._wiring.journal.begin_write(*writes)
            except JournalError as error:
                log.error("! trunk", trunk=status.trunk_id, reason=error.reason)  # the webhook's copy is lost
        self._wiring.announcer.tell(event, audience)
