"""What Alembic runs first: the migrations use the connection that opened the journal."""

from alembic import context

from bridge.journal.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
