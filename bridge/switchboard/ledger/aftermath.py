"""What a step is followed by: rows in its commit, then performance, the parts it concerns, and the desktops."""

from collections.abc import Collection, Sequence
from typing import ClassVar, Protocol

import structlog

from bridge.desk.events import DeskEvent
from bridge.desk.interaction.interaction import Interaction
from bridge.journal.journal import JournalError
from bridge.journal.record import interaction_of
from bridge.journal.schema import Write
from bridge.journal.snapshots import Snapshots
from bridge.switchboard.door.doors import NoticeOutbox, Outbox
from bridge.switchboard.ledger.announcer import Announcer
from bridge.switchboard.ledger.conductor import Conductor
from bridge.switchboard.ledger.ledger import Committed

log = structlog.get_logger()


class Follower(Protocol):
    """A part that does more about some events than performing the interaction's state."""

    concerns: ClassVar[Collection[type[DeskEvent]]]  # the types of events that `receive` is told of

    def receive(self, event: DeskEvent, interaction: Interaction) -> None:
        """`event` is committed, and `interaction` as it is after its step."""
        ...


class Aftermath:
    """The ledger calls `numbered` before a step's commit and `committed` after it, both in the order of the steps.

    The journal's writer stands behind both calls: a view or a follower that fails must not stop every call.
    """

    __slots__ = ("_announcer", "_conductor", "_followers", "_notices", "_outbox", "_snapshots")

    def __init__(self, conductor: Conductor, announcer: Announcer, snapshots: Snapshots) -> None:
        self._conductor = conductor
        self._announcer = announcer
        self._snapshots = snapshots
        self._followers: dict[type[DeskEvent], list[Follower]] = {}
        self._outbox: Outbox | None = None
        self._notices: NoticeOutbox | None = None

    def follow(self, *followers: Follower) -> None:
        """Called once, before the first step: the followers need the ledger first."""
        for follower in followers:
            for event_type in follower.concerns:
                self._followers.setdefault(event_type, []).append(follower)

    def attach(self, outbox: Outbox | None, notices: NoticeOutbox | None) -> None:
        self._outbox = outbox
        self._notices = notices

    def numbered(self, committed: Committed) -> Sequence[Write]:
        """What goes to disk with a step: the copies that the outbox has to bring to others."""
        try:
            composed = self._announcer.compose(committed)
            copies = self._outbox.writes(composed) if self._outbox is not None else ()
            notices = self._notices.writes(committed.events) if self._notices is not None else ()
            return (*copies, *notices, *self._snapshots.writes(committed.numbers[-1]))
        except Exception:
            # The step has happened; a view that fails must not undo half of it.
            log.exception("! announcement", numbers=committed.numbers)
            return ()

    def committed(self, committed: Committed) -> None:
        for interaction in committed.interactions.values():
            self._conductor.touch(interaction)
        for event in committed.events:
            followers = self._followers.get(type(event))
            if followers is None:
                continue  # most are nobody's business
            interaction_id = interaction_of(event)
            if interaction_id is not None:
                for follower in followers:
                    _tell(follower, event, committed.interactions[interaction_id])
        try:
            self._announcer.announce()
        except Exception:
            log.exception("! announcement", numbers=committed.numbers)


def _tell(follower: Follower, event: DeskEvent, interaction: Interaction) -> None:
    try:
        follower.receive(event, interaction)
    except JournalError:
        raise
    except Exception:
        about = {"interaction": interaction.interaction_id, "about": type(event).__name__}
        log.exception("! follower", follower=type(follower).__name__, **about)
