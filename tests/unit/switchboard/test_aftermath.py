"""What follows a step stands behind the journal's writer: what fails there must not stop every call."""

from collections.abc import Collection
from typing import ClassVar

from bridge.clock import ManualClock
from bridge.desk import events
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.desk import Desk
from bridge.desk.events import DeskEvent
from bridge.desk.interaction.interaction import Interaction
from bridge.ids import IdSource, InteractionId
from bridge.journal.journal import Journal
from bridge.journal.snapshots import Snapshots
from bridge.switchboard.ledger.aftermath import Aftermath
from bridge.switchboard.ledger.announcer import Announcer
from bridge.switchboard.ledger.conductor import Conductor
from bridge.switchboard.ledger.ledger import Committed
from bridge.switchboard.view.portrait import Diagnoses, Portraits
from tests.unit.desk.house import House


class Stumbles:
    concerns: ClassVar[Collection[type[DeskEvent]]] = (events.ParticipantAdded,)

    def receive(self, event: DeskEvent, interaction: Interaction) -> None:
        raise ZeroDivisionError


class Listens:
    concerns: ClassVar[Collection[type[DeskEvent]]] = (events.ParticipantAdded, events.LegAttached)

    def __init__(self) -> None:
        self.heard: list[str] = []

    def receive(self, event: DeskEvent, interaction: Interaction) -> None:
        self.heard.append(type(event).__name__)


async def perform(_interaction: Interaction) -> None:
    return


def crashed(_interaction_id: InteractionId) -> None:
    raise AssertionError


def test_a_follower_that_fails_keeps_nobody_else_from_what_happened() -> None:
    clock, house = ManualClock(), House()
    journal = Journal("sqlite+aiosqlite://", clock, "boot_1")
    desk = Desk(DeskPolicy(), IdSource(lambda size: "0" * size))
    aftermath = Aftermath(
        Conductor(perform, crashed), Announcer(Portraits(clock, Diagnoses())), Snapshots(journal, desk, clock)
    )
    listens = Listens()
    aftermath.follow(Stumbles(), listens)
    id_ = house.call()
    numbers = tuple(range(1, len(house.journal) + 1))
    step = Committed(numbers, tuple(house.journal), {id_: house.interaction(id_)}, {}, frozenset())
    aftermath.numbered(step)
    aftermath.committed(step)
    assert listens.heard == ["ParticipantAdded", "LegAttached"]
