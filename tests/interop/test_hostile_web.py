"""HTTP and websocket from a hostile stranger, and from one with a token; a call that is up goes on."""

import asyncio
import contextlib
import json
import re
import struct
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from bridge.peers.beside import beside
from bridge.peers.daemon_process import HOST, DaemonProcess
from bridge.peers.within import within
from signaling.web.protocol.messages import SUBPROTOCOL
from tests.interop.hostile import (
    CHANCE,
    CLOSED_S,
    counted,
    hardened,
    memory_bytes,
    metrics,
    processes,
    unharmed_call,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("hostile_web")]

GROWTH_MAX_BYTES = 60 << 20
MEGABYTE = 1 << 20
STRANGERS_MAX = 200  # signaling/web/app.py


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaemonProcess]:
    """One daemon for all attacks: what one leaves behind would show at the end."""
    async with hardened(tmp_path_factory, GROWTH_MAX_BYTES) as running:
        yield running


# --- HTTP -------------------------------------------------------------------------------------------------

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: " + b64encode(bytes(16)) + b"\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: warmbridge.v1\r\n\r\n"
)
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
HTTP = {
    "noise": (CHANCE.randbytes(500) + b"\r\n\r\n", 400),
    "half a request line": (b"GET\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),
    "a path out of the folder": (GET.replace(b"/ ", b"/../../../etc/passwd ", 1), 404),
    "the same in disguise": (GET.replace(b"/ ", b"/%2e%2e/%2e%2e/%2e%2e/etc/passwd ", 1), 404),
    "a NUL in the path": (GET.replace(b"/ ", b"/%00 ", 1), 404),
    "a long path": (GET.replace(b"/ ", b"/" + b"a" * 8000 + b" ", 1), 404),
    "headers without end": (GET[:-2] + b"X: y\r\n" * 100_000, 400),
    "a method nobody has here": (GET.replace(b"GET", b"BREW"), 405),
    "a body of which most is missing": (POST + b"Content-Length: 999999999\r\n\r\nabc", 413),
    "a broken chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n", 400),
    "two lengths": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 405),
    "metrics with a forged token": (
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n"
        b"Authorization: Bearer a.b.c\r\nConnection: close\r\n\r\n",
        401,
    ),
    "a handshake without a key": (UPGRADE.replace(b64encode(bytes(16)), b"x"), 400),
    "a handshake of another origin": (UPGRADE[:-2] + b"Origin: http://[mallory\r\n\r\n", 403),
    "a handshake without our protocol": (UPGRADE.replace(b"warmbridge.v1", b"chat"), 400),
    "a handshake with 200 headers": (UPGRADE[:-2] + b"X: y\r\n" * 200 + b"\r\n", 431),
    "a handshake with a long header": (UPGRADE[:-2] + b"X: " + b"y" * 9000 + b"\r\n\r\n", 431),
    "a handshake elsewhere": (UPGRADE.replace(b"/ws", b"/elsewhere"), 403),
    "a handshake with a path of noise": (UPGRADE.replace(b"/ws", b"/\xc3\xa9%ff"), 400),
}


async def http_exchange(port: int, data: bytes) -> bytes:
    """Sends, and reads one whole response, or until the other side closes."""
    reader, writer = await asyncio.open_connection(HOST, port)
    received = b""
    try:
        writer.write(data)
        async with asyncio.timeout(CLOSED_S):
            received = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", received, re.I)
            received += await reader.readexactly(int(length[1]) if length else 0)
    except asyncio.IncompleteReadError as closed:
        received += closed.partial
    except ConnectionError:
        pass
    finally:
        writer.close()
    return received


