"""Where a step of a flow acts, and what it came to."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from bridge.desk.centre.flow import FlowRun, FlowStep, Outcome
from bridge.desk.centre.role import ParticipantRole
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.desk.step import Step
from bridge.ids import InteractionId


class Entered(msgspec.Struct, frozen=True, gc=False):
    """What entering a step came to. Without an outcome it waits for `subject`, at most for `due_s`."""

    outcome: Outcome | None = None
    reason: str = ""
    subject: str = ""
    due_s: float | None = None


class Came(msgspec.Struct, frozen=True, gc=False):
    """What an event brought: an outcome, or the end of the run because a user wants it no more."""

    outcome: Outcome | None = None
    reason: str = ""
    stopped_by: str = ""


class Scene(NamedTuple):
    """A run and where it runs, at this point of the desk's step."""

    step: Step
    interaction: Interaction
    run: FlowRun
    flow_step: FlowStep

    @property
    def id_(self) -> InteractionId:
        return self.interaction.interaction_id

    @property
    def by(self) -> str:
        """Who started the run."""
        return self.run.by

    def again(self) -> Interaction:
        """The interaction as it has become meanwhile."""
        return self.step.interaction(self.id_)


DONE = Entered(Outcome.SUCCESS)


def one_of(participants: Iterable[Participant], role: ParticipantRole) -> Participant | None:
    return next((p for p in participants if p.role is role and p.is_live), None)


def is_met(interaction: Interaction) -> bool:
    states = (ParticipantState.IN_SESSION, ParticipantState.HELD)
    return any(customer.state in states for customer in interaction.customers())
