"""Trunks at the switchboard: who may look, who is told when one goes up or down, and the webhook's copy of it."""

import pytest
from sqlalchemy import insert, select

from bridge.errors import ForbiddenError
from bridge.ids import TrunkId
from bridge.journal.schema import LEG_MEMORIES, Write
from bridge.switchboard.door.doors import Audience
from bridge.switchboard.view.event import DesktopEvent, TrunkUpdated
from bridge.switchboard.view.view import TrunkView
from tests.unit.switchboard.theatre import ALICE, ALL_SCOPES, theatre, who

ADMIN = who("admin", scopes=ALL_SCOPES | {"trunk:admin"})
DOWN = TrunkView(TrunkId("carrier"), "Carrier", "sip:trunk.example", "down", 0, 10, 0)
KEEPING = insert(LEG_MEMORIES)


class WrittenOutbox:
    """Keeps each copy as a row of a table that is there anyway."""

    def writes(self, told: object) -> tuple[Write, ...]:
        return ()

    def writes_aside(self, event: DesktopEvent, audience: Audience) -> tuple[Write, ...]:
        assert isinstance(event, TrunkUpdated)
        row = {"owner": audience.scope, "leg_id": event.trunk.trunk_id, "body": event.reason.encode()}
        return (Write(KEEPING, row),)


async def test_trunks_are_shown_to_whoever_administers_them() -> None:
    async with theatre() as stage:
        assert [trunk.trunk_id for trunk in stage.board.trunks.list(ADMIN)] == ["carrier"]
        with pytest.raises(ForbiddenError, match="trunk:admin"):
            stage.board.trunks.list(ALICE)


async def test_a_trunk_that_goes_down_is_told_to_them_alone() -> None:
    async with theatre() as stage:
        stage.board.trunk_moved(DOWN, "408 no answer")
        assert stage.doors.seen_by(ADMIN) == [TrunkUpdated(DOWN, "408 no answer")]
        assert stage.doors.seen_by(ALICE) == []
        assert not stage.journal.pending, "how a trunk is is not journaled"


async def test_the_copy_for_webhooks_is_on_disk() -> None:
    async with theatre() as stage:
        stage.board.trunks.attach(WrittenOutbox())
        stage.board.trunk_moved(DOWN, "408 no answer")
        assert stage.doors.seen_by(ADMIN) == [TrunkUpdated(DOWN, "408 no answer")]
        await stage.board.settled()
        columns = LEG_MEMORIES.c
        rows = await stage.journal.read_rows(select(columns.owner, columns.leg_id, columns.body))
        assert [tuple(row) for row in rows] == [("trunk:admin", "carrier", b"408 no answer")]
