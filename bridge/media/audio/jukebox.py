"""All playbacks of a worker: prompts and music into one leg or one room."""

from collections.abc import Container
from typing import Final, NamedTuple

from bridge.ids import LegId, RoomId
from bridge.media.audio.bank import Banks
from bridge.media.audio.playback import Player, SoundError, SoundLibrary
from bridge.plane.messages import Playback, PlaybackEnded

MOST_EVENTS: Final = 1_000  # not taken away: the oldest go


class Place(NamedTuple):
    """One leg, or everybody in one room."""

    leg_id: LegId | None = None
    room_id: RoomId | None = None


class Jukebox:
    """One playback at a time in each place. What is replaced or stopped fades out for one tick more."""

    __slots__ = (
        "_banks",
        "_declared",
        "_events",
        "_leaving",
        "_library",
        "_players",
        "events_dropped",
        "numbers",
    )

    def __init__(self, library: SoundLibrary, banks: Banks) -> None:
        self._library = library
        self._banks = banks
        self._declared: dict[Place, str] = {}  # the playback id, which outlives the end of its sound
        self._players: dict[Place, Player] = {}
        self.numbers: dict[Place, tuple[int]] = {}  # of the players, as a mix of each alone would be
        self._leaving: list[Player] = []
        self._events: list[PlaybackEnded] = []
        self.events_dropped = 0

    def __len__(self) -> int:
        return len(self._players)

    def declare(self, place: Place, playback: Playback | None, number: int) -> Player | None:
        """What shall be heard there. Returns the new player, None if there is nothing new to play.

        The id that is already declared changes nothing, even when its sound has ended.
        """
        if playback is not None and self._declared.get(place) == playback.playback_id:
            return None
        self.stop(place)
        if playback is None:
            return None
        self._declared[place] = playback.playback_id
        try:
            sound = self._library.sound(playback.source)
        except SoundError as error:
            self._ended(place, playback, error.reason)
            return None
        player = Player(playback, sound, number)
        player.slot = self._banks[player.rate_hz].claim()
        self._players[place] = player
        self.numbers[place] = (number,)
        return player

    def stop(self, place: Place) -> None:
        """Nothing is to be played there; its next playback starts, whatever its id."""
        self._declared.pop(place, None)
        player = self._players.pop(place, None)
        if player is not None:
            del self.numbers[place]
            self._leaving.append(player)

    def at(self, place: Place) -> Player | None:
        """What is playing there."""
        return self._players.get(place)

    def tick(self, needed: Container[int]) -> None:
        """Writes the next 20 ms of the players with these numbers into their rows; the others go on unheard."""
        for player in (*self._players.values(), *self._leaving):
            if player.number not in needed:
                player.pass_over()
                player.stale = True
                continue
            bank = self._banks[player.rate_hz]
            if player.stale:
                bank.write_history(player.slot, player.recent(bank.history))
                player.stale = False
            bank.write(player.slot, player.read())

    def end_tick(self) -> list[int]:
        """Puts away what has ended or faded out; returns the numbers of these players."""
        for place, player in list(self._players.items()):
            if player.ended:
                self._leaving.append(self._players.pop(place))
                del self.numbers[place]
                self._ended(place, player.playback, "")
        gone = [player.number for player in self._leaving if player.faded]
        for player in self._leaving:
            if player.faded:
                self._banks[player.rate_hz].release(player.slot)
            player.faded = True
        self._leaving = [player for player in self._leaving if player.number not in gone]
        return gone

    def skip(self, ticks: int) -> None:
        for player in self._players.values():
            player.skip(ticks)

    def events(self) -> list[PlaybackEnded]:
        """What ended since the last call."""
        events, self._events = self._events, []
        return events

    def _ended(self, place: Place, playback: Playback, error: str) -> None:
        if len(self._events) == MOST_EVENTS:
            del self._events[0]
            self.events_dropped += 1
        ended = PlaybackEnded(playback.playback_id, place.leg_id, place.room_id, error)
        self._events.append(ended)
