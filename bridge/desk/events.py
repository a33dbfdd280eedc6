"""What happened: journaled before anybody sees it; replayed, the events give the state back."""

from collections.abc import Mapping

import msgspec

from bridge.desk.centre.account import Account
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.flow import Flow, FlowResult, FlowTrigger, Outcome
from bridge.desk.centre.queue import Profile, Queue
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction.callback import CallbackState
from bridge.desk.interaction.capability import Capabilities
from bridge.desk.interaction.companion import LinkState
from bridge.desk.interaction.offer import OfferState
from bridge.desk.interaction.participant import ParticipantState
from bridge.desk.interaction.seat import SeatState
from bridge.desk.interaction.supervision import SupervisionMode
from bridge.desk.interaction.transfer import TransferKind, TransferState
from bridge.desk.value import repr_without
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

# --- an interaction ---------------------------------------------------------------------------------------


class InteractionOpened(msgspec.Struct, frozen=True, gc=False):
    at: float
    interaction_id: InteractionId
    room_id: RoomId
    caller: str
    called: str
    attributes: Mapping[str, str]


class InteractionEnded(msgspec.Struct, frozen=True, gc=False):
    at: float
    interaction_id: InteractionId
    reason: str
    by: str


class AttributesSet(msgspec.Struct, frozen=True, gc=False):
    """`attributes` are the changed ones only."""

    at: float
    interaction_id: InteractionId
    attributes: Mapping[str, str]
    by: str


# --- its participants and their legs ----------------------------------------------------------------------


class ParticipantAdded(msgspec.Struct, frozen=True, gc=False):
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


class ParticipantDialed(msgspec.Struct, frozen=True, gc=False):
    """The phone of a participant is to ring: `leg_id` is the call that is made for it."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    by: str


class ParticipantAssigned(msgspec.Struct, frozen=True, gc=False):
    """Somebody who was sought in a queue has a name now."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    user_id: UserId
    name: str


class ParticipantMoved(msgspec.Struct, frozen=True, gc=False):
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


class WrapUpCompleted(msgspec.Struct, frozen=True, gc=False):
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    code: str
    note: str
    by: str


class ParticipantMuted(msgspec.Struct, frozen=True, gc=False):
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str


class ParticipantUnmuted(msgspec.Struct, frozen=True, gc=False):
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str


class RemoteHoldChanged(msgspec.Struct, frozen=True, gc=False):
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    held: bool


class LegAttached(msgspec.Struct, frozen=True, gc=False):
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId


class LegDetached(msgspec.Struct, frozen=True, gc=False):
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    reason: str


class CapabilitiesChanged(msgspec.Struct, frozen=True, gc=False):
    """What one leg of the participant can from now on."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    capabilities: Capabilities


class VideoChanged(msgspec.Struct, frozen=True, gc=False):
    """The participant began or ceased to send video."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    sends_video: bool


# --- transfers, supervisors, companions -------------------------------------------------------------------


class TransferStarted(msgspec.Struct, frozen=True, gc=False):
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


class TransferMoved(msgspec.Struct, frozen=True, gc=False):
    """The transfer took a transition of its table, or another one is sought for the same seat."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    state: TransferState
    reason: str
    by: str
    expires_at: float


class SupervisionSet(msgspec.Struct, frozen=True, gc=False):
    """How a supervisor listens in. `coached_id` is who hears a whisper."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    mode: SupervisionMode
    coached_id: ParticipantId | None
    by: str


class CompanionLinkCreated(msgspec.Struct, frozen=True, gc=False):
    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    link_id: LinkId
    expires_at: float
    by: str


class CompanionLinkMoved(msgspec.Struct, frozen=True, gc=False):
    """`binding` is the hash of the secret of the browser that used the link."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    link_id: LinkId
    state: LinkState
    reason: str
    by: str
    binding: str = ""


# --- seats and their offers -------------------------------------------------------------------------------


class SeatOpened(msgspec.Struct, frozen=True, gc=False):
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


class SeatMoved(msgspec.Struct, frozen=True, gc=False):
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


class SeatQueued(msgspec.Struct, frozen=True, gc=False):
    """The seat went on to another queue, with the clock it had. `overflowed`: a limit of the last decided it."""

    at: float
    interaction_id: InteractionId
    seat_id: SeatId
    queue_id: QueueId
    from_queue_id: QueueId | None
    head_start_s: float
    overflowed: bool
    reason: str


class SeatRanked(msgspec.Struct, frozen=True, gc=False):
    """Priority or schedule changed: the seat has another place, or another time."""

    at: float
    interaction_id: InteractionId
    seat_id: SeatId
    head_start_s: float
    not_before: float


class VideoDowngraded(msgspec.Struct, frozen=True, gc=False):
    """Video was asked for and will be voice; `reason` says why. Shown to whoever is asked and whoever asked."""

    at: float
    interaction_id: InteractionId
    seat_id: SeatId
    participant_id: ParticipantId | None
    queue_id: QueueId | None
    reason: str


class PositionAnnounced(msgspec.Struct, frozen=True, gc=False):
    """A waiting customer is told the place and, where it can be guessed, the wait. `prompt` is to be played."""

    at: float
    interaction_id: InteractionId
    participant_id: ParticipantId
    seat_id: SeatId
    queue_id: QueueId
    position: int
    wait_s: float | None
    prompt: str


class OfferMade(msgspec.Struct, frozen=True, gc=False):
    at: float
    interaction_id: InteractionId
    offer_id: OfferId
    seat_id: SeatId
    user_id: UserId
    expires_at: float


class OfferEnded(msgspec.Struct, frozen=True, gc=False):
    at: float
    interaction_id: InteractionId
    offer_id: OfferId
    state: OfferState
    reason: str
    missed: bool = False  # rang out before somebody who could have answered


# --- callbacks --------------------------------------------------------------------------------------------


class CallbackRequested(msgspec.Struct, frozen=True, gc=False):
    """The customer's call is to end, and to be made again from here; place and clock stay."""

    at: float
    interaction_id: InteractionId
    callback_id: CallbackId
    number: str
    not_before: float
    queue_id: QueueId
    by: str
    reason: str


