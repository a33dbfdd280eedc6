"""The daemon's life: its start, its end, the death of its media worker, and what keeps it from starting."""

import asyncio
import contextlib
import json
import math
import signal
import socket
import sqlite3
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from bridge.errors import CallFailedError
from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.browser.signaling_client import CommandFailedError, Event, has_ended
from bridge.peers.daemon_process import HOST, DaemonProcess, daemon_process
from bridge.peers.phone.caller import CallerSettings, SyntheticCaller, synthetic_caller
from bridge.peers.ports import free_media_ports, free_port
from bridge.peers.within import within
from signaling.web.protocol.messages import SUBPROTOCOL
from tests.certificates import Authority
from tests.interop.baresip import baresip
from tests.interop.conftest import complaints
from tests.interop.desktop import CUSTOMER_HZ, TONES_HZ, desktop, heard_in, hears
from tests.interop.programs import POLL_S, eventually, program, run, running

UNIT = Path(__file__).parents[2] / "systemd" / "warmbridge.service"
DRAINS = {"shutdown.drain_timeout_s": 30}  # longer than any of these tests waits
LEFT_OVERS = ("interactions_open", "legs", "sip_calls", "worker_legs", "worker_rtp_ports_lent")
END_S = 10.0  # from the last goodbye to the end of the process, on a loaded machine


def serve(directory: Path, settings: Mapping[str, object]) -> list[str]:
    """The command line of a daemon on ports of its own, all its files in `directory`."""
    secret = directory / "secret"
    secret.write_text("0123456789abcdef" * 2)
    rtp_port = free_media_ports(20)
    chosen: dict[str, object] = {
        "http.port": free_port(),
        "sip.port": free_port(),
        "webrtc.port": free_port(),
        "rtp.port_min": rtp_port,
        "rtp.port_max": rtp_port + 19,
        "auth.secret_file": secret,
        "journal.url": f"sqlite+aiosqlite:///{directory / 'journal.db'}",
        **settings,
    }
    overrides = [part for name, value in chosen.items() for part in ("--set", f"{name}={value}")]
    return [sys.executable, "-m", "bridge", "serve", *overrides]


