"""Keys of one phone that come in two ways at once: by RTP (RFC 4733) and by SIP INFO."""

from dataclasses import dataclass

ECHO_S = 1.0  # the same key by the other way within this time is the same press
REMEMBERED = 8


@dataclass(frozen=True)
class _Press:
    way: str
    digit: str
    at: float


class Keypresses:
    """Pairs what two ways say; a phone that uses one way only is never held up."""

    __slots__ = ("_unpaired",)

    def __init__(self) -> None:
        self._unpaired: tuple[_Press, ...] = ()

    def is_new(self, way: str, digit: str, now: float) -> bool:
        """False for the echo of a key that the other way told already; each echoes one press."""
        recent = tuple(press for press in self._unpaired if now - press.at <= ECHO_S)
        twin = next((press for press in recent if press.way != way and press.digit == digit), None)
        if twin is not None:
            self._unpaired = tuple(press for press in recent if press is not twin)
            return False
        self._unpaired = (*recent, _Press(way, digit, now))[-REMEMBERED:]
        return True
