"""The plain `warmbridge serve` in a process of its own, with everything it writes in one folder."""

import asyncio
import contextlib
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.clock import SystemClock
from bridge.errors import BridgeError
from bridge.peers.ports import DAEMON_MEDIA, LOOPBACK, free_port
from bridge.peers.within import within
from signaling.web.access.auth import SCOPES, Signer

HOST = LOOPBACK
ANSWER_S = 2.0
LONGEST_ANSWER_S = 20.0  # of one that serves: who waits in vain shall hear of it
START_S = 90.0  # a cold start imports FastAPI, SQLAlchemy and av; at a load of ten for each core it took 40
STOP_S = 15.0
POLL_S = 0.05


class DaemonError(BridgeError):
    """The daemon did not become ready; the reason ends with what it logged last."""

    code = "daemon_failed"


@dataclass
class DaemonProcess:
    """A running daemon. `log` is a file with its standard output and error."""

    process: asyncio.subprocess.Process
    directory: Path
    log: Path
    secret: bytes
    http_port: int
    sip_port: int
    webrtc_port: int
    rtp_ports: range
    arguments: tuple[str, ...]

    @property
    def websocket_url(self) -> str:
        return f"ws://{HOST}:{self.http_port}/ws"

    @property
    def http_url(self) -> str:
        return f"http://{HOST}:{self.http_port}"

    def sip_uri(self, user: str = "support") -> str:
        return f"sip:{user}@{HOST}:{self.sip_port}"

    def token(self, user_id: str, scopes: Iterable[str] = tuple(SCOPES), lifetime_s: float = 3600.0) -> str:
        return Signer(self.secret, SystemClock()).issue(user_id, scopes, lifetime_s)

    async def get(self, path: str) -> tuple[int, str]:
        """One HTTP GET; returns status and body."""
        return await http_get(self.http_port, path)

    async def stop(self) -> int:
        """Asks it to drain and end, then makes it. Returns its exit code."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            try:
                await within(STOP_S, self.process.wait())
            except TimeoutError:
                self.process.kill()
        return await self.process.wait()

    async def kill(self) -> None:
        """kill -9: no good-bye to anybody."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def start_again(self) -> float:
        """The same command line once more, after the process ended. Returns how long it took to be ready."""
        began = asyncio.get_running_loop().time()
        self.process = await _launch(self.arguments, self.log)
        await _wait_until_ready(self)
        return asyncio.get_running_loop().time() - began

    def last_log_lines(self, count: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


async def http_get(port: int, path: str) -> tuple[int, str]:
    """HTTP/1.1 by hand: the peers need no HTTP library for two health checks."""
    async with asyncio.timeout(LONGEST_ANSWER_S):
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            ask = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n"
            writer.write(ask.encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
    return int(head.split(b" ", 2)[1]), body.decode(errors="replace")


@contextlib.asynccontextmanager
async def daemon_process(
    directory: Path, settings: Mapping[str, object] | None = None, config: str = ""
) -> AsyncIterator[DaemonProcess]:
    """A daemon that is ready, on free loopback ports; it ends with the block.

    `settings` ("desk.offer_timeout_s": 2) go over the defaults and over `config`, the text of a bridge.toml
    for what has no name to set it by, as [[trunks]].
    """
    secret = secrets.token_hex(32).encode()
    secret_file, log = directory / "secret", directory / "daemon.log"
    secret_file.write_bytes(secret)
    http_port, sip_port, webrtc_port = free_port(), free_port(), free_port()
    config_file = directory / "bridge.toml"
    config_file.write_text(config)
    with DAEMON_MEDIA.claim() as rtp_ports:
        chosen: dict[str, object] = {
            "http.port": http_port,
            "sip.port": sip_port,
            "webrtc.port": webrtc_port,
            "rtp.port_min": rtp_ports.start,
            "rtp.port_max": rtp_ports.stop - 1,
            "auth.secret_file": secret_file,
            "journal.url": f"sqlite+aiosqlite:///{directory / 'journal.db'}",
            "shutdown.drain_timeout_s": 1,
            **(settings or {}),
        }
        overrides = [part for name, value in chosen.items() for part in ("--set", f"{name}={value}")]
        arguments = (sys.executable, "-m", "bridge", "serve", "--config", str(config_file), *overrides)
        process = await _launch(arguments, log)
        daemon = DaemonProcess(
            process, directory, log, secret, http_port, sip_port, webrtc_port, rtp_ports, arguments
        )
        try:
            await _wait_until_ready(daemon)
            yield daemon
        finally:
            await daemon.stop()


async def _launch(arguments: Sequence[str], log: Path) -> asyncio.subprocess.Process:
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(*arguments, stdout=output, stderr=output)


async def _wait_until_ready(daemon: DaemonProcess) -> None:
    deadline = asyncio.get_running_loop().time() + START_S
    while asyncio.get_running_loop().time() < deadline:
        if daemon.process.returncode is not None:
            code = daemon.process.returncode
            raise DaemonError(f"warmbridge serve ended with code {code}:\n{daemon.last_log_lines()}")
        with contextlib.suppress(OSError, IndexError, ValueError):
            async with asyncio.timeout(ANSWER_S):  # another program may have the port, and say nothing
                status, _ = await daemon.get("/readyz")
            if status == 200:
                return
        await asyncio.sleep(POLL_S)
    raise DaemonError(f"warmbridge serve was not ready within {START_S:g} s:\n{daemon.last_log_lines()}")
