"""What the bridge says on the websocket: replies, events and the views inside them, as types."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from bridge.switchboard import event as inner
from signaling.web.account_message import AccountResult, AccountsResult, AccountUpdated
from signaling.web.flow_message import FlowRun, FlowRunResult, FlowsResult
from signaling.web.notice_message import DeadNotificationsResult
from signaling.web.webhook_message import (
    DeadLettersResult,
    NewWebhookResult,
    WebhookResult,
    WebhooksResult,
)
from signaling.web.wire import WireModel


class QueuePlace(WireModel):
    """Where the customer, or the wish for one more participant (`escalation`), waits."""

    queue_id: str
    escalation: bool
    type: str
    state: str
    since: datetime
    downgrade_reason: str


class Callback(WireModel):
    """A callback of an interaction, live or over."""

    callback_id: str
    interaction_id: str
    queue_id: str
    number: str
    state: str
    attempts: int
    not_before: datetime | None
    requested_at: datetime
    requested_by: str
    failure: str


class Queue(WireModel):
    """A queue and its figures: counts since the journal began, seconds where the name says so."""

    queue_id: str
    name: str
    role: str
    skills: dict[str, int]
    skill_match: str
    video_enabled: bool
    strategy: str
    max_depth: int | None
    timeout_s: float | None
    wrap_up_s: float
    wrap_up_codes: tuple[str, ...]
    answer_target_s: float
    waiting: int
    longest_wait_s: float
    entered: int
    offered: int
    answered: int
    answered_in_target: int
    abandoned: int
    overflowed: int
    average_handle_s: float | None
    average_wrap_up_s: float | None


class Ability(WireModel):
    """One medium. `send` is endpoint to bridge."""

    send: bool
    receive: bool


class Capabilities(WireModel):
    """What a participant can now, with all legs together.

    `no_video` says why there is no picture of it, `not_shown` why it is shown none of those there are; or "".
    """

    audio: Ability
    video: Ability
    screen: Ability
    no_video: str
    not_shown: str


class Diagnosis(WireModel):
    """Why one medium of a leg is silent or black, one way: `code` for programs, `text` for people."""

    leg_id: str
    medium: str
    direction: str
    code: str
    text: str


class Signal(WireModel):
    """One SIP message of a leg's call, as it passed. `text` is the message without keys, digits and credentials."""

    at: datetime
    leg_id: str
    received: bool
    transport: str
    remote: str
    summary: str
    text: str


class Supervision(WireModel):
    """How a supervisor listens in. `coached_id` hears a whisper."""

    mode: str
    coached_id: str | None


class Transfer(WireModel):
    """The transfer under way. At `expires_at` all is as before, if nothing is decided."""

    kind: str
    state: str
    initiator_id: str
    target_id: str
    held: tuple[str, ...]
    started_at: datetime
    expires_at: datetime


class CompanionLink(WireModel):
    """For whoever sends it to the customer. The token stands behind the # of the address."""

    link_id: str
    interaction_id: str
    participant_id: str
    url: str
    token: str
    expires_at: datetime


class Participant(WireModel):
    """One party of an interaction. `user_id` is null for a customer, and while one is sought in a queue."""

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
    queue_id: str | None
    downgrade_reason: str
    wrap_up_by: datetime | None
    wrap_up_code: str
    wrap_up_note: str
    capabilities: Capabilities
    supervision: Supervision | None
    companion: str
    diagnoses: tuple[Diagnosis, ...]


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
    waits_in: tuple[QueuePlace, ...]
    callback: Callback | None
    transfer: Transfer | None
    flows: tuple[FlowRun, ...]
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
    queue_id: str | None
    downgrade_reason: str
    callback: bool
    customer: Capabilities


class User(WireModel):
    """A user who showed up since the bridge knows of users."""

    user_id: str
    name: str
    role: str
    presence: str
    busy: bool
    since: datetime
    status: str
    proved: bool
    fault: str


class TimelineEntry(WireModel):
    number: int
    at: datetime
    event: str
    facts: dict[str, str]


# --- replies ----------------------------------------------------------------------------------------------


class Authenticated(WireModel):
    """Result of `authenticate`. Without a fresh token the connection is closed at `expires_at`.

    `resumed` answers `resume`: true when what was missed follows, false when it cannot be told any more. Without
    a wish to resume, `number` and `part` are where the events of this connection begin.
    """

    user_id: str
    name: str
    scopes: tuple[str, ...]
    connection_id: str
    expires_at: datetime
    boot_id: str
    number: int
    part: int
    resumed: bool = False


class InteractionResult(WireModel):
    interaction: Interaction


class InteractionsResult(WireModel):
    """`next_cursor` is null on the last page."""

    interactions: tuple[Interaction, ...]
    next_cursor: str | None


class CompanionLinkResult(WireModel):
    link: CompanionLink


class CompanionJoined(WireModel):
    """Result of `joinCompanion`. `offerMedia` for this interaction is next: video only."""

    interaction_id: str
    participant_id: str
    connection_id: str
    expires_at: datetime


class ParticipantResult(WireModel):
    participant: Participant


class TimelineResult(WireModel):
    timeline: tuple[TimelineEntry, ...]


class TraceResult(WireModel):
    """Oldest first. Empty when the bridge has forgotten the calls, or was started since."""

    signals: tuple[Signal, ...]


class UserResult(WireModel):
    user: User


class PromptsResult(WireModel):
    prompts: tuple[str, ...]


class Trunk(WireModel):
    """`state`: up, down or unknown (nobody asks it). `maxCalls` 0 is no bound of its own."""

    trunk_id: str
    name: str
    target: str
    state: str
    calls: int
    max_calls: int
    priority: int


class TrunksResult(WireModel):
    trunks: tuple[Trunk, ...]


class UsersResult(WireModel):
    users: tuple[User, ...]


class MediaResult(WireModel):
    """The leg that was made or changed, and the SDP answer."""

    leg_id: str
    sdp: str


class MediaProbeResult(WireModel):
    """A peer at the media port that answers connectivity checks. `fingerprint` as in SDP."""

    candidates: tuple[str, ...]
    ice_ufrag: str
    ice_pwd: str
    fingerprint: str
    prove_every_s: float


class CallbackResult(WireModel):
    callback: Callback


class CallbacksResult(WireModel):
    callbacks: tuple[Callback, ...]


class QueueResult(WireModel):
    queue: Queue


class QueuesResult(WireModel):
    queues: tuple[Queue, ...]


Result = (
    Authenticated
    | InteractionResult
    | InteractionsResult
    | ParticipantResult
    | TimelineResult
    | TraceResult
    | UserResult
    | UsersResult
    | TrunksResult
    | PromptsResult
    | AccountResult
    | AccountsResult
    | WebhookResult
    | NewWebhookResult
    | WebhooksResult
    | DeadLettersResult
    | DeadNotificationsResult
    | MediaResult
    | MediaProbeResult
    | CompanionLinkResult
    | CompanionJoined
    | CallbackResult
    | CallbacksResult
    | QueueResult
    | QueuesResult
    | FlowRunResult
    | FlowsResult
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


def event_name(event: inner.DesktopEvent) -> str:
    """What `event` says on the wire."""
    name: str = _WIRE_EVENTS[type(event)].model_fields["event"].default
    return name


def serialize_event(event: inner.DesktopEvent, part: int | None = None) -> str:
    """The text of an event of the switchboard; `part` tells those with one number apart."""
    wire = _WIRE_EVENTS[type(event)]
    text = wire.model_validate(event, from_attributes=True).model_dump_json(by_alias=True)
    return text if part is None else f'{text[:-1]},"part":{part}}}'
