"""The SIP door alone, in a process of its own: calls are answered at once, behind it are no desk, journal and media.

What is measured of it is signaling/sip and nothing else. For each line on its standard input it tells what it holds.
"""

import asyncio
import contextlib
import gc
import json
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop

from bridge import collector
from bridge.clock import SystemClock
from bridge.configured.sip import configured_endpoint
from bridge.ids import IdSource, LegId
from bridge.logs import configure_logs
from bridge.peers.within import within
from bridge.settings.settings import Settings
from bridge.switchboard.door.doors import ArrivingCall, Referrer
from signaling.sip.door.call import SipDoor

ANSWER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
)
START_S = 30.0


class AnsweringCorridor:
    """Takes every call, and does nothing else."""

    async def arrive(self, _call: ArrivingCall) -> str:
        return ANSWER

    async def reoffer(self, _leg_id: LegId, _offer: str) -> str:
        return ANSWER

    def answer_lost(self, _leg_id: LegId, _offer: str) -> None: ...

    async def progressed(self, _leg_id: LegId, _status: int, _answer: str) -> None: ...

    async def late_answer(self, _leg_id: LegId, _answer: str) -> None: ...

    def refresh(self, _leg_id: LegId) -> None: ...

    def pressed(self, _leg_id: LegId, _digit: str, _duration_ms: int) -> None: ...

    def picture_wanted(self, _leg_id: LegId) -> None: ...

    async def refer(self, _leg_id: LegId, _target: str, _referrer: Referrer) -> int:
        return 603

    async def hung_up(self, _leg_id: LegId, _reason: str) -> None: ...

    def expects(self, _leg_id: LegId) -> bool:
        return False


async def serve() -> None:
    """Until standard input ends."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    settings = Settings.model_validate({"sip": {"address": "127.0.0.1", "port": 0}})
    door = SipDoor(
        configured_endpoint(settings), SystemClock(), IdSource(secrets.token_hex), secrets.token_hex
    )
    async with asyncio.TaskGroup() as tasks:
        await door.open(tasks, AnsweringCorridor())
        collector.settle()
        _tell({"port": door.port})
        while await lines.readline():
            _tell({**door.counters(), "legs": door.calls, "asyncio_tasks": len(asyncio.all_tasks())})
        door.close()


def _tell(figures: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


# --- the other side -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LoneDoor:
    """A door that runs."""

    process: Process
    sip_port: int

    @property
    def pid(self) -> int:
        return self.process.pid

    async def figures(self) -> dict[str, float]:
        """Its counters and what it holds, open files too."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        figures = await _heard(self.process)
        return {**figures, "descriptors": psutil.Process(self.pid).num_fds()}


async def _heard(process: Process) -> dict[str, float]:
    assert process.stdout is not None
    async with asyncio.timeout(START_S):
        line = await process.stdout.readline()
    return dict(json.loads(line))


@contextlib.asynccontextmanager
async def lone_door(directory: Path) -> AsyncIterator[LoneDoor]:
    """Logs into `directory`, as a daemon does."""
    with (directory / "door.log").open("wb") as log:
        command = (sys.executable, "-m", "tests.load.lone_door")
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=log)
        assert process.stdin is not None
        try:
            yield LoneDoor(process, int((await _heard(process))["port"]))
        finally:
            process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await within(START_S, process.wait())
            if process.returncode is None:
                process.kill()


def main() -> int:
    gc.disable()  # until it serves, as the daemon does
    configure_logs(Settings().log)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
