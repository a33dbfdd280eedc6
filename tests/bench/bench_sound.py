"""How it sounds behind bad networks: PESQ of the jitter buffer, FEC and concealment, in virtual time.

Beside it a fixed buffer of the same mean delay on the same packets, with nothing in place of what is missing.
The same words and seeds in each run, so these figures do not depend on how busy the machine is.
"""

from collections.abc import Iterator

from tests.bench.figure import Figure, middle
from tests.sim.sound.path import OPUS, PCMU, Path, compared, packets_of, scores, through_the_bridge

LOSSES = (0.0, 0.01, 0.05, 0.1, 0.2)
SEEDS = (1, 2, 3)
FEC_PERCENT = {0.0: 0, 0.01: 5, 0.05: 10, 0.1: 20, 0.2: 20}  # what `media.listener` tells an encoder
AIMS = {OPUS.name: (4.28, 4.27, 4.10, 3.85, 2.93)}  # of an earlier prototype with speech of its own
NOTE = "PESQ-wb against the same codec without a network; 20 ms of jitter; median of three seeds"
FIXED = "a fixed buffer of the same mean delay"


def run(window_s: float) -> Iterator[str | Figure]:
    for codec in (OPUS, PCMU):
        for place, loss in enumerate(LOSSES):
            yield f"{codec.name} at {loss:.0%} loss"
            fec = FEC_PERCENT[loss] if codec is OPUS else 0
            results = [compared(Path(codec, loss, fec_percent=fec, seed=seed)) for seed in SEEDS]
            aims = AIMS.get(codec.name)
            yield Figure(
                "sound",
                f"{codec.name}, {loss:.0%} loss",
                middle([ours for ours, _, _ in results]),
                "PESQ",
                peer=middle([fixed for _, fixed, _ in results]),
                peer_name=FIXED,
                note=NOTE,
                at_least=aims[place] if aims else None,
            )
    yield from _drift()


def _drift() -> Iterator[str | Figure]:
    for drift_ppm in (-200.0, 200.0):
        yield f"drift of {drift_ppm:+.0f} ppm"
        path = Path(OPUS, drift_ppm=drift_ppm, repeats=6)
        packets = packets_of(path)
        ours = through_the_bridge(path, packets)
        name = f"OPUS, drift of {drift_ppm:+.0f} ppm"
        worst = min(scores(packets, ours))
        yield Figure("sound", name, worst, "PESQ", at_least=4.23, note="the worst 17 s of 100")
        yield Figure(
            "sound", f"{name}, delay", ours.delay_s * 1000, "ms", aim=45.0, note="mean, by the buffer"
        )