@contextlib.asynccontextmanager
async def conversation(
    daemon: DaemonProcess, transport: str = "udp"
) -> AsyncIterator[tuple[SyntheticCaller, SyntheticBrowser]]:
    """A customer and an agent who hear each other."""
    settings = CallerSettings(transport=transport)
    async with desktop(daemon) as agent, synthetic_caller((CUSTOMER_HZ,), TONES_HZ, settings) as caller:
        await caller.call(daemon.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        await caller_hears_the_agent(caller)
        yield caller, agent


async def caller_hears_the_agent(caller: SyntheticCaller) -> None:
    def look() -> bool:
        last = list(caller.hearing.seconds)[-2:]
        return len(last) == 2 and all(heard_in(second) == {"agent"} for second in last)

    await eventually("the customer hears the agent", look)


def logged(daemon: DaemonProcess, event: str) -> bool:
    return f'"event": "{event}"' in daemon.log.read_text(errors="replace")


# --- the end ----------------------------------------------------------------------------------------------


async def test_sigterm_lets_a_call_end_by_itself_and_takes_no_new_one(tmp_path: Path) -> None:
    async with daemon_process(tmp_path, DRAINS) as daemon:
        async with conversation(daemon) as (caller, agent), synthetic_caller((), {}) as latecomer:
            daemon.process.send_signal(signal.SIGTERM)
            await eventually("it drains", lambda: logged(daemon, "= draining"))
            status, body = await daemon.get("/readyz")
            assert status == 503
            assert "draining" in body
            with pytest.raises(CallFailedError) as refused:
                await latecomer.call(daemon.sip_uri())
            assert refused.value.status == 503
            await hears(agent, "customer")
            await caller_hears_the_agent(caller)
            assert daemon.process.returncode is None
            await caller.hang_up()
            await agent.client.wait_for(has_ended, 30.0)
            assert await within(END_S, daemon.process.wait()) == 0
        assert complaints(daemon) == []


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_second_sigterm_hangs_up(tmp_path: Path, transport: str) -> None:
    async with daemon_process(tmp_path, DRAINS) as daemon:
        async with conversation(daemon, transport) as (caller, agent):
            daemon.process.send_signal(signal.SIGTERM)
            await eventually("it drains", lambda: logged(daemon, "= draining"))
            daemon.process.send_signal(signal.SIGTERM)
            await within(5.0, caller.ended.wait())
            assert caller.ended_by == "remote"
            await agent.client.wait_for(has_ended, 30.0)
            assert await within(END_S, daemon.process.wait()) == 0
        assert complaints(daemon) == []


async def test_the_drain_is_bounded(tmp_path: Path) -> None:
    async with daemon_process(tmp_path, {"shutdown.drain_timeout_s": 0.5}) as daemon:
        async with conversation(daemon) as (caller, _):
            daemon.process.send_signal(signal.SIGTERM)
            await within(5.0, caller.ended.wait())
            assert await within(END_S, daemon.process.wait()) == 0
        assert complaints(daemon) == []


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_journal_that_fails_ends_the_daemon_and_the_phones_hear_a_bye(
    tmp_path: Path, transport: str
) -> None:
    """What cannot be remembered must not go on; systemd starts the next daemon."""
    async with daemon_process(tmp_path, DRAINS) as daemon, conversation(daemon, transport) as (caller, agent):
        with sqlite3.connect(tmp_path / "journal.db") as saboteur:
            saboteur.execute("DROP TABLE events")
        with pytest.raises(CommandFailedError):
            await agent.client.command("setPresence", presence="away", role="agent")
        assert await within(END_S, daemon.process.wait()) == 1
        await within(5.0, caller.ended.wait())
        assert caller.ended_by == "remote"
        assert "Traceback" not in daemon.log.read_text()
        assert logged(daemon, "! stopped")


# --- systemd ----------------------------------------------------------------------------------------------


@pytest.fixture
def service_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket on which systemd listens to a service of Type=notify."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield sock


def told(service_manager: socket.socket) -> str:
    try:
        return service_manager.recv(4096).decode()
    except BlockingIOError:
        return ""


async def test_systemd_learns_when_the_daemon_takes_calls_and_when_it_stops(
    service_manager: socket.socket, tmp_path: Path
) -> None:
    async with daemon_process(tmp_path) as daemon, synthetic_caller((), {}) as caller:
        ready = await eventually("READY", lambda: told(service_manager))
        assert ready.splitlines()[0] == "READY=1"
        await caller.call(daemon.sip_uri())
        daemon.process.send_signal(signal.SIGTERM)
        stopping = await eventually("STOPPING", lambda: told(service_manager))
        assert stopping.splitlines() == ["STOPPING=1", "STATUS=draining 1 calls"]
        await caller.hang_up()


async def test_systemd_gets_signs_of_life_until_the_loop_stands_still(
    service_manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    async with daemon_process(tmp_path) as daemon:
        for _ in range(3):
            await eventually("a sign of life", lambda: told(service_manager) == "WATCHDOG=1")
        daemon.process.send_signal(signal.SIGABRT)  # as systemd does once there is none
        assert await within(END_S, daemon.process.wait()) == -signal.SIGABRT
        assert "most recent call first" in daemon.log.read_text()


async def test_a_daemon_that_cannot_start_never_says_ready(
    service_manager: socket.socket, tmp_path: Path
) -> None:
    with taken_port() as port:
        code, _ = await run(serve(tmp_path, {"webrtc.port": port}))
    assert code == 2
    assert told(service_manager) == ""


async def test_the_unit_is_one_systemd_understands(tmp_path: Path) -> None:
    """Verified with a program that exists: systemd-analyze looks for it."""
    stand_in = tmp_path / "warmbridge"
    stand_in.write_text("#!/bin/sh\n")
    stand_in.chmod(0o755)
    text = UNIT.read_text()
    assert "/opt/warmbridge/bin/warmbridge serve" in text
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace("/opt/warmbridge/bin/warmbridge", str(stand_in)))
    code, output = await run([program("systemd-analyze"), "verify", "--man=no", str(copy)])
    complaints_about_ours = [line for line in output.splitlines() if UNIT.name in line]
    assert (code, complaints_about_ours) == (0, [])
    assert "StartLimitIntervalSec=0\n" in text.partition("[Service]")[0], "it is never given up"


# --- the media worker dies --------------------------------------------------------------------------------


def media_worker(daemon: DaemonProcess) -> psutil.Process | None:
    children = psutil.Process(daemon.process.pid).children()
    workers = [child for child in children if "bridge.plane.process" in child.cmdline()]
    return workers[0] if workers else None


def metric(exposition: str, name: str) -> float:
    lines = exposition.splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), math.nan)


async def becomes(what: str, look: Callable[[], Awaitable[bool]], timeout_s: float = 20.0) -> None:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not await look():
        assert asyncio.get_running_loop().time() < deadline, f"not within {timeout_s:g} s: {what}"
        await asyncio.sleep(POLL_S)