async def test_nonsense_over_http_is_refused(bridge: DaemonProcess, tmp_path: Path) -> None:
    async with unharmed_call(bridge, tmp_path):
        answers = await asyncio.gather(*(http_exchange(bridge.http_port, data) for data, _ in HTTP.values()))
        statuses = {
            name: int(answer.split()[1]) if answer else 0 for name, answer in zip(HTTP, answers, strict=True)
        }
        assert statuses == {name: status for name, (_, status) in HTTP.items()}
        assert not any(b"root:" in answer for answer in answers)
        await counted(bridge, 'web_trouble_total{kind="bad_request"}', 4)


async def test_requests_that_never_end_are_given_up_and_no_desktop_waits_for_them(
    bridge: DaemonProcess, tmp_path: Path
) -> None:
    slow = 600
    parent, _ = processes(bridge)
    before = parent.num_fds()
    async with unharmed_call(bridge, tmp_path), contextlib.AsyncExitStack() as stack:
        for _ in range(slow):
            _, writer = await asyncio.open_connection(HOST, bridge.http_port)
            stack.callback(writer.close)
            writer.write(b"GET / HTTP/1.1\r\nX: ")
        assert parent.num_fds() > before + slow / 2
        await counted(bridge, 'web_trouble_total{kind="slow_request"}', slow, timeout_s=20.0)
        assert parent.num_fds() < before + 50


# --- the websocket ----------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def websocket(daemon: DaemonProcess) -> AsyncIterator[ClientConnection]:
    protocols = [Subprotocol(SUBPROTOCOL)]
    async with connect(daemon.websocket_url, subprotocols=protocols, proxy=None) as connection:
        yield connection


@contextlib.asynccontextmanager
async def mallory(daemon: DaemonProcess) -> AsyncIterator[ClientConnection]:
    """With a token, and as an agent who is never ready."""
    async with websocket(daemon) as connection:
        await say(connection, {"id": 1, "command": "authenticate", "token": daemon.token("mallory")})
        yield connection


async def say(connection: ClientConnection, message: object) -> dict[str, Any]:
    """Sends a message (text as it is) and returns the next reply; events in between are skipped."""
    await connection.send(message if isinstance(message, str) else json.dumps(message))
    async with asyncio.timeout(5.0):
        while "event" in (answer := json.loads(await connection.recv())):
            pass
    return dict(answer)


async def close_code(connection: ClientConnection, messages: Iterable[str | bytes] = ()) -> int | None:
    """Says all of this as fast as it goes, reads all answers, returns why the bridge closed."""

    async def read() -> None:
        with contextlib.suppress(ConnectionClosed):
            async for _ in connection:
                pass

    async with beside(read()):
        with contextlib.suppress(ConnectionClosed):
            for message in messages:
                await connection.send(message)
        async with asyncio.timeout(15.0):
            await connection.wait_closed()
    return connection.close_code


WRONG: tuple[object, ...] = (
    "",
    "{",
    "[]",
    "null",
    "12",
    '"ping"',
    "\u0000",
    "[" * 50_000,
    '{"a":' * 30_000,
    '{"id": 1, "command": "ping", "id": 2, "command": 3}',
    '{"id": 1e999, "command": "ping"}',
    '{"id": ' + "9" * 5000 + ', "command": "ping"}',
    {"command": "ping"},
    {"id": 1},
    {"id": 1, "command": "noSuchCommand"},
    {"id": 1, "command": ["ping"]},
    {"id": "1", "command": "ping"},
    {"id": -1, "command": "ping"},
    {"id": True, "command": "ping"},
    {"id": 1, "command": "ping", "surprise": 1},
)
WRONG_LATER: tuple[object, ...] = (
    {"id": 1, "command": "setPresence", "presence": "asleep"},
    {"id": 1, "command": "setPresence", "presence": {"ready": True}},
    {"id": 1, "command": "acceptOffer", "offerId": ""},
    {"id": 1, "command": "acceptOffer", "offerId": "x" * 1000},
    {"id": 1, "command": "setAttributes", "interactionId": "int_1", "attributes": {"a": 1}},
    {"id": 1, "command": "offerMedia", "interactionId": "int_1", "sdp": "y" * 100_000},
    {"id": 1, "command": "offerMedia", "interactionId": "int_1", "sdp": None},
    {"id": 1, "command": "trickleCandidate", "legId": "leg_1", "candidate": "x"},
)


