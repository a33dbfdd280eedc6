"""What is played into a leg or a room: the waiting rounds, hold music, a prompt somebody asked for."""

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.desk.interaction.participant import ParticipantState
from bridge.ids import LegId, PromptId, RoomId
from bridge.plane.messages import Playback
from bridge.switchboard.door.doors import Sounds

# A sound that ends sooner than this is empty or broken; going on would spin.
SHORTEST_S = 0.25


@dataclass(frozen=True)
class Prompt:
    """A sound played once because a desktop asked for it, or the desk: then it has a `prompt_id`.

    One that began while the party waited, `of_wait`, is not played into the conversation.
    """

    name: str
    playback: Playback
    prompt_id: PromptId | None = None
    of_wait: bool = False


class LegSounds:
    """Chooses a leg's playback from its participant's state; `ended` goes on to the next of the round."""

    __slots__ = ("_broken", "_following", "_leg_id", "_round", "_serial", "_since", "_state", "prompt")

    def __init__(self, leg_id: LegId) -> None:
        self._leg_id = leg_id
        self._serial = 0
        self._round = 0
        self._since: float | None = None
        self._broken = False
        self._following: tuple[tuple[str, str], ...] = ()
        self._state: ParticipantState | None = None
        self.prompt: Prompt | None = None

    def start_prompt(self, name: str, source: str, prompt_id: PromptId | None = None) -> Prompt | None:
        """Returns the one that gives way."""
        self._serial += 1
        playback = Playback(f"{self._leg_id}/prompt/{self._serial}", source)
        of_wait = self._state in (None, ParticipantState.QUEUED)
        self._following = ()
        replaced, self.prompt = self.prompt, Prompt(name, playback, prompt_id, of_wait)
        return replaced

    def follow_prompt(self, prompts: Iterable[tuple[str, str]]) -> None:
        """Names and sources that follow the prompt that plays now, unless another one begins or it is stopped."""
        self._following = tuple(prompts)

    def stop_prompt(self, prompt_id: PromptId) -> bool:
        """True if it was playing."""
        if self.prompt is None or self.prompt.prompt_id != prompt_id:
            return False
        self.prompt = None
        self._following = ()
        return True

    def stop_wait(self) -> Prompt | None:
        """Somebody is there: gives up the prompt that was for who waits, and returns it."""
        if self.prompt is None or not self.prompt.of_wait:
            return None
        prompt, self.prompt = self.prompt, None
        self._following = ()
        return prompt

    def playback(self, state: ParticipantState, sounds: Sounds, now: float) -> Playback | None:
        """The wanted playback. A change of state starts the state's sound from its beginning."""
        if state is not self._state:
            self._state, self._broken, self._round, self._since = state, False, 0, None
            self._serial += 1
        if self.prompt is not None:
            return self.prompt.playback
        if state is ParticipantState.HELD and sounds.hold:
            return Playback(f"{self._leg_id}/hold/{self._serial}", sounds.hold, loop=True)
        if state is ParticipantState.QUEUED and sounds.waiting and not self._broken:
            if self._since is None:
                self._since = now
            source = sounds.waiting[self._round % len(sounds.waiting)]
            return Playback(f"{self._leg_id}/waiting/{self._serial}-{self._round}", source)
        return None

    def ended(self, playback_id: str, error: str, now: float) -> Prompt | None:
        """A playback is through. Returns the prompt it was, if it was one."""
        if self.prompt is not None and self.prompt.playback.playback_id == playback_id:
            prompt, self.prompt, self._since = self.prompt, None, None
            if self._following:
                (name, source), *later = self._following
                self.start_prompt(name, source)
                self.follow_prompt(later)
            return prompt
        if playback_id == f"{self._leg_id}/waiting/{self._serial}-{self._round}":
            self._broken = bool(error) or (self._since is not None and now - self._since < SHORTEST_S)
            self._round += 1
            self._since = None
        return None


class RoomSounds:
    """At most one prompt into the whole room at a time; a new one replaces it."""

    __slots__ = ("_room_id", "_serial", "prompt")

    def __init__(self, room_id: RoomId) -> None:
        self._room_id = room_id
        self._serial = 0
        self.prompt: Prompt | None = None

    def start_prompt(self, name: str, source: str, prompt_id: PromptId | None = None) -> Prompt | None:
        """Returns the one that gives way."""
        self._serial += 1
        playback = Playback(f"{self._room_id}/prompt/{self._serial}", source)
        replaced, self.prompt = self.prompt, Prompt(name, playback, prompt_id)
        return replaced

    def stop_prompt(self, prompt_id: PromptId) -> bool:
        """True if it was playing."""
        if self.prompt is None or self.prompt.prompt_id != prompt_id:
            return False
        self.prompt = None
        return True

    def ended(self, playback_id: str) -> Prompt | None:
        if self.prompt is None or self.prompt.playback.playback_id != playback_id:
            return None
        prompt, self.prompt = self.prompt, None
        return prompt
