"""Tells desktops what was committed: each what it may see, in the order of the journal."""

from collections import deque
from collections.abc import Iterator

from msgspec.structs import replace

from bridge.desk import events
from bridge.desk.desk import Desk
from bridge.desk.events import AccountEvent, DeskEvent, QueueEvent, UserEvent
from bridge.desk.interaction import Interaction
from bridge.ids import InteractionId, OfferId, UserId
from bridge.switchboard.doors import Audience, DesktopDoor
from bridge.switchboard.entitlement import account_view
from bridge.switchboard.event import (
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
from bridge.switchboard.ledger import Committed
from bridge.switchboard.portrait import Portraits, change_name, customer_capabilities
from bridge.switchboard.principal import (
    INTERACTION_ALL,
    INTERACTION_READ,
    INTERACTION_SUPERVISE,
    USER_READ,
)
from bridge.switchboard.view import OfferView, UserView


class Announcer:
    """Keeps what desktops were told last of live offers and of users, to tell the end and the changes.

    What a step means to desktops is put into words before its commit (`compose`), so that a webhook's copy
    can be a row of that commit, and told after it (`announce`).
    """

    __slots__ = ("_composed", "_door", "_inside", "_newest", "_offers", "_portraits", "_users")

    def __init__(self, portraits: Portraits) -> None:
        self._portraits = portraits
        self._door: DesktopDoor | None = None
        self._offers: dict[OfferId, OfferMade] = {}
        self._users: dict[UserId, UserView] = {}
        self._inside: dict[InteractionId, frozenset[UserId]] = {}
        self._composed: deque[tuple[tuple[DesktopEvent, Audience], ...]] = deque()
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
            self._offers[offer.offer_id] = OfferMade(0, id_, self._offer_view(made, desk.interaction(id_)))

    def tell(self, event: DesktopEvent, audience: Audience) -> None:
        if self._door is not None:
            self._door.on_event(event, audience)

    def tell_connection(self, event: DesktopEvent, connection_id: str) -> None:
        self.tell(event, Audience(connections=frozenset({connection_id})))

    def tell_inside(self, event: DesktopEvent, interaction_id: InteractionId) -> None:
        """To the users in the interaction and those who watch all."""
        self.tell(event, Audience(self._inside.get(interaction_id, frozenset()), scope=INTERACTION_ALL))

    def repeat_offers(self, user_id: UserId, connection_id: str) -> None:
        """Rings on at a new connection: what rang at another may not have been heard.

        By the newest number: numbers grow at each desktop, and whoever resumes is told all that follow.
        """
        for made in self._offers.values():
            if made.offer.user_id == user_id:
                self.tell_connection(replace(made, number=max(made.number, self._newest)), connection_id)

    def announce(self) -> None:
        """Tells what was composed longest ago: commits come in the order of the steps."""
        for event, audience in self._composed.popleft():
            self._newest = getattr(event, "number", self._newest)
            self.tell(event, audience)

    def compose(self, committed: Committed) -> tuple[tuple[DesktopEvent, Audience], ...]:
        """Everything about one step."""
        self._composed.append(())  # something to take, even if what follows fails
        self._composed[-1] = composed = tuple(self._told(committed))
        return composed

    def _told(self, committed: Committed) -> Iterator[tuple[DesktopEvent, Audience]]:
        audiences = {id_: self._audience(i) for id_, i in committed.interactions.items()}
        # Each event of the step shows the state after it: one view does for all.
        views = {id_: self._portraits.interaction(i) for id_, i in committed.interactions.items()}
        for number, event in zip(committed.numbers, committed.events, strict=True):
            if isinstance(event, QueueEvent):
                yield from self._queue_told(number, event)
            if isinstance(event, AccountEvent):
                account = account_view(committed.registrations[event.user_id])
                told = AccountUpdated(number, account)
                yield told, Audience(frozenset({event.user_id}), scope=USER_READ)
            if isinstance(event, UserEvent | QueueEvent):
                continue
            interaction = committed.interactions[event.interaction_id]
            yield from self._offer_told(number, event, interaction)
            if isinstance(event, events.PositionAnnounced):
                yield _position_told(number, event), audiences[event.interaction_id]
            yield (
                InteractionUpdated(
                    number,
                    event.interaction_id,
                    change_name(event),
                    getattr(event, "participant_id", None),
                    views[event.interaction_id],
                ),
                audiences[event.interaction_id],
            )
        yield from self._users_told(committed)

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

    def _queue_told(self, number: int, event: QueueEvent) -> Iterator[tuple[DesktopEvent, Audience]]:
        if isinstance(event, events.QueueDepthExceeded):
            told = QueueDepthExceeded(number, event.queue_id, event.depth, event.threshold)
            yield told, Audience(scope=INTERACTION_READ)

    def _offer_told(
        self, number: int, event: DeskEvent, interaction: Interaction
    ) -> Iterator[tuple[DesktopEvent, Audience]]:
        if isinstance(event, events.OfferMade):
            made = OfferMade(number, event.interaction_id, self._offer_view(event, interaction))
            self._offers[event.offer_id] = made
            yield made, Audience(frozenset({event.user_id}))
        elif isinstance(event, events.OfferEnded) and event.offer_id in self._offers:
            view = replace(self._offers.pop(event.offer_id).offer, state=event.state)
            ended = OfferEnded(number, event.interaction_id, view, event.reason)
            yield ended, Audience(frozenset({view.user_id}))
        elif isinstance(event, events.AttributesSet | events.CapabilitiesChanged):
            yield from self._ringing_told(number, interaction)

    def _ringing_told(self, number: int, interaction: Interaction) -> Iterator[tuple[DesktopEvent, Audience]]:
        """Whoever it rings for reads what is true now, before answering."""
        for offer_id, made in self._offers.items():
            was = made.offer
            if was.interaction_id != interaction.interaction_id:
                continue
            customer = customer_capabilities(interaction)
            view = replace(was, attributes=interaction.attributes, customer=customer)
            if view != was:
                self._offers[offer_id] = replace(made, offer=view)
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
