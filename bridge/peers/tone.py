"""Tones of the synthetic peers: made to be told apart, and measured in what a peer receives.

A tone swells like syllables do: voice activity detectors and noise suppressors take a steady sine for
noise after some seconds and silence it, which would say nothing about the bridge.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

SYLLABLES_HZ = 4.0  # the rate of speech syllables, where speech modulation peaks
SYLLABLE_FLOOR = 0.2  # the quietest moment, as part of the amplitude: never silence, so no gate closes
AMPLITUDE = 0.25  # -12 dBFS: three of them add up without clipping
FULL_SCALE = 32768.0
FLOOR_DB = -120.0

LOWEST_HZ = 350
HIGHEST_HZ = 1500  # inside the telephone band with its second harmonic
STEP_HZ = 10
SEPARATION_HZ = 120  # wider than the sidebands of the swelling and of any codec seen
SEGMENT_S = 0.5
PEAK_HALF_WIDTH_HZ = 14.0  # takes in the swelling's sidebands and the window's main lobe
PEAK_CLEARANCE_HZ = 60.0
MOST_TONES = 3  # more do not always fit apart into the band


class Tone:
    """An endless sound made of sines; without frequencies it is silence."""

    __slots__ = ("_amplitude", "_frequencies_hz", "_position", "_rate_hz")

    def __init__(self, frequencies_hz: Sequence[float], rate_hz: int, amplitude: float = AMPLITUDE) -> None:
        self._frequencies_hz = tuple(frequencies_hz)
        self._rate_hz = rate_hz
        self._amplitude = amplitude
        self._position = 0

    def take(self, count: int) -> Samples:
        """The next `count` samples, continuing without a seam."""
        times = (self._position + np.arange(count)) / self._rate_hz
        self._position += count
        total = np.zeros(count)
        for frequency_hz in self._frequencies_hz:
            total += np.sin(2 * np.pi * frequency_hz * times)
        swelling = 0.5 - 0.5 * np.cos(2 * np.pi * SYLLABLES_HZ * times)
        envelope = SYLLABLE_FLOOR + (1 - SYLLABLE_FLOOR) * swelling
        scaled = np.clip(total * envelope * self._amplitude * FULL_SCALE, -FULL_SCALE, FULL_SCALE - 1)
        return scaled.astype(np.int16)


def draw_frequencies(count: int, random_below: Callable[[int], int]) -> tuple[float, ...]:
    """`count` frequencies none of which is near another, or near twice or three times another.

    `random_below(n)` returns a number from 0 to n-1, as `secrets.randbelow` does.
    """
    if count > MOST_TONES:
        raise ValueError(f"at most {MOST_TONES} tones fit apart into the band")
    free = list(range(LOWEST_HZ, HIGHEST_HZ + 1, STEP_HZ))
    chosen: list[float] = []
    while len(chosen) < count:
        if not free:
            # The draw took up the band unluckily: begin again.
            free = list(range(LOWEST_HZ, HIGHEST_HZ + 1, STEP_HZ))
            chosen.clear()
        frequency_hz = free[random_below(len(free))]
        chosen.append(float(frequency_hz))
        free = [other for other in free if not _confusable(other, frequency_hz)]
    return tuple(chosen)


def _confusable(one_hz: float, other_hz: float) -> bool:
    low, high = sorted((one_hz, other_hz))
    return any(abs(high - low * factor) < SEPARATION_HZ for factor in (1, 2, 3))


def level_db(pcm: Samples, rate_hz: int, frequency_hz: float) -> float:
    """The level of one frequency in dBFS (0 = a steady sine at full scale), over all of `pcm`."""
    spectrum, resolution_hz = _power_spectrum(pcm, rate_hz)
    return _decibel(_band(spectrum, resolution_hz, frequency_hz))


def heard(pcm: Samples, rate_hz: int, floor_db: float = -50.0) -> dict[float, float]:
    """The tones in `pcm`, loudest first: frequency in Hz -> level in dBFS, for all above `floor_db`."""
    spectrum, resolution_hz = _power_spectrum(pcm, rate_hz)
    remaining = spectrum.copy()
    clearance = max(1, round(PEAK_CLEARANCE_HZ / resolution_hz))
    found: dict[float, float] = {}
    while remaining.size and remaining.max() > 0:
        peak = int(remaining.argmax())
        frequency_hz = peak * resolution_hz
        level = _decibel(_band(spectrum, resolution_hz, frequency_hz))
        if level < floor_db:
            break
        found[round(frequency_hz, 1)] = round(level, 1)
        remaining[max(0, peak - clearance) : peak + clearance + 1] = 0
    return found


def _power_spectrum(pcm: Samples, rate_hz: int) -> tuple[npt.NDArray[np.float64], float]:
    """Mean power per bin over whole segments, scaled so that a band sums to 1 for a sine at full scale."""
    size = int(rate_hz * SEGMENT_S)
    whole = len(pcm) // size
    if whole == 0:
        return np.zeros(0), rate_hz / size
    window = np.hanning(size)
    segments = pcm[: whole * size].reshape(whole, size) / FULL_SCALE * window
    power = np.abs(np.fft.rfft(segments, axis=1)) ** 2
    # A sine of amplitude 1 leaves size * sum(window^2) / 4 in the positive half.
    mean: npt.NDArray[np.float64] = power.mean(axis=0) * 4 / (size * float((window**2).sum()))
    return mean, rate_hz / size


def _band(spectrum: npt.NDArray[np.float64], resolution_hz: float, frequency_hz: float) -> float:
    low = max(0, round((frequency_hz - PEAK_HALF_WIDTH_HZ) / resolution_hz))
    high = round((frequency_hz + PEAK_HALF_WIDTH_HZ) / resolution_hz) + 1
    return float(spectrum[low:high].sum())


def _decibel(power: float) -> float:
    return max(FLOOR_DB, 10 * float(np.log10(power))) if power > 0 else FLOOR_DB
