"""What a hostile stranger has: raw sockets, hand-written SIP, and a good call that must not notice."""

import asyncio
import contextlib
import itertools
import math
import random
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.browser.signaling_client import has_ended
from bridge.peers.daemon_process import HOST, DaemonProcess, daemon_process
from bridge.peers.demo.verdict import HEARD_DB
from bridge.peers.tone import level_db
from tests.interop.baresip import Baresip, baresip
from tests.interop.conftest import complaints
from tests.interop.desktop import AGENT_HZ, CUSTOMER_HZ, desktop, heard_in, hears

CHANCE = random.Random(4475)  # the same garbage each run
HEARD_SHARE = 0.8  # of the seconds of an attack: a loaded machine may spoil one, a broken call spoils all
ANSWER_S = 3.0
CLOSED_S = 30.0
SETTLE_S = 15.0
_tags = itertools.count(1)


@dataclass(frozen=True)
class GoodCall:
    """A real phone and an agent in conversation."""

    phone: Baresip
    agent: SyntheticBrowser
    interaction_id: str


@contextlib.asynccontextmanager
async def unharmed_call(daemon: DaemonProcess, directory: Path) -> AsyncIterator[GoodCall]:
    """Both hear each other before the block, in nearly every second of it, and after it; nobody hangs up."""
    loop = asyncio.get_running_loop()
    async with desktop(daemon) as agent, baresip(directory / "phone", CUSTOMER_HZ) as phone:
        await phone.dial(daemon.sip_uri())
        interaction_id = await agent.accept_offer()
        await hears(agent, "customer")
        begun_at = loop.time()
        yield GoodCall(phone, agent, interaction_id)
        await asyncio.sleep(max(1.5, begun_at + 4 - loop.time()))
        await hears(agent, "customer")
        seconds = agent.hearing.between(begun_at, loop.time())
        heard = [heard_in(second) == {"customer"} for second in seconds]
        assert sum(heard) >= HEARD_SHARE * len(heard), "the agent lost the customer for a while"
        assert not any(event["type"] == "CALL_CLOSED" for event in phone.events)
        sound = phone.heard()[-2 * phone.rate_hz :]
        assert level_db(sound, phone.rate_hz, AGENT_HZ) > HEARD_DB
        assert level_db(sound, phone.rate_hz, CUSTOMER_HZ) < HEARD_DB - 10
        status, body = await daemon.get("/readyz")
        assert status == 200, body
        await phone.hang_up()
        await agent.client.wait_for(has_ended, 30.0)


# --- what the daemon tells about itself -------------------------------------------------------------------


async def metrics(daemon: DaemonProcess) -> dict[str, float]:
    """All samples by name with labels, without the prefix warmbridge_."""
    _, exposition = await daemon.get("/metrics")
    lines = [line for line in exposition.splitlines() if line.startswith("warmbridge_")]
    pairs = (line.removeprefix("warmbridge_").rpartition(" ") for line in lines)
    return {name: float(value) for name, _, value in pairs}


async def counted(daemon: DaemonProcess, name: str, at_least: float, timeout_s: float = 5.0) -> float:
    """Waits until a metric has grown to a value; the worker tells its own once a second."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while (value := (await metrics(daemon)).get(name, math.nan)) < at_least or math.isnan(value):
        assert asyncio.get_running_loop().time() < deadline, f"{name} is {value}, not {at_least}"
        await asyncio.sleep(0.1)
    return value


LEFT_OVERS = (
    "interactions_open",
    "legs",
    "sip_calls",
    "sip_connections",
    "web_connections",
    "worker_legs",
    "worker_rtp_ports_lent",
    "worker_rtp_ports_draining",
)


async def nothing_is_left(daemon: DaemonProcess) -> None:
    """Of all calls and connections."""
    deadline = asyncio.get_running_loop().time() + SETTLE_S
    while left := {name: value for name, value in (await metrics(daemon)).items() if _is_left(name, value)}:
        assert asyncio.get_running_loop().time() < deadline, left
        await asyncio.sleep(0.1)


def _is_left(name: str, value: float) -> bool:
    return name in LEFT_OVERS and value > 0


def processes(daemon: DaemonProcess) -> tuple[psutil.Process, psutil.Process]:
    """The daemon and its media worker."""
    parent = psutil.Process(daemon.process.pid)
    return parent, parent.children()[0]


def memory_bytes(daemon: DaemonProcess) -> int:
    return sum(process.memory_info().rss for process in processes(daemon))


def rtp_ports_in_use(daemon: DaemonProcess) -> list[int]:
    _, worker = processes(daemon)
    ports = {int(connection.laddr.port) for connection in worker.net_connections("udp")}
    return sorted(port for port in ports if port in daemon.rtp_ports and port % 2 == 0)


# --- what is thrown ---------------------------------------------------------------------------------------


def garbage(count: int, size_max: int = 400, first: Iterable[int] = ()) -> list[bytes]:
    """Random datagrams; `first` are the bytes to begin with, so that the right parser gets them."""
    starts = list(first) or list(range(256))
    return [
        bytes([CHANCE.choice(starts)]) + CHANCE.randbytes(CHANCE.randint(0, size_max)) for _ in range(count)
    ]


def mutations(good: bytes, count: int) -> list[bytes]:
    """`good` with some bytes changed, cut out or doubled."""
    found = []
    for _ in range(count):
        data = bytearray(good)
        for _ in range(CHANCE.randint(1, 6)):
            at = CHANCE.randrange(len(data))
            match CHANCE.randrange(3):
                case 0:
                    data[at] = CHANCE.randrange(256)
                case 1:
                    del data[at : at + CHANCE.randint(1, 20)]
                case _:
                    data[at:at] = data[at : at + CHANCE.randint(1, 200)]
            if not data:
                data = bytearray(good)
        found.append(bytes(data))
    return found


@contextlib.contextmanager
def udp_socket(port: int = 0) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((HOST, port))
        yield sock


async def throw(sock: socket.socket, port: int, datagrams: Iterable[bytes]) -> int:
    """Sends all, a little slower than the receiver reads; returns how many."""
    count = 0
    for count, data in enumerate(datagrams, start=1):
        with contextlib.suppress(BlockingIOError):
            sock.sendto(data, (HOST, port))
        if count % 32 == 0:
            await asyncio.sleep(0.01)
    return count


async def tcp_exchange(port: int, data: bytes, until: bytes = b"") -> bytes:
    """Sends, and reads until the other side closes, or, if something is said for it, until that was received."""
    reader, writer = await asyncio.open_connection(HOST, port)
    received = b""
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            async with asyncio.timeout(CLOSED_S):
                while not (until and until in received) and (part := await reader.read(65_536)):
                    received += part
    finally:
        writer.close()
    return received


# --- SIP by hand ------------------------------------------------------------------------------------------

SDP = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
)


def sip_request(
    method: str = "OPTIONS",
    body: bytes = b"",
    port: int = 9,
    transport: str = "UDP",
    tag: str = "",
    length: int | None = None,
) -> bytes:
    """A request as it should be, with a branch, tag and Call-ID of its own."""
    tag = tag or f"bad{next(_tags)}"
    head = (
        f"{method} sip:support@{HOST} SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} {HOST}:{port};branch=z9hG4bK{tag}{method};rport\r\n"
        f"From: <sip:mallory@{HOST}>;tag={tag}\r\nTo: <sip:support@{HOST}>\r\nCall-ID: {tag}@hostile\r\n"
        f"CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: <sip:mallory@{HOST}:{port}>\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n"
    )
    return head.encode() + body


def status_of(response: bytes) -> int:
    """Of the last response in what was received; 0 if there is none."""
    lines = [line for line in response.split(b"\r\n") if line.startswith(b"SIP/2.0 ")]
    return int(lines[-1].split()[1]) if lines else 0


async def ask(sock: socket.socket, port: int, request: bytes) -> bytes:
    """Sends a request and returns the first final response to it, b"" if none comes."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendto(sock, request, (HOST, port))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            while True:
                response = await loop.sock_recv(sock, 65_535)
                if status_of(response) >= 200:
                    return response
    return b""


