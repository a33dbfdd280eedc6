"""When the desk wants to look at the clock again: `DEADLINES` says it of each event, by its type."""

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from bridge.desk import events
from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.interaction.seat import Seat, SeatState
from bridge.desk.state.state import DeskState
from bridge.ids import InteractionId

SWEPT_FROM = 1024  # instants; below that those of calls that are over are nobody's burden


class Agenda:
    """The instants, the next one first. One that belongs to a call goes with it: `live` are those there are.

    A caller who hangs up leaves two instants, five minutes away: at 1,000 calls a second that would be half a
    million, each of which a look at everybody, and all of them in every snapshot.
    """

    __slots__ = ("_heap", "_live", "_sweep_at")

    def __init__(self, live: Collection[InteractionId]) -> None:
        self._live = live
        self._heap: list[tuple[float, InteractionId | str]] = []
        self._sweep_at = SWEPT_FROM

    def __len__(self) -> int:
        return len(self._heap)

    def note(self, at: float, interaction_id: InteractionId | None = None) -> None:
        """`interaction_id` is whose end makes it void, if any does."""
        heapq.heappush(self._heap, (at, interaction_id or ""))
        if len(self._heap) >= self._sweep_at:
            self._heap = [entry for entry in self._heap if self._counts(entry)]
            heapq.heapify(self._heap)
            self._sweep_at = max(SWEPT_FROM, 2 * len(self._heap))

    def next(self) -> float | None:
        while self._heap and not self._counts(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def forget(self, now: float) -> None:
        """Those up to `now` are met."""
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)

    def instants(self) -> tuple[float, ...]:
        """All that count."""
        return tuple(entry[0] for entry in self._heap if self._counts(entry))

    def restore(self, instants: Iterable[float]) -> None:
        """What `instants` gave, in an empty one."""
        self._heap = [(at, "") for at in instants]
        heapq.heapify(self._heap)

    def _counts(self, entry: tuple[float, InteractionId | str]) -> bool:
        return not entry[1] or entry[1] in self._live


def note_deadlines(agenda: Agenda, event: events.DeskEvent, policy: DeskPolicy, state: DeskState) -> None:
    for at in deadlines_of(event, policy, state):
        agenda.note(at, event.interaction_id if isinstance(event, _OF_A_CALL) else None)


def deadlines_of(event: events.DeskEvent, policy: DeskPolicy, state: DeskState) -> Iterable[float]:
    """Early ones are harmless; most events have none."""
    find = DEADLINES.get(type(event))
    return find(event, policy, state) if find is not None else ()


def _in_queue(
    event: events.SeatOpened | events.SeatQueued | events.PositionAnnounced,
    _policy: DeskPolicy,
    state: DeskState,
) -> Iterator[float]:
    queue = state.queues.get(event.queue_id) if event.queue_id is not None else None
    if queue is None:
        return
    if queue.announce_every_s > 0:
        yield event.at + queue.announce_every_s
    if isinstance(event, events.PositionAnnounced):
        return
    if queue.leave_when_empty and not queue.join_empty:
        yield event.at  # who came by overflow was not stopped at the door
    for wait_s in queue.longest_wait_s():
        yield event.at + wait_s
    if isinstance(event, events.SeatOpened) and event.not_before > event.at:
        yield event.not_before


def _seat_moved(event: events.SeatMoved, policy: DeskPolicy, state: DeskState) -> Iterator[float]:
    if event.state is SeatState.OPEN:
        yield event.at  # a limit may have been met while it rang
        for seat in state.interactions[event.interaction_id].seats:
            if seat.seat_id == event.seat_id:  # gone already, if the same step gave it up
                yield from limits_of(state, seat)
        if event.declined_by is not None:
            yield event.at + policy.decline_rest_s  # then the seat may ring there again


def _participant_moved(
    event: events.ParticipantMoved, _policy: DeskPolicy, _state: DeskState
) -> Iterable[float]:
    return [at for at in (event.connect_by, event.wrap_up_by) if at is not None]


def _seat_ranked(event: events.SeatRanked, _policy: DeskPolicy, _state: DeskState) -> Iterable[float]:
    return (event.not_before,)


def _callback_moved(event: events.CallbackMoved, _policy: DeskPolicy, _state: DeskState) -> Iterable[float]:
    return () if event.dial_by is None else (event.dial_by,)


def _flow_waits(event: events.FlowWaits, _policy: DeskPolicy, _state: DeskState) -> Iterable[float]:
    return () if event.due_at is None else (event.due_at,)


def _desktop_lost(event: events.DesktopLost, policy: DeskPolicy, _state: DeskState) -> Iterable[float]:
    return (event.at + policy.reconnect_grace_s,)


def _at_once(
    event: events.PresenceChanged | events.ProfileSet, _policy: DeskPolicy, _state: DeskState
) -> Iterable[float]:
    """A queue may have lost the last who serves it."""
    return (event.at,)


def _queue_declared(event: events.QueueDeclared, _policy: DeskPolicy, state: DeskState) -> Iterator[float]:
    """Its new limits are those of everybody who waits there, met already or to be met."""
    yield event.at
    for place in state.lines.waiting(event.queue_id):
        yield from limits_of(state, state.interactions[place.interaction_id].seat(place.seat_id))


def limits_of(state: DeskState, seat: Seat) -> Iterator[float]:
    """Of a seat that waits: its queue may have got others since it came there."""
    queue = state.queues.get(seat.queue_id) if seat.queue_id is not None else None
    if queue is None:
        return
    for wait_s in queue.longest_wait_s():
        yield seat.entered_at + wait_s
    if queue.announce_every_s > 0:
        yield seat.announced_at + queue.announce_every_s


def _expires(
    event: events.OfferMade | events.CompanionLinkCreated | events.TransferStarted | events.TransferMoved,
    _policy: DeskPolicy,
    _state: DeskState,
) -> Iterable[float]:
    return (event.expires_at,)


# The annotation is wide because each function takes its own events; the keys keep them apart.
DEADLINES: dict[type, Callable[[Any, DeskPolicy, DeskState], Iterable[float]]] = {
    events.SeatOpened: _in_queue,
    events.SeatQueued: _in_queue,
    events.PositionAnnounced: _in_queue,
    events.SeatRanked: _seat_ranked,
    events.SeatMoved: _seat_moved,
    events.ParticipantMoved: _participant_moved,
    events.CallbackMoved: _callback_moved,
    events.FlowWaits: _flow_waits,
    events.DesktopLost: _desktop_lost,
    events.PresenceChanged: _at_once,
    events.ProfileSet: _at_once,
    events.QueueDeclared: _queue_declared,
    events.OfferMade: _expires,
    events.CompanionLinkCreated: _expires,
    events.TransferStarted: _expires,
    events.TransferMoved: _expires,
}

# What waits for nothing any more once its interaction has ended; work after a call, and links, go on.
_OF_A_CALL = (
    events.SeatOpened,
    events.SeatQueued,
    events.SeatRanked,
    events.SeatMoved,
    events.PositionAnnounced,
    events.FlowWaits,
    events.OfferMade,
)
