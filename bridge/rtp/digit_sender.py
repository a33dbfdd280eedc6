"""Keys to send, one after another, in the place of the audio: as telephone events or as tones."""

from collections import deque

import msgspec

from bridge.wire.dtmf import TelephoneEvent, event_of_digit, serialize_telephone_event

TONE_TICKS = 5  # 100 ms: ITU-T Q.24 asks for 40 at least, slow detectors for more
PAUSE_TICKS = 5
REPEATED_ENDS = 2  # RFC 4733 section 2.5.1.4: the last packet is sent three times
VOLUME = 10  # -10 dBm0, as most phones say
MOST_WAITING = 64  # digits; a card number is 19


class DigitTick(msgspec.Struct, frozen=True, gc=False):
    """What one tick of a key is: `tone_tick` counts from 0; at and above `TONE_TICKS` only the end is repeated."""

    digit: str
    tone_tick: int

    @property
    def sounds(self) -> bool:
        return self.tone_tick < TONE_TICKS

    def event_payload(self, step: int) -> bytes:
        """The telephone event of this tick; `step` is 20 ms of the RTP clock."""
        duration = min(self.tone_tick + 1, TONE_TICKS) * step
        ends = self.tone_tick >= TONE_TICKS - 1
        return serialize_telephone_event(TelephoneEvent(event_of_digit(self.digit), ends, VOLUME, duration))

    def __repr__(self) -> str:
        return f"DigitTick(*, {self.tone_tick})"


class DigitSender:
    """`take` is asked once a tick; None means that the audio goes as it is."""

    __slots__ = ("_pause", "_tick", "_waiting", "dropped")

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._tick = 0
        self._pause = 0
        self.dropped = 0

    def send(self, digits: str) -> None:
        """Adds keys behind those that wait. Raises ValueError for what is no key."""
        for digit in digits:
            event_of_digit(digit)
        room = MOST_WAITING - len(self._waiting)
        self._waiting.extend(digits[:room])
        self.dropped += max(0, len(digits) - room)

    @property
    def room(self) -> int:
        """How many keys may be added."""
        return MOST_WAITING - len(self._waiting)

    def take(self) -> DigitTick | None:
        if self._pause:
            self._pause -= 1
            return None
        if not self._waiting:
            return None
        tick = DigitTick(self._waiting[0], self._tick)
        self._tick += 1
        if self._tick == TONE_TICKS + REPEATED_ENDS:
            self._waiting.popleft()
            self._tick, self._pause = 0, PAUSE_TICKS
        return tick
