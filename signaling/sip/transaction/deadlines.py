"""Many timers of which the earliest is wanted (a heap with lazy removal)."""

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_SLACK = 64  # outdated entries are swept when they outnumber the living by this many


def earliest(*times: float | None) -> float | None:
    """Of those that there are; None without any."""
    first = None
    for at in times:
        if at is not None and (first is None or at < first):
            first = at
    return first


class Deadlines(Generic[K]):
    """At most one deadline a key. Setting one again replaces it."""

    __slots__ = ("_at", "_heap", "_serial")

    def __init__(self) -> None:
        self._at: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._serial = 0  # keys need no order

    def __len__(self) -> int:
        return len(self._at)

    def set(self, key: K, at: float | None) -> None:
        """The deadline of `key` from now on; None: it has none."""
        if at is None:
            self._at.pop(key, None)
            return
        if self._at.get(key) == at:
            return
        self._at[key] = at
        self._serial += 1
        heapq.heappush(self._heap, (at, self._serial, key))
        if len(self._heap) > 2 * len(self._at) + _SLACK:
            self._heap = [entry for entry in self._heap if self._at.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def next(self) -> float | None:
        """The earliest deadline."""
        while self._heap and self._at.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> Iterator[K]:
        """The keys due at `now`, earliest first; their deadlines are gone. Safe to `set` meanwhile."""
        due = []
        while (at := self.next()) is not None and at <= now:
            key = heapq.heappop(self._heap)[2]
            del self._at[key]
            due.append(key)
        return iter(due)
