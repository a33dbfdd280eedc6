"""Tones for codec and mixer tests, and how much of one is in some samples."""

import numpy as np

from bridge.codec.sample import Samples


def tone(frequency_hz: float, rate_hz: int, seconds: float, amplitude: float = 0.3) -> Samples:
    instants = np.arange(round(rate_hz * seconds)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * frequency_hz * instants)).astype(np.float32)


def amplitude_of(frequency_hz: float, samples: Samples, rate_hz: int) -> float:
    """The amplitude of this frequency by projection; leakage of others is small over some 100 ms."""
    window = np.hanning(len(samples))
    turning = np.exp(-2j * np.pi * frequency_hz * np.arange(len(samples)) / rate_hz)
    return float(2 * abs(np.sum(samples * window * turning)) / window.sum())


def error_db(samples: Samples, reference: Samples) -> float:
    """The difference against the reference's power."""
    difference = samples.astype(np.float64) - reference
    return float(10 * np.log10(np.mean(difference**2) / np.mean(reference.astype(np.float64) ** 2)))


def power(samples: Samples) -> float:
    """Mean square."""
    return float(np.dot(samples, samples)) / len(samples)
