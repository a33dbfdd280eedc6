"""What the events of transfers, supervisors, capabilities and companion links do to the state."""

from collections.abc import Callable
from typing import Any

from bridge.desk import events
from bridge.desk.interaction.companion import Companion
from bridge.desk.interaction.supervision import Supervision
from bridge.desk.interaction.transfer import LIVE, Transfer
from bridge.desk.state.state import DeskState
from bridge.desk.value import replace


def _transfer_started(state: DeskState, event: events.TransferStarted) -> None:
    transfer = Transfer(
        event.kind,
        event.state,
        event.initiator_id,
        event.participant_id,
        event.seat_id,
        event.held,
        started_at=event.at,
        expires_at=event.expires_at,
    )
    state.change(event.interaction_id, transfer=transfer)


def _transfer_moved(state: DeskState, event: events.TransferMoved) -> None:
    was = state.interactions[event.interaction_id]
    assert was.transfer is not None, "a transfer moves after it was started"
    moved = replace(
        was.transfer, state=event.state, target_id=event.participant_id, expires_at=event.expires_at
    )
    state.change(event.interaction_id, transfer=moved if event.state in LIVE else None)


def _supervision_set(state: DeskState, event: events.SupervisionSet) -> None:
    state.put_participant(event, supervision=Supervision(event.mode, event.coached_id))


def _capabilities_changed(state: DeskState, event: events.CapabilitiesChanged) -> None:
    was = state.interactions[event.interaction_id].participant(event.participant_id)
    others = tuple(entry for entry in was.leg_capabilities if entry[0] != event.leg_id)
    state.put_participant(event, leg_capabilities=(*others, (event.leg_id, event.capabilities)))


def _companion_link_created(state: DeskState, event: events.CompanionLinkCreated) -> None:
    was = state.interactions[event.interaction_id].participant(event.participant_id)
    link = Companion(event.link_id, event.expires_at)
    state.put_participant(event, companions=(*was.companions, link))


def _companion_link_moved(state: DeskState, event: events.CompanionLinkMoved) -> None:
    """The participant keeps the live ones; the journal keeps the rest."""
    was = state.interactions[event.interaction_id].participant(event.participant_id)
    moved = (
        replace(link, state=event.state, binding=event.binding) if link.link_id == event.link_id else link
        for link in was.companions
    )
    state.put_participant(event, companions=tuple(link for link in moved if link.is_live))


APPLY: dict[type, Callable[[DeskState, Any], None]] = {
    events.TransferStarted: _transfer_started,
    events.TransferMoved: _transfer_moved,
    events.SupervisionSet: _supervision_set,
    events.CapabilitiesChanged: _capabilities_changed,
    events.CompanionLinkCreated: _companion_link_created,
    events.CompanionLinkMoved: _companion_link_moved,
}
