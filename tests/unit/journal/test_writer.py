"""Both ways to write the journal: a commit is whole or nothing, and the connection goes on after one that failed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from bridge.journal.writer import ConnectionWriter, Statement, ThreadWriter, Writer

METADATA = MetaData()
ROWS = Table("rows", METADATA, Column("number", Integer, primary_key=True))


def put(*numbers: int) -> Statement:
    return insert(ROWS), [{"number": number} for number in numbers]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    engine = create_engine(f"sqlite:///{tmp_path / 'rows.db'}")
    METADATA.create_all(engine)
    engine.dispose()
    return tmp_path / "rows.db"


@pytest.fixture(params=["thread", "connection"])
async def writer(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Writer]:
    if request.param == "thread":
        made: Writer = ThreadWriter(create_engine(f"sqlite:///{path}"))
        yield made
        await made.aclose()
        return
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")

    async def connect():  # type: ignore[no-untyped-def]
        return await engine.connect()

    made = ConnectionWriter(connect)
    yield made
    await made.aclose()
    await engine.dispose()


def written(path: Path) -> list[int]:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        found = [row.number for row in connection.execute(select(ROWS).order_by(ROWS.c.number))]
    engine.dispose()
    return found


async def test_every_statement_of_a_commit_is_written(writer: Writer, path: Path) -> None:
    await writer.commit([put(1), put(2, 3)])
    assert written(path) == [1, 2, 3]


async def test_a_commit_that_fails_writes_nothing_and_the_next_one_goes_through(
    writer: Writer, path: Path
) -> None:
    with pytest.raises(IntegrityError):
        await writer.commit([put(1), put(2), put(1)])
    await writer.commit([put(5)])
    assert written(path) == [5]