@pytest.mark.peer("baresip", "re-INVITE to another worker")
async def test_a_killed_media_worker_is_replaced_and_the_call_goes_on(tmp_path: Path) -> None:
    async with daemon_process(tmp_path) as daemon:
        async with desktop(daemon) as agent, baresip(tmp_path / "phone", CUSTOMER_HZ) as phone:
            await phone.dial(daemon.sip_uri())
            interaction_id = await agent.accept_offer()
            await hears(agent, "customer")
            await eventually("the phone receives", lambda: phone.bitrates_bps()[1] > 40_000)
            victim = media_worker(daemon)
            assert victim is not None
            victim.kill()
            assert await readiness_returns(daemon) >= 1, "it said that it was not ready"
            heir = media_worker(daemon)
            assert heir is not None
            assert heir.pid != victim.pid

            def asked_to_rejoin(event: Event) -> bool:
                return event["event"] == "mediaEnded" and bool(event["rejoin"])

            ended = await agent.client.wait_for(asked_to_rejoin, 30.0)
            assert ended["interactionId"] == interaction_id
            await agent.close_media()
            await agent.join(interaction_id)
            await hears(agent, "customer", timeout_s=15.0)
            await eventually("the phone receives again", lambda: phone.bitrates_bps()[1] > 40_000)
            assert not any(event["type"] == "CALL_CLOSED" for event in phone.events)
            await phone.hang_up()
            await agent.client.wait_for(has_ended, 30.0)
            assert interactions_of(agent) == {interaction_id}
        await nothing_is_left(daemon)
        assert all("media" in line and "lost" in line for line in complaints(daemon)), complaints(daemon)
        assert daemon.process.returncode is None


async def readiness_returns(daemon: DaemonProcess, timeout_s: float = 20.0) -> int:
    """Waits for a 503 and then for a 200; returns how many 503 there were."""
    refusals = 0
    async with asyncio.timeout(timeout_s):
        while True:
            status, _ = await daemon.get("/readyz")
            if status == 503:
                refusals += 1
            elif refusals:
                return refusals
            await asyncio.sleep(0.01)


async def test_a_phone_that_calls_while_there_is_no_worker_is_told_to_try_later(tmp_path: Path) -> None:
    async with daemon_process(tmp_path) as daemon, synthetic_caller((), {}) as caller:
        victim = media_worker(daemon)
        assert victim is not None
        victim.kill()
        await eventually("it is missed", lambda: logged(daemon, "! media plane lost"))
        with pytest.raises(CallFailedError) as refused:
            await caller.call(daemon.sip_uri())
        assert refused.value.status == 503

        async def is_ready() -> bool:
            return (await daemon.get("/readyz"))[0] == 200

        await becomes("ready again", is_ready)
        await caller.call(daemon.sip_uri())
        await caller.hang_up()
        await nothing_is_left(daemon)


def interactions_of(agent: SyntheticBrowser) -> set[str]:
    events = [heard.event for heard in agent.client.events]
    return {event["interactionId"] for event in events if "interactionId" in event}


async def nothing_is_left(daemon: DaemonProcess) -> None:
    async def look() -> bool:
        _, exposition = await daemon.get("/metrics")
        return all(metric(exposition, f"warmbridge_{name}") == 0 for name in LEFT_OVERS)

    await becomes("nothing is left of the calls", look)


async def test_a_media_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    async with daemon_process(tmp_path) as daemon, synthetic_caller((), {}) as caller:
        victim = media_worker(daemon)
        assert victim is not None
        victim.suspend()
        assert await readiness_returns(daemon) >= 1, "it said that it was not ready"
        assert not victim.is_running()
        await caller.call(daemon.sip_uri())
        await caller.hang_up()
        await nothing_is_left(daemon)


async def test_a_port_that_somebody_takes_while_the_media_worker_is_away_costs_no_call(
    tmp_path: Path,
) -> None:
    """The bridge says which, goes on, and has sound again once it is free."""
    async with daemon_process(tmp_path) as daemon, synthetic_caller((), {}) as caller:
        await caller.call(daemon.sip_uri())
        victim = media_worker(daemon)
        assert victim is not None
        victim.kill()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
            await eventually("the port is free", lambda: takes(thief, daemon.webrtc_port))
            await eventually("the worker cannot start", lambda: logged(daemon, "! media worker cannot start"))
            assert daemon.process.returncode is None
            assert "webrtc.port" in daemon.log.read_text()
        heard = caller.traffic.packets_received
        await eventually("the caller hears again", lambda: caller.traffic.packets_received > heard + 50)
        await caller.hang_up()
        await nothing_is_left(daemon)


def takes(sock: socket.socket, port: int) -> bool:
    with contextlib.suppress(OSError):
        sock.bind((HOST, port))
        return True
    return False


