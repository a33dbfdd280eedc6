"""What a step changed in one interaction, put into events when somebody looks: most is of callers who wait."""

from collections.abc import Iterator, Sequence
from typing import Any

from bridge.desk.events import DeskEvent
from bridge.switchboard.door.doors import Audience
from bridge.switchboard.view.event import InteractionUpdated
from bridge.switchboard.view.portrait import change_of
from bridge.switchboard.view.view import Sketch


class Changes(Sequence[tuple[InteractionUpdated, Audience]]):
    """An event for each that `happened`, all for one audience, all showing the state after the step.

    `numbers` are theirs alone: no other event has one of them.
    """

    __slots__ = ("_happened", "audience", "numbers", "sketch")

    def __init__(
        self, numbers: Sequence[int], happened: Sequence[DeskEvent], audience: Audience, sketch: Sketch
    ) -> None:
        self._happened = happened
        self.numbers = numbers
        self.audience = audience
        self.sketch = sketch

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> Any:
        return tuple(self)[index]

    def __iter__(self) -> Iterator[tuple[InteractionUpdated, Audience]]:
        for number, event in zip(self.numbers, self._happened, strict=True):
            about: Any = event
            participant_id = getattr(about, "participant_id", None)
            change = change_of(type(event))
            updated = InteractionUpdated(number, about.interaction_id, change, participant_id, self.sketch)
            yield updated, self.audience
