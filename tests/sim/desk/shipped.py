"""A house with the configuration that is shipped: its queues and its flows, in virtual time."""

from functools import cache

from bridge.configured.desk import configured_queue
from bridge.desk import commands, events
from bridge.desk.centre.flow import FlowKind
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Profile
from bridge.desk.interaction.capability import Ability, Capabilities
from bridge.flows.library import configured_flows
from bridge.ids import FlowId, InteractionId, UserId
from bridge.settings.file import config_directory, load_settings
from tests.unit.desk.flow_house import FlowHouse
from tests.unit.desk.house import ALICE

ESCALATION = FlowId("escalation")


@cache
def _policy(*, dials: bool) -> DeskPolicy:
    settings = load_settings(config_directory() / "bridge.toml")
    return DeskPolicy(
        queues=tuple(configured_queue(queue) for queue in settings.queues),
        flows=configured_flows(settings),
        inbound_flow=FlowId(settings.flows.inbound),
        dials_numbers=dials,
    )


class Shipped(FlowHouse):
    """`dials` is whether a trunk for calls out is configured."""

    def __init__(self, *, dials: bool = True) -> None:
        super().__init__(policy=_policy(dials=dials))

    def video_expert(self, user_id: UserId) -> None:
        self.step(commands.SetProfile(Profile(user_id, {"Video_Escalation": 3}), "admin"))
        self.ready_expert(user_id)

    def show_customer(self, id_: InteractionId) -> None:
        """The customer's own leg turns out to carry video."""
        customer = self.customer(id_)
        both = Ability(send=True, receive=True)
        can = Capabilities(audio=both, video=both)
        self.step(commands.SetCapabilities(id_, customer.participant_id, customer.leg_ids[0], can))

    def conversation(self, *, video: bool) -> InteractionId:
        """The customer, with or without a camera, and Alice; the inbound flow is through."""
        id_ = self.answered_call()
        assert self.interaction(id_).flows == ()
        if video:
            self.show_customer(id_)
        return id_

    def escalate(self, id_: InteractionId, **attributes: str) -> None:
        self.step(commands.StartFlow(id_, ESCALATION, ALICE, attributes))

    def escalated(self, *, video: bool = True) -> InteractionId:
        id_ = self.conversation(video=video)
        self.escalate(id_)
        return id_

    def press(self, id_: InteractionId, key: str) -> None:
        self.step(commands.DialDigits(id_, self.customer(id_).participant_id, key))

    def finish_prompt(self, id_: InteractionId) -> None:
        self.step(commands.FinishPrompt(id_, self.last_prompt().prompt_id))

    def prompts(self) -> list[str]:
        return [event.prompt for event in self.journal if isinstance(event, events.PromptStarted)]

    def kinds_running(self, id_: InteractionId) -> list[FlowKind]:
        return [run.flow.kind for run in self.interaction(id_).flows]