async def test_a_worker_that_always_dies_ends_the_daemon_with_one_line(tmp_path: Path) -> None:
    """systemd then starts everything anew: a daemon without media serves nobody."""
    async with daemon_process(tmp_path) as daemon:
        async with asyncio.timeout(60.0):
            while daemon.process.returncode is None:
                with contextlib.suppress(psutil.Error):
                    worker = media_worker(daemon)
                    if worker is not None:
                        worker.kill()
                await asyncio.sleep(0.1)
        assert daemon.process.returncode == 1
        assert "Traceback" not in daemon.log.read_text()
        assert logged(daemon, "! stopped")


# --- HTTPS ------------------------------------------------------------------------------------------------


async def test_with_a_certificate_page_and_websocket_are_encrypted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.vouch(HOST)
    port, log = free_port(), tmp_path / "daemon.log"
    https = {"http.port": port, "http.certificate": issued.certificate, "http.private_key": issued.key}
    arguments = serve(tmp_path, https)
    trust = ssl.create_default_context(cafile=str(authority.file))
    async with running(arguments, log) as process:
        await eventually("it serves", lambda: "= serving" in log.read_text(), 30.0)
        assert f"https://{HOST}:{port}/" in log.read_text()
        async with connect(
            f"wss://{HOST}:{port}/ws", ssl=trust, subprotocols=[Subprotocol(SUBPROTOCOL)], proxy=None
        ) as websocket:
            await websocket.send('{"id": 1, "command": "ping"}')
            answer = json.loads(await within(5.0, websocket.recv()))
            assert answer["error"]["code"] == "unauthorized"
        reader, writer = await asyncio.open_connection(HOST, port, ssl=trust)
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        assert (await within(5.0, reader.read())).startswith(b"HTTP/1.1 200 ")
        writer.close()
        plain_reader, plain_writer = await asyncio.open_connection(HOST, port)
        plain_writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            assert not (await within(5.0, plain_reader.read())).startswith(b"HTTP/1.1 200")
        plain_writer.close()
        process.send_signal(signal.SIGTERM)
        assert await within(END_S, process.wait()) == 0
    assert "Traceback" not in log.read_text()


# --- what keeps a daemon from starting --------------------------------------------------------------------


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    """A port that somebody else has, for TCP and for UDP."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        port = free_port()
        tcp.bind((HOST, port))
        tcp.listen()
        udp.bind((HOST, port))
        yield port


async def assert_refuses_to_start(directory: Path, settings: Mapping[str, object], *says: str) -> None:
    """One clear line for people (beside warnings in the log), exit code 2 for scripts."""
    code, output = await run(serve(directory, settings), 40.0)
    lines = [line for line in output.splitlines() if '"level": "warning"' not in line]
    assert (code, len(lines)) == (2, 1), output
    for words in says:
        assert words in lines[0]


@pytest.mark.parametrize("setting", ["http.port", "sip.port", "webrtc.port"])
async def test_a_taken_port_is_named(tmp_path: Path, setting: str) -> None:
    with taken_port() as port:
        section = setting.partition(".")[0]
        await assert_refuses_to_start(
            tmp_path, {setting: port}, section, f"{HOST}:{port}", "another program has this port"
        )


@pytest.mark.parametrize("setting", ["http.address", "sip.address", "rtp.address", "webrtc.address"])
async def test_an_address_of_another_machine_is_named(tmp_path: Path, setting: str) -> None:
    section = setting.partition(".")[0]
    await assert_refuses_to_start(tmp_path, {setting: "192.0.2.1"}, section, "192.0.2.1", "no such address")


async def test_missing_prompts_are_named(tmp_path: Path) -> None:
    await assert_refuses_to_start(
        tmp_path, {"media.prompts": tmp_path / "absent"}, "media.prompts", "absent", "waiting.wav"
    )


@pytest.mark.parametrize("content", [None, b"", b"short"])
async def test_a_secret_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    await assert_refuses_to_start(tmp_path, {"auth.secret_file": path}, "auth.secret_file", str(path))


@pytest.mark.parametrize("place", ["absent/journal.db", "garbage.db", ""])
async def test_a_journal_that_cannot_be_opened_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "garbage.db").write_bytes(b"no database at all, but long enough to be read as one" * 100)
    url = f"sqlite+aiosqlite:///{tmp_path / place}"
    await assert_refuses_to_start(
        tmp_path, {"journal.url": url}, "journal.url", str((tmp_path / place).parent)
    )


async def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no.pem"
    path.write_text("no certificate\n")
    settings = {"http.certificate": path, "http.private_key": path}
    await assert_refuses_to_start(tmp_path, settings, "http.certificate", str(path))
