"""A flow: named steps with branches, as values. `flow/interpreter` runs it, `flow/check` says what is wrong."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.ids import FlowId, FlowRunId, QueueId, UserId

END = "end"  # the branch that leads out of the flow


class FlowKind(StrEnum):
    INBOUND = "inbound"  # leads a caller from the first ring to whoever answers
    ESCALATION = "escalation"  # brings somebody to a conversation that goes on
    TRANSFER = "transfer"  # hands the customer on


class StepKind(StrEnum):
    """Written as `do = "..."` in a flow's file."""

    SET_DATA = "set data"
    SET_VARIABLE = "set variable"
    GET_PARTICIPANT = "get participant"
    DECISION = "decision"
    QUEUE = "queue"
    PLAY_PROMPT = "play prompt"
    CONFERENCE = "conference"
    WARM_TRANSFER = "warm transfer"
    BLIND_TRANSFER = "blind transfer"
    CALLBACK = "callback"
    NOTIFY = "notify"
    WAIT = "wait"
    DISCONNECT = "disconnect"


class Outcome(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    KEY = "key"  # the caller pressed one of the step's `keys`, which say where it leads; not a branch of its own


BRANCHES = (Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT)  # as written in a flow's file


class FlowResult(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"  # a branch led to the end
    STOPPED = "stopped"  # somebody stopped it, or took back what it sought
    OVERTAKEN = "overtaken"  # the interaction ended, or the customer is called back


class FlowTrigger(StrEnum):
    """What started a run."""

    CALL = "call"
    USER = "user"
    DIGITS = "digits"


# A run's whole flow is in snapshots, for each run: what a step does not say is left out there.
class FlowStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step. Which of the fields a kind takes is in `STEP_RULES`; the others keep their default.

    In `data`, `variables`, `text`, `subject` and `number`, `{name}` stands for a variable of the run or, where
    there is none, for an attribute of the interaction. `when` holds if each name has one of its values.
    `keys` leads a caller who presses one of them while waiting to another step.
    """

    name: str
    kind: StepKind
    branches: Mapping[Outcome, str] = {}
    timeout_s: float | None = None
    seconds: float = 0.0
    data: Mapping[str, str] = {}
    keep: bool = False
    variables: Mapping[str, str] = {}
    participant: ParticipantRole | None = None
    when: Mapping[str, tuple[str, ...]] = {}
    queue: QueueId | None = None
    keys: Mapping[str, str] = {}
    media: MediaType = MediaType.VOICE
    prompt: str = ""
    user: UserId | None = None
    number: str = ""
    delay_s: float = 0.0
    to: str = ""
    subject: str = ""
    text: str = ""
    reason: str = ""


class Flow(msgspec.Struct, frozen=True, omit_defaults=True):
    """`digits` start it when the customer dials them in a conversation; "" binds none."""

    flow_id: FlowId
    name: str
    kind: FlowKind
    start: str
    steps: tuple[FlowStep, ...]
    digits: str = ""

    def step(self, name: str) -> FlowStep | None:
        for step in self.steps:
            if step.name == name:
                return step
        return None

    @property
    def asks_for_video(self) -> bool:
        return any(step.kind is StepKind.QUEUE and step.media is MediaType.VIDEO for step in self.steps)


class FlowRun(msgspec.Struct, frozen=True, gc=False):
    """A flow on its way through one interaction, by the definition it began with.

    `subject` is the id of what the step waits for (a seat, a prompt), `due_at` when it waits no longer.
    """

    flow_run_id: FlowRunId
    flow: Flow
    by: str
    trigger: FlowTrigger
    started_at: float
    step: str
    entered_at: float
    subject: str = ""
    due_at: float | None = None
    variables: Mapping[str, str] = {}

    @property
    def current(self) -> FlowStep | None:
        """None before the first step is entered."""
        return self.flow.step(self.step)


class StepRule(msgspec.Struct, frozen=True, gc=False):
    """`required` and `optional` are names of fields of FlowStep."""

    outcomes: frozenset[Outcome]
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    flows: frozenset[FlowKind] = frozenset(FlowKind)
    takes_time: frozenset[Outcome] = frozenset({Outcome.TIMEOUT})  # after these some time has surely passed


_SUCCESS, _FAILURE, _TIMEOUT = frozenset({Outcome.SUCCESS}), Outcome.FAILURE, Outcome.TIMEOUT
_AT_ONCE = _SUCCESS | {_FAILURE}
_LATER = _AT_ONCE | {_TIMEOUT}
_TRANSFER = frozenset({"queue", "user", "media", "timeout_s"})
_NOT_IN_ESCALATION = frozenset(FlowKind) - {FlowKind.ESCALATION}

STEP_RULES: dict[StepKind, StepRule] = {
    StepKind.SET_DATA: StepRule(_AT_ONCE, frozenset({"data"}), frozenset({"keep"})),
    StepKind.SET_VARIABLE: StepRule(_AT_ONCE, frozenset({"variables"})),
    StepKind.GET_PARTICIPANT: StepRule(_AT_ONCE, frozenset({"participant"})),
    StepKind.DECISION: StepRule(_AT_ONCE, frozenset({"when"})),
    StepKind.QUEUE: StepRule(
        _LATER, frozenset({"queue", "timeout_s"}), frozenset({"media", "prompt", "keys"})
    ),
    StepKind.PLAY_PROMPT: StepRule(_LATER, frozenset({"prompt"}), frozenset({"participant", "timeout_s"})),
    StepKind.CONFERENCE: StepRule(
        _LATER, frozenset(), frozenset({"timeout_s"}), frozenset({FlowKind.ESCALATION})
    ),
    # A transfer completes the conversation it is asked from: the opposite of an escalation.
    StepKind.WARM_TRANSFER: StepRule(_LATER, frozenset(), _TRANSFER, _NOT_IN_ESCALATION),
    StepKind.BLIND_TRANSFER: StepRule(_LATER, frozenset(), _TRANSFER, _NOT_IN_ESCALATION),
    StepKind.CALLBACK: StepRule(_AT_ONCE, frozenset(), frozenset({"queue", "number", "delay_s", "reason"})),
    StepKind.NOTIFY: StepRule(_AT_ONCE, frozenset({"to", "text"}), frozenset({"subject"})),
    StepKind.WAIT: StepRule(_SUCCESS, frozenset({"seconds"}), takes_time=_SUCCESS),
    StepKind.DISCONNECT: StepRule(frozenset(), frozenset(), frozenset({"reason"}), _NOT_IN_ESCALATION),
}
