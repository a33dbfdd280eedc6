"""A row holds several events: what was a row each is carried over as a row with one event."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# The name goes into the body, which becomes a list of one pair. Bytes stay bytes: what is in them is not looked at.
SQLITE_BODY = """CAST('[["' || name || '",' || CAST(body AS TEXT) || ']]' AS BLOB)"""
POSTGRESQL_BODY = """convert_to('[["' || name || '",', 'UTF8') || body || convert_to(']]', 'UTF8')"""


def upgrade() -> None:
    op.drop_index("ix_events_wall", "events")
    op.drop_index("ix_events_interaction_id", "events")
    op.rename_table("events", "events_one_by_one")
    op.create_table(
        "events",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("event_count", sa.Integer, nullable=False),
        sa.Column("boot_id", sa.String(64), nullable=False),
        sa.Column("interaction_id", sa.String(64), nullable=True),
        sa.Column("wall", sa.Float, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    body = POSTGRESQL_BODY if op.get_bind().dialect.name == "postgresql" else SQLITE_BODY
    op.execute(
        "INSERT INTO events (number, event_count, boot_id, interaction_id, wall, body)"
        f" SELECT number, 1, boot_id, interaction_id, wall, {body} FROM events_one_by_one ORDER BY number"
    )
    op.drop_table("events_one_by_one")
    op.create_index("ix_events_interaction_id", "events", ["interaction_id"])
