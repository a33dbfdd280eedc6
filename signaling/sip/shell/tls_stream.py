"""TLS of one connection without I/O: what came in, what to write, the plain text between."""

import ssl


class TlsError(Exception):
    """The other side, or its certificate, is not one to talk to."""


class TlsStream:
    """`receive` what the wire brings, `send` plain text, and write `data_to_send` after each.

    `server_name` is who must be at the other end; None if we are the server.
    """

    __slots__ = ("_incoming", "_outgoing", "_tls", "closed", "secured")

    def __init__(self, context: ssl.SSLContext, server_name: str | None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_name is None, server_hostname=server_name
        )
        self.secured = False  # the handshake is over
        self.closed = False  # the other side has said that nothing more comes

    def begin(self) -> None:
        """Raises TlsError. A server has nothing to say yet."""
        self._shake_hands()

    def receive(self, data: bytes) -> bytes:
        """The plain text that `data` completes. Raises TlsError."""
        self._incoming.write(data)
        if not self.secured:
            self._shake_hands()
        return self._read() if self.secured else b""

    def send(self, data: bytes) -> None:
        """Raises TlsError, before the handshake is over as well."""
        if not self.secured:
            raise TlsError("the handshake is not over")
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise TlsError(_reason(error)) from error

    def data_to_send(self) -> bytes:
        return self._outgoing.read()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise TlsError(_reason(error)) from error
        self.secured = True

    def _read(self) -> bytes:
        parts = []
        try:
            while part := self._tls.read(65_536):
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.closed = True
        except ssl.SSLError as error:
            raise TlsError(_reason(error)) from error
        return b"".join(parts)


def _reason(error: ssl.SSLError) -> str:
    verification = getattr(error, "verify_message", "")
    return str(verification or error.reason or error)
