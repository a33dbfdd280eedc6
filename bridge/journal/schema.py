"""The tables of the journal: the events, and what must be on disk in the same commit as the step that caused it.

What is changed here needs a step in `migrations/versions` and `HEAD` in `bridge.journal.database`; a test
compares the two. `JOURNAL.md` says what each column is for.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table
from sqlalchemy.sql import Executable

from bridge.journal.rows import RowStatement

METADATA = MetaData()
_COUNTER = BigInteger().with_variant(Integer, "sqlite")  # SQLite's INTEGER has 64 bits, PostgreSQL's 32

BOOTS = Table(
    "boots",
    METADATA,
    Column("boot_id", String(64), primary_key=True),
    Column("wall", Float, nullable=False),
)

# The events of one step in a row that are about one interaction, or about none: a row each costs more than the event.
EVENTS = Table(
    "events",
    METADATA,
    Column(
        "number", _COUNTER, primary_key=True, autoincrement=False
    ),  # of the first: two writers use it twice
    Column("event_count", Integer, nullable=False),
    Column("boot_id", String(64), nullable=False),
    Column("interaction_id", String(64), nullable=True, index=True),
    Column("wall", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# What `FlowStarted` refers to: the flow is the same for every call until somebody changes its file.
FLOW_DEFINITIONS = Table(
    "flow_definitions",
    METADATA,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the body
    Column("wall", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# The desk's whole state after the event `number`: a restart reads it and the events that follow.
SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("number", _COUNTER, primary_key=True, autoincrement=False),
    Column("wall", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# What each owner (a door, the switchboard) must know of a leg to take it up again: bytes of its own making.
LEG_MEMORIES = Table(
    "leg_memories",
    METADATA,
    Column("owner", String(32), primary_key=True),
    Column("leg_id", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

# Work for the world outside (a notification, a dial): from the commit of its event until it was done.
OUTBOX = Table(
    "outbox",
    METADATA,
    Column("task_id", _COUNTER, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("lane", String(128), nullable=False),
    Column("due_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("dead", Integer, nullable=False),
    Column("reason", String(512), nullable=False),
    Column("wall", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_outbox_lane", "kind", "lane", "task_id"),
)

# The answer given to a request with an Idempotency-Key, kept to be given again.
IDEMPOTENCY_ANSWERS = Table(
    "idempotency_answers",
    METADATA,
    Column("owner", String(128), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),  # SHA-256 of method, path and body
    Column("status", Integer, nullable=False),
    Column("headers", LargeBinary, nullable=False),  # JSON object
    Column("body", LargeBinary, nullable=False),
    Column("wall", Float, nullable=False, index=True),
)

WEBHOOK_SUBSCRIPTIONS = Table(
    "webhook_subscriptions",
    METADATA,
    Column("subscription_id", String(64), primary_key=True),
    Column("wall", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),  # JSON: owner, URL, secret, events, scopes
)


class Write(msgspec.Struct, frozen=True, gc=False):
    """One statement that is carried out in the commit of a step, after its events.

    Of several writes with the same `key` in one commit only the last is carried out, whenever it suits: each
    says all there is to know of its row. Those without a key are carried out in their order.
    `parameters` are the row if the statement is one of rows.
    """

    statement: Executable | RowStatement
    parameters: Mapping[str, Any] = {}
    key: Hashable = None
