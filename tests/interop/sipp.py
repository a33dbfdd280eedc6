"""Another real SIP program: sipp, for load and for scenarios written to the letter."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bridge.peers.ports import free_media_ports, free_port
from bridge.peers.within import within
from tests.interop.programs import program, run, running

SCENARIOS = Path(__file__).parent.parent / "data" / "sipp"


@dataclass(frozen=True)
class SippResult:
    """How a run ended. `retransmissions` counts what sipp had to say twice."""

    exit_code: int
    successful: int
    failed: int
    retransmissions: int
    output: str


async def sipp(
    target: str,
    directory: Path,
    *arguments: str,
    scenario: str = "uac",
    calls: int = 1,
    timeout_s: float = 60.0,
) -> SippResult:
    """Runs a built-in scenario ("uac") or a file of tests/data/sipp ("hold.xml") against `target`.

    `directory` must exist. Exit code 0 means that every call went as the scenario says.
    """
    built_in = not scenario.endswith(".xml")
    command = [
        program("sipp"),
        "-sn" if built_in else "-sf",
        scenario if built_in else str(SCENARIOS / scenario),
    ]
    command += [
        "-i",
        "127.0.0.1",
        "-mi",
        "127.0.0.1",
        "-p",
        str(free_port()),
        "-mp",
        str(free_media_ports(4)),
    ]
    command += ["-m", str(calls), "-nostdin", "-timeout", f"{timeout_s:g}s", "-timeout_error"]
    command += ["-trace_err", "-error_file", str(directory / "errors.log"), *arguments, target]
    exit_code, output = await run(command, timeout_s + 10, directory)
    return SippResult(
        exit_code,
        _last_total(output, "Successful call"),
        _last_total(output, "Failed call"),
        _retransmissions(output),
        output,
    )


@dataclass(frozen=True)
class SippPhone:
    """A sipp that waits for one call."""

    uri: str
    process: asyncio.subprocess.Process
    log: Path

    async def went_well(self, timeout_s: float = 20.0) -> None:
        """Waits for its end; fails unless the call went as the scenario says."""
        exit_code = await within(timeout_s, self.process.wait())
        assert exit_code == 0, self.log.read_text(errors="replace")[-4000:]


@contextlib.asynccontextmanager
async def sipp_phone(directory: Path, scenario: str, *arguments: str) -> AsyncIterator[SippPhone]:
    """A phone that does what a scenario of tests/data/sipp says, once. It can play `tone.ulaw` of `directory`."""
    port = free_port()
    command = [program("sipp"), "-sf", str(SCENARIOS / scenario), "-i", "127.0.0.1", "-mi", "127.0.0.1"]
    command += ["-p", str(port), "-mp", str(free_media_ports(4)), "-m", "1", "-nostdin", "-trace_err"]
    command += [
        "-error_file",
        str(directory / f"phone_{port}_errors.log"),
        "-timeout",
        "60s",
        "-timeout_error",
        *arguments,
    ]
    log = directory / f"phone_{port}.log"
    async with running(command, log, directory) as process:
        await asyncio.sleep(0.5)  # sipp does not say when it listens; an INVITE before that is sent again
        yield SippPhone(f"sip:phone@127.0.0.1:{port}", process, log)


def _last_total(output: str, counter: str) -> int:
    """From the last screen: `Successful call | periodic | cumulative`."""
    found = re.findall(rf"{counter}\s*\|\s*(\d+)\s*\|\s*(\d+)", output)
    return int(found[-1][1]) if found else 0


def _retransmissions(output: str) -> int:
    """From the last scenario screen: messages, retransmissions, timeouts of each line with an arrow."""
    screen = output.rpartition("Messages  Retrans")[2]
    return sum(int(count) for count in re.findall(r"(?:---------->|<----------)\s+\d+\s+(\d+)", screen))
