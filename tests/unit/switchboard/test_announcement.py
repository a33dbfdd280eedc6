"""The place in the line, and the wait that is probable."""

import pytest

from bridge.switchboard.conversation.announcement import announced

PROMPTS = (
    "place",
    "place-1",
    "place-2",
    "place-wait",
    "place-wait-1",
    "place-wait-5",
    "place-wait-long",
    "other",
)


@pytest.mark.parametrize(
    ("position", "wait_s", "names"),
    [
        (1, None, ["place-1"]),
        (2, 0.0, ["place-2", "place-wait-1"]),
        (2, 60.0, ["place-2", "place-wait-1"]),
        (2, 60.1, ["place-2", "place-wait-5"]),
        (9, 300.0, ["place", "place-wait-5"]),
        (9, 301.0, ["place", "place-wait"]),
    ],
)
def test_the_nearest_true_words_are_chosen(position: int, wait_s: float | None, names: list[str]) -> None:
    assert list(announced(PROMPTS, "place", position, wait_s)) == names


def test_a_prompt_without_numbers_is_itself_and_tells_no_wait() -> None:
    assert list(announced(PROMPTS, "other", 1, 60.0)) == ["other"]
    assert list(announced(PROMPTS, "gone", 1, 60.0)) == []
