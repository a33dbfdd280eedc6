"""Telephone events as they come (RFC 4733): each key once, whatever is lost, repeated or late."""

from collections import deque
from collections.abc import Callable

from bridge.errors import ParseError
from bridge.wire.dtmf import parse_telephone_event

OnDigit = Callable[[str, int], None]  # digit, duration in ms

SILENT_S = (
    0.2  # without a packet of it an event is over: senders repeat it every 20 to 50 ms (section 2.5.1.2)
)
KEYS_PER_S = 12.5  # ITU-T Q.24: 40 ms of a key, 40 ms of rest
KEYS_AT_ONCE = 50  # a number from memory, or what came late together; more is a flood and not told
REMEMBERED = 8  # events; late repetitions of these are not new ones
SEGMENT = 0xFFFF  # ticks, the longest one event can say; a longer key goes on as another (section 2.5.1.3)
SEGMENT_SLACK = 0x1000  # a segment may end that much earlier, at a packet's boundary
_MASK = 0xFFFFFFFF


class DigitReader:
    """One stream. An event is told by its timestamp and over at its end bit; the marker bit says nothing.

    Keys that come quicker than any phone dials are dropped and counted.
    Where all packets with the end bit are lost, the next event or `SILENT_S` without a packet ends it.
    """

    __slots__ = (
        "_allowance",
        "_allowed_at",
        "_base",
        "_clock_rate_hz",
        "_duration",
        "_event",
        "_heard_at",
        "_on_digit",
        "_over",
        "excess",
        "malformed",
    )

    def __init__(self, clock_rate_hz: int, on_digit: OnDigit) -> None:
        self._clock_rate_hz = clock_rate_hz
        self._on_digit = on_digit
        self._event: tuple[int, str] | None = None  # timestamp and key of the one that goes on
        self._base = 0  # ticks of the segments before this one
        self._duration = 0
        self._heard_at = 0.0
        self._over: deque[int] = deque(maxlen=REMEMBERED)
        self._allowance = float(KEYS_AT_ONCE)
        self._allowed_at = 0.0
        self.excess = 0
        self.malformed = 0

    def receive(self, timestamp: int, payload: bytes, now: float) -> None:
        """Takes the payload of one packet."""
        try:
            event = parse_telephone_event(payload)
        except ParseError:
            self.malformed += 1
            return
        if event.digit is None or timestamp in self._over:
            return
        if self._event is None or self._event[0] != timestamp:
            self._begin(timestamp, event.digit)
        self._heard_at = now
        self._duration = max(self._duration, event.duration)
        if event.ends:
            self._end()

    def tick(self, now: float) -> None:
        """Ends an event of which nothing has been heard for long."""
        if self._event is not None and now - self._heard_at >= SILENT_S:
            self._end()

    def _begin(self, timestamp: int, digit: str) -> None:
        base = 0
        if self._event is not None:
            last, key = self._event
            ahead = (timestamp - last) & _MASK
            if key == digit and SEGMENT - SEGMENT_SLACK <= ahead <= SEGMENT and self._is_full:
                base = self._base + ahead
                self._over.append(last)
            else:
                self._end()
        self._event, self._base, self._duration = (timestamp, digit), base, 0

    @property
    def _is_full(self) -> bool:
        """Of a segment that goes on in another one, most was heard."""
        return self._duration >= SEGMENT // 2

    def _end(self) -> None:
        if self._event is None:
            return
        timestamp, digit = self._event
        ticks = self._base + self._duration
        self._over.append(timestamp)
        self._event = None
        if not self._is_allowed(self._heard_at):
            self.excess += 1
            return
        self._on_digit(digit, ticks * 1000 // self._clock_rate_hz)

    def _is_allowed(self, now: float) -> bool:
        earned = max(0.0, now - self._allowed_at) * KEYS_PER_S
        self._allowance = min(float(KEYS_AT_ONCE), self._allowance + earned)
        self._allowed_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True
