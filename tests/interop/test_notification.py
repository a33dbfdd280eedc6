"""Notifications by a real mail server: read where they were delivered, retried, given up, and no password anywhere."""

import asyncio
import contextlib
import json
import secrets
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.peers.beside import beside
from bridge.peers.browser.signaling_client import signaling_client
from bridge.peers.daemon_process import HOST, DaemonProcess
from bridge.peers.demo.script import draw_script
from bridge.peers.phone.caller import SyntheticCaller, synthetic_caller
from bridge.peers.ports import free_port
from tests.interop.mail import PASSWORD, MailServer, mail_server
from tests.interop.programs import eventually

FLOW = """\
name = "Told"
kind = "inbound"
start = "tell"

[steps.tell]
do = "notify"
to = "{group}"
subject = "Call from {{caller}}"
text = "{{caller}} called {{called}}."
success = "line"
failure = "end"

[steps.line]
do = "queue"
queue = "default"
timeout_s = 300
success = "end"
failure = "end"
timeout = "end"
"""
PATIENCE_S = 30.0
ADMIN = ("interaction:read", "queue:write", "webhook:read", "webhook:write")


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with mail_server(free_port()) as server:
        yield server


@pytest.fixture
def silent_port() -> int:
    return free_port()


@pytest.fixture
def settings(tmp_path: Path, mail: MailServer, silent_port: int) -> dict[str, object]:
    """Groups: experts are reached, strangers are refused, and a server that takes connections is silent."""
    silent = MailServer(mail.folder, silent_port)
    urls = {
        "experts": f"# the experts\n{mail.url('experts')}\n",
        "strangers": mail.url("stranger"),
        "forgetful": mail.url("experts", "wrong-Password-0815"),
        "silent": silent.url("experts"),
    }
    groups = []
    for name, text in urls.items():
        (tmp_path / f"{name}.urls").write_text(text)
        groups.append(f'{{id = "{name}", urls_file = "{tmp_path / name}.urls"}}')
    return {
        "notifications.groups": f"[{', '.join(groups)}]",
        "notifications.first_retry_s": 0.5,
        "notifications.longest_retry_s": 1,
        "notifications.max_attempts": 3,
        "notifications.timeout_s": 5,
        "flows.inbound": '""',
    }


@contextlib.asynccontextmanager
async def caller(daemon: DaemonProcess) -> AsyncIterator[SyntheticCaller]:
    script = draw_script(secrets.randbelow)
    async with synthetic_caller(script.customer_plays_hz, script.tones_hz) as phone:
        await phone.call(daemon.sip_uri())
        yield phone


async def watch_line(daemon: DaemonProcess, *groups: str) -> None:
    """From now on these are written to when one waits."""
    queue = {
        "queueId": "default",
        "name": "Waiting list",
        "notifyDepth": 0,
        "notifyEveryS": 3600,
        "notifyGroups": groups,
        "notifySubject": "{queue}: {depth} waiting",
        "notifyText": "{depth} in {queue_id}, more than {threshold}. Longest: {longest_wait}.",
    }
    async with signaling_client(daemon.websocket_url, daemon.token("admin", ADMIN)) as client:
        await client.command("declareQueue", queue=queue)


async def dead_letters(daemon: DaemonProcess) -> list[dict[str, Any]]:
    async with signaling_client(daemon.websocket_url, daemon.token("admin", ADMIN)) as client:
        found: list[dict[str, Any]] = (await client.command("listDeadNotifications"))["deadNotifications"]
        return found


async def given_up(daemon: DaemonProcess, count: int = 1) -> list[dict[str, Any]]:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while len(found := await dead_letters(daemon)) < count:
        assert asyncio.get_running_loop().time() < deadline, daemon.last_log_lines()
        await asyncio.sleep(0.2)
    return found


async def test_a_long_line_is_told_by_mail_once_with_its_figures(
    daemon: DaemonProcess, mail: MailServer
) -> None:
    async with mail.serving(), contextlib.AsyncExitStack() as calls:
        async with signaling_client(daemon.websocket_url, daemon.token("admin", ADMIN)) as client:
            queue = {
                "queueId": "default",
                "name": "Waiting list",
                "notifyDepth": 2,
                "notifyGroups": ["experts"],
            }
            await client.command("declareQueue", queue=queue)
        for _ in range(2):
            await calls.enter_async_context(caller(daemon))
        await asyncio.sleep(1)
        assert mail.delivered("experts") == []
        for _ in range(2):
            await calls.enter_async_context(caller(daemon))
        await eventually("the mail", lambda: mail.delivered("experts"), PATIENCE_S)
        (letter,) = mail.delivered("experts")
        assert letter["Subject"] == "Waiting list: 3 waiting"
        assert letter["To"] == "experts@desk.test"
        body = letter.get_body(("plain",))
        assert body is not None
        assert "3 are waiting in Waiting list" in body.get_content()


