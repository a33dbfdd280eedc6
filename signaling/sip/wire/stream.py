"""Messages out of a byte stream, by Content-Length (RFC 3261 section 18.3)."""

import re

from signaling.sip.wire.message import MAX_MESSAGE_BYTES, SipParseError

_CONTENT_LENGTH = re.compile(
    rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(?:\r?\n[ \t]+)?([0-9]{1,11})[ \t]*\r?$"
)
_PING = b"\r\n\r\n"  # RFC 5626 section 3.5.1: answered by one CRLF
_HEAD_END = b"\r\n\r\n"


class StreamFramer:
    """One direction of one connection. Holds at most `MAX_MESSAGE_BYTES` and one read."""

    __slots__ = ("_buffer", "_message_size", "_pings", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._message_size = 0  # of the message at the front, 0 while its head is not whole
        self._searched = 0  # so that a head that trickles in is not searched again from its start
        self._pings = 0

    def receive(self, data: bytes) -> list[bytes]:
        """The messages that are whole now; call it without data until there are none.

        Raises SipParseError when the stream cannot be framed any more, after what was whole before that.
        """
        self._buffer += data
        messages: list[bytes] = []
        try:
            while (message := self._take_message()) is not None:
                messages.append(message)
        except SipParseError:
            if not messages:
                raise
        return messages

    def rest(self) -> bytes:
        """What has come of the message at the front: after a ParseError, its head for whoever answers it."""
        return bytes(self._buffer)

    def take_pings(self) -> int:
        """How many keep-alives came since the last call."""
        pings, self._pings = self._pings, 0
        return pings

    def _take_message(self) -> bytes | None:
        if not self._message_size:
            self._skip_line_ends()
            self._message_size = self._find_size()
        size = self._message_size
        if not size or len(self._buffer) < size:
            return None
        message = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._message_size = self._searched = 0
        return message

    def _skip_line_ends(self) -> None:
        while self._buffer.startswith(b"\r\n"):
            if self._buffer.startswith(_PING):
                self._pings += 1
                del self._buffer[:4]
            elif len(self._buffer) <= 3 and _PING.startswith(self._buffer):
                return  # half a ping, or a pong: the next read tells
            else:
                del self._buffer[:2]

    def _find_size(self) -> int:
        end = self._buffer.find(_HEAD_END, self._searched)
        if end < 0:
            self._searched = max(0, len(self._buffer) - len(_HEAD_END) + 1)
            if len(self._buffer) > MAX_MESSAGE_BYTES:
                raise SipParseError("headers too large", 513)
            return 0
        end += len(_HEAD_END)
        lengths = _CONTENT_LENGTH.findall(self._buffer[:end])
        if not lengths or len(set(lengths)) > 1:
            raise SipParseError("a message on a stream needs one Content-Length")
        size = end + int(lengths[0])
        if size > MAX_MESSAGE_BYTES:
            raise SipParseError("message too large", 513)
        return size
