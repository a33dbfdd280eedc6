"""What the events of an interaction as a whole do to the state."""

from collections.abc import Callable
from typing import Any

from bridge.desk import events
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.state.state import DeskState


def _interaction_opened(state: DeskState, event: events.InteractionOpened) -> None:
    state.make_room()
    state.put(
        Interaction(
            event.interaction_id,
            event.room_id,
            event.caller,
            event.called,
            created_at=event.at,
            attributes=dict(event.attributes),
        )
    )


def _interaction_ended(state: DeskState, event: events.InteractionEnded) -> None:
    state.change(event.interaction_id, ended_at=event.at, end_reason=event.reason, ended_by=event.by)
    state.retire(event.interaction_id)


def _attributes_set(state: DeskState, event: events.AttributesSet) -> None:
    was = state.interactions[event.interaction_id]
    state.change(event.interaction_id, attributes={**was.attributes, **event.attributes})


APPLY: dict[type, Callable[[DeskState, Any], None]] = {
    events.InteractionOpened: _interaction_opened,
    events.InteractionEnded: _interaction_ended,
    events.AttributesSet: _attributes_set,
}
