"""What a waiting caller is told: the place in the line and, where it can be guessed, the wait to be expected."""

import math
from collections.abc import Collection, Iterator

MINUTE_S = 60.0


def announced(prompts: Collection[str], prompt: str, position: int, wait_s: float | None) -> Iterator[str]:
    """The names of the prompts to be played, one after the other; none that is not in `prompts`.

    `NAME-3` is for who is third, else `NAME`. Then `NAME-wait-5` for whoever will probably wait five minutes at
    most, with the smallest number that is true, and `NAME-wait` beyond the largest.
    """
    numbered = f"{prompt}-{position}"
    for name in (numbered, prompt):
        if name in prompts:
            yield name
            break
    if wait_s is not None and (name := _wait_prompt(prompts, f"{prompt}-wait", wait_s)) in prompts:
        yield name


def _wait_prompt(prompts: Collection[str], prefix: str, wait_s: float) -> str:
    minutes = max(1, math.ceil(wait_s / MINUTE_S))
    numbers = (name.removeprefix(f"{prefix}-") for name in prompts if name.startswith(f"{prefix}-"))
    fitting = [int(number) for number in numbers if number.isdecimal() and int(number) >= minutes]
    return f"{prefix}-{min(fitting)}" if fitting else prefix
