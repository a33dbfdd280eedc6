"""From a command to its effects: one desk step, the journal, and only then what others get to see."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import msgspec

from bridge.clock import Clock
from bridge.desk import events
from bridge.desk.centre.account import Registration
from bridge.desk.centre.expert import Expert
from bridge.desk.commands import DeskCommand, ExpireDeadlines
from bridge.desk.desk import Desk
from bridge.desk.events import DeskEvent
from bridge.desk.interaction.interaction import Interaction
from bridge.errors import ParseError
from bridge.ids import InteractionId, UserId
from bridge.journal.journal import Journal
from bridge.journal.record import interaction_of
from bridge.journal.schema import Write
from bridge.switchboard.door.receipt import current_receipt

# Of every event of a call it is asked whom it concerns: a set says so at once, type after type does not.
_ABOUT_AN_ACCOUNT = frozenset(get_args(events.AccountEvent))
_ABOUT_A_PARTICIPANT = frozenset(
    {events.ParticipantAdded, events.ParticipantMoved, events.ParticipantAssigned}
)
_ABOUT_A_USER = frozenset(
    {
        events.OfferMade,
        events.PresenceChanged,
        events.DesktopLost,
        events.DesktopReturned,
        events.ReadinessChanged,
        events.ProfileSet,
    }
)
_ABOUT_SOMEBODY = _ABOUT_A_PARTICIPANT | _ABOUT_A_USER | {events.OfferEnded}
_encode = msgspec.json.Encoder().encode


class Committed(msgspec.Struct, frozen=True):
    """The events of one step, durable. The snapshots are of the moment after the step."""

    numbers: tuple[int, ...]
    events: tuple[DeskEvent, ...]
    interactions: Mapping[InteractionId, Interaction]
    experts: Mapping[UserId, Expert]
    busy: frozenset[UserId]
    wrapping_up: frozenset[UserId] = frozenset()
    registrations: Mapping[UserId, Registration] = {}


class Ledger:
    """`begin` does the step at once; the future it returns is done when the step is on disk.

    `on_committed` is called in the order of the steps, before those futures are done. `on_numbered` is called
    before the commit, in the same order, and says what belongs into it besides the events.
    """

    __slots__ = ("_clock", "_desk", "_journal", "_on_committed", "_on_numbered", "_on_stepped")

    def __init__(
        self,
        desk: Desk,
        journal: Journal,
        clock: Clock,
        on_committed: Callable[[Committed], None],
        on_stepped: Callable[[], None],
        on_numbered: Callable[[Committed], Sequence[Write]],
    ) -> None:
        self._desk = desk
        self._journal = journal
        self._clock = clock
        self._on_committed = on_committed
        self._on_stepped = on_stepped
        self._on_numbered = on_numbered

    def begin(
        self, command: DeskCommand, beside: Sequence[Write] = ()
    ) -> tuple[tuple[DeskEvent, ...], "asyncio.Future[None] | None"]:
        """Raises what the desk raises; then nothing has changed. `beside` goes into the step's commit."""
        _require_writable(command)
        happened = self._desk.step(command, self._clock.now())
        self._on_stepped()
        receipt = current_receipt()
        answer = receipt.writes(changed=bool(happened)) if receipt is not None else ()
        if not happened:
            return (), self._journal.append((), _nothing, lambda _numbers: answer) if answer else None
        committed = self._snapshot(happened)
        durable = self._journal.append(
            happened,
            lambda numbers: self._on_committed(committed(numbers)),
            lambda numbers: (*self._on_numbered(committed(numbers)), *answer, *beside),
        )
        return happened, durable

    def timer(self) -> float | None:
        """The desk's next deadline."""
        return self._desk.timer()

    def handle_timer(self, now: float) -> None:
        at = self._desk.timer()
        if at is not None and at <= now:
            self.begin(ExpireDeadlines())

    async def carry_out(self, command: DeskCommand) -> tuple[DeskEvent, ...]:
        """Returns when the step is on disk; one that changed nothing, when what it saw is."""
        happened, durable = self.begin(command)
        await self.finish(durable)
        return happened

    async def finish(self, durable: "asyncio.Future[None] | None") -> None:
        """Waits for what `begin` returned. The step happens even if the waiter is cancelled."""
        if durable is None:
            await self._journal.settled()
        else:
            await asyncio.shield(durable)

    def _snapshot(self, happened: tuple[DeskEvent, ...]) -> Callable[[tuple[int, ...]], Committed]:
        desk = self._desk
        touched = dict.fromkeys(map(interaction_of, happened))
        interactions = {id_: desk.interaction(id_) for id_ in touched if id_ is not None}
        users = {self._user_of(event, interactions) for event in happened if type(event) in _ABOUT_SOMEBODY}
        experts = {
            user_id: expert
            for user_id in users
            if user_id is not None and (expert := desk.expert_or_none(user_id)) is not None
        }
        busy = frozenset(user_id for user_id in experts if desk.is_busy(user_id))
        wrapping_up = frozenset(user_id for user_id in experts if desk.is_wrapping_up(user_id))
        registrations = {
            event.user_id: desk.registration(event.user_id)
            for event in happened
            if type(event) in _ABOUT_AN_ACCOUNT and isinstance(event, events.AccountEvent)
        }
        return lambda numbers: Committed(
            numbers, happened, interactions, experts, busy, wrapping_up, registrations
        )

    def _user_of(self, event: Any, interactions: Mapping[InteractionId, Interaction]) -> UserId | None:
        """Whose view as a user may have changed."""
        kind = type(event)
        user_id: UserId | None = None
        if kind in _ABOUT_A_PARTICIPANT:
            user_id = interactions[event.interaction_id].participant(event.participant_id).user_id
        elif kind in _ABOUT_A_USER:
            user_id = event.user_id
        elif kind is events.OfferEnded:
            user_id = self._desk.rang_for(event.offer_id)
        return user_id


def _require_writable(command: DeskCommand) -> None:
    """Before the step: once it has happened, it must come into the journal. Raises ParseError."""
    try:
        _encode(command)
    except UnicodeEncodeError:
        raise ParseError("a text has half of a surrogate pair in it, which is no character") from None


def _nothing(_numbers: tuple[int, ...]) -> None:
    """A step without events has nobody to tell."""
