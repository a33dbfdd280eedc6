"""One statement for many rows: every step of a driver costs its way there and, on a thread, the interpreter's lock."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Dialect, Table, and_, bindparam, delete, insert, or_
from sqlalchemy.sql.dml import UpdateBase

from bridge.journal.upsert import upsert

# Rows of one statement: few texts, so that each is prepared once, but enough of them for few statements: with powers
# of two alone there were half as many more, and the CPU of a commit on PostgreSQL was a tenth more (measured).
SIZES = (64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)

Row = Mapping[str, Any]
Said = tuple[str, tuple[Any, ...]]  # the text of a statement and its parameters, as the driver takes them
_Binds = Sequence[Mapping[str, BindParameter[Any]]]


class RowStatement:
    """What is done with rows of `columns`. `build` says it in SQLAlchemy's words for so many rows at once.

    Made once for each thing that is done: the texts it was compiled to stay with it.
    """

    __slots__ = ("_build", "_columns", "_texts")

    def __init__(self, columns: Sequence[str], build: Callable[[_Binds], UpdateBase]) -> None:
        self._columns = tuple(columns)
        self._build = build
        self._texts: dict[tuple[str, int], str] = {}

    def say(self, rows: Sequence[Row], dialect: Dialect) -> Iterator[Said]:
        """As few statements as the sizes allow; of several rows with one key at most one may be there."""
        begun = 0
        for size in SIZES:
            while len(rows) - begun >= size:
                part = rows[begun : begun + size]
                parameters = tuple(row[column] for row in part for column in self._columns)
                yield self._text(size, dialect), parameters
                begun += size

    def _text(self, size: int, dialect: Dialect) -> str:
        place = (dialect.name, size)
        if place not in self._texts:
            self._texts[place] = self._compile(size, dialect)
        return self._texts[place]

    def _compile(self, size: int, dialect: Dialect) -> str:
        names = [[f"{column}_{number}" for column in self._columns] for number in range(size)]
        binds: list[dict[str, BindParameter[Any]]] = [
            {c: bindparam(name) for c, name in zip(self._columns, row, strict=True)} for row in names
        ]
        compiled: Any = self._build(binds).compile(dialect=dialect)
        expected = [name for row in names for name in row]
        if compiled.positiontup != expected:
            raise RuntimeError(f"the parameters of a statement stand in another order: {compiled}")
        return str(compiled)


def inserting(table: Table) -> RowStatement:
    """New rows, all columns of each."""
    return RowStatement(table.columns.keys(), lambda binds: insert(table).values(binds))


def upserting(table: Table, dialect: str) -> RowStatement:
    """Rows that replace those with the same primary key."""
    return RowStatement(table.columns.keys(), lambda binds: upsert(table, dialect, binds))


def deleting(table: Table) -> RowStatement:
    """The rows with these primary keys; those that are not there are gone already."""
    keys = table.primary_key.columns
    return RowStatement(
        keys.keys(),
        lambda binds: delete(table).where(
            or_(*(and_(*(keys[name] == bind for name, bind in row.items())) for row in binds))
        ),
    )
