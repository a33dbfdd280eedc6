"""What people hear behind bad networks, in virtual time: PESQ beside a fixed buffer of the same mean delay."""

import numpy as np
import pytest

from bridge.codec.dtmf import DtmfDetector
from bridge.codec.sample import frame_samples
from tests.sim.sound.path import (
    OPUS,
    PCMU,
    Path,
    compared,
    packets_of,
    scores,
    through_a_fixed_buffer,
    through_the_bridge,
)
from tests.sim.sound.speech import VOICES, speech


@pytest.mark.parametrize(
    ("loss", "fec_percent", "at_least", "better_by"),
    [
        (0.0, 0, 4.6, -0.05),
        (0.01, 5, 4.1, 0.5),
        (0.05, 10, 3.6, 1.2),
        (0.1, 20, 3.3, 1.4),
        (0.2, 20, 2.0, 0.8),
    ],
)
def test_opus_by_fec_and_concealment(
    loss: float, fec_percent: int, at_least: float, better_by: float
) -> None:
    ours, fixed, outcome = compared(Path(OPUS, loss, fec_percent=fec_percent))
    assert ours >= at_least
    assert ours >= fixed + better_by
    assert outcome.delay_s < 0.065
    assert outcome.recovered > 0 or not loss


@pytest.mark.parametrize(
    ("loss", "at_least", "better_by"),
    [(0.0, 4.6, -0.05), (0.01, 3.6, 0.1), (0.05, 3.0, 0.3), (0.1, 2.3, 0.5), (0.2, 1.6, 0.3)],
)
def test_g711_by_concealment(loss: float, at_least: float, better_by: float) -> None:
    ours, fixed, outcome = compared(Path(PCMU, loss))
    assert ours >= at_least
    assert ours >= fixed + better_by
    assert outcome.delay_s < 0.045, "nothing repairs G.711: there is nothing to wait for"


@pytest.mark.parametrize("drift_ppm", [200.0, -200.0])
def test_clocks_that_drift_are_not_heard(drift_ppm: float) -> None:
    """A minute and three quarters: 200 ppm are 21 ms then, more than the buffer lets pass."""
    path = Path(OPUS, drift_ppm=drift_ppm, repeats=6)
    packets = packets_of(path)
    ours = through_the_bridge(path, packets)
    assert min(scores(packets, ours)) > 4.0
    assert ours.delay_s < 0.05
    assert max(ours.delays_s) - min(ours.delays_s) < 0.04


def test_the_delay_is_as_long_as_the_path_needs_and_no_longer() -> None:
    """A fixed buffer of 60 ms is too short for one path and longer than needed on another."""
    for jitter_s, better_by, shorter in ((0.002, -0.05, True), (0.12, 0.5, False)):
        path = Path(PCMU, jitter_s=jitter_s)
        packets = packets_of(path)
        ours = through_the_bridge(path, packets)
        fixed = through_a_fixed_buffer(path, packets, 0.06)
        assert (ours.delay_s < fixed.delay_s) is shorter
        assert min(scores(packets, ours)) >= min(scores(packets, fixed)) + better_by


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("rate_hz", [8_000, 48_000])
def test_nobody_dials_by_talking(voice: str, rate_hz: int) -> None:
    sound, size = speech(rate_hz, voice=voice), frame_samples(rate_hz)
    for gain in (0.3, 1.0, 3.0):
        detector = DtmfDetector(rate_hz)
        frames = np.split(np.clip(sound * np.float32(gain), -1, 1), len(sound) // size)
        assert [key for frame in frames if (key := detector.hear(frame))] == []
