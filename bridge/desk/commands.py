"""What may be asked of the desk. Who may ask is decided above it; `by` goes into the audit trail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.desk.centre.account import Account
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.queue import Profile, Queue
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction.capability import Capabilities
from bridge.desk.interaction.supervision import SupervisionMode
from bridge.ids import (
    FlowId,
    FlowRunId,
    InteractionId,
    LegId,
    LinkId,
    OfferId,
    ParticipantId,
    PromptId,
    QueueId,
    RoomId,
    UserId,
)

SYSTEM = "system"  # `by` of what no user asked for
RESTART = "bridge.restart"  # `by` of what ended because the bridge was started anew


# --- an interaction ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OpenInteraction:
    """A call arrived. Its ids were chosen before, because its leg already stands in the media plane."""

    interaction_id: InteractionId
    room_id: RoomId
    participant_id: ParticipantId
    leg_id: LegId
    caller: str
    called: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    capabilities: Capabilities | None = None  # of the leg, as far as the offer tells


@dataclass(frozen=True)
class EndInteraction:
    interaction_id: InteractionId
    by: str
    reason: str


@dataclass(frozen=True)
class SetAttributes:
    interaction_id: InteractionId
    attributes: Mapping[str, str]
    by: str


@dataclass(frozen=True)
class QueueInteraction:
    """Sends a customer who waits to another queue."""

    interaction_id: InteractionId
    queue_id: QueueId
    by: str


# --- its participants and their legs ----------------------------------------------------------------------


@dataclass(frozen=True)
class DisconnectParticipant:
    """Leaves, is taken out, or hung up."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str
    reason: str


@dataclass(frozen=True)
class MuteParticipant:
    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str


@dataclass(frozen=True)
class UnmuteParticipant:
    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str


@dataclass(frozen=True)
class HoldParticipant:
    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str


@dataclass(frozen=True)
class ResumeParticipant:
    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str


@dataclass(frozen=True)
class SetRemoteHold:
    interaction_id: InteractionId
    participant_id: ParticipantId
    held: bool


@dataclass(frozen=True)
class AttachLeg:
    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId


@dataclass(frozen=True)
class DetachLeg:
    """The leg is gone; a user whose last leg it was has `connect_s` to bring another."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    reason: str


@dataclass(frozen=True)
class ReplaceLeg:
    """Another call of the same participant takes the place of the one there is, or of the one that rings."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    by_leg_id: LegId


@dataclass(frozen=True)
class ConnectMedia:
    """Media of one of the participant's legs can flow."""

    interaction_id: InteractionId
    participant_id: ParticipantId


@dataclass(frozen=True)
class SetCapabilities:
    """What was found out about a leg, from its negotiation and its connection."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    capabilities: Capabilities


# --- one participant more ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class SeekParticipant:
    """Adds `user_id`: opens a seat and offers it to that user."""

    interaction_id: InteractionId
    user_id: UserId
    role: ParticipantRole
    type: MediaType
    by: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    second_expert: bool = False


@dataclass(frozen=True)
class SeekFromQueue:
    """Adds whoever the queue sends: opens a seat there, by the interaction's own clock."""

    interaction_id: InteractionId
    queue_id: QueueId
    type: MediaType
    by: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    second_expert: bool = False


@dataclass(frozen=True)
class AcceptOffer:
    offer_id: OfferId
    user_id: UserId


@dataclass(frozen=True)
class RejectOffer:
    offer_id: OfferId
    user_id: UserId
    reason: str


@dataclass(frozen=True)
class DialParticipant:
    """Adds whoever answers at `address`, a number or SIP URI."""

    interaction_id: InteractionId
    address: str
    role: ParticipantRole
    by: str
    name: str = ""
    second_expert: bool = False


@dataclass(frozen=True)
class AnswerDial:
    interaction_id: InteractionId
    leg_id: LegId


@dataclass(frozen=True)
class FailDial:
    """`status` is the SIP status of the refusal, 408 for no answer, 0 for a call that never left."""

    interaction_id: InteractionId
    leg_id: LegId
    reason: str
    status: int


# --- transfers, supervisors, companions -------------------------------------------------------------------


@dataclass(frozen=True)
class Handover:
    """To whom a customer is handed over, asked first or not: a user, or whoever a queue sends."""

    interaction_id: InteractionId
    by: str
    user_id: UserId | None = None
    queue_id: QueueId | None = None
    role: ParticipantRole = ParticipantRole.AGENT
    type: MediaType = MediaType.VOICE
    attributes: Mapping[str, str] = field(default_factory=dict)
    second_expert: bool = False


@dataclass(frozen=True)
class StartConsult(Handover):
    """Seeks a user, or whoever a queue sends, to talk with while the customers hear music."""

    role: ParticipantRole = ParticipantRole.SME
    type: MediaType = MediaType.VIDEO


@dataclass(frozen=True)
class TransferBlind(Handover):
    """Hands the customer to a user or a queue without asking first."""


@dataclass(frozen=True)
class CompleteTransfer:
    """After a consultation: who asked leaves, the expert stays with the customer."""

    interaction_id: InteractionId
    by: str


@dataclass(frozen=True)
class MergeConsult:
    """After a consultation: all talk together."""

    interaction_id: InteractionId
    by: str


@dataclass(frozen=True)
class CancelTransfer:
    """Back to the old place: whoever is sought or consulted goes, the customer is resumed."""

    interaction_id: InteractionId
    by: str
    reason: str = ""


