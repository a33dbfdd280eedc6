"""The ready signal of Type=notify, against a real datagram socket."""

import socket
from pathlib import Path

import pytest

from bridge.notify import Notifier


def test_ready_and_stopping_reach_the_notify_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        notifier = Notifier.from_environment()
        notifier.ready("taking calls")
        notifier.stopping("draining 2 calls")
        assert service_manager.recv(200) == b"READY=1\nSTATUS=taking calls"
        assert service_manager.recv(200) == b"STOPPING=1\nSTATUS=draining 2 calls"


def test_the_abstract_namespace_is_reached_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.bind("")
        name = service_manager.getsockname()
        Notifier("@" + name[1:].decode()).ready("up")
        assert service_manager.recv(200).startswith(b"READY=1")


def test_without_a_socket_nothing_happens() -> None:
    Notifier("").ready("nobody listens")
