"""Samples: mono float32 from -1 to 1, and how loud they are."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]  # one stream: (n,)
Rows = npt.NDArray[np.float32]  # one stream per row: (streams, n)
Pcm16 = npt.NDArray[np.int16]

FRAME_MS: Final = 20
FRAMES_PER_SECOND: Final = 50
SILENCE_DBOV: Final = -127.0  # RFC 6464 section 3: the lowest level there is
_SILENT_POWER = 10.0 ** (SILENCE_DBOV / 10)


def frame_samples(rate_hz: int) -> int:
    """Samples of 20 ms."""
    return rate_hz // FRAMES_PER_SECOND


def dbov(power: float) -> float:
    """Mean square as a level: 0 dBov is full-scale square, so a full-scale sine is -3 (RFC 6464)."""
    return 10.0 * math.log10(power) if power > _SILENT_POWER else SILENCE_DBOV


def from_pcm16(pcm: Pcm16) -> Samples:
    """Integers to floats."""
    return pcm.astype(np.float32) * np.float32(1 / 32_768)


def to_pcm16(samples: Samples) -> Pcm16:
    """Floats to integers, rounded and limited to what 16 bits hold."""
    scaled = np.rint(samples * np.float32(32_768))
    np.clip(scaled, -32_768, 32_767, out=scaled)
    pcm: Pcm16 = scaled.astype(np.int16)
    return pcm
