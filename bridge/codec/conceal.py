"""Loss concealment for codecs that have none: the last pitch period goes on, fading out.

Same idea as ITU-T G.711 Appendix I (repeat the pitch, fade within 60 ms, overlap when speech is back), on
whole frames.
"""

from collections import deque
from typing import Final

import numpy as np

from bridge.codec.sample import Samples

PITCH_LOW_MS = 5.0  # 200 Hz, G.711 Appendix I section I.2.2: lag of 40 samples at 8 kHz
PITCH_HIGH_MS = 15.0  # 66 Hz, same place: lag of 120 samples
COMPARED_MS = 20.0  # same place: correlation over 160 samples
OVERLAP_MS = 4.0  # G.711 Appendix I section I.2.7 overlaps 4 ms and longer after a long loss
HOLD_MS = 10.0  # the first 10 ms are not faded
FADE_MS = 50.0  # silent 60 ms after the loss began
REMEMBERED_FRAMES: Final = 3  # of 20 ms: PITCH_HIGH_MS + COMPARED_MS and some


class Concealer:
    """The memory of one stream: its last samples, and how long it has been lost."""

    __slots__ = ("_cycle", "_history", "_lost_samples", "_rate_hz")

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._history: deque[Samples] = deque(maxlen=REMEMBERED_FRAMES)
        self._cycle: Samples | None = None
        self._lost_samples = 0

    def good(self, samples: Samples) -> Samples:
        """Remembers decoded samples; after a loss they are faded in over what concealment would have said."""
        if self._lost_samples:
            samples = self._joined(samples)
            self._lost_samples = 0
            self._cycle = None
        self._history.append(samples)
        return samples

    def lost(self, count: int) -> Samples:
        """`count` samples that continue the sound; silence once the fade is over."""
        made = self._continued(count)
        self._lost_samples += count
        return made

    def _joined(self, samples: Samples) -> Samples:
        overlap = min(int(self._rate_hz * OVERLAP_MS / 1000), len(samples))
        ramp = np.linspace(0.0, 1.0, overlap, endpoint=False, dtype=np.float32)
        joined = samples.copy()
        joined[:overlap] = samples[:overlap] * ramp + self._continued(overlap) * (1 - ramp)
        return joined

    def _continued(self, count: int) -> Samples:
        begin = self._lost_samples
        if self._cycle is None:
            self._cycle = pitch_cycle(np.concatenate(self._history), self._rate_hz) if self._history else None
        milliseconds = np.arange(begin, begin + count, dtype=np.float32) * np.float32(1000 / self._rate_hz)
        gains = np.clip(1 - (milliseconds - HOLD_MS) / FADE_MS, 0.0, 1.0).astype(np.float32)
        if self._cycle is None or not gains[0]:
            return np.zeros(count, dtype=np.float32)
        repeated: Samples = self._cycle[np.arange(begin, begin + count) % len(self._cycle)] * gains
        return repeated


def pitch_cycle(history: Samples, rate_hz: int) -> Samples | None:
    """One period to be repeated after `history`, its end blended so that it closes on itself."""
    low, high = (int(rate_hz * ms / 1000) for ms in (PITCH_LOW_MS, PITCH_HIGH_MS))
    compared = int(rate_hz * COMPARED_MS / 1000)
    overlap = low // 2
    if len(history) < high + max(compared, overlap):
        return None
    lag = best_lag(history, compared, low, high)
    cycle = history[-lag:].copy()
    # The repetition jumps from the last sample back by one lag: blend the end into what came before that.
    ramp = np.linspace(0.0, 1.0, overlap, endpoint=True, dtype=np.float32)
    cycle[-overlap:] = cycle[-overlap:] * (1 - ramp) + history[-lag - overlap : -lag] * ramp
    return cycle


def best_lag(history: Samples, compared: int, low: int, high: int) -> int:
    """The lag at which the end of `history` looks most like itself (normalized correlation)."""
    tail = history[-compared:]
    windows = np.lib.stride_tricks.sliding_window_view(history[-compared - high : -low], compared)
    # windows[i] lies `high - i` samples before the tail.
    correlation = windows @ tail
    energy = np.einsum("ij,ij->i", windows, windows) + np.float32(1e-9)
    score = np.where(correlation > 0, correlation, 0) / np.sqrt(energy)
    return high - int(np.argmax(score))