def header(message: bytes, name: str) -> str:
    lines = message.decode(errors="replace").split("\r\n")
    return next(
        line.partition(":")[2].strip() for line in lines if line.lower().startswith(name.lower() + ":")
    )


class HostilePhone:
    """A caller made of three sockets, which the bridge takes for a phone."""

    def __init__(
        self, daemon: DaemonProcess, sip: socket.socket, rtp: socket.socket, rtcp: socket.socket
    ) -> None:
        self._daemon = daemon
        self._sip = sip
        self.rtp = rtp
        self.rtcp = rtcp
        self.bridge_port = 0
        self._answer = b""
        self._tag = f"phone{next(_tags)}"

    async def call(self) -> None:
        body = SDP.format(host=HOST, port=self.rtp.getsockname()[1]).encode()
        port = self._sip.getsockname()[1]
        self._answer = await ask(
            self._sip, self._daemon.sip_port, sip_request("INVITE", body, port, tag=self._tag)
        )
        assert status_of(self._answer) == 200, self._answer
        media = next(line for line in self._answer.decode().split("\r\n") if line.startswith("m=audio"))
        self.bridge_port = int(media.split()[1])
        self._sip.sendto(self._in_dialog("ACK", 1), (HOST, self._daemon.sip_port))

    async def hang_up(self) -> None:
        response = await ask(self._sip, self._daemon.sip_port, self._in_dialog("BYE", 2))
        assert status_of(response) in (200, 481), response

    def _in_dialog(self, method: str, number: int) -> bytes:
        request = sip_request(method, port=self._sip.getsockname()[1], tag=self._tag)
        to = f"To: <sip:support@{HOST}>".encode()
        request = request.replace(to, f"To: {header(self._answer, 'To')}".encode())
        return request.replace(b"CSeq: 1 ", b"CSeq: %d " % number)


@contextlib.asynccontextmanager
async def hostile_phone(daemon: DaemonProcess) -> AsyncIterator[HostilePhone]:
    """In a call, from which it hangs up after the block."""
    with udp_socket() as sip, _even_pair() as (rtp, rtcp):
        phone = HostilePhone(daemon, sip, rtp, rtcp)
        await phone.call()
        try:
            yield phone
        finally:
            await phone.hang_up()


@contextlib.contextmanager
def _even_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    while True:
        with contextlib.ExitStack() as stack:
            rtp = stack.enter_context(udp_socket())
            port = rtp.getsockname()[1]
            if port % 2:
                continue
            try:
                rtcp = stack.enter_context(udp_socket(port + 1))
            except OSError:
                continue
            yield rtp, rtcp
            return


@contextlib.asynccontextmanager
async def hardened(
    directories: pytest.TempPathFactory, growth_max_bytes: int
) -> AsyncIterator[DaemonProcess]:
    """A daemon that must live through the block: nothing of it is left, nothing grew, nothing was logged as a fault."""
    async with daemon_process(directories.mktemp("daemon"), {"rtp.drain_s": 0.5}) as running:
        async with unharmed_call(running, directories.mktemp("first")):
            pass  # what is loaded once does not count as growth
        before = memory_bytes(running)
        yield running
        await nothing_is_left(running)
        assert memory_bytes(running) - before < growth_max_bytes
        assert running.process.returncode is None, running.last_log_lines()
    assert complaints(running) == []
