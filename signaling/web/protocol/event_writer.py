"""Events as text, for those who write many: what the events of one step have in common is written once."""

from typing import TYPE_CHECKING

from bridge.switchboard.view.event import DesktopEvent, InteractionUpdated
from signaling.web.protocol.event import InteractionChange, serialize_event
from signaling.web.protocol.wire_view import Interaction

if TYPE_CHECKING:
    from bridge.switchboard.view.view import Sketch


class EventWriter:
    """Writes the same as `serialize_event`. All changes of a step show one view, the state after it."""

    __slots__ = ("_sketch", "_text")

    def __init__(self) -> None:
        self._sketch: Sketch | None = None
        self._text = ""

    def write(self, event: DesktopEvent, part: int | None = None) -> str:
        if not isinstance(event, InteractionUpdated):
            return serialize_event(event, part)
        if event.sketch is not self._sketch:
            view = Interaction.model_validate(event.interaction, from_attributes=True)
            self._text = view.model_dump_json(by_alias=True)
            self._sketch = event.sketch
        change = InteractionChange.model_validate(event, from_attributes=True).model_dump_json(by_alias=True)
        tail = "}" if part is None else f',"part":{part}}}'
        return f'{change[:-1]},"interaction":{self._text}{tail}'
