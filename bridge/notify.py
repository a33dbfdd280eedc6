"""Tells systemd how the service is doing (sd_notify(3)): datagrams to the socket named by the environment."""

import asyncio
import contextlib
import os
import socket


class Notifier:
    """Sends READY, STOPPING and signs of life; without a notify socket every call does nothing.

    No call raises or waits: a service manager that is in trouble must not bring the bridge into it. The socket is
    opened at once, for a bridge that has no descriptors left has to say that it stops, too.
    """

    def __init__(self, socket_path: str, watchdog_s: float = 0.0) -> None:
        """`watchdog_s` is how long the service manager waits for a sign of life, 0 if it does not."""
        # A leading "@" names Linux's abstract namespace, which the kernel writes as a NUL byte.
        self._address = "\0" + socket_path[1:] if socket_path.startswith("@") else socket_path
        self._watchdog_s = watchdog_s
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    @classmethod
    def from_environment(cls) -> "Notifier":
        """systemd hands all over by environment: the only variables warmbridge reads (sd_watchdog_enabled(3))."""
        environment = os.environ  # noqa: TID251 - the protocol of Type=notify
        mine = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        wanted = environment.get("WATCHDOG_USEC", "") if mine else ""
        watchdog_s = int(wanted) / 1e6 if wanted.isascii() and wanted.isdigit() else 0.0
        return cls(environment.get("NOTIFY_SOCKET", ""), watchdog_s)

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self, status: str) -> None:
        self._send(f"STOPPING=1\nSTATUS={status}")

    async def run(self) -> None:
        """Signs of life while the loop turns, twice in the time they are waited for, until cancelled."""
        while self._watchdog_s:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / 2)

    def close(self) -> None:
        """Twice is fine."""
        if self._socket is not None:
            self._socket.close()

    def _send(self, text: str) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(text.encode(), socket.MSG_DONTWAIT, self._address)
