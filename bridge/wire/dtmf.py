"""Telephone events: DTMF digits in RTP (RFC 4733 section 2.3)."""

import msgspec

from bridge.errors import ParseError

DIGITS = "0123456789*#ABCD"  # RFC 4733 table 3: events 0 to 15
PAYLOAD_SIZE = 4
MAX_VOLUME = 63


class TelephoneEvent(msgspec.Struct, frozen=True, gc=False):
    """One event payload. `duration` counts RTP clock ticks since the event began; `volume` is in -dBm0."""

    event: int
    ends: bool
    volume: int
    duration: int

    @property
    def digit(self) -> str | None:
        """The key, or None for an event that is no key (hook flash, tones)."""
        return DIGITS[self.event] if self.event < len(DIGITS) else None


def parse_telephone_event(payload: bytes) -> TelephoneEvent:
    """The first event of the payload. Raises ParseError."""
    if len(payload) < PAYLOAD_SIZE:
        raise ParseError("telephone event is cut off")
    return TelephoneEvent(
        event=payload[0],
        ends=payload[1] & 0x80 != 0,
        volume=payload[1] & 0x3F,
        duration=payload[2] << 8 | payload[3],
    )


def serialize_telephone_event(event: TelephoneEvent) -> bytes:
    """Raises ValueError when a field does not fit its place."""
    if not (0 <= event.event <= 255 and 0 <= event.volume <= MAX_VOLUME and 0 <= event.duration <= 0xFFFF):
        raise ValueError("a telephone event field is out of range")
    second = event.volume | (0x80 if event.ends else 0)
    return bytes((event.event, second)) + event.duration.to_bytes(2, "big")


def event_of_digit(digit: str) -> int:
    """The event number of a key. Raises ValueError for anything else."""
    number = DIGITS.find(digit.upper())
    if number < 0 or len(digit) != 1:
        raise ValueError("a digit is one of 0-9 * # A-D")
    return number
