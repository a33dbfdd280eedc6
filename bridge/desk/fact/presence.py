"""What the events of users' presence and of their desktops do to the state."""

from collections.abc import Callable
from typing import Any

from bridge.desk import events
from bridge.desk.centre.expert import Expert, Presence
from bridge.desk.state.state import DeskState
from bridge.desk.value import replace


def _presence_changed(state: DeskState, event: events.PresenceChanged) -> None:
    was = state.experts.get(event.user_id)
    if was is None:
        was = Expert(event.user_id, event.name, event.role, since=event.at, idle_since=event.at)
    # Who comes back from a break starts a new wait, who repeats "ready" keeps the old one.
    started = event.presence is Presence.READY and was.presence is not Presence.READY
    goes_on = event.presence is Presence.READY and event.role is was.role
    if was.presence is Presence.READY and not goes_on:
        was = replace(was, served_until={**was.served_until, was.role: event.at})
    now = replace(
        was,
        name=event.name,
        role=event.role,
        presence=event.presence,
        since=was.since if event.presence is was.presence else event.at,
        idle_since=event.at if started else was.idle_since,
        lost_at=None if event.presence is Presence.OFFLINE else was.lost_at,
        missed=0 if started else was.missed,
        fault="" if started and not was.proved else was.fault,  # what was wrong then is looked at anew
    )
    state.put_expert(now)


def _desktop_lost(state: DeskState, event: events.DesktopLost) -> None:
    state.put_expert(replace(state.experts[event.user_id], lost_at=event.at))


def _desktop_returned(state: DeskState, event: events.DesktopReturned) -> None:
    state.put_expert(replace(state.experts[event.user_id], lost_at=None))


APPLY: dict[type, Callable[[DeskState, Any], None]] = {
    events.PresenceChanged: _presence_changed,
    events.DesktopLost: _desktop_lost,
    events.DesktopReturned: _desktop_returned,
}
