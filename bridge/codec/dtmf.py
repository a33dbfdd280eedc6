"""Keys as sound (ITU-T Q.23): made, and heard again by Goertzel's filters (Q.24)."""

from typing import Final

import numpy as np
import numpy.typing as npt

from bridge.codec.sample import Samples, frame_samples

LOW_HZ: Final = (697.0, 770.0, 852.0, 941.0)
HIGH_HZ: Final = (1209.0, 1336.0, 1477.0, 1633.0)
KEYS: Final = ("123A", "456B", "789C", "*0#D")

AMPLITUDE: Final = 0.2  # of each tone: -14 dBov each, -11 together
RAMP_MS: Final = 5.0  # a key that begins at once clicks

LEAST_POWER: Final = 10 ** (-36.0 / 10)  # of the whole block: Q.24 has to work down to about -27 dBm0
TONAL_SHARE: Final = 0.75  # of the power in the two tones; speech spreads its power over harmonics
MOST_TWIST_DB: Final = 8.0  # between the two tones, either way
LEAST_CONTRAST_DB: Final = 8.0  # of a tone over the next one of its group
HARMONIC_SHARE: Final = 0.1  # of a tone at twice its frequency: a voice has one there
LEAST_APART_HZ: Final = 120.0  # the width of the window's main lobe
HEARD_TICKS: Final = 2  # 40 ms make a key (Q.24: 40 yes, 20 no)
SILENT_TICKS: Final = 2  # and 40 ms without it end it, so that a short gap does not make two


def tone_frame(digit: str, tick: int, ticks: int, rate_hz: int) -> Samples:
    """20 ms of a key that lasts `ticks` frames; its first and last samples are faded."""
    row = next(index for index, keys in enumerate(KEYS) if digit.upper() in keys)
    low, high = LOW_HZ[row], HIGH_HZ[KEYS[row].index(digit.upper())]
    count = frame_samples(rate_hz)
    at = np.arange(tick * count, (tick + 1) * count) / rate_hz
    sound = AMPLITUDE * (np.sin(2 * np.pi * low * at) + np.sin(2 * np.pi * high * at))
    ramp = RAMP_MS / 1000
    sound *= np.clip(np.minimum(at / ramp, (ticks * count / rate_hz - at) / ramp), 0.0, 1.0)
    return sound.astype(np.float32)


def _basis(rate_hz: int) -> npt.NDArray[np.complex64]:
    """One row for each tone, then one for twice each: what Goertzel's recursion sums up, as one product."""
    count = frame_samples(rate_hz)
    tones = np.array((*LOW_HZ, *HIGH_HZ))
    at = np.arange(count) / rate_hz
    frequencies = np.concatenate((tones, 2 * tones))
    window = np.hamming(count)
    scale = np.sqrt(2.0) / window.sum()
    rows = np.exp(-2j * np.pi * np.outer(frequencies, at)) * window * scale
    basis: npt.NDArray[np.complex64] = rows.astype(np.complex64)
    return basis


class DtmfDetector:
    """One voice, 20 ms at a time. `hear` returns the key and its length in ms when it is over."""

    __slots__ = ("_basis", "_candidate", "_key", "_silent", "_ticks")

    def __init__(self, rate_hz: int) -> None:
        self._basis = _basis(rate_hz)
        self._candidate = ""
        self._key = ""
        self._ticks = 0
        self._silent = 0

    def hear(self, samples: Samples | None) -> tuple[str, int] | None:
        """None: a tick of silence."""
        key = "" if samples is None else self._key_in(samples)
        if self._key:
            return self._go_on(key)
        if key and key == self._candidate:
            self._ticks += 1
            if self._ticks >= HEARD_TICKS:
                self._key, self._silent = key, 0
        else:
            self._candidate, self._ticks = key, 1 if key else 0
        return None

    def _go_on(self, key: str) -> tuple[str, int] | None:
        if key == self._key:
            self._ticks += 1 + self._silent
            self._silent = 0
            return None
        self._silent += 1
        if self._silent < SILENT_TICKS:
            return None
        over = self._key, self._ticks * 20
        self._key, self._candidate, self._ticks = "", key, 1 if key else 0
        return over

    def _key_in(self, samples: Samples) -> str:
        total = float(np.dot(samples, samples)) / len(samples)
        if total < LEAST_POWER:
            return ""
        found = np.abs(self._basis @ samples) ** 2
        low, high = found[:4], found[4:8]
        row, column = int(np.argmax(low)), int(np.argmax(high))
        tone, other = float(low[row]), float(high[column])
        if not _is_key(tone, other, total):
            return ""
        if _next_best(low, row) * 10 ** (LEAST_CONTRAST_DB / 10) > tone:
            return ""
        if _next_best(high, column) * 10 ** (LEAST_CONTRAST_DB / 10) > other:
            return ""
        if _is_apart(row, column) and found[8 + row] > HARMONIC_SHARE * tone:
            return ""
        if found[12 + column] > HARMONIC_SHARE * other:
            return ""
        return KEYS[row][column]


def _is_key(low: float, high: float, total: float) -> bool:
    """Nearly all of the power in two tones of about the same strength."""
    if low + high < TONAL_SHARE * total or min(low, high) <= 0:
        return False
    return bool(abs(10 * np.log10(low / high)) <= MOST_TWIST_DB)


def _is_apart(row: int, column: int) -> bool:
    """Whether the low tone's harmonic can be told from the high tone within 20 ms."""
    return abs(2 * LOW_HZ[row] - HIGH_HZ[column]) > LEAST_APART_HZ


def _next_best(group: npt.NDArray[np.float32], best: int) -> float:
    return float(np.max(np.delete(group, best)))
