"""The journal's database goes away in the middle of a call, is locked, full or stands still: the customer talks on."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bridge.peers.beside import beside
from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.browser.signaling_client import CommandFailedError, has_ended
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.peers.phone.caller import synthetic_caller
from bridge.peers.within import within
from tests.interop.conftest import complaints
from tests.interop.desktop import TONES_HZ, hears
from tests.interop.journal.postgres import Cluster, cluster
from tests.interop.test_lifecycle import (
    END_S,
    becomes,
    caller_hears_the_agent,
    conversation,
    logged,
    metric,
    nothing_is_left,
)

pytestmark = pytest.mark.xdist_group("postgresql")
PLENTY_S = 120.0  # of patience: a loaded machine takes its time to start a database
DISK_BYTES = 4 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
async def database(server: Cluster) -> str:
    """The URL of a new, empty database."""
    name = f"trouble{os.urandom(4).hex()}"
    engine = create_async_engine(f"{server.url}/postgres", isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return f"{server.url}/{name}"


@dataclass(frozen=True)
class Agent:
    """Who talks with a customer, and asks the bridge for something while the journal is in trouble."""

    browser: SyntheticBrowser
    interaction_id: str

    async def asks(self) -> None:
        """Whether the answer comes in the time the agent has for it or not."""
        wish = {"interactionId": self.interaction_id, "attributes": {"case_number": "4711"}}
        with contextlib.suppress(CommandFailedError):
            await self.browser.client.command("setAttributes", **wish)

    async def has_got_it(self) -> bool:
        shown = await self.browser.client.command("getInteraction", interactionId=self.interaction_id)
        return "case_number" in shown["interaction"]["attributes"]


async def becomes_unready(daemon: DaemonProcess, agent: Agent) -> None:
    async def look() -> bool:
        status, body = await daemon.get("/readyz")
        return status == 503 and "journal" in body

    async with beside(agent.asks()):
        await becomes("it says that it is not ready", look, PLENTY_S)


async def becomes_ready(daemon: DaemonProcess) -> None:
    async def look() -> bool:
        return (await daemon.get("/readyz"))[0] == 200

    await becomes("it is ready again", look, PLENTY_S)


@contextlib.asynccontextmanager
async def talking_on(daemon: DaemonProcess) -> AsyncIterator[Agent]:
    """In the block the journal is in trouble, and the agent asks for something.

    After it that is carried out, both hear each other still, and others can call.
    """
    async with conversation(daemon) as (caller, browser):
        heard = (told.event for told in browser.client.events)
        agent = Agent(browser, next(event["interactionId"] for event in heard if "interactionId" in event))
        yield agent
        await hears(browser, "customer")
        await caller_hears_the_agent(caller)
        await becomes_ready(daemon)
        await becomes("the agent's wish came true", agent.has_got_it, PLENTY_S)
        assert not caller.ended.is_set()
        async with synthetic_caller((), TONES_HZ) as latecomer:
            await latecomer.call(daemon.sip_uri())
            await latecomer.hang_up()
        await caller.hang_up()
        await browser.client.wait_for(has_ended, 30.0)
    await nothing_is_left(daemon)
    assert daemon.process.returncode is None
    assert complaints(daemon) == []
    assert logged(daemon, "! journal waits")
    assert logged(daemon, "= journal goes on")


# --- PostgreSQL -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_of_postgresql_is_waited_for(
    server: Cluster, database: str, tmp_path: Path, mode: str
) -> None:
    settings = {"journal.url": database, "journal.patience_s": PLENTY_S}
    async with daemon_process(tmp_path, settings) as daemon, talking_on(daemon) as agent:
        await asyncio.to_thread(server.stop, mode)
        try:
            await becomes_unready(daemon, agent)
        finally:
            await asyncio.to_thread(server.start)


async def test_a_postgresql_that_stands_still_is_waited_for(
    server: Cluster, database: str, tmp_path: Path
) -> None:
    settings = {"journal.url": database, "journal.patience_s": PLENTY_S}
    async with daemon_process(tmp_path, settings) as daemon, talking_on(daemon) as agent:
        with server.standing_still():
            await becomes_unready(daemon, agent)

            async def is_tried_again() -> bool:
                return metric((await daemon.get("/metrics"))[1], "warmbridge_journal_retries_total") > 0

            await becomes("it is not waited for without an end", is_tried_again, PLENTY_S)


async def test_a_postgresql_that_stays_away_ends_the_daemon_and_the_phones_hear_a_bye(
    server: Cluster, database: str, tmp_path: Path
) -> None:
    settings = {"journal.url": database, "journal.patience_s": 1.0}
    async with daemon_process(tmp_path, settings) as daemon, conversation(daemon) as (caller, agent):
        await asyncio.to_thread(server.stop)
        try:
            with contextlib.suppress(CommandFailedError):
                await agent.client.command("setPresence", presence="away", role="agent")
            assert await within(END_S + PLENTY_S, daemon.process.wait()) == 1
            await within(5.0, caller.ended.wait())
            assert caller.ended_by == "remote"
            assert "Traceback" not in daemon.log.read_text()
            assert logged(daemon, "! stopped")
        finally:
            await asyncio.to_thread(server.start)


# --- SQLite -----------------------------------------------------------------------------------------------


async def test_a_journal_that_somebody_else_has_locked_is_waited_for(tmp_path: Path) -> None:
    async with daemon_process(tmp_path) as daemon, talking_on(daemon) as agent:
        with closing(sqlite3.connect(tmp_path / "journal.db")) as somebody:
            somebody.execute("BEGIN IMMEDIATE")
            await becomes_unready(daemon, agent)  # SQLite itself waits five seconds before it says so


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small one of the test's own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(place)]
    subprocess.run(mount, check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def test_a_disk_that_is_full_is_waited_for(disk: Path, tmp_path: Path) -> None:
    settings = {
        "journal.url": f"sqlite+aiosqlite:///{disk / 'journal.db'}",
        "journal.patience_s": PLENTY_S,
    }
    async with daemon_process(tmp_path, settings) as daemon, talking_on(daemon) as agent:
        fill(disk / "filler")
        await becomes_unready(daemon, agent)
        (disk / "filler").unlink()


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
