"""The events of the websocket, and the text of each message to a client."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from bridge.switchboard.view import event as inner
from signaling.web.protocol.account_message import AccountUpdated
from signaling.web.protocol.reply import (
    Authenticated,
    Reply,
)
from signaling.web.protocol.wire import WireModel
from signaling.web.protocol.wire_view import (
    Diagnosis,
    Interaction,
    Offer,
    Trunk,
    User,
)


class InteractionChange(WireModel):
    """`interactionUpdated` without the state: what differs between the events of one step."""

    event: Literal["interactionUpdated"] = "interactionUpdated"
    number: int
    interaction_id: str
    change: str
    participant_id: str | None


class InteractionUpdated(InteractionChange):
    interaction: Interaction


class OfferMade(WireModel):
    event: Literal["offerMade"] = "offerMade"
    number: int
    interaction_id: str
    offer: Offer


class OfferUpdated(WireModel):
    event: Literal["offerUpdated"] = "offerUpdated"
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


class LegDiagnosed(WireModel):
    """Why a leg is silent or black, as it stands now; no `diagnoses`: it is well again."""

    event: Literal["legDiagnosed"] = "legDiagnosed"
    interaction_id: str
    participant_id: str
    leg_id: str
    diagnoses: tuple[Diagnosis, ...]


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


class QueueDepthExceeded(WireModel):
    event: Literal["queueDepthExceeded"] = "queueDepthExceeded"
    number: int
    queue_id: str
    depth: int
    threshold: int


class TrunkUpdated(WireModel):
    event: Literal["trunkUpdated"] = "trunkUpdated"
    trunk: Trunk
    reason: str


class PositionAnnounced(WireModel):
    event: Literal["positionAnnounced"] = "positionAnnounced"
    number: int
    interaction_id: str
    participant_id: str
    queue_id: str
    position: int
    wait_s: float | None


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
    | OfferUpdated
    | OfferEnded
    | UserUpdated
    | AccountUpdated
    | MediaOffered
    | MediaConnected
    | MediaEnded
    | VideoPathChosen
    | LegDiagnosed
    | DigitReceived
    | PromptEnded
    | QueueDepthExceeded
    | PositionAnnounced
    | TrunkUpdated
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
    inner.OfferUpdated: OfferUpdated,
    inner.OfferEnded: OfferEnded,
    inner.UserUpdated: UserUpdated,
    inner.AccountUpdated: AccountUpdated,
    inner.MediaOffered: MediaOffered,
    inner.MediaConnected: MediaConnected,
    inner.MediaEnded: MediaEnded,
    inner.VideoPathChosen: VideoPathChosen,
    inner.LegDiagnosed: LegDiagnosed,
    inner.DigitReceived: DigitReceived,
    inner.PromptEnded: PromptEnded,
    inner.QueueDepthExceeded: QueueDepthExceeded,
    inner.PositionAnnounced: PositionAnnounced,
    inner.TrunkUpdated: TrunkUpdated,
}


_NAMES: dict[type[inner.DesktopEvent], str] = {
    inner_type: wire.model_fields["event"].default for inner_type, wire in _WIRE_EVENTS.items()
}


def event_name(event: inner.DesktopEvent) -> str:
    """What `event` says on the wire."""
    return _NAMES[type(event)]


def serialize_event(event: inner.DesktopEvent, part: int | None = None) -> str:
    """The text of an event of the switchboard; `part` tells those with one number apart."""
    wire = _WIRE_EVENTS[type(event)]
    text = wire.model_validate(event, from_attributes=True).model_dump_json(by_alias=True)
    return text if part is None else f'{text[:-1]},"part":{part}}}'
