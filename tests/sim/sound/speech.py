"""Speech for sound checks, spoken by espeak-ng when it is needed: the same words, the same samples each time."""

import functools
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from bridge.codec.resample import resample
from bridge.codec.sample import Samples, from_pcm16
from bridge.media.audio.playback import parse_wav
from tests.interop.programs import program

WORDS = (
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well. These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls. The juice of lemons makes fine punch.",
)  # IEEE 269 ("Harvard") sentences
VOICES = ("en-gb", "en-us+f3")
LEVEL_DBOV = -26.0  # ITU-T P.56: the level speech is tested at


@functools.cache
def speech(rate_hz: int, *, voice: str = VOICES[0], text: str = " ".join(WORDS)) -> Samples:
    """Mono, at the usual level, whole frames of 20 ms, with half a second of silence around."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "speech.wav"
        subprocess.run([program("espeak-ng"), "-v", voice, "-s", "150", "-w", str(file), text], check=True)
        sound = parse_wav(file.read_bytes())
    samples = resample(from_pcm16(sound.pcm), sound.rate_hz, rate_hz)
    active = samples[np.abs(samples) > 0.01]
    samples = samples * np.float32(10 ** (LEVEL_DBOV / 20) / np.sqrt(np.mean(active**2)))
    pause = np.zeros(rate_hz // 2, np.float32)
    whole = np.concatenate((pause, samples, pause))
    return whole[: len(whole) // (rate_hz // 50) * (rate_hz // 50)].astype(np.float32)
