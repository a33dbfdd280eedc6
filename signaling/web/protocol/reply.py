"""The answers to the commands of the websocket: one each, with a result or the trouble."""

from datetime import datetime

from signaling.web.protocol.account_message import AccountResult, AccountsResult
from signaling.web.protocol.flow_message import FlowRunResult, FlowsResult
from signaling.web.protocol.notice_message import DeadNotificationsResult
from signaling.web.protocol.webhook_message import (
    DeadLettersResult,
    NewWebhookResult,
    WebhookResult,
    WebhooksResult,
)
from signaling.web.protocol.wire import WireModel
from signaling.web.protocol.wire_view import (
    Callback,
    CompanionLink,
    Interaction,
    Participant,
    Queue,
    Sidebar,
    Signal,
    TimelineEntry,
    Trunk,
    User,
)


class Authenticated(WireModel):
    """Result of `authenticate`. Without a fresh token the connection is closed at `expires_at`.

    `roles` are those in which one may be ready. `resumed` answers `resume`: true when what was missed follows, false
    when it cannot be told any more. Without a wish to resume, `number` and `part` are where the events of this
    connection begin.
    """

    user_id: str
    name: str
    scopes: tuple[str, ...]
    roles: tuple[str, ...]
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


class SidebarResult(WireModel):
    sidebar: Sidebar


class TrunksResult(WireModel):
    trunks: tuple[Trunk, ...]


class UsersResult(WireModel):
    users: tuple[User, ...]


class RefusedSection(WireModel):
    """What the browser would send in this section of its offer and may not; the answer refuses it."""

    mid: str
    reason: str


class MediaResult(WireModel):
    """The leg that was made or changed, and the SDP answer."""

    leg_id: str
    sdp: str
    refused: tuple[RefusedSection, ...] = ()


class MediaProbeResult(WireModel):
    """A peer at the media port that answers connectivity checks. `fingerprint` as in SDP."""

    candidates: tuple[str, ...]
    ice_ufrag: str
    ice_pwd: str
    fingerprint: str
    prove_every_s: float
    proof_required: bool


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
    | SidebarResult
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
