"""G.722 (ITU-T G.722, 64 kbit/s): 16 kHz sound on an 8 kHz RTP clock (RFC 3551 section 4.5.2)."""

from typing import Final

import numpy as np
from G722 import G722

from bridge.codec.conceal import Concealer
from bridge.codec.sample import Samples, from_pcm16, to_pcm16

RATE_HZ: Final = 16_000
FRAME_SAMPLES: Final = 320
BITRATE_BPS: Final = 64_000


class G722Decoder:
    """One stream."""

    __slots__ = ("_codec", "_concealer")

    rate_hz = RATE_HZ

    def __init__(self) -> None:
        self._codec = G722(RATE_HZ, BITRATE_BPS)
        self._concealer = Concealer(RATE_HZ)

    def decode(self, payload: bytes) -> Samples:
        pcm = np.frombuffer(self._codec.decode(payload), dtype=np.int16)
        return self._concealer.good(from_pcm16(pcm))

    def conceal(self) -> Samples:
        return self._concealer.lost(FRAME_SAMPLES)

    def recover(self, next_payload: bytes) -> Samples:  # noqa: ARG002 - G.722 carries no redundancy
        return self.conceal()


class G722Encoder:
    """One stream. Its state is closed to us: it cannot be cloned, so listeners do not share it."""

    __slots__ = ("_codec",)

    rate_hz = RATE_HZ

    def __init__(self) -> None:
        self._codec = G722(RATE_HZ, BITRATE_BPS)

    def encode(self, samples: Samples) -> bytes:
        payload: bytes = self._codec.encode(to_pcm16(samples))
        return payload

    def clone(self) -> "G722Encoder":
        return G722Encoder()
