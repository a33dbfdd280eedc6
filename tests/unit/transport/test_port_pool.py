"""What a pool does when the machine itself gives no socket; with real ports: tests/interop/transport/test_ports.py."""

import errno
import socket

import pytest

from bridge.errors import CapacityError
from bridge.transport.ports import RtpPortPool


@pytest.mark.parametrize("sockets_left", [0, 1])
def test_no_port_is_lost_where_no_descriptor_is_left(
    monkeypatch: pytest.MonkeyPatch, sockets_left: int
) -> None:
    pool = RtpPortPool(42_000, 42_003, "127.0.0.1", drain_s=0.0)
    opened: list[socket.socket] = []
    real = socket.socket

    def exhausted(*arguments: int) -> socket.socket:
        if len(opened) >= sockets_left:
            raise OSError(errno.EMFILE, "Too many open files")
        opened.append(real(*arguments))
        return opened[-1]

    with monkeypatch.context() as patched:
        patched.setattr("bridge.transport.ports.socket.socket", exhausted)
        for _ in range(5):
            with pytest.raises(CapacityError, match="Too many open files"):
                pool.take(0.0)
    assert all(sock.fileno() < 0 for sock in opened)
    assert (pool.lent, pool.free, pool.refused) == (0, 2, 5)
    pool.give_back(pool.take(0.0), 0.0)