@dataclass(frozen=True)
class Supervise:
    """Joins as a supervisor, or changes the mode. `coached_id` None: the agent."""

    interaction_id: InteractionId
    user_id: UserId
    name: str
    mode: SupervisionMode
    coached_id: ParticipantId | None = None
    type: MediaType = MediaType.VOICE


@dataclass(frozen=True)
class CreateCompanionLink:
    interaction_id: InteractionId
    participant_id: ParticipantId
    link_id: LinkId
    expires_at: float
    by: str


@dataclass(frozen=True)
class JoinCompanion:
    """`binding` is the hash of the browser's secret; the same again is the same browser."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    link_id: LinkId
    binding: str


# --- callbacks --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RequestCallback:
    """Arranges a callback, or schedules the one there is anew. `number` "" is the caller's own."""

    interaction_id: InteractionId
    by: str
    number: str = ""
    not_before: float = 0.0
    queue_id: QueueId | None = None
    reason: str = ""


@dataclass(frozen=True)
class CancelCallback:
    interaction_id: InteractionId
    by: str
    reason: str = ""


@dataclass(frozen=True)
class AnswerCallback:
    """The call that the desk asked for under `leg_id` was answered."""

    interaction_id: InteractionId
    leg_id: LegId


@dataclass(frozen=True)
class FailCallback:
    """`status` is the SIP status of the refusal, 408 for no answer; the other side takes no call sooner than
    in `retry_after_s`."""

    interaction_id: InteractionId
    leg_id: LegId
    reason: str
    status: int
    retry_after_s: float = 0.0


# --- flows and prompts ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StartFlow:
    """`attributes` are set before its first step. The same flow again changes nothing while it runs."""

    interaction_id: InteractionId
    flow_id: FlowId
    by: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StopFlow:
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    by: str
    reason: str = ""


@dataclass(frozen=True)
class DialDigits:
    """The last keys a participant pressed, newest last: they may be what a flow is bound to."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    digits: str


@dataclass(frozen=True)
class FinishPrompt:
    """A prompt the desk asked for is through; `error` says why it could not be played."""

    interaction_id: InteractionId
    prompt_id: PromptId
    error: str = ""


# --- users at work ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SetPresence:
    user_id: UserId
    name: str
    role: ParticipantRole
    presence: Presence


@dataclass(frozen=True)
class LoseDesktop:
    user_id: UserId


@dataclass(frozen=True)
class ReturnDesktop:
    user_id: UserId


@dataclass(frozen=True)
class ProveReady:
    """A desktop's report about itself; `detail` says in words what is wrong."""

    user_id: UserId
    microphone: bool
    camera: bool
    ice: bool
    detail: str = ""


@dataclass(frozen=True)
class CompleteWrapUp:
    interaction_id: InteractionId
    user_id: UserId
    code: str
    note: str = ""


@dataclass(frozen=True)
class SetProfile:
    """Skills, entitlements and capacity of a user, who need not have shown up yet."""

    profile: Profile
    by: str


# --- accounts ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CreateAccount:
    account: Account
    profile: Profile
    by: str


@dataclass(frozen=True)
class ChangeAccount:
    """New values of fields of `Account` and of `Profile`."""

    user_id: UserId
    account_changes: Mapping[str, Any]
    profile_changes: Mapping[str, Any]
    by: str


@dataclass(frozen=True)
class SetPassword:
    """`wall`: tokens issued before are void, as in the next."""

    user_id: UserId
    password_hash: str = field(repr=False)
    wall: float
    by: str


@dataclass(frozen=True)
class DisableAccount:
    user_id: UserId
    wall: float
    by: str


@dataclass(frozen=True)
class EnableAccount:
    user_id: UserId
    by: str


# --- queues -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DeclareQueue:
    queue: Queue
    by: str


@dataclass(frozen=True)
class RemoveQueue:
    queue_id: QueueId
    by: str


# --- of time itself ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExpireDeadlines:
    """Time passed: ends what was due."""


@dataclass(frozen=True)
class Restart:
    """The process was started anew on the state of the last one. `legs` are those that may come back."""

    legs: frozenset[LegId]


# --- all of them ------------------------------------------------------------------------------------------

DeskCommand = (
    OpenInteraction
    | EndInteraction
    | DisconnectParticipant
    | MuteParticipant
    | UnmuteParticipant
    | HoldParticipant
    | ResumeParticipant
    | SetAttributes
    | SetRemoteHold
    | SetCapabilities
    | AttachLeg
    | DetachLeg
    | ConnectMedia
    | SeekParticipant
    | AcceptOffer
    | RejectOffer
    | SetPresence
    | LoseDesktop
    | ReturnDesktop
    | StartFlow
    | StopFlow
    | DialDigits
    | FinishPrompt
    | ExpireDeadlines
    | Restart
    | SeekFromQueue
    | QueueInteraction
    | DeclareQueue
    | RemoveQueue
    | SetProfile
    | CreateAccount
    | ChangeAccount
    | SetPassword
    | DisableAccount
    | EnableAccount
    | ProveReady
    | CompleteWrapUp
    | RequestCallback
    | CancelCallback
    | DialParticipant
    | AnswerDial
    | FailDial
    | ReplaceLeg
    | AnswerCallback
    | FailCallback
    | StartConsult
    | TransferBlind
    | CompleteTransfer
    | MergeConsult
    | CancelTransfer
    | Supervise
    | CreateCompanionLink
    | JoinCompanion
)
