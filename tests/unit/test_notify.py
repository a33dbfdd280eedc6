"""The ready signal of Type=notify, against a real datagram socket."""

import asyncio
import os
import resource
import socket
from contextlib import closing
from pathlib import Path

import pytest

from bridge.notify import Notifier
from bridge.peers.beside import beside
from bridge.peers.within import within


def test_ready_and_stopping_reach_the_notify_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        with closing(Notifier.from_environment()) as notifier:
            notifier.ready("taking calls")
            notifier.stopping("draining 2 calls")
        assert service_manager.recv(200) == b"READY=1\nSTATUS=taking calls"
        assert service_manager.recv(200) == b"STOPPING=1\nSTATUS=draining 2 calls"


def test_the_abstract_namespace_is_reached_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.bind("")
        name = service_manager.getsockname()
        with closing(Notifier("@" + name[1:].decode())) as notifier:
            notifier.ready("up")
        assert service_manager.recv(200).startswith(b"READY=1")


def test_without_a_socket_nothing_happens() -> None:
    with closing(Notifier("")) as notifier:
        notifier.ready("nobody listens")


def test_a_service_manager_that_is_gone_or_does_not_read_harms_nobody(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with closing(Notifier(str(path))) as notifier:
        notifier.stopping("there is no such socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
            service_manager.bind(str(path))
            for _ in range(1000):  # far more than it keeps
                notifier.ready("nobody reads")
        notifier.stopping("it is gone")


def test_one_that_has_no_descriptors_left_says_that_it_stops(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager,
        closing(Notifier(str(path))) as notifier,
    ):
        service_manager.bind(str(path))
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
        try:
            notifier.stopping("draining 2 calls")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert service_manager.recv(200).startswith(b"STOPPING=1")


@pytest.mark.parametrize(
    ("usec", "pid", "watched"),
    [
        ("200000", "", True),
        ("200000", "mine", True),
        ("200000", "1", False),
        ("", "", False),
        ("x", "", False),
    ],
)
async def test_signs_of_life_come_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, watched: bool
) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.bind(str(path))
        service_manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", usec)
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "mine" else pid)
        with closing(Notifier.from_environment()) as notifier:
            if not watched:
                await notifier.run()  # it has nothing to do
                with pytest.raises(BlockingIOError):
                    service_manager.recv(200)
                return
            async with beside(notifier.run()):
                loop = asyncio.get_running_loop()
                for _ in range(3):
                    assert await within(5.0, loop.sock_recv(service_manager, 200)) == b"WATCHDOG=1"
