"""The tables beside the events: what must be on disk in the same commit as the step that caused it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, String, Table
from sqlalchemy.sql import Executable

METADATA = MetaData()

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

# A delivery is a row from the commit of its event until it was delivered; one that was given up stays as
# a dead letter.
WEBHOOK_DELIVERIES = Table(
    "webhook_deliveries",
    METADATA,
    Column("delivery_id", String(64), primary_key=True),
    Column("subscription_id", String(64), nullable=False),
    Column("lane", String(64), nullable=False),  # what keeps its order: an interaction, or ""
    Column("number", Integer, nullable=False),
    Column("part", Integer, nullable=False),
    Column("wall", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("dead", Integer, nullable=False),
    Column("reason", String(512), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("webhook_deliveries_order", "number", "part"),
    Index("webhook_deliveries_dead", "subscription_id", "dead"),
)


@dataclass(frozen=True)
class Write:
    """One statement that is carried out in the commit of a step, after its events."""

    statement: Executable
    parameters: Mapping[str, Any] = field(default_factory=dict)
