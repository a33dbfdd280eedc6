"""The desk's state and the one way to change it: applying an event."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bridge.desk import events
from bridge.desk.expert import Expert, Presence
from bridge.desk.interaction import Interaction
from bridge.desk.offer import Offer
from bridge.desk.participant import Participant, ParticipantState
from bridge.desk.seat import Seat
from bridge.desk.snapshot import DeskSnapshot
from bridge.errors import NotFoundError
from bridge.ids import InteractionId, OfferId, UserId


class DeskState:
    """Interactions, experts and live offers.

    `interactions` holds the live ones and, up to `ended_kept`, those that ended last.
    """

    __slots__ = (
        "_ended",
        "_ended_kept",
        "_engaged",
        "experts",
        "forgotten",
        "interactions",
        "live",
        "offers",
        "seeking",
    )

    def __init__(self, ended_kept: int) -> None:
        self.interactions: dict[InteractionId, Interaction] = {}
        self.experts: dict[UserId, Expert] = {}
        self.offers: dict[OfferId, Offer] = {}
        # Indexes, kept where values are put: live interactions, those with a live seat, who is in which.
        self.live: dict[InteractionId, None] = {}
        self.seeking: dict[InteractionId, None] = {}
        self._engaged: dict[UserId, InteractionId] = {}
        self._ended: deque[InteractionId] = deque()
        self._ended_kept = ended_kept
        self.forgotten = 0

    def apply(self, event: events.DeskEvent) -> None:
        """Takes `event` for a fact. Used by each step, and by a restart that replays the journal."""
        _APPLY[type(event)](self, event)

    def interaction(self, interaction_id: InteractionId) -> Interaction:
        """Raises NotFoundError."""
        try:
            return self.interactions[interaction_id]
        except KeyError:
            raise NotFoundError(f"no interaction {interaction_id}") from None

    def expert(self, user_id: UserId) -> Expert:
        """Raises NotFoundError."""
        try:
            return self.experts[user_id]
        except KeyError:
            raise NotFoundError(f"no user {user_id} has connected yet") from None

    def offer_to(self, user_id: UserId) -> Offer | None:
        """The live offer to `user_id`; there is at most one."""
        return next((offer for offer in self.offers.values() if offer.user_id == user_id), None)

    def is_busy(self, user_id: UserId) -> bool:
        """Derived, never stored: a flag could stick."""
        return user_id in self._engaged or self.offer_to(user_id) is not None

    def engagement_of(self, user_id: UserId) -> InteractionId | None:
        """The interaction `user_id` takes part in; the desk lets nobody into two."""
        return self._engaged.get(user_id)

    def put(self, interaction: Interaction) -> None:
        """The place where an interaction is replaced by what it has become."""
        id_ = interaction.interaction_id
        was = self.interactions.get(id_)
        for participant in was.staff() if was else ():
            if participant.user_id is not None:
                self._engaged.pop(participant.user_id, None)
        for participant in interaction.staff():
            if participant.user_id is not None:
                self._engaged[participant.user_id] = id_
        self.interactions[id_] = interaction = replace(
            interaction, version=was.version + 1 if was else max(1, interaction.version)
        )
        if interaction.ended_at is None:
            self.live[id_] = None
        if interaction.seats:
            self.seeking[id_] = None
        else:
            self.seeking.pop(id_, None)

    def retire(self, interaction_id: InteractionId) -> None:
        """Keeps an ended interaction readable for a while; the oldest gives way."""
        del self.live[interaction_id]
        self._ended.append(interaction_id)
        if len(self._ended) > self._ended_kept:
            del self.interactions[self._ended.popleft()]
            self.forgotten += 1

    # --- over a restart -----------------------------------------------------------------------------------

    def snapshot(self) -> DeskSnapshot:
        """Cheap: the values never change, so only their containers are copied. Indexes are not in it."""
        return DeskSnapshot(
            interactions=tuple(self.interactions.values()),
            ended=tuple(self._ended),
            experts=tuple(self.experts.values()),
            offers=tuple(self.offers.values()),
            forgotten=self.forgotten,
        )

    def restore(self, snapshot: DeskSnapshot) -> None:
        """The counterpart of `snapshot`, in an empty state."""
        for interaction in snapshot.interactions:
            self.put(interaction)
        self._ended.extend(snapshot.ended)
        self.experts.update((expert.user_id, expert) for expert in snapshot.experts)
        self.offers.update((offer.offer_id, offer) for offer in snapshot.offers)
        self.forgotten = snapshot.forgotten


# --- one function per event -------------------------------------------------------------------------------


def _interaction_opened(state: DeskState, event: events.InteractionOpened) -> None:
    state.put(
        Interaction(
            event.interaction_id,
            event.room_id,
            event.caller,
            event.called,
            created_at=event.at,
            attributes=dict(event.attributes),
        )
    )


def _interaction_ended(state: DeskState, event: events.InteractionEnded) -> None:
    was = state.interactions[event.interaction_id]
    state.put(replace(was, ended_at=event.at, end_reason=event.reason, ended_by=event.by))
    state.retire(event.interaction_id)


def _attributes_set(state: DeskState, event: events.AttributesSet) -> None:
    was = state.interactions[event.interaction_id]
    state.put(replace(was, attributes={**was.attributes, **event.attributes}))


def _participant_added(state: DeskState, event: events.ParticipantAdded) -> None:
    participant = Participant(
        event.participant_id,
        event.role,
        event.type,
        joined_at=event.at,
        user_id=event.user_id,
        name=event.name,
        address=event.address,
    )
    state.put(state.interactions[event.interaction_id].with_participant(participant))


def _participant_moved(state: DeskState, event: events.ParticipantMoved) -> None:
    gone = event.state is ParticipantState.DISCONNECTED
    was = state.interactions[event.interaction_id].participant(event.participant_id)
    _put_participant(
        state,
        event,
        state=event.state,
        connect_by=event.connect_by,
        disconnect_reason=event.reason if gone else "",
        disconnected_by=event.by if gone else "",
    )
    # Idle begins when work ends; an offer that merely rang was no work.
    if gone and was.is_present and was.user_id in state.experts:
        expert = state.experts[was.user_id]
        state.experts[was.user_id] = replace(expert, idle_since=event.at)


def _participant_muted(state: DeskState, event: events.ParticipantMuted) -> None:
    _put_participant(state, event, muted=True)


def _participant_unmuted(state: DeskState, event: events.ParticipantUnmuted) -> None:
    _put_participant(state, event, muted=False)


def _remote_hold_changed(state: DeskState, event: events.RemoteHoldChanged) -> None:
    _put_participant(state, event, held_by_remote=event.held)


def _video_changed(state: DeskState, event: events.VideoChanged) -> None:
    _put_participant(state, event, sends_video=event.sends_video)


def _leg_attached(state: DeskState, event: events.LegAttached) -> None:
    was = state.interactions[event.interaction_id].participant(event.participant_id)
    _put_participant(state, event, leg_ids=(*was.leg_ids, event.leg_id))


def _leg_detached(state: DeskState, event: events.LegDetached) -> None:
    was = state.interactions[event.interaction_id].participant(event.participant_id)
    _put_participant(state, event, leg_ids=tuple(leg for leg in was.leg_ids if leg != event.leg_id))


def _put_participant(state: DeskState, event: Any, /, **changes: Any) -> None:
    interaction = state.interactions[event.interaction_id]
    was = interaction.participant(event.participant_id)
    state.put(interaction.with_participant(replace(was, **changes)))


def _seat_opened(state: DeskState, event: events.SeatOpened) -> None:
    seat = Seat(
        event.seat_id,
        event.role,
        event.type,
        opened_at=event.at,
        opened_by=event.by,
        user_id=event.user_id,
        participant_id=event.participant_id,
    )
    state.put(state.interactions[event.interaction_id].with_seat(seat))


def _seat_moved(state: DeskState, event: events.SeatMoved) -> None:
    interaction = state.interactions[event.interaction_id]
    seat = replace(interaction.seat(event.seat_id), state=event.state, participant_id=event.participant_id)
    if event.declined_by is not None:
        others = tuple(entry for entry in seat.declined if entry[0] != event.declined_by)
        seat = replace(seat, declined=(*others, (event.declined_by, event.at)))
    state.put(interaction.with_seat(seat))


def _offer_made(state: DeskState, event: events.OfferMade) -> None:
    state.offers[event.offer_id] = Offer(
        event.offer_id,
        event.interaction_id,
        event.seat_id,
        event.user_id,
        offered_at=event.at,
        expires_at=event.expires_at,
    )


def _offer_ended(state: DeskState, event: events.OfferEnded) -> None:
    del state.offers[event.offer_id]


def _presence_changed(state: DeskState, event: events.PresenceChanged) -> None:
    was = state.experts.get(event.user_id)
    if was is None:
        was = Expert(event.user_id, event.name, event.role, since=event.at, idle_since=event.at)
    # Who comes back from a break starts a new wait, who repeats "ready" keeps the old one.
    started = event.presence is Presence.READY and was.presence is not Presence.READY
    state.experts[event.user_id] = replace(
        was,
        name=event.name,
        role=event.role,
        presence=event.presence,
        since=was.since if event.presence is was.presence else event.at,
        idle_since=event.at if started else was.idle_since,
        lost_at=None if event.presence is Presence.OFFLINE else was.lost_at,
    )


def _desktop_lost(state: DeskState, event: events.DesktopLost) -> None:
    state.experts[event.user_id] = replace(state.experts[event.user_id], lost_at=event.at)


def _desktop_returned(state: DeskState, event: events.DesktopReturned) -> None:
    state.experts[event.user_id] = replace(state.experts[event.user_id], lost_at=None)


# The annotation is wide because each function takes its own event; the keys keep them apart.
_APPLY: dict[type, Callable[[DeskState, Any], None]] = {
    events.InteractionOpened: _interaction_opened,
    events.InteractionEnded: _interaction_ended,
    events.AttributesSet: _attributes_set,
    events.ParticipantAdded: _participant_added,
    events.ParticipantMoved: _participant_moved,
    events.ParticipantMuted: _participant_muted,
    events.ParticipantUnmuted: _participant_unmuted,
    events.RemoteHoldChanged: _remote_hold_changed,
    events.VideoChanged: _video_changed,
    events.LegAttached: _leg_attached,
    events.LegDetached: _leg_detached,
    events.SeatOpened: _seat_opened,
    events.SeatMoved: _seat_moved,
    events.OfferMade: _offer_made,
    events.OfferEnded: _offer_ended,
    events.PresenceChanged: _presence_changed,
    events.DesktopLost: _desktop_lost,
    events.DesktopReturned: _desktop_returned,
}