async def test_wrong_messages_are_answered_with_code_and_reason(
    bridge: DaemonProcess, tmp_path: Path
) -> None:
    before = await metrics(bridge)
    async with unharmed_call(bridge, tmp_path):
        for batch in (WRONG[:10], WRONG[10:], WRONG_LATER):  # each connection has patience for some
            async with mallory(bridge) as connection:
                for message in batch:
                    answer = await say(connection, message)
                    assert answer["ok"] is False
                    assert answer["error"]["code"] == "malformed", message
                    assert 0 < len(answer["error"]["reason"]) < 300
                assert (await say(connection, {"id": 7, "command": "ping"}))["ok"]
        kind = 'web_trouble_total{kind="malformed"}'
        await counted(bridge, kind, before.get(kind, 0) + len(WRONG) + len(WRONG_LATER))


async def test_what_is_not_there_or_not_allowed_is_said(bridge: DaemonProcess, tmp_path: Path) -> None:
    async with unharmed_call(bridge, tmp_path) as call, mallory(bridge) as connection:
        id_ = call.interaction_id
        codes = {
            "acceptOffer": await refusal(connection, "acceptOffer", offerId="off_1"),
            "getInteraction": await refusal(connection, "getInteraction", interactionId="int_1"),
            "answerMedia": await refusal(connection, "answerMedia", legId="leg_1", sdp="v=0"),
        }
        assert set(codes.values()) == {"not_found"}, codes
        nosy = daemon_without_rights(bridge)
        async with websocket(bridge) as other:
            await say(other, {"id": 1, "command": "authenticate", "token": nosy})
            for command in ("endInteraction", "leaveInteraction", "getInteraction", "getTimeline"):
                assert await refusal(other, command, interactionId=id_) in ("forbidden", "not_found"), command
            offer = {"interactionId": id_, "sdp": "v=0\r\n"}
            assert await refusal(other, "offerMedia", **offer) in ("forbidden", "not_found")


def daemon_without_rights(daemon: DaemonProcess) -> str:
    """A token of a user who takes no part, with the rights of a desktop."""
    return daemon.token("nosy", ("interaction:read", "interaction:write", "routing:write"))


async def refusal(connection: ClientConnection, command: str, **fields: object) -> str:
    answer = await say(connection, {"id": 1, "command": command, **fields})
    assert answer["ok"] is False, command
    code: str = answer["error"]["code"]
    return code


async def test_too_much_closes_the_connection_with_its_reason(bridge: DaemonProcess, tmp_path: Path) -> None:
    ping = [json.dumps({"id": number, "command": "ping"}) for number in range(20_000)]
    offer = json.dumps({"id": 1, "command": "offerMedia", "interactionId": "int_1", "sdp": "x" * MEGABYTE})
    async with unharmed_call(bridge, tmp_path):
        async with mallory(bridge) as connection:
            assert await close_code(connection, ping) == 4429
        async with mallory(bridge) as connection:
            assert await close_code(connection, ["{"] * 100) == 4400
        async with mallory(bridge) as connection:
            assert await close_code(connection, [offer]) == 1009
        async with mallory(bridge) as connection:
            assert await close_code(connection, [b"binary"]) == 1003
        async with websocket(bridge) as connection:
            assert await close_code(connection, [ping[0]]) == 4401
        async with websocket(bridge) as connection:
            forged = {"id": 1, "command": "authenticate", "token": "a.b.c"}
            assert await close_code(connection, [json.dumps(forged)]) == 4401


