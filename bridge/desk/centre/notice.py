"""What is written to people outside: texts with names in braces, and what those names stand for."""

import re
from collections.abc import Mapping

# A simple name only: a text is written by whoever configures, but its values by whoever calls.
NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
HOUR_S = 3600.0
SUBJECT_MAX, TEXT_MAX = 200, 4000  # characters
FIGURES = ("queue", "queue_id", "depth", "threshold", "longest_wait")
DEPTH_SUBJECT = "{queue}: {depth} waiting"
DEPTH_TEXT = (
    "{depth} are waiting in {queue}, the longest for {longest_wait}. More than {threshold} is too many."
)


def filled_notice(template: str, figures: Mapping[str, str]) -> str:
    """Each `{name}` replaced, once; a name nobody knows stays as it is."""
    return NAME.sub(lambda match: figures.get(match.group(1), match.group(0)), template)


def depth_figures(
    queue: str, queue_id: str, depth: int, threshold: int, longest_wait_s: float
) -> dict[str, str]:
    """What the names in a queue's subject and text stand for."""
    minutes, seconds = divmod(round(longest_wait_s), 60)
    values = (queue, queue_id, str(depth), str(threshold), f"{minutes}:{seconds:02d} min")
    return dict(zip(FIGURES, values, strict=True))


def unknown_figures(template: str) -> list[str]:
    """Names in a queue's template that stand for nothing."""
    return sorted(set(NAME.findall(template)) - set(FIGURES))
