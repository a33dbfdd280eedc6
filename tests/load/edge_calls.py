"""Calls that end at an edge: refused, taken back, never acknowledged, never hung up, cut off, sent twice.

Each path makes many of them against one daemon and returns how many went as they should. What sipp cannot do
(reset its connection, say the same INVITE by two ways) is done by sockets of our own.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from bridge.peers.daemon_process import HOST, DaemonProcess
from tests.interop.sipp import SCENARIOS, SippResult, sipp

NARROW_HOST = "127.0.0.2"  # a trunk that takes one call in a very long time
SETTINGS: dict[str, object] = {
    "sip.t1_s": 0.05,  # the end of patience comes after 3.2 s instead of 32
    "sip.destinations": '["support"]',
    "rtp.drain_s": 0.5,
    "rtp.timeout_s": 1,
    "log.level": "warning",
}
CONFIG = f"""
[[trunks]]
id = "wide"
networks = ["{HOST}/32"]

[[trunks]]
id = "narrow"
networks = ["{NARROW_HOST}/32"]
calls_per_second = 0.0001
"""
REFUSED = 300.0  # calls a second that are refused
QUICK = 100.0  # ... that are over at once
LINGERING = 50.0  # ... of those that take 3 to 5 s to end
ANSWER_S = 10.0
Path_ = Callable[[DaemonProcess, Path, int], Awaitable[int]]


async def refused_codec(daemon: DaemonProcess, directory: Path, calls: int) -> int:
    return await _refused(daemon, directory, calls, (488, 97))


async def refused_destination(daemon: DaemonProcess, directory: Path, calls: int) -> int:
    return await _refused(daemon, directory, calls, (403, 0), "-s", "nobody")


async def refused_rate(daemon: DaemonProcess, directory: Path, calls: int) -> int:
    """The trunk's one call is taken first, so that all others are too many."""
    await _sipp(daemon, directory, 1, "uac", "-i", NARROW_HOST)
    return await _refused(daemon, directory, calls, (503, 0), "-i", NARROW_HOST)


async def regretted(daemon: DaemonProcess, directory: Path, calls: int) -> int:
    return (await _sipp(daemon, directory, calls, "regretted.xml")).successful


async def never_acknowledged(daemon: DaemonProcess, directory: Path, calls: int) -> int:
    return (await _sipp(daemon, directory, calls, "never_acknowledged.xml", rate=LINGERING)).successful


async def never_hung_up(daemon: DaemonProcess, directory: Path, calls: int) -> int:
    return (await _sipp(daemon, directory, calls, "never_hung_up.xml", rate=LINGERING)).successful


async def _refused(
    daemon: DaemonProcess, directory: Path, calls: int, case: tuple[int, int], *options: str
) -> int:
    status, payload_type = case
    scenario = directory / f"refused_{status}.xml"
    text = (SCENARIOS / "refused.xml").read_text()
    scenario.write_text(text.replace("@STATUS@", str(status)).replace("@PAYLOAD_TYPE@", str(payload_type)))
    return (await _sipp(daemon, directory, calls, str(scenario), *options, rate=REFUSED)).successful


async def _sipp(
    daemon: DaemonProcess, directory: Path, calls: int, scenario: str, *options: str, rate: float = QUICK
) -> SippResult:
    own = directory / Path(scenario).stem
    own.mkdir(exist_ok=True)
    shape = ("-r", f"{rate:g}", "-l", "500", "-s", "support", *options)
    patience_s = 60 + 4 * calls / rate
    target = f"{HOST}:{daemon.sip_port}"
    return await sipp(target, own, *shape, scenario=scenario, calls=calls, timeout_s=patience_s)


# --- sockets of our own -------------------------------------------------------------------------------------


def _invite(call: str, branch: str, via: str, contact: str) -> bytes:
    body = f"v=0\r\no=u 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
    return _request("INVITE", call, branch, via, extra=f"Contact: <{contact}>\r\n", body=body)


