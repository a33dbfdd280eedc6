"""All streams of one sample rate as rows of one array, each with the history its resampling needs."""

from collections.abc import Iterator, Sequence

import numpy as np

from bridge.codec.resample import Resampler, resampler
from bridge.codec.sample import Rows, Samples, frame_samples
from bridge.media.audio.frames import MIX_RATE_HZ

FIRST_ROWS = 8


class Bank:
    """Rows of the current tick. Grows by doubling, bounded by the streams that claim a slot."""

    __slots__ = ("_converter", "_free", "_rows", "history", "rate_hz")

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._converter: Resampler | None = None
        if rate_hz != MIX_RATE_HZ:
            self._converter = resampler(rate_hz, MIX_RATE_HZ)
        self.history = self._converter.history if self._converter else 0
        self._rows: Rows = np.zeros((FIRST_ROWS, self.history + frame_samples(rate_hz)), dtype=np.float32)
        self._free = list(range(FIRST_ROWS))

    def claim(self) -> int:
        """A silent row of one's own."""
        if not self._free:
            count = len(self._rows)
            self._rows = np.concatenate((self._rows, np.zeros_like(self._rows)))
            self._free.extend(range(count, 2 * count))
        return self._free.pop()

    def release(self, slot: int) -> None:
        self._rows[slot] = 0
        self._free.append(slot)

    def begin_tick(self) -> None:
        """The last samples become history; every row is silent until it is written."""
        if self.history:
            self._rows[:, : self.history] = self._rows[:, -self.history :]
        self._rows[:, self.history :] = 0

    def write(self, slot: int, samples: Samples) -> None:
        self._rows[slot, self.history :] = samples

    def powers(self) -> list[float]:
        """The mean square of each row."""
        frames = self._rows[:, self.history :]
        powers: list[float] = (np.einsum("ij,ij->i", frames, frames) / frames.shape[1]).tolist()
        return powers

    def at_mix_rate(self, slots: Sequence[int]) -> Rows:
        """A copy of these rows, at the mix's rate."""
        return self.converted(self._rows[slots])

    def converted(self, rows: Rows) -> Rows:
        """Rows that begin with `history` samples of the past, at the mix's rate and without them."""
        return self._converter.process(rows) if self._converter else rows

    def write_history(self, slot: int, samples: Samples) -> None:
        """The past of a row that was not written for a while."""
        self._rows[slot, : self.history] = samples


class Banks:
    """The banks of all rates in use."""

    __slots__ = ("_banks",)

    def __init__(self) -> None:
        self._banks: dict[int, Bank] = {}

    def __iter__(self) -> Iterator[Bank]:
        return iter(self._banks.values())

    def __getitem__(self, rate_hz: int) -> Bank:
        bank = self._banks.get(rate_hz)
        if bank is None:
            bank = self._banks[rate_hz] = Bank(rate_hz)
        return bank
