"""Tells desktops what was committed: each what it may see, in the order of the journal."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import get_args

from msgspec.structs import replace

from bridge.desk import events
from bridge.desk.desk import Desk
from bridge.desk.events import AccountEvent, DeskEvent, InteractionEvent, QueueEvent, UserEvent
from bridge.desk.interaction.interaction import Interaction
from bridge.ids import InteractionId, OfferId, UserId
from bridge.switchboard.door.changes import Changes
from bridge.switchboard.door.doors import Audience, DesktopDoor
from bridge.switchboard.door.entitlement import account_view
from bridge.switchboard.door.principal import (
    INTERACTION_ALL,
    INTERACTION_READ,
    INTERACTION_SUPERVISE,
    USER_READ,
)
from bridge.switchboard.ledger.ledger import Committed
from bridge.switchboard.view.event import (
    AccountUpdated,
    DesktopEvent,
    InteractionUpdated,
    OfferEnded,
    OfferMade,
    OfferUpdated,
    PositionAnnounced,
    QueueDepthExceeded,
    UserUpdated,
)
from bridge.switchboard.view.portrait import Portraits, change_of, customer_capabilities
from bridge.switchboard.view.view import OfferView, UserView

_ABOUT_NO_INTERACTION = frozenset({*get_args(UserEvent), *get_args(QueueEvent)})
_CHANGE_WHAT_RINGS = frozenset(
    {events.OfferMade, events.OfferEnded, events.AttributesSet, events.CapabilitiesChanged}
)
# What more is told of than that something changed in the interaction.
_TOLD_APART = _ABOUT_NO_INTERACTION | {events.OfferMade, events.OfferEnded, events.PositionAnnounced}


class Announcer:
    """Keeps what desktops were told last of live offers and of users, to tell the end and the changes.

    What a step means to desktops is put into words before its commit (`compose`), so that a webhook's copy
    can be a row of that commit, and told after it (`announce`).
    """

    __slots__ = ("_composed", "_door", "_inside", "_newest", "_offers", "_portraits", "_users")

    def __init__(self, portraits: Portraits) -> None:
        self._portraits = portraits
        self._door: DesktopDoor | None = None
        self._offers: dict[InteractionId, dict[OfferId, OfferMade]] = {}
        self._users: dict[UserId, UserView] = {}
        self._inside: dict[InteractionId, frozenset[UserId]] = {}
        self._composed: deque[Sequence[tuple[DesktopEvent, Audience]]] = deque()
        self._newest = 0  # the number told last

    def attach(self, door: DesktopDoor) -> None:
        self._door = door

    def restore(self, desk: Desk) -> None:
        """What desktops were told by the process before, so that ends and changes can be told now."""
        for interaction in desk.live_interactions():
            self._audience(interaction)
        for offer in desk.offers():
            id_, at = offer.interaction_id, offer.offered_at
            made = events.OfferMade(at, id_, offer.offer_id, offer.seat_id, offer.user_id, offer.expires_at)
            # Its number is of the process before; a restart ends offers, so nobody hears this one again.
            view = self._offer_view(made, desk.interaction(id_))
            self._offers.setdefault(id_, {})[offer.offer_id] = OfferMade(0, id_, view)

    def tell(self, event: DesktopEvent, audience: Audience) -> None:
        if self._door is not None:
            self._door.on_events(((event, audience),))

    def tell_connection(self, event: DesktopEvent, connection_id: str) -> None:
        """Nobody while it is "": the connection is gone, and no other has come in its place."""
        if connection_id:
            self.tell(event, Audience(connections=frozenset({connection_id})))

    def tell_inside(self, event: DesktopEvent, interaction_id: InteractionId) -> None:
        """To the users in the interaction and those who watch all."""
        self.tell(event, Audience(self._inside.get(interaction_id, frozenset()), scope=INTERACTION_ALL))

    def repeat_offers(self, user_id: UserId, connection_id: str) -> None:
        """Rings on at a new connection: what rang at another may not have been heard.

        By the newest number: numbers grow at each desktop, and whoever resumes is told all that follow.
        """
        for ringing in self._offers.values():
            for made in ringing.values():
                if made.offer.user_id == user_id:
                    again = replace(made, number=max(made.number, self._newest))
                    self.tell_connection(again, connection_id)

    def announce(self) -> None:
        """Tells what was composed longest ago: commits come in the order of the steps."""
        told = self._composed.popleft()
        if not told:
            return
        if isinstance(told, Changes):
            self._newest = told.numbers[-1]
        else:
            self._newest = getattr(told[-1][0], "number", self._newest)
        if self._door is not None:
            self._door.on_events(told)

    def compose(self, committed: Committed) -> Sequence[tuple[DesktopEvent, Audience]]:
        """Everything about one step."""
        self._composed.append(())  # something to take, even if what follows fails
        composed: Sequence[tuple[DesktopEvent, Audience]]
        composed = self._changes(committed) or tuple(self._told(committed))
        self._composed[-1] = composed
        return composed

    def _changes(self, committed: Committed) -> Changes | None:
        """Of the steps that are nothing more: one interaction, which rings nowhere, and no user changed by it."""
        if len(committed.interactions) != 1 or committed.experts:
            return None
        (interaction,) = committed.interactions.values()
        rings = interaction.interaction_id in self._offers
        if rings or not _TOLD_APART.isdisjoint(map(type, committed.events)):
            return None
        audience, sketch = self._audience(interaction), self._portraits.sketch(interaction)
        return Changes(committed.numbers, committed.events, audience, sketch)

    def _told(self, committed: Committed) -> Iterator[tuple[DesktopEvent, Audience]]:
        audiences = {id_: self._audience(i) for id_, i in committed.interactions.items()}
        # Each event of the step shows the state after it: one sketch does for all.
        sketches = {id_: self._portraits.sketch(i) for id_, i in committed.interactions.items()}
        for number, event in zip(committed.numbers, committed.events, strict=True):
            kind = type(event)
            if kind in _ABOUT_NO_INTERACTION:
                yield from self._aside_told(number, event, committed)
                continue
            about: InteractionEvent = event  # type: ignore[assignment]
            id_ = about.interaction_id
            if kind in _CHANGE_WHAT_RINGS:
                yield from self._offer_told(number, about, committed.interactions[id_])
            elif isinstance(about, events.PositionAnnounced):
                yield _position_told(number, about), audiences[id_]
            participant_id = getattr(about, "participant_id", None)
            change = InteractionUpdated(number, id_, change_of(kind), participant_id, sketches[id_])
            yield change, audiences[id_]
        yield from self._users_told(committed)

    def _aside_told(
        self, number: int, event: DeskEvent, committed: Committed
    ) -> Iterator[tuple[DesktopEvent, Audience]]:
        """Of users nothing is told event by event."""
        if isinstance(event, AccountEvent):
            account = account_view(committed.registrations[event.user_id])
            yield AccountUpdated(number, account), Audience(frozenset({event.user_id}), scope=USER_READ)
        elif isinstance(event, events.QueueDepthExceeded):
            told = QueueDepthExceeded(number, event.queue_id, event.depth, event.threshold)
            yield told, Audience(scope=INTERACTION_READ)

    def _audience(self, interaction: Interaction) -> Audience:
        """Who was inside before the step or is after it: who just left learns that, and nothing later."""
        id_ = interaction.interaction_id
        before = self._inside.get(id_, frozenset())
        after = frozenset(p.user_id for p in interaction.staff() if p.user_id is not None)
        if interaction.ended_at is None:
            self._inside[id_] = after
        else:
            self._inside.pop(id_, None)
        return Audience(before | after, scope=INTERACTION_SUPERVISE)

    def _offer_told(
        self, number: int, event: InteractionEvent, interaction: Interaction
    ) -> Iterator[tuple[DesktopEvent, Audience]]:
        id_ = interaction.interaction_id
        ringing = self._offers.get(id_, {})
        if isinstance(event, events.OfferMade):
            made = OfferMade(number, id_, self._offer_view(event, interaction))
            self._offers.setdefault(id_, {})[event.offer_id] = made
            yield made, Audience(frozenset({event.user_id}))
        elif not isinstance(event, events.OfferEnded):
            yield from self._ringing_told(number, interaction, ringing)
        elif event.offer_id in ringing:
            view = replace(ringing.pop(event.offer_id).offer, state=event.state)
            if not ringing:
                del self._offers[id_]
            yield OfferEnded(number, id_, view, event.reason), Audience(frozenset({view.user_id}))

    def _ringing_told(
        self, number: int, interaction: Interaction, ringing: dict[OfferId, OfferMade]
    ) -> Iterator[tuple[DesktopEvent, Audience]]:
        """Whoever it rings for reads what is true now, before answering."""
        for offer_id, made in ringing.items():
            was = made.offer
            customer = customer_capabilities(interaction)
            view = replace(was, attributes=interaction.attributes, customer=customer)
            if view != was:
                ringing[offer_id] = replace(made, offer=view)
                updated = OfferUpdated(number, interaction.interaction_id, view)
                yield updated, Audience(frozenset({view.user_id}))

    def _offer_view(self, event: events.OfferMade, interaction: Interaction) -> OfferView:
        seat = interaction.seat(event.seat_id)
        return OfferView(
            offer_id=event.offer_id,
            interaction_id=event.interaction_id,
            participant_id=seat.participant_id,
            user_id=event.user_id,
            role=seat.role,
            type=seat.type,
            state="pending",
            caller=interaction.caller,
            attributes=interaction.attributes,
            offered_at=self._portraits.wall(event.at),
            expires_at=self._portraits.wall(event.expires_at),
            queue_id=seat.queue_id,
            downgrade_reason=seat.downgrade_reason,
            callback=interaction.live_callback is not None,
            customer=customer_capabilities(interaction),
        )

    def _users_told(self, committed: Committed) -> Iterator[tuple[DesktopEvent, Audience]]:
        for user_id, expert in committed.experts.items():
            view = self._portraits.user(
                expert, busy=user_id in committed.busy, wrapping_up=user_id in committed.wrapping_up
            )
            if self._users.get(user_id) != view:
                self._users[user_id] = view
                yield UserUpdated(committed.numbers[-1], view), Audience(scope=INTERACTION_READ)


def _position_told(number: int, event: events.PositionAnnounced) -> PositionAnnounced:
    return PositionAnnounced(
        number, event.interaction_id, event.participant_id, event.queue_id, event.position, event.wait_s
    )
