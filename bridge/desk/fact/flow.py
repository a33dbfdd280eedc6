"""What the events of flows and prompts do to the state."""

from collections.abc import Callable
from typing import Any

from bridge.desk import events
from bridge.desk.centre.flow import FlowRun
from bridge.desk.centre.notice import HOUR_S
from bridge.desk.state.state import DeskState
from bridge.desk.value import replace


def _flow_started(state: DeskState, event: events.FlowStarted) -> None:
    run = FlowRun(
        event.flow_run_id, event.flow, event.by, event.trigger, event.at, step="", entered_at=event.at
    )
    flows = state.interactions[event.interaction_id].flows_with(run)
    state.change(event.interaction_id, flows=flows)


def _flow_moved(state: DeskState, event: events.FlowMoved) -> None:
    _put_run(state, event, step=event.step, entered_at=event.at, subject="", due_at=None)


def _flow_waits(state: DeskState, event: events.FlowWaits) -> None:
    _put_run(state, event, subject=event.subject, due_at=event.due_at)


def _flow_variables_set(state: DeskState, event: events.FlowVariablesSet) -> None:
    run = state.interactions[event.interaction_id].flow_run(event.flow_run_id)
    assert run is not None, "variables are set in a run"
    _put_run(state, event, variables={**run.variables, **event.variables})


def _flow_ended(state: DeskState, event: events.FlowEnded) -> None:
    was = state.interactions[event.interaction_id]
    others = tuple(run for run in was.flows if run.flow_run_id != event.flow_run_id)
    state.change(event.interaction_id, flows=others)


def _notification_asked(state: DeskState, event: events.NotificationAsked) -> None:
    """Remembers it for an hour: a flow that goes round must not fill somebody's mailbox."""
    recent = (at for at in state.noticed_at.get(event.group, ()) if at > event.at - HOUR_S)
    state.noticed_at[event.group] = (*recent, event.at)
    state.change(event.interaction_id)


def _prompt(state: DeskState, event: events.PromptStarted | events.PromptStopped) -> None:
    """What plays is the media plane's to know; that something happened is not."""
    state.change(event.interaction_id)


def _put_run(state: DeskState, event: Any, /, **changes: Any) -> None:
    interaction = state.interactions[event.interaction_id]
    run = interaction.flow_run(event.flow_run_id)
    assert run is not None, "a run moves between its start and its end"
    state.change(event.interaction_id, flows=interaction.flows_with(replace(run, **changes)))


APPLY: dict[type, Callable[[DeskState, Any], None]] = {
    events.FlowStarted: _flow_started,
    events.FlowMoved: _flow_moved,
    events.FlowWaits: _flow_waits,
    events.FlowVariablesSet: _flow_variables_set,
    events.FlowEnded: _flow_ended,
    events.NotificationAsked: _notification_asked,
    events.PromptStarted: _prompt,
    events.PromptStopped: _prompt,
}
