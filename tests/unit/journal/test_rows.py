"""Statements for many rows: few texts, prepared once, and the same rows on disk however they are cut."""

import pytest
from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, create_engine, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg

from bridge.journal.rows import SIZES, RowStatement, deleting, inserting, upserting

METADATA = MetaData()
KEPT = Table(
    "kept",
    METADATA,
    Column("owner", String(8), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)


def row(number: int, body: bytes = b"") -> dict[str, object]:
    return {"body": body, "number": number, "owner": "me", "beside": "what is no column is not looked at"}


def test_rows_are_cut_into_the_sizes() -> None:
    statement, dialect = inserting(KEPT), sqlite.dialect()
    for count in (0, 1, 2, 3, 63, 64, 65, 127, 200):
        said = list(statement.say([row(n) for n in range(count)], dialect))
        assert sum(len(parameters) // 3 for _, parameters in said) == count
        assert len(said) <= count // SIZES[0] + len(SIZES)
        assert [number for _, parameters in said for number in parameters[1::3]] == list(range(count))


def test_a_text_is_made_once() -> None:
    statement, dialect = inserting(KEPT), sqlite.dialect()
    (first, _), (again, _) = (next(statement.say([row(n)], dialect)) for n in range(2))
    assert first is again
    assert first == "INSERT INTO kept (owner, number, body) VALUES (?, ?, ?)"


def test_each_database_gets_its_own_spelling() -> None:
    ((text, parameters),) = inserting(KEPT).say([row(1, b"x")], asyncpg.dialect())  # type: ignore[no-untyped-call]
    assert "$1" in text
    assert parameters == ("me", 1, b"x")


@pytest.mark.parametrize("count", [1, 2, 5, 64, 100])
def test_rows_are_put_replaced_and_taken_out(count: int) -> None:
    engine = create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.connect() as connection:

        def carry_out(statement: RowStatement, rows: list[dict[str, object]]) -> None:
            for text, parameters in statement.say(rows, engine.dialect):
                connection.exec_driver_sql(text, parameters)

        def found() -> list[tuple[object, ...]]:
            query = select(KEPT.c.number, KEPT.c.body).order_by(KEPT.c.number)
            return [tuple(each) for each in connection.execute(query)]

        carry_out(inserting(KEPT), [row(n, b"old") for n in range(count)])
        carry_out(upserting(KEPT, "sqlite"), [row(n, b"new") for n in range(1, count + 1)])
        assert found() == [(0, b"old"), *((n, b"new") for n in range(1, count + 1))]
        carry_out(deleting(KEPT), [row(n) for n in range(1, count + 3)])  # some are not there
        assert found() == [(0, b"old")]
    engine.dispose()


def test_parameters_in_another_order_are_refused() -> None:
    """The driver takes them by place: what stood elsewhere would be another column's."""
    turned = RowStatement(("number", "owner", "body"), lambda binds: insert(KEPT).values(binds))
    with pytest.raises(RuntimeError, match="another order"):
        list(turned.say([row(1)], sqlite.dialect()))
