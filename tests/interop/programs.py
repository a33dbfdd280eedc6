"""Running other people's programs: found or the test fails, logged to a file, ended by their own pid."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from bridge.peers.within import within

DEBIAN_PACKAGES = {
    "baresip": "baresip-core baresip-ffmpeg",
    "sipp": "sip-tester",
    "kamailio": "kamailio",
    "chromium": "chromium",
    "firefox-esr": "firefox-esr",
    "exim4": "exim4-daemon-light",
    "ffmpeg": "ffmpeg",
    "systemd-analyze": "systemd",
}
T = TypeVar("T")

POLL_S = 0.05
END_S = 5.0


def program(name: str) -> str:
    """The path of a real peer. A missing peer fails the test: a skipped proof is no proof."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not installed: apt-get install {DEBIAN_PACKAGES.get(name, name)}")
    return path


async def eventually(what: str, look: Callable[[], T | None], timeout_s: float = 30.0) -> T:
    """Waits until `look` returns something that counts as true, and returns it."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        found = look()
        if found:
            return found
        if asyncio.get_running_loop().time() > deadline:
            pytest.fail(f"did not happen within {timeout_s:g} s: {what}")
        await asyncio.sleep(POLL_S)


@contextlib.asynccontextmanager
async def running(
    arguments: Sequence[str], log: Path, cwd: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program with its output in `log`; at the end asked to stop, then made to, with its children."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        await stop(process)


async def stop(process: asyncio.subprocess.Process, timeout_s: float = END_S) -> int:
    """Ends a process of ours and its group; returns its exit code."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await within(timeout_s, process.wait())
    # The group is the process's own (start_new_session), so this reaches its children and nobody else.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return await process.wait()


async def run(arguments: Sequence[str], timeout_s: float = 60.0, cwd: Path | None = None) -> tuple[int, str]:
    """Runs a program to its end; returns its exit code and everything it wrote."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
        start_new_session=True,
    )
    try:
        output, _ = await within(timeout_s, process.communicate())
    except TimeoutError:
        await stop(process)
        pytest.fail(f"{arguments[0]} did not end within {timeout_s:g} s")
    return process.returncode or 0, output.decode(errors="replace")
