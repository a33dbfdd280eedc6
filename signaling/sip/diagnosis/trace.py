"""What was said on the wire in the newest calls: kept in memory, bounded, masked before anybody reads it."""

import re
from collections import OrderedDict, deque

import msgspec

from bridge.ids import LegId
from signaling.sip.wire.flow import Flow

MAX_CALLS = 1000  # the call that spoke longest ago goes first
MAX_MESSAGES = 200  # of one call; the first ones say how it began, so the newest are left out
MAX_BYTES = 16_000_000  # of all calls
# RFC 3261 section 20.8; in front of it nothing but whole lines, so a body cannot pretend to be a header.
_CALL_ID = re.compile(rb"(?i)\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]{1,256})")
_HEAD_BYTES = 8192


class TracedMessage(msgspec.Struct, frozen=True, gc=False):
    """One message as it was on the wire, and when (monotonic seconds)."""

    at: float
    received: bool
    flow: Flow
    data: bytes


class SipTrace:
    """`record` is called with every message that is let in or sent out."""

    __slots__ = ("_bytes", "_call_ids", "_calls", "forgotten", "left_out")

    def __init__(self) -> None:
        self._calls: OrderedDict[bytes, deque[TracedMessage]] = OrderedDict()
        self._call_ids: OrderedDict[LegId, bytes] = OrderedDict()
        self._bytes = 0
        self.forgotten = 0  # calls
        self.left_out = 0  # messages of calls that said too much, or of no call at all

    def record(self, data: bytes, flow: Flow, now: float, *, received: bool) -> None:
        found = _CALL_ID.search(data, 0, _HEAD_BYTES)
        if found is None:
            self.left_out += 1
            return
        call_id = found[1].strip()
        call = self._calls.get(call_id)
        if call is None:
            call = self._calls[call_id] = deque()
        elif len(call) >= MAX_MESSAGES:
            self.left_out += 1
            return
        else:
            self._calls.move_to_end(call_id)
        call.append(TracedMessage(now, received, flow, data))
        self._bytes += len(data)
        while len(self._calls) > MAX_CALLS or self._bytes > MAX_BYTES:
            _, oldest = self._calls.popitem(last=False)
            self._bytes -= sum(len(message.data) for message in oldest)
            self.forgotten += 1

    def name(self, leg_id: LegId, call_id: str) -> None:
        """Whose call it is, once that is known."""
        self._call_ids[leg_id] = call_id.encode()
        if len(self._call_ids) > MAX_CALLS:
            self._call_ids.popitem(last=False)

    def of(self, leg_id: LegId) -> tuple[TracedMessage, ...]:
        """In the order they passed; nothing once the call is forgotten."""
        return tuple(self._calls.get(self._call_ids.get(leg_id, b""), ()))
