"""What a synthetic peer heard, second by second."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bridge.peers.tone import Samples, level_db

SECONDS_KEPT = 3600  # an hour; older seconds are dropped


@dataclass(frozen=True)
class SecondHeard:
    """One second of received sound. `levels_db` tells of each tone that is listened for, in dBFS."""

    at: float
    levels_db: Mapping[str, float]


class Hearing:
    """Cuts received sound into seconds and measures the level of each known tone in each of them."""

    def __init__(self, tones_hz: Mapping[str, float], rate_hz: int) -> None:
        self._tones_hz = dict(tones_hz)
        self._rate_hz = rate_hz
        self._pending: list[Samples] = []
        self._pending_samples = 0
        self.seconds: deque[SecondHeard] = deque(maxlen=SECONDS_KEPT)

    def receive(self, samples: Samples, now: float) -> None:
        self._pending.append(samples)
        self._pending_samples += len(samples)
        while self._pending_samples >= self._rate_hz:
            together = np.concatenate(self._pending)
            self._measure(together[: self._rate_hz], now)
            rest = together[self._rate_hz :]
            self._pending = [rest]
            self._pending_samples = len(rest)

    def between(self, start: float, end: float) -> list[SecondHeard]:
        """The seconds that lie wholly inside."""
        return [second for second in self.seconds if second.at - 1 >= start and second.at <= end]

    def _measure(self, samples: Samples, now: float) -> None:
        levels = {name: level_db(samples, self._rate_hz, tone) for name, tone in self._tones_hz.items()}
        self.seconds.append(SecondHeard(now, levels))
