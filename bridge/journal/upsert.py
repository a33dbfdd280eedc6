"""Insert or replace, as each of the two databases writes it."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import Executable


def upsert(table: Table, dialect: str) -> Executable:
    """An INSERT of all columns that replaces the row with the same primary key."""
    insert: Any = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {
        column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys
    }
    statement: Executable = insert.on_conflict_do_update(index_elements=keys, set_=changed)
    return statement