class CallbackMoved(msgspec.Struct, frozen=True, gc=False):
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


# --- flows and prompts ------------------------------------------------------------------------------------


class FlowStarted(msgspec.Struct, frozen=True, gc=False):
    """The run keeps to `flow` as it was now, whatever the configuration says later."""

    at: float
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    flow: Flow
    by: str
    trigger: FlowTrigger


class FlowMoved(msgspec.Struct, frozen=True, gc=False):
    """A run entered `step`. `left` is the step it came from, "" at first, by the branch `outcome`."""

    at: float
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    step: str
    left: str = ""
    outcome: Outcome | None = None
    reason: str = ""


class FlowWaits(msgspec.Struct, frozen=True, gc=False):
    """The step that was entered is not through: it waits for `subject`, a seat or a prompt, until `due_at`."""

    at: float
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    subject: str
    due_at: float | None


class FlowVariablesSet(msgspec.Struct, frozen=True, gc=False):
    """`variables` are the changed ones only."""

    at: float
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    variables: Mapping[str, str]


class FlowEnded(msgspec.Struct, frozen=True, gc=False):
    """`left` is the step the run ended in, `outcome` the branch that led out, if one did."""

    at: float
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    result: FlowResult
    left: str
    outcome: Outcome | None
    reason: str
    by: str


class NotificationAsked(msgspec.Struct, frozen=True, gc=False):
    """A run has somebody written to: everybody in `group`. It waits for no answer."""

    at: float
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    group: str
    subject: str
    text: str


class PromptStarted(msgspec.Struct, frozen=True, gc=False):
    """`prompt` is to be played to one participant, or to everybody; its end is told by `FinishPrompt`."""

    at: float
    interaction_id: InteractionId
    prompt_id: PromptId
    participant_id: ParticipantId | None
    prompt: str


class PromptStopped(msgspec.Struct, frozen=True, gc=False):
    """Nobody waits for its end any more: what still plays of it is to cease."""

    at: float
    interaction_id: InteractionId
    prompt_id: PromptId
    participant_id: ParticipantId | None


# --- users and their accounts -----------------------------------------------------------------------------


class PresenceChanged(msgspec.Struct, frozen=True, gc=False):
    at: float
    user_id: UserId
    name: str
    role: ParticipantRole
    presence: Presence
    reason: str


class DesktopLost(msgspec.Struct, frozen=True, gc=False):
    """The user's last connection closed; the grace period runs."""

    at: float
    user_id: UserId


class DesktopReturned(msgspec.Struct, frozen=True, gc=False):
    at: float
    user_id: UserId


class ReadinessChanged(msgspec.Struct, frozen=True, gc=False):
    """A desktop proved that it can take work, or failed to. Between the two, its proofs are not journaled."""

    at: float
    user_id: UserId
    proved: bool
    reason: str


class ProfileSet(msgspec.Struct, frozen=True, gc=False):
    at: float
    user_id: UserId
    profile: Profile
    by: str


class AccountSet(msgspec.Struct, frozen=True, gc=False):
    """An account was made or changed by the API."""

    at: float
    user_id: UserId
    account: Account
    by: str


class PasswordSet(msgspec.Struct, frozen=True, gc=False):
    """`password_hash` is argon2id; tokens issued before `wall` are void."""

    at: float
    user_id: UserId
    password_hash: str
    wall: float
    by: str

    def __repr__(self) -> str:
        return repr_without(self, "password_hash")


class AccountDisabled(msgspec.Struct, frozen=True, gc=False):
    """Nobody signs in as this user any more; tokens issued before `wall` are void for ever."""

    at: float
    user_id: UserId
    wall: float
    by: str


class AccountEnabled(msgspec.Struct, frozen=True, gc=False):
    at: float
    user_id: UserId
    by: str


# --- queues -----------------------------------------------------------------------------------------------


class QueueDeclared(msgspec.Struct, frozen=True, gc=False):
    at: float
    queue_id: QueueId
    queue: Queue
    by: str


class QueueRemoved(msgspec.Struct, frozen=True, gc=False):
    at: float
    queue_id: QueueId
    by: str


class QueueDepthExceeded(msgspec.Struct, frozen=True, gc=False):
    """More wait than `notify_depth`; said at most once in `notify_every_s`, and written to the groups in `notify`."""

    at: float
    queue_id: QueueId
    depth: int
    threshold: int
    notify: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""


# --- all of them ------------------------------------------------------------------------------------------

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
