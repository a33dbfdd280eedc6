"""Counters that wrap on the wire, made ones that never wrap inside."""


class Unwrap:
    """Extends a counter of `bits` bits: each value is taken to lie within half a turn of the newest one.

    The first value is extended to itself plus one whole turn, so that packets from just before it do not
    become negative. The low bits of what comes out are always the value that went in.
    """

    __slots__ = ("_half", "_mask", "_newest", "_turn")

    def __init__(self, bits: int) -> None:
        self._turn = 1 << bits
        self._half = self._turn >> 1
        self._mask = self._turn - 1
        self._newest: int | None = None

    def __call__(self, value: int) -> int:
        """The extended value; moves the reference forward, never back."""
        newest = self._newest
        if newest is None:
            self._newest = value + self._turn
            return self._newest
        extended = newest + ((value - newest + self._half) & self._mask) - self._half
        if extended > newest:
            self._newest = extended
        return extended

    def restart(self, value: int) -> int:
        """Begins a new turn at `value`: what follows lies after all that came before."""
        newest = self._newest
        if newest is None:
            return self(value)
        self._newest = (newest & ~self._mask) + self._turn + value
        return self._newest


class PictureIdUnwrap:
    """Extends VP8 picture ids (RFC 7741 section 4.2: 7 or 15 bits, the width may differ between packets).

    Some senders write small values in the short form although they count to 15 bits: once a long one was
    seen, short ones are taken as 15-bit values too.
    """

    __slots__ = ("_newest", "_wide")

    def __init__(self) -> None:
        self._newest: int | None = None
        self._wide = False

    def __call__(self, picture_id: int, bits: int) -> int:
        if bits == 15:
            self._wide = True
        half = 0x4000 if self._wide else 0x40
        newest = self._newest
        if newest is None:
            self._newest = picture_id + 0x8000
            return self._newest
        extended = newest + ((picture_id - newest + half) & (2 * half - 1)) - half
        if extended > newest:
            self._newest = extended
        return extended
