"""The one way to change the desk's state: an event is taken for a fact, each by the module of its subject."""

from collections.abc import Callable
from typing import Any

from bridge.desk import events
from bridge.desk.fact import account, flow, interaction, participant, party, presence, queue, seat
from bridge.desk.state.state import DeskState

# The annotation is wide because each function takes its own event; the keys keep them apart.
_APPLY: dict[type, Callable[[DeskState, Any], None]] = {
    **interaction.APPLY,
    **participant.APPLY,
    **seat.APPLY,
    **presence.APPLY,
    **account.APPLY,
    **queue.APPLY,
    **flow.APPLY,
    **party.APPLY,
}


def apply(state: DeskState, event: events.DeskEvent) -> None:
    """Used by each step, and by a restart that replays the journal."""
    _APPLY[type(event)](state, event)
