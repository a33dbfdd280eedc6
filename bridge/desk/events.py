"""What happened: journaled before anybody sees it; replayed, the events give the state back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.desk.account import Account
from bridge.desk.callback import CallbackState
from bridge.desk.capability import Capabilities
from bridge.desk.companion import LinkState
from bridge.desk.expert import Presence
from bridge.desk.flow import Flow, FlowResult, FlowTrigger, Outcome
from bridge.desk.offer import OfferState
from bridge.desk.participant import MediaType, ParticipantRole, ParticipantState
from bridge.desk.queue import Profile, Queue
from bridge.desk.seat import SeatState
from bridge.desk.supervision import SupervisionMode
from bridge.desk.transfer import TransferKind, TransferState
from bridge.ids import (
    CallbackId,
    FlowRunId,
    InteractionId,
    LegId,
    LinkId,
    OfferId,
    ParticipantId,
    PromptId,
    QueueId,
    RoomId,
    SeatId,
    UserId,
)


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
    queue_id: QueueId | None = None


@dataclass(frozen=True)
class ParticipantDialed:
    """The phone of a participant is to ring: `leg_id` is the call that is made for it."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    by: str


@dataclass(frozen=True)
class ParticipantMoved:
    """A participant took a transition of its table. `connect_by` is the deadline for missing media,
    `wrap_up_by` the one for the work after the call."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    state: ParticipantState
    reason: str
    by: str
    connect_by: float | None = None
    wrap_up_by: float | None = None


@dataclass(frozen=True)
class ParticipantAssigned:
    """Somebody who was sought in a queue has a name now."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    user_id: UserId
    name: str


@dataclass(frozen=True)
class WrapUpCompleted:
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    code: str
    note: str
    by: str


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
class CapabilitiesChanged:
    """What one leg of the participant can from now on."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    capabilities: Capabilities


@dataclass(frozen=True)
class TransferStarted:
    """`participant_id` is who is sought. `held` are the customers who hear music for it."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    kind: TransferKind
    state: TransferState
    initiator_id: ParticipantId
    seat_id: SeatId
    held: tuple[ParticipantId, ...]
    by: str
    expires_at: float


@dataclass(frozen=True)
class TransferMoved:
    """The transfer took a transition of its table, or another one is sought for the same seat."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    state: TransferState
    reason: str
    by: str
    expires_at: float


@dataclass(frozen=True)
class SupervisionSet:
    """How a supervisor listens in. `coached_id` is who hears a whisper."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    mode: SupervisionMode
    coached_id: ParticipantId | None
    by: str


@dataclass(frozen=True)
class CompanionLinkCreated:
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    link_id: LinkId
    expires_at: float
    by: str


@dataclass(frozen=True)
class CompanionLinkMoved:
    """`binding` is the hash of the secret of the browser that used the link."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    link_id: LinkId
    state: LinkState
    reason: str
    by: str
    binding: str = ""


@dataclass(frozen=True)
class SeatOpened:
    """A seat of a queue has its `queue_id` and stands at the place that `queued_at` and `head_start_s` give."""

    at: float
    interaction_id: InteractionId
    seat_id: SeatId
    role: ParticipantRole
    type: MediaType
    user_id: UserId | None
    participant_id: ParticipantId | None
    by: str
    queue_id: QueueId | None = None
    escalation: bool = False
    queued_at: float = 0.0
    head_start_s: float = 0.0
    not_before: float = 0.0
    overflowed: bool = False
    asked_queue_id: QueueId | None = None
    reason: str = ""


@dataclass(frozen=True)
class SeatQueued:
    """The seat went on to another queue, with the clock it had. `overflowed`: a limit of the last decided it."""

    at: float
    interaction_id: InteractionId
    seat_id: SeatId
    queue_id: QueueId
    from_queue_id: QueueId | None
    head_start_s: float
    overflowed: bool
    reason: str


@dataclass(frozen=True)
class SeatRanked:
    """Priority or schedule changed: the seat has another place, or another time."""

    at: float
    interaction_id: InteractionId
    seat_id: SeatId
    head_start_s: float
    not_before: float


@dataclass(frozen=True)
class VideoDowngraded:
    """Video was asked for and will be voice; `reason` says why. Shown to whoever is asked and whoever asked."""

    at: float
    interaction_id: InteractionId
    seat_id: SeatId
    participant_id: ParticipantId | None
    queue_id: QueueId | None
    reason: str


@dataclass(frozen=True)
class PositionAnnounced:
    """A waiting customer is told the place and, where it can be guessed, the wait. `prompt` is to be played."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    seat_id: SeatId
    queue_id: QueueId
    position: int
    wait_s: float | None
    prompt: str


@dataclass(frozen=True)
class CallbackRequested:
    """The customer's call is to end, and to be made again from here; place and clock stay."""

    at: float
    interaction_id: InteractionId
    callback_id: CallbackId
    number: str
    not_before: float
    queue_id: QueueId
    by: str
    reason: str


