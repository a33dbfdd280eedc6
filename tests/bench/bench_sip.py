"""CPU per SIP call: a whole `warmbridge serve` under sipp, and the SIP core without sockets.

sipp's built-in caller: INVITE, 200, ACK, BYE, 200, no media. In the daemon each call is an interaction: it is
journaled, gets RTP ports and a mixer leg with the waiting prompt, and is told to whoever may see it.
"""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bridge.peers.daemon_process import DaemonProcess, daemon_process
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallArrived
from signaling.sip.wire.flow import UDP, Flow
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import parse_essentials, parse_message
from tests.bench.cpu import CpuMeter, child_running
from tests.bench.figure import Figure, middle
from tests.interop.sipp import SippResult, sipp

CALLS = 400
AT_ONCE = 20
WINDOWS = 4
CORE_CALLS = 500
AIM_MS = 1.0
CALLER = Flow(UDP, "127.0.0.1", 25_060)
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"


def run(window_s: float) -> Iterator[str | Figure]:
    yield f"sipp calls warmbridge serve, {AT_ONCE} calls at once"
    daemon = asyncio.run(_daemon())
    shape = f"{CALLS} calls, {AT_ONCE} at once, no media"
    rate = Figure(
        "sip", "calls a second", daemon.calls_per_s, "calls/s", note=f"{shape}; wall time, sipp included"
    )
    control = Figure(
        "sip", "a call, control plane", daemon.control_ms, "ms", aim=AIM_MS, note="SIP, desk, journal, log"
    )
    media = Figure("sip", "a call, media worker", daemon.worker_ms, "ms", note="ports, leg, prompt")
    yield from (control, media, rate)
    yield "the SIP core alone"
    core_ms = middle([_core() for _ in range(WINDOWS)])
    note = "parse, transactions, dialog, serialize; no socket, no SDP, no desk"
    yield Figure("sip", "a call, SIP core alone", core_ms, "ms", aim=AIM_MS, note=note)


# --- the daemon ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Daemon:
    control_ms: float
    worker_ms: float
    calls_per_s: float


async def _daemon() -> _Daemon:
    with tempfile.TemporaryDirectory() as name:
        # Ports rest shortly: quick calls would use up the range resting, as they should by default.
        async with daemon_process(Path(name), {"rtp.drain_s": 0.5}) as daemon:
            await _call(daemon, Path(name))
            worker = CpuMeter(child_running(daemon.process.pid, "bridge.plane.process"))
            control = CpuMeter(daemon.process.pid)
            results = []
            for _ in range(WINDOWS):
                before = control.seconds(), worker.seconds(), time.perf_counter()
                await _call(daemon, Path(name))
                after = control.seconds(), worker.seconds(), time.perf_counter()
                results.append([b - a for a, b in zip(before, after, strict=True)])
    control_s, worker_s, wall_s = (middle([row[column] for row in results]) for column in range(3))
    return _Daemon(control_s / CALLS * 1e3, worker_s / CALLS * 1e3, CALLS / wall_s)


async def _call(daemon: DaemonProcess, directory: Path) -> SippResult:
    target = f"127.0.0.1:{daemon.sip_port}"
    shape = ("-r", "2000", "-l", str(AT_ONCE), "-d", "0")
    result = await sipp(target, directory, *shape, calls=CALLS)
    if (result.successful, result.failed) != (CALLS, 0):
        counted = f"{result.successful} calls went well, {result.failed} failed"
        raise RuntimeError(f"sipp ended with {result.exit_code}, {counted}:\n{result.output[-2000:]}")
    return result


# --- the core -----------------------------------------------------------------------------------------------


def _core() -> float:
    """CPU in ms of one inbound call: what arrives is prepared, what is sent is thrown away."""
    agent = UserAgent(AgentSettings(), LocalIdentity("127.0.0.1", 5060, secrets.token_hex))
    spent = 0.0
    for number in range(CORE_CALLS):
        now = number * 0.01
        spent += _timed(agent, _request("INVITE", number, 1, SDP), now, answer=True)
        tag = _our_tag(agent)
        spent += _timed(agent, _request("ACK", number, 1, tag=tag), now)
        spent += _timed(agent, _request("BYE", number, 2, tag=tag), now)
        agent.messages_to_send()
    return spent / CORE_CALLS * 1e3


def _timed(agent: UserAgent, data: bytes, now: float, *, answer: bool = False) -> float:
    began = time.process_time()
    agent.receive_message(data, CALLER, now)
    for event in agent.events():
        if answer and isinstance(event, CallArrived):
            agent.accept(event.call, SDP, now)
    at = agent.timer()
    if at is not None and at <= now:
        agent.handle_timer(now)
    return time.process_time() - began


def _our_tag(agent: UserAgent) -> str:
    data, _ = agent.messages_to_send()[-1]
    return parse_essentials(parse_message(data)).to_tag


def _request(method: str, call: int, cseq: int, body: str = "", tag: str = "") -> bytes:
    """As sipp writes it."""
    to_tag = f";tag={tag}" if tag else ""
    lines = [
        f"{method} sip:service@127.0.0.1:5060 SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:25060;branch=z9hG4bK-{call}-{method}-{cseq}",
        f"From: sipp <sip:sipp@127.0.0.1:25060>;tag=sipp{call}",
        f"To: service <sip:service@127.0.0.1:5060>{to_tag}",
        f"Call-ID: {call}-25060@127.0.0.1",
        f"CSeq: {cseq} {method}",
        "Contact: sip:sipp@127.0.0.1:25060",
        "Max-Forwards: 70",
        "Subject: Performance Test",
    ]
    lines += ["Content-Type: application/sdp"] if body else []
    lines += [f"Content-Length: {len(body)}", "", body]
    return "\r\n".join(lines).encode()
