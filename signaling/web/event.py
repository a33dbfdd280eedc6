"""What the bridge says on the websocket: replies, events and the views inside them, as types."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from bridge.switchboard import event as inner
from signaling.web.messages import WireModel


class Participant(WireModel):
    """One party of an interaction. `user_id` is null for a customer."""

    participant_id: str
    role: str
    type: str
    state: str
    user_id: str | None
    name: str
    address: str
    muted: bool
    held_by_remote: bool
    sends_video: bool
    leg_ids: tuple[str, ...]
    joined_at: datetime
    disconnect_reason: str
    disconnected_by: str


class Interaction(WireModel):
    """The whole interaction as it stands; each event carries it, so a client never has to add up changes."""

    interaction_id: str
    state: str
    caller: str
    called: str
    attributes: dict[str, str]
    participants: tuple[Participant, ...]
    escalation_in_progress: bool
    created_at: datetime
    waiting_since: datetime | None
    ended_at: datetime | None
    end_reason: str
    ended_by: str
    version: int


class Offer(WireModel):
    """What one sees before answering. `participant_id` is null while it comes from the waiting list."""

    offer_id: str
    interaction_id: str
    participant_id: str | None
    user_id: str
    role: str
    type: str
    state: str
    caller: str
    attributes: dict[str, str]
    offered_at: datetime
    expires_at: datetime


class User(WireModel):
    """A user who showed up since the bridge knows of users."""

    user_id: str
    name: str
    role: str
    presence: str
    busy: bool
    since: datetime


class TimelineEntry(WireModel):
    number: int
    at: datetime
    event: str
    facts: dict[str, str]


# --- replies ----------------------------------------------------------------------------------------------


class Authenticated(WireModel):
    """Result of `authenticate`. Without a fresh token the connection is closed at `expires_at`."""

    user_id: str
    name: str
    scopes: tuple[str, ...]
    connection_id: str
    expires_at: datetime


class InteractionResult(WireModel):
    interaction: Interaction


class InteractionsResult(WireModel):
    interactions: tuple[Interaction, ...]


class ParticipantResult(WireModel):
    participant: Participant


class TimelineResult(WireModel):
    timeline: tuple[TimelineEntry, ...]


class UserResult(WireModel):
    user: User


class UsersResult(WireModel):
    users: tuple[User, ...]


class MediaResult(WireModel):
    """The leg that was made or changed, and the SDP answer."""

    leg_id: str
    sdp: str


Result = (
    Authenticated
    | InteractionResult
    | InteractionsResult
    | ParticipantResult
    | TimelineResult
    | UserResult
    | UsersResult
    | MediaResult
)


class Trouble(WireModel):
    """Why a command changed nothing. `participant_id` names who is in the way of a `conflict`."""

    code: str
    reason: str
    participant_id: str | None = None


class Reply(WireModel):
    """Exactly one for each command. `id` is null when the message was too broken to have one."""

    id: int | None
    ok: bool
    result: Result | None = None
    error: Trouble | None = None


# --- events -----------------------------------------------------------------------------------------------


class InteractionUpdated(WireModel):
    event: Literal["interactionUpdated"] = "interactionUpdated"
    number: int
    interaction_id: str
    change: str
    participant_id: str | None
    interaction: Interaction


class OfferMade(WireModel):
    event: Literal["offerMade"] = "offerMade"
    number: int
    interaction_id: str
    offer: Offer


class OfferEnded(WireModel):
    event: Literal["offerEnded"] = "offerEnded"
    number: int
    interaction_id: str
    offer: Offer
    reason: str


class UserUpdated(WireModel):
    event: Literal["userUpdated"] = "userUpdated"
    number: int
    user: User


class MediaOffered(WireModel):
    event: Literal["mediaOffered"] = "mediaOffered"
    interaction_id: str
    leg_id: str
    sdp: str


class MediaConnected(WireModel):
    event: Literal["mediaConnected"] = "mediaConnected"
    interaction_id: str
    participant_id: str
    leg_id: str


class MediaEnded(WireModel):
    event: Literal["mediaEnded"] = "mediaEnded"
    interaction_id: str
    participant_id: str
    leg_id: str
    code: str
    reason: str
    rejoin: bool


class VideoPathChosen(WireModel):
    event: Literal["videoPathChosen"] = "videoPathChosen"
    interaction_id: str
    leg_id: str
    mid: str
    path: str
    reason: str


class DigitReceived(WireModel):
    event: Literal["digitReceived"] = "digitReceived"
    interaction_id: str
    participant_id: str
    digit: str
    duration_ms: int


class PromptEnded(WireModel):
    event: Literal["promptEnded"] = "promptEnded"
    interaction_id: str
    participant_id: str | None
    prompt: str
    error: str


class AuthenticatedByHeader(WireModel):
    """First message to a client whose handshake carried `Authorization: Bearer`."""

    event: Literal["authenticated"] = "authenticated"
    identity: Authenticated


class TokenExpiring(WireModel):
    """Send `authenticate` with a fresh token of the same user before `expires_at`."""

    event: Literal["tokenExpiring"] = "tokenExpiring"
    expires_at: datetime


Event = Annotated[
    InteractionUpdated
    | OfferMade
    | OfferEnded
    | UserUpdated
    | MediaOffered
    | MediaConnected
    | MediaEnded
    | VideoPathChosen
    | DigitReceived
    | PromptEnded
    | AuthenticatedByHeader
    | TokenExpiring,
    Field(discriminator="event"),
]


def serialize(message: Reply | Event) -> str:
    """The text as it goes out. In a reply, what does not apply is left out rather than null."""
    if isinstance(message, Reply):
        return message.model_dump_json(by_alias=True, exclude_unset=True)
    return message.model_dump_json(by_alias=True)


# The switchboard's events and ours have the same fields, so that each is read off attribute by attribute.
_WIRE_EVENTS: dict[type[inner.DesktopEvent], type[WireModel]] = {
    inner.InteractionUpdated: InteractionUpdated,
    inner.OfferMade: OfferMade,
    inner.OfferEnded: OfferEnded,
    inner.UserUpdated: UserUpdated,
    inner.MediaOffered: MediaOffered,
    inner.MediaConnected: MediaConnected,
    inner.MediaEnded: MediaEnded,
    inner.VideoPathChosen: VideoPathChosen,
    inner.DigitReceived: DigitReceived,
    inner.PromptEnded: PromptEnded,
}


def serialize_event(event: inner.DesktopEvent) -> str:
    """The text of an event of the switchboard."""
    wire = _WIRE_EVENTS[type(event)]
    return wire.model_validate(event, from_attributes=True).model_dump_json(by_alias=True)
