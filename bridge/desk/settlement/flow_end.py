"""The end of a flow's run, whoever brings it about."""

from bridge.desk import events
from bridge.desk.centre.flow import FlowResult, FlowRun, Outcome
from bridge.desk.step import Step
from bridge.ids import InteractionId


def end_run(  # noqa: PLR0913 - what is to be read of an end
    step: Step,
    interaction_id: InteractionId,
    run: FlowRun,
    result: FlowResult,
    by: str,
    reason: str,
    *,
    outcome: Outcome | None = None,
) -> None:
    step.record(
        events.FlowEnded(step.now, interaction_id, run.flow_run_id, result, run.step, outcome, reason, by)
    )


def overtake_flows(step: Step, interaction_id: InteractionId, by: str, reason: str) -> None:
    """The interaction ends: nothing is left for its flows to do."""
    for run in step.interaction(interaction_id).flows:
        end_run(step, interaction_id, run, FlowResult.OVERTAKEN, by, reason)
