"""A call's messages as a ladder: time down the page, the far end on the left, the bridge on the right."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

WIDTH = 46  # of the arrow between the two


class Rung(NamedTuple):
    """One message. `at` is in seconds of any clock; `text` is the whole message, masked."""

    at: float
    leg_id: str
    received: bool
    transport: str
    remote: str
    summary: str
    text: str


def draw(rungs: Sequence[Rung], *, whole: bool = False) -> Iterable[str]:
    """Lines of text. `whole` adds each message under its arrow."""
    start = min((rung.at for rung in rungs), default=0.0)
    for leg_id, of_leg in groupby(sorted(rungs, key=lambda rung: rung.leg_id), key=lambda rung: rung.leg_id):
        messages = sorted(of_leg, key=lambda rung: rung.at)
        yield f"{leg_id}  {messages[0].remote} over {messages[0].transport}"
        yield f"{'':>10}  {'phone':<{WIDTH - 6}}bridge"
        for rung in messages:
            yield f"{rung.at - start:>9.3f}s  {_arrow(rung)}"
            if whole:
                yield from (f"{'':>12}| {line}" for line in rung.text.splitlines())
                yield ""
        yield ""


def _arrow(rung: Rung) -> str:
    label = f" {rung.summary[: WIDTH - 8]} "
    line = label.center(WIDTH - 2, "-")
    return f"|{line}>|" if rung.received else f"|<{line}|"
