"""G.711 (ITU-T G.711): mu-law and A-law by tables, batched over legs."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from bridge.codec.conceal import Concealer
from bridge.codec.sample import Pcm16, Rows, Samples, from_pcm16, to_pcm16

RATE_HZ: Final = 8_000
FRAME_SAMPLES: Final = 160
MU_LAW_BIAS = 132  # 33 in G.711's 14 bits
A_LAW_MASK = 0x55  # G.711 section 3.1: even bits are inverted on the line

Octets = npt.NDArray[np.uint8]


def mu_law_table() -> Pcm16:
    """The 256 values of mu-law, scaled to 16 bits."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent = ((code >> 4) & 7).astype(np.int32)
    mantissa = (code & 15).astype(np.int32)
    magnitude = (((mantissa << 3) + MU_LAW_BIAS) << exponent) - MU_LAW_BIAS
    return np.where(code & 128, -magnitude, magnitude).astype(np.int16)


def a_law_table() -> Pcm16:
    """The 256 values of A-law, scaled to 16 bits."""
    code = np.arange(256, dtype=np.uint8) ^ np.uint8(A_LAW_MASK)
    exponent = ((code >> 4) & 7).astype(np.int32)
    mantissa = (code & 15).astype(np.int32)
    linear = (mantissa << 4) + 8
    magnitude = np.where(exponent == 0, linear, (linear + 256) << np.maximum(exponent - 1, 0))
    return np.where(code & 128, magnitude, -magnitude).astype(np.int16)


def inverse_table(values: Pcm16) -> Octets:
    """For every 16 bit sample, as an unsigned index, the octet whose value is nearest."""
    octets = np.argsort(values, kind="stable")[::-1][:256]
    ordered = values[octets].astype(np.int32)[::-1]
    octets = octets[::-1]
    middles = (ordered[1:] + ordered[:-1] + 1) // 2
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    return octets[np.searchsorted(middles, samples, side="right")].astype(np.uint8)


class Law:
    """One companding law: the tables both ways."""

    __slots__ = ("_floats", "_octets", "silence")

    def __init__(self, values: Pcm16) -> None:
        self._floats: Samples = from_pcm16(values)
        self._octets = inverse_table(values)
        self.silence = bytes([int(self._octets[0])])

    def decode(self, payload: bytes) -> Samples:
        """Octets to samples."""
        return self._floats[np.frombuffer(payload, dtype=np.uint8)]

    def decode_many(self, payloads: Sequence[bytes]) -> Rows:
        """Payloads of one length, a row each. The rows are new memory that nobody writes again."""
        return self.decode(b"".join(payloads)).reshape(len(payloads), -1)

    def encode(self, samples: Samples) -> bytes:
        """Samples to octets."""
        return self._octets[to_pcm16(samples).view(np.uint16)].tobytes()

    def encode_many(self, rows: Rows) -> list[bytes]:
        """One payload per row."""
        octets = self._octets[to_pcm16(rows).view(np.uint16)]
        return [row.tobytes() for row in octets]


PCMU: Final = Law(mu_law_table())
PCMA: Final = Law(a_law_table())


class G711Decoder:
    """One stream: the tables, and what concealment has to remember."""

    __slots__ = ("_concealer", "law")

    rate_hz = RATE_HZ

    def __init__(self, law: Law) -> None:
        self.law = law
        self._concealer = Concealer(RATE_HZ)

    def decode(self, payload: bytes) -> Samples:
        return self.remember(self.law.decode(payload))

    def remember(self, samples: Samples) -> Samples:
        """Takes samples decoded in a batch; returns them, faded in if they end a loss."""
        return self._concealer.good(samples)

    def conceal(self) -> Samples:
        return self._concealer.lost(FRAME_SAMPLES)

    def recover(self, next_payload: bytes) -> Samples:  # noqa: ARG002 - G.711 carries no redundancy
        return self.conceal()


class G711Encoder:
    """Stateless: every listener of the same sound can have the same octets."""

    __slots__ = ("law",)

    rate_hz = RATE_HZ

    def __init__(self, law: Law) -> None:
        self.law = law

    def encode(self, samples: Samples) -> bytes:
        return self.law.encode(samples)

    def clone(self) -> "G711Encoder":
        return self