def _request(
    method: str, call: str, branch: str, via: str, *, extra: str = "", body: str = "", tag: str = ""
) -> bytes:
    to_tag = f";tag={tag}" if tag else ""
    kind = "Content-Type: application/sdp\r\n" if body else ""
    number = 2 if method == "BYE" else 1
    return (
        f"{method} sip:support@{HOST} SIP/2.0\r\nVia: SIP/2.0/{via};branch=z9hG4bK{branch}\r\n"
        f"From: <sip:edge@{HOST}>;tag=edge\r\nTo: <sip:support@{HOST}>{to_tag}\r\nCall-ID: {call}\r\n"
        f"CSeq: {number} {method}\r\nMax-Forwards: 70\r\n{extra}{kind}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _tag_of(text: str) -> str:
    found = re.search(r"^To:.*;tag=([^\s;]+)", text, re.MULTILINE)
    return found.group(1) if found else ""


def _expect_no_refusal(response: str) -> None:
    """A call that is refused ends here: nobody waits for an answer to it."""
    if re.match(r"SIP/2\.0 [3-6]", response):
        raise ConnectionRefusedError(response.partition("\r\n")[0])


async def _paced(call: Callable[[int], Awaitable[None]], calls: int, rate: float) -> int:
    """So many a second; one that fails for a reason of the sockets did not go well."""

    async def one(number: int) -> bool:
        try:
            async with asyncio.timeout(ANSWER_S):
                await call(number)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False
        return True

    async with asyncio.TaskGroup() as tasks:
        made = []
        for number in range(calls):
            made.append(tasks.create_task(one(number)))
            await asyncio.sleep(1 / rate)
    return sum(task.result() for task in made)


async def cut_off(daemon: DaemonProcess, _directory: Path, calls: int) -> int:
    """The connection is reset (RST) in the middle of an acknowledged call."""

    async def call(number: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, daemon.sip_port)
        try:
            host, port = writer.get_extra_info("sockname")
            via, name = f"TCP {host}:{port}", f"cut{number}-{port}"
            writer.write(_invite(name, name, via, f"sip:edge@{host}:{port};transport=tcp"))
            head = ""
            while not head.startswith("SIP/2.0 200"):
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lstrip()
                length = re.search(r"^Content-Length: *(\d+)", head, re.MULTILINE | re.IGNORECASE)
                await reader.readexactly(int(length.group(1)) if length else 0)
                _expect_no_refusal(head)
            writer.write(_request("ACK", name, f"a{name}", via, tag=_tag_of(head)))
            await writer.drain()
            await asyncio.sleep(0.05)
        finally:
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    return await _paced(call, calls, LINGERING)


class _Wire(asyncio.DatagramProtocol):
    """One socket for many calls: what is heard, by Call-ID."""

    def __init__(self) -> None:
        self.heard: dict[str, asyncio.Queue[str]] = {}

    def datagram_received(self, data: bytes, addr: object) -> None:
        text = data.decode()
        found = re.search(r"^Call-ID: *(\S+)", text, re.MULTILINE | re.IGNORECASE)
        inbox = self.heard.get(found.group(1)) if found else None
        if inbox is not None:
            inbox.put_nowait(text)


async def sent_twice(daemon: DaemonProcess, _directory: Path, calls: int) -> int:
    """Each INVITE comes again, and once more by another way (RFC 3261 section 8.2.2.2): one 200, one 482."""
    loop = asyncio.get_running_loop()
    address = (HOST, daemon.sip_port)
    transport, wire = await loop.create_datagram_endpoint(_Wire, remote_addr=address)
    host, port = transport.get_extra_info("sockname")
    via, contact = f"UDP {host}:{port}", f"sip:edge@{host}:{port}"

    async def call(number: int) -> None:
        name = f"twice{number}-{port}"
        inbox = wire.heard[name] = asyncio.Queue()
        try:
            for branch in (name, name, f"other-{name}"):
                transport.sendto(_invite(name, branch, via, contact))
            tag, merged = "", False
            while not tag or not merged:
                text = await inbox.get()
                if text.startswith("SIP/2.0 482"):
                    merged = True
                    transport.sendto(_request("ACK", name, f"other-{name}", via, tag=_tag_of(text)))
                elif text.startswith("SIP/2.0 200"):
                    tag = _tag_of(text)
                    transport.sendto(_request("ACK", name, f"a{name}", via, tag=tag))
                else:
                    _expect_no_refusal(text)
            transport.sendto(_request("BYE", name, f"b{name}", via, tag=tag))
            while not re.search(r"^CSeq: *2 BYE", await inbox.get(), re.MULTILINE):
                pass
        finally:
            del wire.heard[name]

    try:
        return await _paced(call, calls, QUICK)
    finally:
        transport.close()


PATHS: dict[str, Path_] = {
    "refused_488": refused_codec,
    "refused_403": refused_destination,
    "refused_503": refused_rate,
    "canceled": regretted,
    "no_ack": never_acknowledged,
    "no_bye": never_hung_up,
    "tcp_reset": cut_off,
    "merged": sent_twice,
}
