"""Sound files for other people's phones and microphones, and back."""

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bridge.peers.tone import Samples, Tone


def write_tone(path: Path, frequencies_hz: Sequence[float], rate_hz: int, seconds: float = 10.0) -> Path:
    """A mono 16 bit WAV file that may be played in a loop: whole periods, whole syllables."""
    samples = Tone(frequencies_hz, rate_hz).take(int(rate_hz * seconds))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def read_sound(path: Path) -> tuple[Samples, int]:
    """Samples (the first channel) and rate of a WAV file, also of one its writer has not closed."""
    data = path.read_bytes()
    if data[:4] != b"RIFF" or len(data) < 44:
        return np.zeros(0, np.int16), 8000
    channels = int.from_bytes(data[22:24], "little")
    rate_hz = int.from_bytes(data[24:28], "little")
    start = data.find(b"data") + 8
    body = data[start : len(data) - (len(data) - start) % (2 * channels)]
    return np.frombuffer(body, "<i2").reshape(-1, channels)[:, 0].astype(np.int16), rate_hz
