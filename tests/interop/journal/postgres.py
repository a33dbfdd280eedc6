"""A PostgreSQL cluster of one's own: made, started and thrown away with the block, by an unprivileged user."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from bridge.peers.daemon_process import HOST
from bridge.peers.ports import free_port

INSTALLED = Path("/usr/lib/postgresql")
USER = "warmbridge"


def program(name: str) -> str:
    """The newest installed one. A missing server fails the test: a skipped proof is no proof."""
    found = sorted(INSTALLED.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.fail(f"{name} is not installed: apt-get install postgresql")
    return str(found[-1])


def as_nobody(arguments: Sequence[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return list(arguments) if os.geteuid() else ["setpriv", "--reuid=nobody", "--clear-groups", *arguments]


def run(arguments: Sequence[str]) -> None:
    done = subprocess.run(as_nobody(arguments), capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        pytest.fail(f"{' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")


@dataclass(frozen=True)
class Cluster:
    """`url` is that of its databases, without the database's name."""

    url: str
    data: Path
    port: int

    def start(self) -> None:
        options = f"-p {self.port} -h {HOST} -k '' -c fsync=off -c max_connections=40 -c shared_buffers=16MB"
        log = str(self.data / "log")
        run([program("pg_ctl"), "-D", str(self.data), "-o", options, "-l", log, "-w", "start"])

    def stop(self, mode: str = "immediate") -> None:
        """`fast` as its operator does it: those who are connected are told."""
        run([program("pg_ctl"), "-D", str(self.data), "-m", mode, "-w", "stop"])

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """It keeps its connections and answers nobody."""
        server = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A running server whose databases are empty.

    Its folder is not pytest's: those are for their owner only, and every pytest that starts beside sees to it.
    """
    directory = Path(tempfile.mkdtemp(prefix="warmbridge-postgresql-"))
    try:
        yield from _running(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _running(directory: Path) -> Iterator[Cluster]:
    data, port = directory / "data", free_port()
    data.mkdir(mode=0o700)
    if not os.geteuid():
        for path in (directory, data):
            os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    run([program("initdb"), "-D", str(data), "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-sync"])
    server = Cluster(f"postgresql+asyncpg://{USER}@{HOST}:{port}", data, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
