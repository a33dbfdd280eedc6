"""The events and the boots that wrote them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "boots",
        sa.Column("boot_id", sa.String(64), primary_key=True),
        sa.Column("wall", sa.Float, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("boot_id", sa.String(64), nullable=False),
        sa.Column("interaction_id", sa.String(64), nullable=True),
        sa.Column("wall", sa.Float, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_events_interaction_id", "events", ["interaction_id"])
