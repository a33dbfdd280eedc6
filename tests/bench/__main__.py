"""All figures of this machine in one run: `make bench`, or `python -m tests.bench --only sip --json`.

They are for reading side by side, never for a verdict: CPU time, medians of several windows, on a machine that
may be busy with something else.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Table

from tests.bench import (
    bench_conference,
    bench_desk,
    bench_forwarding,
    bench_mixer,
    bench_sip,
    bench_sound,
    bench_transport,
    bench_waiting,
)
from tests.bench.figure import Bench, Figure

BENCHES: dict[str, Bench] = {
    "forwarding": bench_forwarding.run,
    "transport": bench_transport.run,
    "mixer": bench_mixer.run,
    "conference": bench_conference.run,
    "waiting": bench_waiting.run,
    "sip": bench_sip.run,
    "sound": bench_sound.run,
    "desk": bench_desk.run,
}
WINDOW_S = 2.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=BENCHES, metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--json", action="store_true", help="one JSON object a figure instead of the table")
    parser.add_argument(
        "--window", type=float, default=WINDOW_S, metavar="SECONDS", help="of each measurement"
    )
    options = parser.parse_args()
    figures: list[Figure] = []
    for figure in run(options.only or list(BENCHES), options.window):
        figures.append(figure)
        if options.json:
            sys.stdout.write(json.dumps(asdict(figure)) + "\n")
            sys.stdout.flush()
    if not options.json:
        Console().print(table(figures))
    return 0


def run(names: list[str], window_s: float) -> Iterator[Figure]:
    """The figures as they come; what is being measured is told on standard error meanwhile."""
    console = Console(stderr=True)
    for name in names:
        with console.status(name) as status:
            for step in BENCHES[name](window_s):
                if isinstance(step, Figure):
                    console.print(
                        f"{step.bench}: {step.name}: {written(step.value)} {step.unit}", style="dim"
                    )
                    yield step
                else:
                    status.update(f"{name}: {step}")


def table(figures: list[Figure]) -> Table:
    """One row a figure; what was measured, and who the peer is, stands below by number."""
    found = Table(title="CPU time (user and system) unless noted, medians", box=box.SIMPLE_HEAD)
    for heading in ("", "", "warmbridge", "peer", "aim", "unit"):
        found.add_column(heading, justify="right" if heading in ("warmbridge", "peer", "aim") else "left")
    notes = remarks(figures)
    for before, figure in zip([None, *figures], figures, strict=False):
        if before is None or before.bench != figure.bench:
            found.add_section()
        number = notes.index(remark(figure)) + 1 if remark(figure) else ""
        cells = (judged(figure), written(figure.peer), aimed_at(figure), figure.unit)
        found.add_row(str(number), f"{figure.bench}: {figure.name}", *cells)
    found.caption = "\n".join(f"{number}: {text}" for number, text in enumerate(notes, start=1))
    found.caption_justify = "left"
    return found


def remarks(figures: list[Figure]) -> list[str]:
    return list(dict.fromkeys(text for figure in figures if (text := remark(figure))))


def remark(figure: Figure) -> str:
    peer = f"peer: {figure.peer_name}" if figure.peer_name else ""
    return "; ".join(text for text in (figure.note, peer) if text)


def judged(figure: Figure) -> str:
    """The figure, green within its aim and yellow beyond."""
    text = written(figure.value)
    if figure.aim is None and figure.at_least is None:
        return text
    met = (figure.aim is None or figure.value <= figure.aim) and figure.value >= (figure.at_least or 0.0)
    return f"[{'green' if met else 'yellow'}]{text}[/]"


def aimed_at(figure: Figure) -> str:
    return written(figure.aim, "<= ") or written(figure.at_least, ">= ")


def written(value: float | None, before: str = "") -> str:
    if value is None:
        return ""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{before}{value:,.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
