"""Sample rate conversion: a polyphase filter of 24 taps as one matrix product over all legs.

A tap count per phase, so 24 taps at the lower of the two rates: about 1.5 ms of delay at 8 kHz, a pass band
to 3.1 kHz and images below -50 dB there.
"""

from functools import cache, lru_cache
from math import gcd
from typing import Final

import numpy as np
import numpy.typing as npt

from bridge.codec.sample import Rows, Samples

TAPS: Final = 24
CUTOFF: Final = 0.94  # of the lower Nyquist frequency: the -6 dB point
KAISER_BETA: Final = 6.0  # 60 dB between pass and stop band
BLOCK: Final = 8  # periods per row of the product: wider copies less, narrower multiplies fewer zeros
RECORDING_STEP: Final = 64  # input samples per row of the product when a whole recording is converted
MOST_PHASES: Final = 640  # 11025 to 48000 Hz
# OpenBLAS wakes its threads above 65536 * 4 multiplications (interface/gemm.c): they cost more than they help.
LARGEST_PRODUCT: Final = 262_144


class Resampler:
    """From one rate to another; keeps no state, so one serves every stream.

    `process` takes rows that begin with the last `history` samples before; what follows them must be a whole
    number of `step` samples. Rates whose ratio needs more than `MOST_PHASES` are refused: 47999 to 48000 Hz
    would be a matrix of gigabytes.
    """

    __slots__ = ("_matrix", "_produced", "_width", "history", "rate_in_hz", "rate_out_hz", "step")

    def __init__(self, rate_in_hz: int, rate_out_hz: int, block: int = BLOCK) -> None:
        divisor = gcd(rate_in_hz, rate_out_hz)
        up, down = rate_out_hz // divisor, rate_in_hz // divisor
        self.rate_in_hz, self.rate_out_hz = rate_in_hz, rate_out_hz
        if max(up, down) > MOST_PHASES:
            raise ValueError(
                f"no filter from {rate_in_hz} to {rate_out_hz} Hz: {up}/{down} is too fine a ratio"
            )
        reach = TAPS * max(1.0, rate_in_hz / rate_out_hz)  # input samples under the filter
        self.step = down * block
        self.history = int(np.ceil(reach)) - 1
        self._produced = up * block
        self._width = self.history + self.step
        self._matrix = filter_matrix((self._width, self._produced), up / down, reach, self.history)

    def process(self, rows: Rows) -> Rows:
        """Rows of `history` + n samples to rows of n * rate_out / rate_in samples."""
        count, length = rows.shape
        positions = (length - self.history) // self.step
        at_once = max(1, LARGEST_PRODUCT // (positions * self._matrix.size))
        made = np.empty((count, positions, self._produced), dtype=np.float32)
        for first in range(0, count, at_once):
            chunk = np.ascontiguousarray(rows[first : first + at_once])
            self._multiply(chunk, positions, made[first : first + at_once])
        return made.reshape(count, -1)

    def _multiply(self, rows: Rows, positions: int, made: Rows) -> None:
        # The windows overlap: a view by strides (sliding_window_view costs 15 us more a call).
        row_stride, stride = rows.strides
        windows: Rows = np.ndarray(
            (len(rows), positions, self._width),
            np.float32,
            rows.data,
            0,
            (row_stride, stride * self.step, stride),
        )
        products = len(rows) * positions
        np.matmul(
            windows.reshape(products, self._width), self._matrix, out=made.reshape(products, self._produced)
        )


def filter_matrix(shape: tuple[int, int], ratio: float, reach: float, history: int) -> Rows:
    """Column n holds the taps that make output n of a block from its window of inputs.

    Output n stands at input time n / ratio after the history, minus half the reach (the delay).
    """
    window = np.arange(shape[0], dtype=np.float64)[:, None] - history
    distance = window - (np.arange(shape[1]) / ratio - reach / 2 + (0.5 if ratio < 1 else 0.0))
    cutoff = CUTOFF * min(1.0, ratio)
    inside = np.clip(1 - (2 * distance / reach) ** 2, 0.0, None)
    taps = cutoff * np.sinc(cutoff * distance) * np.i0(KAISER_BETA * np.sqrt(inside)) * (inside > 0)
    return np.asarray(taps / taps.sum(axis=0), dtype=np.float32)


@cache
def resampler(rate_in_hz: int, rate_out_hz: int) -> Resampler:
    """The one resampler of this pair of rates."""
    return Resampler(rate_in_hz, rate_out_hz)


class StreamResampler:
    """One stream: keeps the history, and what does not fill a step yet."""

    __slots__ = ("_pending", "_resampler")

    def __init__(self, rate_in_hz: int, rate_out_hz: int, block: int = 1) -> None:
        self._resampler = Resampler(rate_in_hz, rate_out_hz, block)
        self._pending = np.zeros(self._resampler.history, dtype=np.float32)

    def push(self, samples: Samples) -> Samples:
        """The samples that are ready; a few may wait for the next push."""
        pending = np.concatenate((self._pending, samples))
        whole = (len(pending) - self._resampler.history) // self._resampler.step * self._resampler.step
        self._pending = pending[whole:]
        if not whole:
            return np.zeros(0, dtype=np.float32)
        made: Samples = self._resampler.process(pending[None, : self._resampler.history + whole])[0]
        return made


def resample(samples: Samples, rate_in_hz: int, rate_out_hz: int) -> Samples:
    """A whole recording at another rate, its delay taken off."""
    if rate_in_hz == rate_out_hz:
        return samples
    period = rate_in_hz // gcd(rate_in_hz, rate_out_hz)
    block = max(1, RECORDING_STEP // period)
    stream = StreamResampler(rate_in_hz, rate_out_hz, block)
    reach = TAPS * max(1, -(-rate_in_hz // rate_out_hz))
    tail = np.zeros(reach + period * block, dtype=np.float32)  # so that the last sample comes out
    made = stream.push(np.concatenate((samples, tail)))
    delay = round(TAPS / 2 * max(rate_out_hz / rate_in_hz, 1.0))
    wanted = len(samples) * rate_out_hz // rate_in_hz
    return made[delay : delay + wanted]


STRETCH_TAPS: Final = 8
STRETCH_BETA: Final = 4.0  # errors below -43 dB to half the band, -24 dB at three quarters
STRETCH_BEFORE: Final = 3  # samples of the past under the first output's filter
STRETCH_AFTER: Final = 4  # samples of the future under the last one's


def stretch(before: Samples, samples: Samples, after: Samples, wanted: int) -> Samples:
    """`samples` played in the time of `wanted`, which differs by less than a hundredth (clock drift).

    `before` and `after` are what surrounds them; too little of it is filled up with the edge.
    """
    padded = np.concatenate((before[-STRETCH_BEFORE:], samples, after[:STRETCH_AFTER]))
    left = STRETCH_BEFORE - min(len(before), STRETCH_BEFORE)
    right = STRETCH_AFTER - min(len(after), STRETCH_AFTER)
    if left or right:
        padded = np.pad(padded, (left, right), mode="edge")
    positions, taps = stretch_taps(len(samples), wanted)
    made: Samples = np.einsum("ij,ij->i", padded[positions], taps)
    return made


@lru_cache(maxsize=16)
def stretch_taps(length: int, wanted: int) -> tuple[npt.NDArray[np.intp], Rows]:
    """For each output the positions it is made of, and their weights: a windowed sinc."""
    instants = np.arange(wanted) * (length / wanted)
    first = np.floor(instants).astype(np.intp)
    offsets = np.arange(STRETCH_TAPS) - STRETCH_BEFORE
    distance = offsets[None, :] - (instants - first)[:, None]
    inside = np.clip(1 - (2 * distance / STRETCH_TAPS) ** 2, 0.0, None)
    taps = np.sinc(distance) * np.i0(STRETCH_BETA * np.sqrt(inside))
    taps /= taps.sum(axis=1, keepdims=True)
    return first[:, None] + np.arange(STRETCH_TAPS)[None, :], taps.astype(np.float32)