async def test_mail_is_sent_once_the_server_is_there_even_by_the_next_process(
    daemon: DaemonProcess, mail: MailServer
) -> None:
    await watch_line(daemon, "experts")
    async with caller(daemon):
        await eventually("a failed try", lambda: "Connection refused" in daemon.log.read_text())
        await daemon.kill()
    async with mail.serving():
        await daemon.start_again()
        await eventually("the mail", lambda: mail.delivered("experts"), PATIENCE_S)
        await asyncio.sleep(1)
        assert [letter["Subject"] for letter in mail.delivered("experts")] == ["Waiting list: 1 waiting"]
    assert await dead_letters(daemon) == []


async def test_what_is_refused_is_tried_again_given_up_with_the_reason_and_sent_again_by_hand(
    daemon: DaemonProcess, mail: MailServer
) -> None:
    await watch_line(daemon, "strangers", "forgetful")
    async with mail.serving(), caller(daemon):
        letters = {letter["group"]: letter for letter in await given_up(daemon, 2)}
        assert {letter["attempts"] for letter in letters.values()} == {3}
        assert "no such user here" in letters["strangers"]["reason"]
        assert "535" in letters["forgetful"]["reason"]
        assert letters["strangers"]["subject"] == "Waiting list: 1 waiting"
        (first, second) = letters.values()
        request = urllib.request.Request(
            f"{daemon.http_url}/api/v2/notifications/dead-letters/{first['notificationId']}/send",
            method="POST",
            headers={"Authorization": f"Bearer {daemon.token('admin')}"},
        )
        answer = await asyncio.to_thread(urllib.request.urlopen, request)
        assert answer.status == 204
        assert [one["notificationId"] for one in await dead_letters(daemon)] == [second["notificationId"]]
        await given_up(daemon, 2)
    assert mail.delivered("stranger") == mail.delivered("experts") == []


async def test_a_server_that_hangs_holds_up_nobody_else(
    daemon: DaemonProcess, mail: MailServer, silent_port: int
) -> None:
    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        writer.close()

    server = await asyncio.start_server(say_nothing, HOST, silent_port)
    async with mail.serving(), beside(server.serve_forever()):
        await watch_line(daemon, "silent", "experts")
        async with caller(daemon):
            await eventually("the other's mail", lambda: mail.delivered("experts"), PATIENCE_S)
            assert "not taken within" not in daemon.log.read_text()  # it still hangs
            async with signaling_client(daemon.websocket_url, daemon.token("alice")) as client:
                await client.command("ping")
            (letter,) = await given_up(daemon)
            assert letter["group"] == "silent"
            assert letter["reason"]


@pytest.fixture
def told_flow(tmp_path: Path, settings: dict[str, object]) -> None:
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "told.toml").write_text(FLOW.format(group="experts"))
    settings |= {"flows.folder": folder, "flows.inbound": "told"}


@pytest.mark.usefixtures("told_flow")
async def test_a_flow_writes_and_goes_on_without_waiting_for_the_server(
    daemon: DaemonProcess, mail: MailServer
) -> None:
    async with caller(daemon):  # nobody listens at the mail server's port yet
        async with signaling_client(daemon.websocket_url, daemon.token("alice")) as client:
            await client.command("setPresence", presence="ready")
            await client.command("proveReady", microphone=True, camera=False, ice=True)
            await client.wait_for(lambda event: event["event"] == "offerMade", PATIENCE_S)
        async with mail.serving():
            await eventually("the mail", lambda: mail.delivered("experts"), PATIENCE_S)
    (letter,) = mail.delivered("experts")
    assert letter["Subject"].startswith("Call from ")
    body = letter.get_body(("plain",))
    assert body is not None
    assert "called" in body.get_content()


def command_lines() -> Iterator[str]:
    """Of every process there is."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_text(errors="replace")


async def test_no_password_is_in_log_database_api_or_command_line(
    daemon: DaemonProcess, mail: MailServer
) -> None:
    await watch_line(daemon, "strangers", "forgetful", "experts")
    seen: set[str] = set()

    async def look() -> None:
        while True:
            seen.update(command_lines())
            await asyncio.sleep(0.02)

    async with mail.serving(), beside(look()), caller(daemon):
        letters = json.dumps(await given_up(daemon, 2))
        await eventually("the mail", lambda: mail.delivered("experts"), PATIENCE_S)
    assert any("bridge.notification.send" in line for line in seen)
    files = [daemon.log, *daemon.directory.glob("journal.db*")]
    everything = "".join(path.read_bytes().decode(errors="replace") for path in files)
    assert "strangers" in everything
    for secret in (PASSWORD, "wrong-Password-0815"):
        assert secret not in everything
        assert secret not in letters
        assert not any(secret in line for line in seen)
