"""Events as a row, and back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast, get_args

import msgspec

from bridge.desk import events
from bridge.desk.value import replace
from bridge.errors import ParseError
from bridge.ids import InteractionId
from bridge.journal.definitions import Definitions

if TYPE_CHECKING:
    from bridge.desk.centre.flow import Flow

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


def interaction_of(event: events.DeskEvent) -> InteractionId | None:
    """None for what is about users or queues."""
    # Not by asking for the type: it is asked some sixty times a call, and that was a tenth of a step (measured).
    interaction_id: InteractionId | None = getattr(event, "interaction_id", None)
    return interaction_id


def serialize_events(happened: Sequence[events.DeskEvent], definitions: Definitions) -> bytes:
    """Flows go to `definitions`, and their digest into the row."""
    return _encode(
        [
            (
                type(event).__name__,
                _stored(event, definitions) if type(event) is events.FlowStarted else event,
            )
            for event in happened
        ]
    )


def _stored(event: events.FlowStarted, definitions: Definitions) -> events.FlowStarted:
    return replace(event, flow=cast("Flow", definitions.digest(event.flow)))  # for the row alone


def parse_events(body: bytes, definitions: Definitions) -> Iterator[events.DeskEvent]:
    """Raises ParseError for a row this version of the bridge cannot read."""
    try:
        named = _decode(body)
    except msgspec.MsgspecError as error:
        raise ParseError(f"a row of the journal cannot be read: {error}") from error
    for name, fields in named:
        yield _parse_event(name, _whole(fields, definitions) if name == _FLOW_STARTED else fields)


def last_instant(body: bytes) -> float:
    """Of the last event in the row."""
    return msgspec.json.decode(_decode(body)[-1][1], type=_Stamp).at


class _Stamp(msgspec.Struct):
    at: float


_FLOW_STARTED = events.FlowStarted.__name__
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[tuple[str, msgspec.Raw]]).decode


def _whole(fields: msgspec.Raw, definitions: Definitions) -> msgspec.Raw:
    """With the flow itself, which older rows have anyway."""
    parts = msgspec.json.decode(fields, type=dict[str, msgspec.Raw])
    flow = parts.get("flow", fields)
    if not bytes(flow).startswith(b'"'):
        return fields
    digest = msgspec.json.decode(flow, type=str)
    return msgspec.Raw(msgspec.json.encode({**parts, "flow": msgspec.Raw(definitions.body(digest))}))


def _parse_event(name: str, fields: msgspec.Raw) -> events.DeskEvent:
    if name not in _TYPES:
        raise ParseError(f"the journal has an event {name!r} this version does not know")
    try:
        return _decoder(name).decode(fields)
    except msgspec.ValidationError as error:
        raise ParseError(f"the journal's {name} cannot be read: {error}") from error


@cache
def _decoder(name: str) -> msgspec.json.Decoder[events.DeskEvent]:
    return msgspec.json.Decoder(_TYPES[name])