async def test_strangers_beyond_the_bound_wait_outside_and_the_others_are_shown_out(
    bridge: DaemonProcess, tmp_path: Path
) -> None:
    async with unharmed_call(bridge, tmp_path), contextlib.AsyncExitStack() as stack:
        strangers = [await stack.enter_async_context(websocket(bridge)) for _ in range(STRANGERS_MAX)]
        with pytest.raises(InvalidStatus) as refused:
            await stack.enter_async_context(websocket(bridge))
        assert refused.value.response.status_code == 503
        assert await close_code(strangers[0]) == 4401, "who says nothing is shown out"
        await counted(bridge, 'web_trouble_total{kind="unauthorized"}', STRANGERS_MAX)
        async with mallory(bridge) as connection:
            assert (await say(connection, {"id": 7, "command": "ping"}))["ok"]


# --- frames by hand ---------------------------------------------------------------------------------------


def frame(opcode: int, payload: bytes, first: int = 0x80) -> bytes:
    """Masked by zeros (RFC 6455 section 5.2)."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xff" + struct.pack("!Q", size)
    return bytes([first | opcode]) + length + bytes(4) + payload


BROKEN_FRAMES = {
    "text that is not UTF-8": (frame(1, b"\xff\xfe"), 1007),
    "an opcode nobody has": (frame(3, b""), 1002),
    "a reserved bit": (frame(1, b"{}", first=0xC0), 1002),
    "a continuation of nothing": (frame(0, b"x"), 1002),
    "a long ping": (frame(9, b"x" * 200), 1002),
    "no mask": (b"\x81\x02{}", 1002),
    "a size of 2^63": (b"\x81\xff" + b"\x7f" + b"\xff" * 7 + bytes(4), 1009),
    "a close code nobody has": (frame(8, b"\x00\x01"), 1002),
}


@contextlib.asynccontextmanager
async def raw_websocket(
    daemon: DaemonProcess,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(HOST, daemon.http_port)
    try:
        writer.write(UPGRADE)
        assert b" 101 " in await within(5.0, reader.readuntil(b"\r\n\r\n"))
        yield reader, writer
    finally:
        writer.close()


async def test_broken_frames_close_their_connection(bridge: DaemonProcess, tmp_path: Path) -> None:
    async with unharmed_call(bridge, tmp_path):
        codes = {}
        for name, (data, _) in BROKEN_FRAMES.items():
            async with raw_websocket(bridge) as (reader, writer):
                writer.write(data)
                answer = await within(5.0, reader.read())
                codes[name] = int.from_bytes(answer[2:4], "big") if answer[:1] == b"\x88" else 0
        assert codes == {name: code for name, (_, code) in BROKEN_FRAMES.items()}


async def test_pings_whose_answers_nobody_reads_cost_no_memory(bridge: DaemonProcess, tmp_path: Path) -> None:
    pings = frame(9, b"x" * 125) * 10_000
    before = memory_bytes(bridge)
    async with unharmed_call(bridge, tmp_path):
        async with raw_websocket(bridge) as (_, writer):
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(8.0):
                    for _ in range(100):
                        writer.write(pings)
                        await writer.drain()
            await counted(bridge, 'web_trouble_total{kind="unread_pongs"}', 1)
        assert memory_bytes(bridge) - before < GROWTH_MAX_BYTES


async def test_a_message_in_fragments_has_the_same_bound(bridge: DaemonProcess, tmp_path: Path) -> None:
    kind = 'web_trouble_total{kind="malformed"}'
    before = (await metrics(bridge)).get(kind, 0)
    async with unharmed_call(bridge, tmp_path), raw_websocket(bridge) as (reader, writer):
        with contextlib.suppress(ConnectionError):  # a reset, when the bridge closes before it read all
            writer.write(frame(1, b"x", first=0) + frame(0, b"x" * 1000, first=0) * 400)
            await writer.drain()
            async with asyncio.timeout(5.0):
                await reader.read()
        await counted(bridge, kind, before + 1)
