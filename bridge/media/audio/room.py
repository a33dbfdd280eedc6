"""One room as the mixer sees it: its voices, its listeners and who may hear whom."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from bridge.ids import ParticipantId
from bridge.plane.messages import Hearing

if TYPE_CHECKING:
    from bridge.media.audio.listener import Listener
    from bridge.media.audio.loudest import Matrix
    from bridge.media.audio.voice import Voice

NOBODY: Final[frozenset[ParticipantId]] = frozenset()


class Room:
    """A row of the matrix that is missing means silence, so a room that was never declared is silent."""

    __slots__ = ("declared", "hears", "is_heard", "listeners", "voices")

    def __init__(self) -> None:
        self.voices: list[Voice] = []
        self.listeners: list[Listener] = []
        self.hears: Matrix = {}
        self.declared = False
        self.is_heard = False

    @property
    def forgotten(self) -> bool:
        """Whether nobody would miss it."""
        return not (self.declared or self.voices or self.listeners)

    def settle(self) -> None:
        """Who is heard by anybody at all, after the room has changed."""
        unheard = {voice.participant_id for voice in self.voices}
        for listener in self.listeners:  # a row each: voices by listeners would be too many in a large room
            unheard -= (unheard & self.hears.get(listener.participant_id, NOBODY)) - {listener.participant_id}
            if not unheard:
                break
        for voice in self.voices:
            voice.audible = voice.searched or voice.participant_id not in unheard
        self.is_heard = any(voice.audible for voice in self.voices)

    def declare(self, hears: Iterable[Hearing]) -> None:
        """Two rows of one listener add up."""
        matrix: dict[ParticipantId, frozenset[ParticipantId]] = {}
        for row in hears:
            matrix[row.listener] = matrix.get(row.listener, frozenset()) | frozenset(row.talkers)
        self.hears = matrix
        self.declared = True
        self.settle()

    def undeclare(self) -> None:
        self.hears = {}
        self.declared = False
        self.settle()
