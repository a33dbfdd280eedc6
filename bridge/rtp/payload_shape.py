"""What a jitter buffer must know of an audio payload: how long it lasts, and whether anyone would miss it."""

from collections.abc import Callable

import msgspec

from bridge.wire import opus

_QUIET_MAGNITUDE = 0x20  # ITU-T G.711: below its third segment, peaks under -36 dBov


def _never(_: bytes) -> bool:
    return False


class PayloadShape(msgspec.Struct, frozen=True, gc=False):
    """The four questions. `samples` counts RTP clock ticks and raises ParseError on a broken payload.

    `repairs` tells whether the payload also carries the one before (in-band FEC): worth waiting for.
    """

    samples: Callable[[bytes], int]
    is_quiet: Callable[[bytes], bool]
    begins_pause: Callable[[bytes], bool]
    repairs: Callable[[bytes], bool] = _never


def _quiet_codes(inverted: int) -> bytes:
    """The G.711 octets of small amplitude; `inverted` are the bits that the wire inverts."""
    return bytes(code for code in range(256) if (code ^ inverted) & 0x7F < _QUIET_MAGNITUDE)


def _opus_is_quiet(payload: bytes) -> bool:
    return opus.voice_activity(payload) is False


# mu-law inverts all bits, A-law every other one, so small amplitudes are small numbers only after undoing it
_QUIET_PCMU = _quiet_codes(0xFF)
_QUIET_PCMA = _quiet_codes(0x55)


def _pcmu_is_quiet(payload: bytes) -> bool:
    return not payload.translate(None, _QUIET_PCMU)


def _pcma_is_quiet(payload: bytes) -> bool:
    return not payload.translate(None, _QUIET_PCMA)


# G.711 has one octet per tick of its clock; so has G.722, whose RTP clock is 8 kHz (RFC 3551 section 4.5.2)
SHAPES: dict[str, PayloadShape] = {
    "PCMU": PayloadShape(len, _pcmu_is_quiet, _never),
    "PCMA": PayloadShape(len, _pcma_is_quiet, _never),
    "G722": PayloadShape(len, _never, _never),
    "OPUS": PayloadShape(opus.packet_samples, _opus_is_quiet, opus.is_dtx, opus.has_fec),
}
