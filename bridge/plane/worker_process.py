"""The worker's process seen from the control plane: started, watched, ended. It needs no event loop to begin."""

import asyncio
import contextlib
import os
import resource
import socket
import subprocess
import sys

END_S = 5.0  # it stops when its socket closes; a call's goodbye takes no longer


class WorkerProcess:
    """Comes up at once, in half a second of its own: whoever makes it early has something else to do meanwhile.

    `connection` is our end of the socket between the planes; the worker ends when that closes.
    """

    def __init__(self) -> None:
        raise_descriptor_limit()  # the worker inherits it
        self.connection, theirs = socket.socketpair()
        arguments = [sys.executable, "-m", "bridge.plane.process", str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(arguments, pass_fds=(theirs.fileno(),))

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> None:
        """Returns when the process is gone; one that stays is killed after a while."""
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        descriptor = os.pidfd_open(self._process.pid) if self._process.poll() is None else None
        if descriptor is None:
            return
        try:
            loop.add_reader(descriptor, gone.set)
            try:
                async with asyncio.timeout(END_S):
                    await gone.wait()
            except TimeoutError:
                self.kill()
                await gone.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self._process.poll()

    def close(self) -> None:
        """Ends it without a loop; after `ended` this does nothing."""
        self.connection.close()
        if self._process.poll() is None:
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self.kill()
                self._process.wait()


def raise_descriptor_limit() -> None:
    """As many sockets as this process may have: a shell gives it 1024, and each phone call takes two or three."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # some systems have a lower bound than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
