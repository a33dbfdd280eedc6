"""What the operator is told when a port does not open."""

import errno
import os
import socket

import pytest

from bridge.errors import cannot_listen


def test_a_port_in_use_is_told_with_who_may_have_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="Address already in use") as refused:
            socket.create_server(("127.0.0.1", port))
    reason = cannot_listen("http.address and http.port", "127.0.0.1", port, refused.value).reason
    assert reason.startswith(
        f"http.address and http.port: cannot listen on 127.0.0.1:{port}: another program"
    )


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EADDRNOTAVAIL, "this machine has no such address"),
        (errno.EACCES, "below 1024"),
        (errno.EAFNOSUPPORT, "Address family not supported"),
    ],
)
def test_each_cause_has_its_remedy(number: int, says: str) -> None:
    assert says in cannot_listen("sip.port", "192.0.2.1", 80, OSError(number, os.strerror(number))).reason
