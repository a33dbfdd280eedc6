"""A network namespace of the test's own: loopback, and an interface with a default route that leads nowhere."""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

ADDRESS = "10.99.0.1"
_CLONE_NEWNET = 0x40000000
_SET_UP = (
    "link set lo up",
    "link add here type veth peer name nowhere",
    f"addr add {ADDRESS}/24 dev here",
    "link set here up",
    "link set nowhere up",
    "route add default via 10.99.0.254 dev here",
)


@contextlib.contextmanager
def own_network() -> Iterator[str]:
    """What this thread opens and starts inside the block is in the namespace; yields its address beside loopback.

    Firefox offers no candidate without such an interface. Raises PermissionError for whoever is not root.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    outside = os.open(Path("/proc/thread-self/ns/net"), os.O_RDONLY)
    try:
        _called(libc.unshare(_CLONE_NEWNET), "unshare")
        try:
            for line in _SET_UP:
                subprocess.run(["ip", *line.split()], check=True)
            yield ADDRESS
        finally:
            _called(libc.setns(outside, _CLONE_NEWNET), "setns")
    finally:
        os.close(outside)


def _called(result: int, name: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
