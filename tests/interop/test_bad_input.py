"""Bad input at every door while a call is up: counted and dropped or refused; the call goes on."""

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import AsyncIterator, Iterable

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bridge.peers.beside import beside
from bridge.peers.browser import SyntheticBrowser
from bridge.peers.caller import SyntheticCaller, synthetic_caller
from bridge.peers.daemon_process import HOST, DaemonProcess
from bridge.peers.signaling_client import CommandFailedError
from signaling.web.messages import SUBPROTOCOL
from tests.interop.desktop import CUSTOMER_HZ, TONES_HZ, desktop, heard_in, hears

RANDOM = random.Random(20261122)  # the same garbage each run
MEGABYTE = 1 << 20

INVITE = (
    "INVITE sip:support@127.0.0.1 SIP/2.0\r\n"
    "Via: SIP/2.0/{transport} 127.0.0.1:{port};branch=z9hG4bK{tag};rport\r\n"
    "From: <sip:mallory@127.0.0.1>;tag={tag}\r\nTo: <sip:support@127.0.0.1>\r\n"
    "Call-ID: {tag}@bad\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"
    "Contact: <sip:mallory@127.0.0.1:{port}>\r\nContent-Type: application/sdp\r\n"
    "Content-Length: {length}\r\n\r\n{body}"
)


@contextlib.asynccontextmanager
async def call_in_progress(
    daemon: DaemonProcess,
) -> AsyncIterator[tuple[SyntheticCaller, SyntheticBrowser]]:
    """A caller and an agent who hear each other, before and after what the block does."""
    async with desktop(daemon) as agent, synthetic_caller((CUSTOMER_HZ,), TONES_HZ) as caller:
        await caller.call(daemon.sip_uri())
        await agent.accept_offer()
        await hears(agent, "customer")
        yield caller, agent
        await asyncio.sleep(1.0)
        await hears(agent, "customer")
        assert heard_in(caller.hearing.seconds[-1]) == {"agent"}
        assert (await daemon.get("/readyz"))[0] == 200
        await caller.hang_up()


def invite(body: str, transport: str = "UDP", length: int | None = None) -> bytes:
    tag = f"{RANDOM.getrandbits(32):08x}"
    size = len(body) if length is None else length
    return INVITE.format(transport=transport, port=9, tag=tag, length=size, body=body).encode()


def garbage(count: int, size_max: int = 400, first: Iterable[int] = ()) -> list[bytes]:
    """Random datagrams; `first` are bytes to begin with, so that the right parser gets them."""
    starts = list(first)
    datagrams = []
    for _ in range(count):
        data = bytearray(RANDOM.randbytes(RANDOM.randint(0, size_max)))
        if starts and data:
            data[0] = RANDOM.choice(starts)
        datagrams.append(bytes(data))
    return datagrams


def throw(port: int, datagrams: Iterable[bytes]) -> None:
    """From a socket nobody knows."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for data in datagrams:
            stranger.sendto(data, (HOST, port))


async def over_tcp(port: int, data: bytes) -> bytes:
    """Sends, reads what comes back within a second or until the bridge closes."""
    reader, writer = await asyncio.open_connection(HOST, port)
    received = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        writer.write(data)
        async with asyncio.timeout(2.0):
            await writer.drain()
            while part := await reader.read(65536):
                received += part
    writer.close()
    return received


async def test_malformed_sip_leaves_a_call_alone(daemon: DaemonProcess) -> None:
    good = invite("v=0\r\n")
    mutated = []
    for _ in range(500):
        changed = bytearray(good)
        for _ in range(RANDOM.randint(1, 8)):
            changed[RANDOM.randrange(len(changed))] = RANDOM.randrange(256)
        mutated.append(bytes(changed))
    sdps = [
        "v=0\r\no=- 0 0 IN IP4 x\r\ns=-\r\nt=0 0\r\nm=audio 99999 RTP/AVP 0\r\n",
        "m=audio\r\n" * 500,
        "v=0\r\n" + "a=" + "x" * 40_000 + "\r\n",
    ]
    async with call_in_progress(daemon):
        throw(daemon.sip_port, garbage(500) + mutated)
        throw(daemon.sip_port, [invite(sdp) for sdp in sdps] + [good[:cut] for cut in range(0, len(good), 7)])
        endless = invite("", "TCP", 99_999_999_999)
        for stream in (*garbage(5, 4000), *mutated[:10], good[:50], endless):
            await over_tcp(daemon.sip_port, stream)


async def test_an_sdp_of_a_megabyte_is_refused_clearly(daemon: DaemonProcess) -> None:
    body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" + "a=x:" + "y" * MEGABYTE + "\r\n"
    async with call_in_progress(daemon) as (_, agent):
        answer = await over_tcp(daemon.sip_port, invite(body, "TCP"))
        assert answer == b"" or answer.split(b"\r\n")[0].split()[1][:1] in b"45"
        interaction_id = agent.client.events[-1].event.get("interactionId", "int_x")
        async with websocket(daemon) as stranger:
            with contextlib.suppress(ConnectionClosed):
                await stranger.send(json.dumps({"id": 1, "command": "offerMedia", "sdp": body}))
                await asyncio.wait_for(stranger.recv(), 5.0)
                await asyncio.wait_for(stranger.wait_closed(), 5.0)
            assert stranger.close_code == 1009
        with pytest.raises(CommandFailedError) as refused:
            await agent.client.command("offerMedia", interactionId=interaction_id, sdp="v=0\r\n" * 12_000)
        assert refused.value.refusal in ("malformed", "not_acceptable")


async def test_strangers_packets_leave_a_call_alone(daemon: DaemonProcess) -> None:
    stun, dtls, media = range(4), range(20, 64), range(128, 192)  # RFC 7983 section 7
    async with call_in_progress(daemon):
        for first in (stun, dtls, media, ()):
            throw(daemon.webrtc_port, garbage(300, 1400, first))
            await asyncio.sleep(0.05)
        for port in daemon.rtp_ports[:40]:
            throw(port, garbage(20, 300, media))


@contextlib.asynccontextmanager
async def websocket(daemon: DaemonProcess) -> AsyncIterator[ClientConnection]:
    protocols = [Subprotocol(SUBPROTOCOL)]
    async with connect(daemon.websocket_url, subprotocols=protocols, proxy=None) as connection:
        yield connection


async def test_bad_and_too_many_messages_leave_a_call_alone(daemon: DaemonProcess) -> None:
    texts = [
        "",
        "{",
        "[]",
        "null",
        '{"id":1}',
        '{"id":-1,"command":"ping"}',
        '{"command":"ping","id":1,"x":1}',
    ]
    texts += ["[" * 10_000, '{"id":1,"command":"' + "x" * 1000 + '"}', "\u0000"]
    ping = [json.dumps({"id": number, "command": "ping"}) for number in range(20_000)]
    login = json.dumps({"id": 1, "command": "authenticate", "token": daemon.token("mallory")})
    async with call_in_progress(daemon):
        assert await close_code(daemon, texts * 20) in (4400, 4401, 4429)
        assert await close_code(daemon, [login, *ping]) == 4429


async def close_code(daemon: DaemonProcess, texts: Iterable[str]) -> int | None:
    """Says all of this as fast as it goes, reads all answers, returns why the bridge closed."""

    async def read(connection: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for _ in connection:
                pass

    async with websocket(daemon) as connection, beside(read(connection)):
        with contextlib.suppress(ConnectionClosed):
            for text in texts:
                await connection.send(text)
        async with asyncio.timeout(20.0):
            await connection.wait_closed()
        return connection.close_code
