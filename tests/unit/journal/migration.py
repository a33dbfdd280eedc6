"""A journal that an earlier bridge wrote is read by this one: its rows are as they came from there."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, column, func, insert, select, table
from sqlalchemy.ext.asyncio import create_async_engine

from bridge.clock import ManualClock
from bridge.ids import InteractionId
from bridge.journal import migrations
from bridge.journal.definitions import Definitions
from bridge.journal.record import parse_events
from bridge.journal.schema import BOOTS, EVENTS
from bridge.journal.snapshots import Snapshots
from tests.unit.journal.contract import attached, check_schema, new_desk, running

DATA = Path(__file__).parents[2] / "data" / "journal"
OLD_EVENTS = table(
    "events", *map(column, ("number", "boot_id", "interaction_id", "wall", "name", "body"))
)  # as schema 0002 had them


def old_rows() -> Sequence[dict[str, Any]]:
    """Two calls to the queue that hung up, and a conversation of agent, expert and customer, of schema 0002."""
    rows = json.loads((DATA / "events_0002.json").read_text())["events"]
    names = [column.name for column in OLD_EVENTS.columns]
    return [dict(zip(names, (*row[:5], row[5].encode()), strict=True)) for row in rows]


async def write_old_journal(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade_to_0002)
        await connection.execute(insert(OLD_EVENTS), old_rows())
        await connection.execute(insert(BOOTS), {"boot_id": "boot_house", "wall": 1000.0})
    await engine.dispose()


def _upgrade_to_0002(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    config.attributes["connection"] = connection
    command.upgrade(config, "0002")


async def check_migration(url: str) -> None:
    """Every event with its number, boot and interaction; what is written from then on comes behind them."""
    await write_old_journal(url)
    await check_schema(url)
    old = old_rows()
    async with running(url, "boot_new") as journal:
        await journal.append([attached(1), attached(2)], lambda _: None)
        *entries, first, second = await journal.read()
        assert [(e.number, e.boot_id, e.wall) for e in entries] == [
            (row["number"], row["boot_id"], row["wall"]) for row in old
        ]
        named = [b'[["%b",%b]]' % (row["name"].encode(), row["body"]) for row in old]
        assert [e.event for e in entries] == [
            event for body in named for event in parse_events(body, Definitions())
        ]
        assert [first.number, second.number] == [len(old) + 1, len(old) + 2]
        told = await journal.read(interaction_id=InteractionId("int_2"))
        assert [e.number for e in told] == [row["number"] for row in old if row["interaction_id"] == "int_2"]
        rows = await journal.read_rows(select(func.count()).select_from(EVENTS))
        assert rows[0][0] == len(old) + 1


async def check_restoring_a_migrated_journal(url: str) -> None:
    """The conversation that was going on goes on, and the flows that were started ended as they did."""
    await write_old_journal(url)
    async with running(url, "boot_new") as journal:
        desk = new_desk()
        snapshots = Snapshots(journal, desk, ManualClock())
        last_at = json.loads(old_rows()[-1]["body"])["at"]
        assert await snapshots.restore() == last_at
        assert snapshots.replayed == len(old_rows())
        assert [i.interaction_id for i in desk.live_interactions()] == ["int_1", "int_2"]
        assert len(desk.interactions()) == 4
