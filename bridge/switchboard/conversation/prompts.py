"""Use cases of prompts: played when somebody asks or the queue has its turn, and told of when they end."""

from collections.abc import Collection
from typing import ClassVar

from bridge.desk import events
from bridge.desk.events import DeskEvent
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import ParticipantState
from bridge.errors import NotAllowedError, NotFoundError
from bridge.ids import InteractionId, LegId, ParticipantId
from bridge.plane import messages
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.conversation.announcement import announced
from bridge.switchboard.conversation.flows import ANSWERED, REPLACED, Flows
from bridge.switchboard.door.principal import INTERACTION_READ, Principal
from bridge.switchboard.performance.leg import BrowserLeg, Leg
from bridge.switchboard.performance.sound import Prompt
from bridge.switchboard.view.event import PromptEnded
from bridge.switchboard.wiring import Wiring


class Prompts:
    """`receive` is told of committed events, `ended` of every end of a playback. Flows play theirs alone."""

    concerns: ClassVar[Collection[type[DeskEvent]]] = (events.PositionAnnounced, events.ParticipantMoved)

    __slots__ = ("_desktops", "_flows", "_wiring")

    def __init__(self, wiring: Wiring, desktops: Desktops, flows: Flows) -> None:
        self._wiring = wiring
        self._desktops = desktops
        self._flows = flows

    async def list(self, principal: Principal) -> tuple[str, ...]:
        """The names `play` knows."""
        principal.require(INTERACTION_READ)
        self._desktops.seen(principal)
        return tuple(sorted(self._wiring.policy.sounds.prompts))

    async def play(
        self,
        principal: Principal,
        interaction_id: InteractionId,
        participant_id: ParticipantId | None,
        name: str,
    ) -> None:
        """Into one participant's ear, or into the whole room. Returns when it is told to play."""
        self._desktops.admit(principal, interaction_id)
        prompts = self._wiring.policy.sounds.prompts
        source = prompts.get(name)
        if source is None:
            raise NotFoundError(f"no prompt {name!r}; there are {', '.join(sorted(prompts)) or 'none'}")
        interaction = self._wiring.desk.interaction(interaction_id)
        interaction.check_live()
        if participant_id is None:
            replaced = self._wiring.performance.room_sounds(interaction).start_prompt(name, source)
        else:
            participant = interaction.live_participant(participant_id)
            replaced = self._leg_of(participant_id, participant.leg_ids).sounds.start_prompt(name, source)
        self._flows.finished(interaction_id, replaced, REPLACED)
        self._wiring.conductor.touch_again(interaction_id)
        await self._wiring.conductor.settled(interaction_id)

    def receive(self, event: DeskEvent, _interaction: Interaction) -> None:
        if isinstance(event, events.PositionAnnounced) and event.prompt:
            self._announce(event)
        elif isinstance(event, events.ParticipantMoved) and event.state is ParticipantState.IN_SESSION:
            self._answered(event.interaction_id, event.participant_id)

    def ended(self, event: messages.PlaybackEnded) -> None:
        if event.leg_id is not None:
            self._leg_playback_ended(event.leg_id, event)
            return
        for interaction in self._wiring.desk.live_interactions():
            if interaction.room_id == event.room_id:
                sounds = self._wiring.performance.room_sounds_of(interaction.interaction_id)
                prompt = sounds.ended(event.playback_id) if sounds is not None else None
                self._tell_end(interaction.interaction_id, None, prompt, event.error)

    def _announce(self, told: events.PositionAnnounced) -> None:
        """The queue's own prompts. One that is missing, or a leg that is gone, is no reason to fail."""
        prompts = self._wiring.policy.sounds.prompts
        names = tuple(announced(prompts, told.prompt, told.position, told.wait_s))
        for leg in self._wiring.legs.of(told.interaction_id):
            if names and leg.participant_id == told.participant_id and leg.sounds.prompt is None:
                leg.sounds.start_prompt(names[0], prompts[names[0]])
                leg.sounds.follow_prompt([(name, prompts[name]) for name in names[1:]])
        self._wiring.conductor.touch_again(told.interaction_id)

    def _answered(self, interaction_id: InteractionId, participant_id: ParticipantId) -> None:
        """Nobody who talks with somebody goes on hearing that nobody is there."""
        for leg in self._wiring.legs.of(interaction_id):
            if leg.participant_id == participant_id:
                prompt = leg.sounds.stop_wait()
                if prompt is not None:
                    self._tell_end(interaction_id, participant_id, prompt, ANSWERED)

    def _leg_of(self, participant_id: ParticipantId, leg_ids: tuple[LegId, ...]) -> Leg:
        for leg_id in leg_ids:
            leg = self._wiring.legs.get(leg_id)
            if leg is not None and not (isinstance(leg, BrowserLeg) and leg.is_companion):
                return leg
        raise NotAllowedError(f"participant {participant_id} has no media to play into")

    def _leg_playback_ended(self, leg_id: LegId, event: messages.PlaybackEnded) -> None:
        leg = self._wiring.legs.get(leg_id)
        if leg is None:
            return
        prompt = leg.sounds.ended(event.playback_id, event.error, self._wiring.clock.now())
        self._tell_end(leg.interaction_id, leg.participant_id, prompt, event.error)

    def _tell_end(
        self,
        interaction_id: InteractionId,
        participant_id: ParticipantId | None,
        prompt: Prompt | None,
        error: str,
    ) -> None:
        """What was interrupted goes on, and whoever is inside learns that the prompt is through."""
        if prompt is not None:
            ended = PromptEnded(interaction_id, participant_id, prompt.name, error)
            self._wiring.announcer.tell_inside(ended, interaction_id)
        self._flows.finished(interaction_id, prompt, error)
        self._wiring.conductor.touch_again(interaction_id)
