"""The lines before the queues: who waits where, in the order in which they are served."""

from bisect import bisect_left, insort
from collections.abc import Iterator

import msgspec

from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.seat import SeatState
from bridge.ids import InteractionId, QueueId, SeatId


class Place(msgspec.Struct, frozen=True, order=True, gc=False):
    """`rank` orders a line: the clock of the interaction less the head start of its priority."""

    rank: float
    interaction_id: InteractionId
    seat_id: SeatId


class Lines:
    """Kept up by `move`, which is told what an interaction was and what it has become.

    `waiting` is who has not been accepted by anybody yet, `open` those of them that ring nowhere.
    """

    __slots__ = ("_open", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[QueueId, list[Place]] = {}
        self._open: dict[QueueId, list[Place]] = {}

    def move(self, was: Interaction | None, now: Interaction) -> None:
        for lines, open_only in ((self._waiting, False), (self._open, True)):
            before = set(_places(was, open_only=open_only)) if was is not None else set()
            after = set(_places(now, open_only=open_only))
            for queue_id, place in before - after:
                _remove(lines, queue_id, place)
            for queue_id, place in after - before:
                insort(lines.setdefault(queue_id, []), place)

    def open_queues(self) -> tuple[QueueId, ...]:
        return tuple(self._open)

    def open(self, queue_id: QueueId) -> tuple[Place, ...]:
        return tuple(self._open.get(queue_id, ()))

    def waiting(self, queue_id: QueueId) -> tuple[Place, ...]:
        return tuple(self._waiting.get(queue_id, ()))

    def waiting_queues(self) -> tuple[QueueId, ...]:
        return tuple(self._waiting)

    def depth(self, queue_id: QueueId) -> int:
        return len(self._waiting.get(queue_id, ()))

    def position(self, queue_id: QueueId, place: Place) -> int:
        """1 for who is served next."""
        return bisect_left(self._waiting.get(queue_id, []), place) + 1


def _places(interaction: Interaction, *, open_only: bool) -> Iterator[tuple[QueueId, Place]]:
    for seat in interaction.seats:
        if seat.queue_id is None or seat.user_id is not None:
            continue
        if seat.state is SeatState.OPEN or (seat.state is SeatState.OFFERED and not open_only):
            yield seat.queue_id, Place(seat.rank, interaction.interaction_id, seat.seat_id)


def _remove(lines: dict[QueueId, list[Place]], queue_id: QueueId, place: Place) -> None:
    line = lines[queue_id]
    del line[bisect_left(line, place)]
    if not line:
        del lines[queue_id]
