"""Flows are stored once; what older events carry whole is read as it is."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "flow_definitions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("wall", sa.Float, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