@dataclass(frozen=True)
class CallbackMoved:
    """A callback took a transition of its table, or was scheduled anew."""

    at: float
    interaction_id: InteractionId
    callback_id: CallbackId
    state: CallbackState
    reason: str
    by: str
    attempts: int
    not_before: float = 0.0
    leg_id: LegId | None = None
    dial_by: float | None = None
    failure: str = ""  # the code of `call_failure`, when a call of ours came to nothing


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
    abandoned: bool = False  # the customer was gone before anybody sat
    expired: bool = False  # closed because a limit of its queue was met


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
    missed: bool = False  # rang out before somebody who could have answered


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


@dataclass(frozen=True)
class ReadinessChanged:
    """A desktop proved that it can take work, or failed to. Between the two, its proofs are not journaled."""

    at: float
    user_id: UserId
    proved: bool
    reason: str


@dataclass(frozen=True)
class ProfileSet:
    at: float
    user_id: UserId
    profile: Profile
    by: str


@dataclass(frozen=True)
class AccountSet:
    """An account was made or changed by the API."""

    at: float
    user_id: UserId
    account: Account
    by: str


@dataclass(frozen=True)
class PasswordSet:
    """`password_hash` is argon2id; tokens issued before `wall` are void."""

    at: float
    user_id: UserId
    password_hash: str = field(repr=False)
    wall: float
    by: str


@dataclass(frozen=True)
class AccountDisabled:
    """Nobody signs in as this user any more; tokens issued before `wall` are void for ever."""

    at: float
    user_id: UserId
    wall: float
    by: str


@dataclass(frozen=True)
class AccountEnabled:
    at: float
    user_id: UserId
    by: str


@dataclass(frozen=True)
class QueueDeclared:
    at: float
    queue_id: QueueId
    queue: Queue
    by: str


@dataclass(frozen=True)
class QueueRemoved:
    at: float
    queue_id: QueueId
    by: str


@dataclass(frozen=True)
class QueueDepthExceeded:
    """More wait than `notify_depth`; said at most once in `notify_every_s`, and written to the groups in `notify`."""

    at: float
    queue_id: QueueId
    depth: int
    threshold: int
    notify: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""


@dataclass(frozen=True)
class FlowStarted:
    """The run keeps to `flow` as it was now, whatever the configuration says later."""

    at: float
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    flow: Flow
    by: str
    trigger: FlowTrigger


@dataclass(frozen=True)
class FlowMoved:
    """A run entered `step`. `left` is the step it came from, "" at first, by the branch `outcome`."""

    at: float
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    step: str
    left: str = ""
    outcome: Outcome | None = None
    reason: str = ""


@dataclass(frozen=True)
class FlowWaits:
    """The step that was entered is not through: it waits for `subject`, a seat or a prompt, until `due_at`."""

    at: float
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    subject: str
    due_at: float | None


@dataclass(frozen=True)
class NotificationAsked:
    """A run has somebody written to: everybody in `group`. It waits for no answer."""

    at: float
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    group: str
    subject: str
    text: str


@dataclass(frozen=True)
class FlowVariablesSet:
    """`variables` are the changed ones only."""

    at: float
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    variables: Mapping[str, str]


@dataclass(frozen=True)
class FlowEnded:
    """`left` is the step the run ended in, `outcome` the branch that led out, if one did."""

    at: float
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    result: FlowResult
    left: str
    outcome: Outcome | None
    reason: str
    by: str


@dataclass(frozen=True)
class PromptStarted:
    """`prompt` is to be played to one participant, or to everybody; its end is told by `FinishPrompt`."""

    at: float
    interaction_id: InteractionId
    prompt_id: PromptId
    participant_id: ParticipantId | None
    prompt: str


@dataclass(frozen=True)
class PromptStopped:
    """Nobody waits for its end any more: what still plays of it is to cease."""

    at: float
    interaction_id: InteractionId
    prompt_id: PromptId
    participant_id: ParticipantId | None


InteractionEvent = (
    InteractionOpened
    | InteractionEnded
    | AttributesSet
    | ParticipantAdded
    | ParticipantDialed
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
    | ParticipantAssigned
    | WrapUpCompleted
    | SeatQueued
    | SeatRanked
    | VideoDowngraded
    | PositionAnnounced
    | CallbackRequested
    | CallbackMoved
    | CapabilitiesChanged
    | TransferStarted
    | TransferMoved
    | SupervisionSet
    | CompanionLinkCreated
    | CompanionLinkMoved
    | FlowStarted
    | FlowMoved
    | FlowWaits
    | FlowVariablesSet
    | NotificationAsked
    | FlowEnded
    | PromptStarted
    | PromptStopped
)
AccountEvent = AccountSet | PasswordSet | AccountDisabled | AccountEnabled
UserEvent = PresenceChanged | DesktopLost | DesktopReturned | ReadinessChanged | ProfileSet | AccountEvent
QueueEvent = QueueDeclared | QueueRemoved | QueueDepthExceeded
DeskEvent = InteractionEvent | UserEvent | QueueEvent
