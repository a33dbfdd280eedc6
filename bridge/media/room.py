"""One room as the mixer sees it: its voices, its listeners and who may hear whom."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bridge.plane.messages import Hearing

if TYPE_CHECKING:
    from bridge.ids import ParticipantId
    from bridge.media.listener import Listener
    from bridge.media.loudest import Matrix
    from bridge.media.voice import Voice


class Room:
    """A row of the matrix that is missing means silence, so a room that was never declared is silent."""

    __slots__ = ("declared", "hears", "listeners", "voices")

    def __init__(self) -> None:
        self.voices: list[Voice] = []
        self.listeners: list[Listener] = []
        self.hears: Matrix = {}
        self.declared = False

    @property
    def forgotten(self) -> bool:
        """Whether nobody would miss it."""
        return not (self.declared or self.voices or self.listeners)

    def declare(self, hears: Iterable[Hearing]) -> None:
        """Two rows of one listener add up."""
        matrix: dict[ParticipantId, frozenset[ParticipantId]] = {}
        for row in hears:
            matrix[row.listener] = matrix.get(row.listener, frozenset()) | frozenset(row.talkers)
        self.hears = matrix
        self.declared = True

    def undeclare(self) -> None:
        self.hears = {}
        self.declared = False
