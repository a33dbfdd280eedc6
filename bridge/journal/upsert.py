"""Insert or replace, as each of the two databases writes it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql.dml import UpdateBase


def upsert(table: Table, dialect: str, rows: Sequence[Mapping[str, Any]]) -> UpdateBase:
    """An INSERT of all columns that replaces the rows with the same primary keys."""
    insert: Any = _inserts(dialect)(table).values(rows)
    keys = [column.name for column in table.primary_key]
    changed = {
        column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys
    }
    statement: UpdateBase = insert.on_conflict_do_update(index_elements=keys, set_=changed)
    return statement


def _inserts(dialect: str) -> Any:
    """Of the database that is used; the other one need not be imported."""
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert

        return insert
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert
