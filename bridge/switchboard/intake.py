"""What the media plane says by itself, and prompts, whose end it reports."""

from typing import assert_never

from bridge.desk.events import PositionAnnounced
from bridge.errors import NotAllowedError, NotFoundError
from bridge.ids import InteractionId, LegId, ParticipantId
from bridge.plane import messages
from bridge.switchboard.announcement import announced
from bridge.switchboard.browsers import Browsers
from bridge.switchboard.diagnostics import Diagnostics
from bridge.switchboard.equipment import Equipment
from bridge.switchboard.event import DigitReceived, PromptEnded, VideoPathChosen
from bridge.switchboard.flows import ANSWERED, REPLACED, Flows
from bridge.switchboard.leg import BrowserLeg, Leg, PhoneLeg
from bridge.switchboard.phones import Phones
from bridge.switchboard.sound import Prompt
from bridge.switchboard.wiring import Wiring

RTP, INFO = "rtp", "info"


class Intake:
    """`receive_event` never raises for what the plane says: an event of a leg that is gone is ignored."""

    __slots__ = ("_browsers", "_diagnostics", "_equipment", "_flows", "_phones", "_wiring")

    def __init__(
        self, wiring: Wiring, phones: Phones, browsers: Browsers, flows: Flows, diagnostics: Diagnostics
    ) -> None:
        self._wiring = wiring
        self._diagnostics = diagnostics
        self._flows = flows
        self._phones = phones
        self._browsers = browsers
        self._equipment = Equipment(wiring)

    def receive_event(self, event: messages.Event) -> None:
        match event:
            case messages.WorkerReady():
                self._browsers.plane_ready(event)
                self._wiring.conductor.touch_all()
            case messages.PlaybackEnded():
                self._playback_ended(event)
            case messages.LegStatistics():
                self._diagnostics.receive(event)
            case messages.WorkerStatistics():
                self._phones.overload.receive(event)
            case (
                messages.LegConnected()
                | messages.LegFailed()
                | messages.DtmfReceived()
                | messages.KeyFrameWanted()
                | messages.PathChosen()
            ):
                leg = self._wiring.legs.get(event.leg_id)
                if leg is not None:
                    self._receive_leg_event(leg, event)
            case _:
                return  # replies go to whoever asked

    def receive_loss(self) -> None:
        """Phones are told their new port once the next worker has given one; browsers have to rejoin."""
        self._wiring.performance.forget_plane()
        self._phones.overload.forget()
        self._browsers.plane_lost()

    async def play_prompt(
        self, interaction_id: InteractionId, participant_id: ParticipantId | None, name: str
    ) -> None:
        prompts = self._wiring.policy.sounds.prompts
        source = prompts.get(name)
        if source is None:
            raise NotFoundError(f"no prompt {name!r}; there are {', '.join(sorted(prompts)) or 'none'}")
        interaction = self._wiring.desk.interaction(interaction_id)
        if interaction.ended_at is not None:
            raise NotAllowedError(f"interaction {interaction_id} has ended")
        if participant_id is None:
            replaced = self._wiring.performance.room_sounds(interaction).start_prompt(name, source)
        else:
            participant = interaction.live_participant(participant_id)
            replaced = self._leg_of(participant_id, participant.leg_ids).sounds.start_prompt(name, source)
        self._flows.finished(interaction_id, replaced, REPLACED)
        self._wiring.conductor.touch_again(interaction_id)
        await self._wiring.conductor.settled(interaction_id)

    def announce(self, told: PositionAnnounced) -> None:
        """The queue's own prompts. One that is missing, or a leg that is gone, is no reason to fail."""
        prompts = self._wiring.policy.sounds.prompts
        names = tuple(announced(prompts, told.prompt, told.position, told.wait_s))
        for leg in self._wiring.legs.of(told.interaction_id):
            if names and leg.participant_id == told.participant_id and leg.sounds.prompt is None:
                leg.sounds.start_prompt(names[0], prompts[names[0]])
                leg.sounds.follow_prompt([(name, prompts[name]) for name in names[1:]])
        self._wiring.conductor.touch_again(told.interaction_id)

    def answered(self, interaction_id: InteractionId, participant_id: ParticipantId) -> None:
        """Nobody who talks with somebody goes on hearing that nobody is there."""
        for leg in self._wiring.legs.of(interaction_id):
            if leg.participant_id == participant_id:
                prompt = leg.sounds.stop_wait()
                if prompt is not None:
                    self._prompt_ended(interaction_id, participant_id, prompt, ANSWERED)

    def _receive_leg_event(
        self,
        leg: Leg,
        event: (
            messages.LegConnected
            | messages.LegFailed
            | messages.DtmfReceived
            | messages.KeyFrameWanted
            | messages.PathChosen
        ),
    ) -> None:
        match event:
            case messages.LegConnected():
                self._connected(leg)
            case messages.LegFailed():
                self._failed(leg, event)
            case messages.DtmfReceived():
                self._press(leg, RTP, event.digit, event.duration_ms)
            case messages.KeyFrameWanted():
                if isinstance(leg, PhoneLeg):
                    self._wiring.performance.ask_for_picture(leg)
            case messages.PathChosen():
                self._path_chosen(leg, event)
            case _:
                assert_never(event)

    def pressed(self, leg_id: LegId, digit: str, duration_ms: int) -> None:
        """A key by SIP INFO."""
        leg = self._wiring.legs.get(leg_id)
        if isinstance(leg, PhoneLeg) and leg.committed and not leg.closing:
            self._press(leg, INFO, digit, duration_ms)

    def _press(self, leg: Leg, way: str, digit: str, duration_ms: int) -> None:
        if isinstance(leg, PhoneLeg) and not leg.keys.is_new(way, digit, self._wiring.clock.now()):
            return
        event = DigitReceived(leg.interaction_id, leg.participant_id, digit, duration_ms)
        self._wiring.announcer.tell_inside(event, leg.interaction_id)
        self._flows.dialed(leg, digit)

    def _path_chosen(self, leg: Leg, event: messages.PathChosen) -> None:
        """Told to the browser that sees it, and of a phone to everybody inside."""
        path = VideoPathChosen(leg.interaction_id, leg.leg_id, event.mid, event.path, event.reason)
        if isinstance(leg, BrowserLeg):
            self._wiring.announcer.tell_connection(path, leg.connection_id)
        else:
            self._wiring.announcer.tell_inside(path, leg.interaction_id)
        self._equipment.path_chosen(leg, event)

    def _connected(self, leg: Leg) -> None:
        if isinstance(leg, PhoneLeg):
            self._phones.media_connected(leg)
        else:
            self._browsers.media_connected(leg)

    def _failed(self, leg: Leg, event: messages.LegFailed) -> None:
        if isinstance(leg, PhoneLeg):
            self._phones.fail(leg, f"{event.code}: {event.reason}")
        elif not leg.closing:
            self._browsers.end(leg, event.code, event.reason)

    def _leg_of(self, participant_id: ParticipantId, leg_ids: tuple[LegId, ...]) -> Leg:
        for leg_id in leg_ids:
            leg = self._wiring.legs.get(leg_id)
            if leg is not None and not (isinstance(leg, BrowserLeg) and leg.is_companion):
                return leg
        raise NotAllowedError(f"participant {participant_id} has no media to play into")

    def _playback_ended(self, event: messages.PlaybackEnded) -> None:
        if event.leg_id is not None:
            self._leg_playback_ended(event.leg_id, event)
            return
        for interaction in self._wiring.desk.live_interactions():
            if interaction.room_id == event.room_id:
                sounds = self._wiring.performance.room_sounds_of(interaction.interaction_id)
                prompt = sounds.ended(event.playback_id) if sounds is not None else None
                self._prompt_ended(interaction.interaction_id, None, prompt, event.error)

    def _leg_playback_ended(self, leg_id: LegId, event: messages.PlaybackEnded) -> None:
        leg = self._wiring.legs.get(leg_id)
        if leg is None:
            return
        prompt = leg.sounds.ended(event.playback_id, event.error, self._wiring.clock.now())
        self._prompt_ended(leg.interaction_id, leg.participant_id, prompt, event.error)

    def _prompt_ended(
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
