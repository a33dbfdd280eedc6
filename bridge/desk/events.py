"""What happened: journaled before anybody sees it; replayed, the events give the state back."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.desk.expert import Presence
from bridge.desk.offer import OfferState
from bridge.desk.participant import MediaType, ParticipantRole, ParticipantState
from bridge.desk.seat import SeatState
from bridge.ids import InteractionId, LegId, OfferId, ParticipantId, RoomId, SeatId, UserId


@dataclass(frozen=True)
class InteractionOpened:
    at: float
    interaction_id: InteractionId
    room_id: RoomId
    caller: str
    called: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class InteractionEnded:
    at: float
    interaction_id: InteractionId
    reason: str
    by: str


@dataclass(frozen=True)
class AttributesSet:
    """`attributes` are the changed ones only."""

    at: float
    interaction_id: InteractionId
    attributes: Mapping[str, str]
    by: str


@dataclass(frozen=True)
class ParticipantAdded:
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    role: ParticipantRole
    type: MediaType
    user_id: UserId | None
    name: str
    address: str
    by: str


@dataclass(frozen=True)
class ParticipantMoved:
    """A participant took a transition of its table. `connect_by` is the deadline for missing media."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    state: ParticipantState
    reason: str
    by: str
    connect_by: float | None = None


@dataclass(frozen=True)
class ParticipantMuted:
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str


@dataclass(frozen=True)
class ParticipantUnmuted:
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str


@dataclass(frozen=True)
class RemoteHoldChanged:
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    held: bool


@dataclass(frozen=True)
class VideoChanged:
    """The participant began or ceased to send video."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    sends_video: bool


@dataclass(frozen=True)
class LegAttached:
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId


@dataclass(frozen=True)
class LegDetached:
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    reason: str


@dataclass(frozen=True)
class SeatOpened:
    at: float
    interaction_id: InteractionId
    seat_id: SeatId
    role: ParticipantRole
    type: MediaType
    user_id: UserId | None
    participant_id: ParticipantId | None
    by: str


@dataclass(frozen=True)
class SeatMoved:
    """`declined_by` is who turned it down when it returned to open."""

    at: float
    interaction_id: InteractionId
    seat_id: SeatId
    state: SeatState
    reason: str = ""
    participant_id: ParticipantId | None = None
    declined_by: UserId | None = None


@dataclass(frozen=True)
class OfferMade:
    at: float
    interaction_id: InteractionId
    offer_id: OfferId
    seat_id: SeatId
    user_id: UserId
    expires_at: float


@dataclass(frozen=True)
class OfferEnded:
    at: float
    interaction_id: InteractionId
    offer_id: OfferId
    state: OfferState
    reason: str


@dataclass(frozen=True)
class PresenceChanged:
    at: float
    user_id: UserId
    name: str
    role: ParticipantRole
    presence: Presence
    reason: str


@dataclass(frozen=True)
class DesktopLost:
    """The user's last connection closed; the grace period runs."""

    at: float
    user_id: UserId


@dataclass(frozen=True)
class DesktopReturned:
    at: float
    user_id: UserId


InteractionEvent = (
    InteractionOpened
    | InteractionEnded
    | AttributesSet
    | ParticipantAdded
    | ParticipantMoved
    | ParticipantMuted
    | ParticipantUnmuted
    | RemoteHoldChanged
    | VideoChanged
    | LegAttached
    | LegDetached
    | SeatOpened
    | SeatMoved
    | OfferMade
    | OfferEnded
)
UserEvent = PresenceChanged | DesktopLost | DesktopReturned
DeskEvent = InteractionEvent | UserEvent
