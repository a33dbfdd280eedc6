"""What a bench reports: one number with its unit, the peer's in the same run, and the aim."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol


@dataclass(frozen=True)
class Figure:
    """`peer` is the same number of whatever stands beside us in this run, `aim` the largest wanted value,
    `at_least` the smallest."""

    bench: str
    name: str
    value: float
    unit: str
    peer: float | None = None
    peer_name: str = ""
    aim: float | None = None
    note: str = ""
    at_least: float | None = None


class Bench(Protocol):
    """One of the benches: says what it is about to do (a string), and its figures as they come."""

    def __call__(self, window_s: float) -> Iterator[str | Figure]: ...


def middle(values: Sequence[float]) -> float:
    """The median: one window in which the machine was busy with others must not decide."""
    return median(values) if values else float("nan")
