"""Tells systemd how the service is doing (sd_notify(3)): a datagram to the socket named by the environment."""

import os
import socket


class Notifier:
    """Sends READY, STOPPING and status lines; without a notify socket every call does nothing."""

    def __init__(self, socket_path: str) -> None:
        # A leading "@" names Linux's abstract namespace, which the kernel writes as a NUL byte.
        self._address = "\0" + socket_path[1:] if socket_path.startswith("@") else socket_path

    @classmethod
    def from_environment(cls) -> "Notifier":
        """systemd hands the socket over by environment: the one variable warmbridge reads."""
        return cls(os.environ.get("NOTIFY_SOCKET", ""))  # noqa: TID251 - the protocol of Type=notify

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self, status: str) -> None:
        self._send(f"STOPPING=1\nSTATUS={status}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(text.encode(), self._address)
