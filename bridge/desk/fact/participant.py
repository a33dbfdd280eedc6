"""What the events of participants and their legs do to the state."""

from collections.abc import Callable
from typing import Any

from bridge.desk import events
from bridge.desk.fact.queue import count_participant_moved
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.desk.state.state import DeskState
from bridge.desk.value import replace


def _participant_added(state: DeskState, event: events.ParticipantAdded) -> None:
    participant = Participant(
        event.participant_id,
        event.role,
        event.type,
        joined_at=event.at,
        user_id=event.user_id,
        name=event.name,
        address=event.address,
        queue_id=event.queue_id,
    )
    participants = state.interactions[event.interaction_id].participants_with(participant)
    state.change(event.interaction_id, participants=participants)


def _participant_dialed(state: DeskState, event: events.ParticipantDialed) -> None:
    state.put_participant(event, dialed_leg_id=event.leg_id)


def _participant_moved(state: DeskState, event: events.ParticipantMoved) -> None:
    was = state.interactions[event.interaction_id].participant(event.participant_id)
    count_participant_moved(state, was, event)
    gone = event.state in (ParticipantState.DISCONNECTED, ParticipantState.WRAP_UP)
    began = event.state is ParticipantState.IN_SESSION and was.session_since is None
    leaves = gone and was.is_live  # later the words of who left stay as they are
    state.put_participant(
        event,
        state=event.state,
        connect_by=event.connect_by,
        wrap_up_by=event.wrap_up_by,
        session_since=event.at if began else was.session_since,
        left_at=event.at if leaves else was.left_at,
        disconnect_reason=event.reason if leaves else was.disconnect_reason,
        disconnected_by=event.by if leaves else was.disconnected_by,
    )
    if was.user_id not in state.experts:
        return
    expert = state.experts[was.user_id]
    if began:
        expert = replace(expert, handled=expert.handled + 1)
    # Idle begins when work ends, that after the call included; an offer that merely rang was no work.
    worked = was.is_present or was.state is ParticipantState.WRAP_UP
    if event.state is ParticipantState.DISCONNECTED and worked:
        expert = replace(expert, idle_since=event.at)
    state.put_expert(expert)


def _participant_muted(state: DeskState, event: events.ParticipantMuted) -> None:
    state.put_participant(event, muted=True)


def _participant_unmuted(state: DeskState, event: events.ParticipantUnmuted) -> None:
    state.put_participant(event, muted=False)


def _remote_hold_changed(state: DeskState, event: events.RemoteHoldChanged) -> None:
    state.put_participant(event, held_by_remote=event.held)


def _video_changed(state: DeskState, event: events.VideoChanged) -> None:
    state.put_participant(event, sends_video=event.sends_video)


def _leg_attached(state: DeskState, event: events.LegAttached) -> None:
    was = state.interactions[event.interaction_id].participant(event.participant_id)
    state.put_participant(event, leg_ids=(*was.leg_ids, event.leg_id))


def _leg_detached(state: DeskState, event: events.LegDetached) -> None:
    was = state.interactions[event.interaction_id].participant(event.participant_id)
    state.put_participant(
        event,
        leg_ids=tuple(leg for leg in was.leg_ids if leg != event.leg_id),
        leg_capabilities=tuple(entry for entry in was.leg_capabilities if entry[0] != event.leg_id),
    )


APPLY: dict[type, Callable[[DeskState, Any], None]] = {
    events.ParticipantAdded: _participant_added,
    events.ParticipantDialed: _participant_dialed,
    events.ParticipantMoved: _participant_moved,
    events.ParticipantMuted: _participant_muted,
    events.ParticipantUnmuted: _participant_unmuted,
    events.RemoteHoldChanged: _remote_hold_changed,
    events.VideoChanged: _video_changed,
    events.LegAttached: _leg_attached,
    events.LegDetached: _leg_detached,
}
