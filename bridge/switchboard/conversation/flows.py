"""Use cases of flows: started and stopped by users and by digits; their prompts are played, and reported back."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

from bridge.desk import commands, events
from bridge.desk.centre.flow import Flow, FlowKind
from bridge.desk.interaction.interaction import Interaction
from bridge.errors import BridgeError, ForbiddenError, NotFoundError
from bridge.ids import FlowId, FlowRunId, InteractionId, LegId, ParticipantId, PromptId
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.door.principal import INTERACTION_READ, VIDEO_USE, Principal
from bridge.switchboard.performance.leg import Leg
from bridge.switchboard.performance.sound import LegSounds, Prompt, RoomSounds
from bridge.switchboard.view.view import FlowRunView, FlowView
from bridge.switchboard.wiring import Wiring

DIGIT_GAP_S = 3.0  # a code is dialed in one go: a key after a longer pause begins another
DIGITS_MAX = 8
REPLACED = "another prompt took its place"
ANSWERED = "somebody is there"


@dataclass(frozen=True)
class Started:
    """`created` is False when the flow was running already."""

    run: FlowRunView
    created: bool


class Flows:
    """`receive` is told of committed events; prompts the desk asks for are played and told to it."""

    concerns: ClassVar[Collection[type[events.DeskEvent]]] = (events.PromptStarted, events.PromptStopped)

    __slots__ = ("_desktops", "_dialed", "_wiring")

    def __init__(self, wiring: Wiring, desktops: Desktops) -> None:
        self._wiring = wiring
        self._desktops = desktops
        self._dialed: dict[LegId, tuple[str, float]] = {}

    async def start(
        self,
        principal: Principal,
        interaction_id: InteractionId,
        flow_id: FlowId,
        properties: Mapping[str, str],
    ) -> Started:
        """The same flow again gives the run there is. ConflictError while another one runs, and
        `ParticipantConflictError` while somebody is sought by name."""
        self._desktops.admit(principal, interaction_id)
        flow = self._flow(flow_id)
        if flow.asks_for_video:
            principal.require(VIDEO_USE)
            if not self._wiring.desk.profile(principal.user_id).video:
                raise ForbiddenError(f"{principal.user_id} has no video licence and cannot ask for video")
        command = commands.StartFlow(interaction_id, flow_id, principal.user_id, properties)
        happened = await self._wiring.do(interaction_id, command)
        started = next((e for e in happened if isinstance(e, events.FlowStarted)), None)
        return Started(self._run_view(interaction_id, flow, started), created=started is not None)

    async def stop(
        self, principal: Principal, interaction_id: InteractionId, flow_run_id: FlowRunId, reason: str = ""
    ) -> None:
        """What it seeks is given up; the conversation goes on as it is."""
        self._desktops.admit(principal, interaction_id)
        command = commands.StopFlow(interaction_id, flow_run_id, principal.user_id, reason)
        await self._wiring.do(interaction_id, command)

    async def list(self, principal: Principal) -> tuple[FlowView, ...]:
        """Those that `start` takes, and those that lead calls."""
        principal.require(INTERACTION_READ)
        self._desktops.seen(principal)
        return tuple(
            FlowView(flow.flow_id, flow.name, flow.kind, flow.digits, flow.asks_for_video)
            for flow in self._wiring.desk.flows()
        )

    # --- prompts the desk asks for ------------------------------------------------------------------------

    def receive(self, event: events.DeskEvent, interaction: Interaction) -> None:
        if isinstance(event, events.PromptStarted):
            self._play(event, interaction)
        elif isinstance(event, events.PromptStopped):
            self._stop(event, interaction)

    def finished(self, interaction_id: InteractionId, prompt: Prompt | None, error: str) -> None:
        """A prompt is through; the flow that waits for it goes on."""
        if prompt is not None and prompt.prompt_id is not None:
            self._report(interaction_id, prompt.prompt_id, error)

    def _play(self, event: events.PromptStarted, interaction: Interaction) -> None:
        source = self._wiring.policy.sounds.prompts.get(event.prompt)
        sounds = self._sounds(interaction, event.participant_id)
        if source is None or sounds is None:
            why = f"no prompt {event.prompt!r}" if source is None else "there is no leg to play it into"
            self._report(event.interaction_id, event.prompt_id, why)
            return
        replaced = sounds.start_prompt(event.prompt, source, event.prompt_id)
        self.finished(event.interaction_id, replaced, REPLACED)
        self._wiring.conductor.touch_again(event.interaction_id)

    def _stop(self, event: events.PromptStopped, interaction: Interaction) -> None:
        sounds = self._sounds(interaction, event.participant_id)
        if sounds is not None and sounds.stop_prompt(event.prompt_id):
            self._wiring.conductor.touch_again(event.interaction_id)

    def _sounds(
        self, interaction: Interaction, participant_id: ParticipantId | None
    ) -> LegSounds | RoomSounds | None:
        if participant_id is None:
            return None if interaction.ended_at else self._wiring.performance.room_sounds(interaction)
        legs = self._wiring.legs.of(interaction.interaction_id)
        return next((leg.sounds for leg in legs if _hears(leg, participant_id)), None)

    def _report(self, interaction_id: InteractionId, prompt_id: PromptId, error: str) -> None:
        with suppress(NotFoundError):  # the interaction is forgotten already
            self._wiring.ledger.begin(commands.FinishPrompt(interaction_id, prompt_id, error))

    # --- digits -------------------------------------------------------------------------------------------

    def dialed(self, leg: Leg, digit: str) -> None:
        """Keys pressed in a row start a flow, one alone leads on who waits. They are kept no longer than that takes."""
        now = self._wiring.clock.now()
        self._dialed = {id_: row for id_, row in self._dialed.items() if now - row[1] <= DIGIT_GAP_S}
        before, _ = self._dialed.get(leg.leg_id, ("", now))
        digits = (before + digit)[-DIGITS_MAX:]
        self._dialed[leg.leg_id] = (digits, now)
        flows = self._wiring.desk.flows()
        if any(flow.digits and digits.endswith(flow.digits) for flow in flows):
            del self._dialed[leg.leg_id]
        elif not any(digit in step.keys for flow in flows for step in flow.steps):
            return
        with suppress(BridgeError):  # whoever dials gets no answer: what can be done is done
            self._wiring.ledger.begin(commands.DialDigits(leg.interaction_id, leg.participant_id, digits))

    # --- inside -------------------------------------------------------------------------------------------

    def _flow(self, flow_id: FlowId) -> Flow:
        flows = self._wiring.desk.flows()
        for flow in flows:
            if flow.flow_id == flow_id:
                return flow
        known = ", ".join(flow.flow_id for flow in flows if flow.kind is not FlowKind.INBOUND) or "none"
        raise NotFoundError(f"no flow {flow_id!r}; there are {known}")

    def _run_view(
        self, interaction_id: InteractionId, flow: Flow, started: events.FlowStarted | None
    ) -> FlowRunView:
        """The run as it is; one that is through already as it was at its end."""
        interaction = self._wiring.desk.interaction(interaction_id)
        for run in interaction.flows:
            if run.flow.flow_id == flow.flow_id:
                return self._wiring.portraits.flow_run(run)
        if started is None:
            raise NotFoundError(f"the flow {flow.flow_id} is over")
        at = self._wiring.portraits.wall(started.at)
        return FlowRunView(
            started.flow_run_id, flow.flow_id, flow.kind, "", started.by, started.trigger, at, None
        )


def _hears(leg: Leg, participant_id: ParticipantId) -> bool:
    return leg.participant_id == participant_id and leg.committed and not leg.closing
