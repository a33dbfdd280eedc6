"""A house whose desk runs flows, for tests that write them in a few words."""

from bridge.desk import events
from bridge.desk.centre.flow import END, STEP_RULES, Flow, FlowKind, FlowRun, FlowStep, StepKind
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Queue, default_queue
from bridge.desk.centre.role import ParticipantRole
from bridge.ids import FlowId, InteractionId, QueueId
from bridge.journal.definitions import Definitions
from bridge.journal.record import parse_events, serialize_events
from tests.unit.desk.house import House

VIDEO_SME, VOICE_SME, SALES = QueueId("video-sme"), QueueId("voice-sme"), QueueId("sales")
QUEUES = (
    default_queue(),
    Queue(VIDEO_SME, "Escalation - Video SME", ParticipantRole.SME, timeout_s=300.0),
    Queue(VOICE_SME, "Escalation - Voice SME", ParticipantRole.SME, video_enabled=False, timeout_s=300.0),
    Queue(SALES, "Sales", timeout_s=60.0),
)


def step(name: str, kind: StepKind, to: str = END, /, **fields: object) -> FlowStep:
    """Every branch the kind has leads to `to`, unless `success`, `failure` or `timeout` says otherwise."""
    branches = {outcome: str(fields.pop(outcome, to)) for outcome in STEP_RULES[kind].outcomes}
    return FlowStep(name, kind, branches, **fields)  # type: ignore[arg-type]


def flow(*steps: FlowStep, kind: FlowKind = FlowKind.ESCALATION, digits: str = "") -> Flow:
    return Flow(FlowId(kind.value), kind.value.title(), kind, steps[0].name, steps, digits)


class FlowHouse(House):
    def __init__(self, *flows: Flow, policy: DeskPolicy | None = None) -> None:
        inbound = next((f.flow_id for f in flows if f.kind is FlowKind.INBOUND), None)
        super().__init__(policy or DeskPolicy(queues=QUEUES, flows=flows, inbound_flow=inbound))

    def run(self, id_: InteractionId) -> FlowRun:
        (run,) = self.interaction(id_).flows
        return run

    def at(self, id_: InteractionId) -> str:
        """The step the one run is in; "" when none runs."""
        runs = self.interaction(id_).flows
        return runs[0].step if runs else ""

    def path(self) -> list[tuple[str, str]]:
        """Each step that was left, and by which branch."""
        moved = (e for e in self.journal if isinstance(e, events.FlowMoved | events.FlowEnded))
        return [(e.left, e.outcome or "") for e in moved if e.left]

    def check_replay(self) -> None:
        """The journal gives the state back, on disk and off it."""
        again = FlowHouse(policy=self.policy)
        definitions = Definitions()
        again.desk.replay(parse_events(serialize_events(self.journal, definitions), definitions))
        assert again.desk.interactions() == self.desk.interactions()

    def last_prompt(self) -> events.PromptStarted:
        return [e for e in self.journal if isinstance(e, events.PromptStarted)][-1]

    def ended(self) -> events.FlowEnded:
        return [e for e in self.journal if isinstance(e, events.FlowEnded)][-1]
