"""The one way to change the desk's state: an event is taken for a fact, each by the module of its subject."""

from collections.abc import Callable
from typing import Any

from bridge.desk import (
    account_fact,
    events,
    flow_fact,
    interaction_fact,
    participant_fact,
    party_fact,
    presence_fact,
    queue_fact,
    seat_fact,
)
from bridge.desk.state import DeskState

# The annotation is wide because each function takes its own event; the keys keep them apart.
_APPLY: dict[type, Callable[[DeskState, Any], None]] = {
    **interaction_fact.APPLY,
    **participant_fact.APPLY,
    **seat_fact.APPLY,
    **presence_fact.APPLY,
    **account_fact.APPLY,
    **queue_fact.APPLY,
    **flow_fact.APPLY,
    **party_fact.APPLY,
}


def apply(state: DeskState, event: events.DeskEvent) -> None:
    """Used by each step, and by a restart that replays the journal."""
    _APPLY[type(event)](state, event)
