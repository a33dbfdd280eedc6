"""An event as a row, and back."""

from dataclasses import dataclass
from typing import get_args

import msgspec

from bridge.desk import events
from bridge.errors import ParseError
from bridge.ids import InteractionId

_TYPES: dict[str, type[events.DeskEvent]] = {
    event_type.__name__: event_type
    for union in (events.InteractionEvent, events.UserEvent, events.QueueEvent)
    for event_type in get_args(union)
}


@dataclass(frozen=True)
class JournalEntry:
    """`number` counts on over all boots."""

    number: int
    boot_id: str
    wall: float
    event: events.DeskEvent


def event_types() -> tuple[type[events.DeskEvent], ...]:
    """Every event there is, in the order of `bridge.desk.events`."""
    return tuple(_TYPES.values())


def event_name(event: events.DeskEvent) -> str:
    return type(event).__name__


def interaction_of(event: events.DeskEvent) -> InteractionId | None:
    """None for what is about users or queues."""
    # Not by asking for the type: it is asked some sixty times a call, and that was a tenth of a step (measured).
    interaction_id: InteractionId | None = getattr(event, "interaction_id", None)
    return interaction_id


def serialize_event(event: events.DeskEvent) -> bytes:
    return msgspec.json.encode(event)


def parse_event(name: str, body: bytes) -> events.DeskEvent:
    """Raises ParseError for a row this version of the bridge cannot read."""
    event_type = _TYPES.get(name)
    if event_type is None:
        raise ParseError(f"the journal has an event {name!r} this version does not know")
    try:
        return msgspec.json.decode(body, type=event_type)
    except msgspec.ValidationError as error:
        raise ParseError(f"the journal's {name} cannot be read: {error}") from error
