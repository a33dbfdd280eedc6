"""Insert or replace, as each of the two databases writes it."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql import Executable


def upsert(table: Table, dialect: str) -> Executable:
    """An INSERT of all columns that replaces the row with the same primary key."""
    insert: Any = _inserts(dialect)(table)
    keys = [column.name for column in table.primary_key]
    changed = {
        column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys
    }
    statement: Executable = insert.on_conflict_do_update(index_elements=keys, set_=changed)
    return statement


def _inserts(dialect: str) -> Any:
    """Of the database that is used; the other one need not be imported."""
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert

        return insert
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert
