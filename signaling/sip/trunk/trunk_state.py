"""Whether a trunk is there: a table."""

from collections.abc import Mapping
from enum import Enum, StrEnum, auto


class TrunkState(StrEnum):
    """`unknown`: nobody asks it, or it has not answered yet."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class TrunkEvent(Enum):
    ANSWERED = auto()
    SILENT = auto()


TRUNK_TRANSITIONS: Mapping[tuple[TrunkState, TrunkEvent], TrunkState] = {
    (TrunkState.UNKNOWN, TrunkEvent.ANSWERED): TrunkState.UP,
    (TrunkState.UNKNOWN, TrunkEvent.SILENT): TrunkState.DOWN,
    (TrunkState.UP, TrunkEvent.ANSWERED): TrunkState.UP,
    (TrunkState.UP, TrunkEvent.SILENT): TrunkState.DOWN,
    (TrunkState.DOWN, TrunkEvent.ANSWERED): TrunkState.UP,
    (TrunkState.DOWN, TrunkEvent.SILENT): TrunkState.DOWN,
}
