"""What may be asked of the desk. Who may ask is decided above it; `by` goes into the audit trail."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from bridge.desk.centre.account import Account
from bridge.desk.centre.expert import Presence
from bridge.desk.centre.queue import Profile, Queue
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction.capability import Capabilities
from bridge.desk.interaction.supervision import SupervisionMode
from bridge.desk.value import repr_without
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


class OpenInteraction(Struct, frozen=True, gc=False):
    """A call arrived. Its ids were chosen before, because its leg already stands in the media plane."""

    interaction_id: InteractionId
    room_id: RoomId
    participant_id: ParticipantId
    leg_id: LegId
    caller: str
    called: str
    attributes: Mapping[str, str] = {}
    capabilities: Capabilities | None = None  # of the leg, as far as the offer tells


class EndInteraction(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    by: str
    reason: str


class SetAttributes(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    attributes: Mapping[str, str]
    by: str


class QueueInteraction(Struct, frozen=True, gc=False):
    """Sends a customer who waits to another queue."""

    interaction_id: InteractionId
    queue_id: QueueId
    by: str


# --- its participants and their legs ----------------------------------------------------------------------


class DisconnectParticipant(Struct, frozen=True, gc=False):
    """Leaves, is taken out, or hung up."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str
    reason: str


class MuteParticipant(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str


class UnmuteParticipant(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str


class HoldParticipant(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str


class ResumeParticipant(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    participant_id: ParticipantId
    by: str


class SetRemoteHold(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    participant_id: ParticipantId
    held: bool


class AttachLeg(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId


class DetachLeg(Struct, frozen=True, gc=False):
    """The leg is gone; a user whose last leg it was has `connect_s` to bring another."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    reason: str


class ReplaceLeg(Struct, frozen=True, gc=False):
    """Another call of the same participant takes the place of the one there is, or of the one that rings."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    by_leg_id: LegId


class ConnectMedia(Struct, frozen=True, gc=False):
    """Media of one of the participant's legs can flow."""

    interaction_id: InteractionId
    participant_id: ParticipantId


class SetCapabilities(Struct, frozen=True, gc=False):
    """What was found out about a leg, from its negotiation and its connection."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    leg_id: LegId
    capabilities: Capabilities


# --- one participant more ---------------------------------------------------------------------------------


class SeekParticipant(Struct, frozen=True, gc=False):
    """Adds `user_id`: opens a seat and offers it to that user."""

    interaction_id: InteractionId
    user_id: UserId
    role: ParticipantRole
    type: MediaType
    by: str
    attributes: Mapping[str, str] = {}
    second_expert: bool = False


class SeekFromQueue(Struct, frozen=True, gc=False):
    """Adds whoever the queue sends: opens a seat there, by the interaction's own clock."""

    interaction_id: InteractionId
    queue_id: QueueId
    type: MediaType
    by: str
    attributes: Mapping[str, str] = {}
    second_expert: bool = False


class AcceptOffer(Struct, frozen=True, gc=False):
    offer_id: OfferId
    user_id: UserId


class RejectOffer(Struct, frozen=True, gc=False):
    offer_id: OfferId
    user_id: UserId
    reason: str


class DialParticipant(Struct, frozen=True, gc=False):
    """Adds whoever answers at `address`, a number or SIP URI."""

    interaction_id: InteractionId
    address: str
    role: ParticipantRole
    by: str
    name: str = ""
    second_expert: bool = False


class AnswerDial(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    leg_id: LegId


class FailDial(Struct, frozen=True, gc=False):
    """`status` is the SIP status of the refusal, 408 for no answer, 0 for a call that never left."""

    interaction_id: InteractionId
    leg_id: LegId
    reason: str
    status: int


# --- transfers, supervisors, companions -------------------------------------------------------------------


class Handover(Struct, frozen=True, gc=False):
    """To whom a customer is handed over, asked first or not: a user, or whoever a queue sends."""

    interaction_id: InteractionId
    by: str
    user_id: UserId | None = None
    queue_id: QueueId | None = None
    role: ParticipantRole = ParticipantRole.AGENT
    type: MediaType = MediaType.VOICE
    attributes: Mapping[str, str] = {}
    second_expert: bool = False


class StartConsult(Handover, frozen=True, gc=False):
    """Seeks a user, or whoever a queue sends, to talk with while the customers hear music."""

    role: ParticipantRole = ParticipantRole.SME
    type: MediaType = MediaType.VIDEO


class TransferBlind(Handover, frozen=True, gc=False):
    """Hands the customer to a user or a queue without asking first."""


class CompleteTransfer(Struct, frozen=True, gc=False):
    """After a consultation: who asked leaves, the expert stays with the customer."""

    interaction_id: InteractionId
    by: str


class MergeConsult(Struct, frozen=True, gc=False):
    """After a consultation: all talk together."""

    interaction_id: InteractionId
    by: str


class CancelTransfer(Struct, frozen=True, gc=False):
    """Back to the old place: whoever is sought or consulted goes, the customer is resumed."""

    interaction_id: InteractionId
    by: str
    reason: str = ""


class Supervise(Struct, frozen=True, gc=False):
    """Joins as a supervisor, or changes the mode. `coached_id` None: the agent."""

    interaction_id: InteractionId
    user_id: UserId
    name: str
    mode: SupervisionMode
    coached_id: ParticipantId | None = None
    type: MediaType = MediaType.VOICE


class CreateCompanionLink(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    participant_id: ParticipantId
    link_id: LinkId
    expires_at: float
    by: str


class JoinCompanion(Struct, frozen=True, gc=False):
    """`binding` is the hash of the browser's secret; the same again is the same browser."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    link_id: LinkId
    binding: str


# --- callbacks --------------------------------------------------------------------------------------------


class RequestCallback(Struct, frozen=True, gc=False):
    """Arranges a callback, or schedules the one there is anew. `number` "" is the caller's own."""

    interaction_id: InteractionId
    by: str
    number: str = ""
    not_before: float = 0.0
    queue_id: QueueId | None = None
    reason: str = ""


class CancelCallback(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    by: str
    reason: str = ""


class AnswerCallback(Struct, frozen=True, gc=False):
    """The call that the desk asked for under `leg_id` was answered."""

    interaction_id: InteractionId
    leg_id: LegId


class FailCallback(Struct, frozen=True, gc=False):
    """`status` is the SIP status of the refusal, 408 for no answer; the other side takes no call sooner than
    in `retry_after_s`."""

    interaction_id: InteractionId
    leg_id: LegId
    reason: str
    status: int
    retry_after_s: float = 0.0


# --- flows and prompts ------------------------------------------------------------------------------------


class StartFlow(Struct, frozen=True, gc=False):
    """`attributes` are set before its first step. The same flow again changes nothing while it runs."""

    interaction_id: InteractionId
    flow_id: FlowId
    by: str
    attributes: Mapping[str, str] = {}


class StopFlow(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    flow_run_id: FlowRunId
    by: str
    reason: str = ""


class DialDigits(Struct, frozen=True, gc=False):
    """The last keys a participant pressed, newest last: they may be what a flow is bound to."""

    interaction_id: InteractionId
    participant_id: ParticipantId
    digits: str


class FinishPrompt(Struct, frozen=True, gc=False):
    """A prompt the desk asked for is through; `error` says why it could not be played."""

    interaction_id: InteractionId
    prompt_id: PromptId
    error: str = ""


# --- users at work ----------------------------------------------------------------------------------------


class SetPresence(Struct, frozen=True, gc=False):
    user_id: UserId
    name: str
    role: ParticipantRole
    presence: Presence


class LoseDesktop(Struct, frozen=True, gc=False):
    user_id: UserId


class ReturnDesktop(Struct, frozen=True, gc=False):
    user_id: UserId


class ProveReady(Struct, frozen=True, gc=False):
    """A desktop's report about itself; `detail` says in words what is wrong."""

    user_id: UserId
    microphone: bool
    camera: bool
    ice: bool
    detail: str = ""


class CompleteWrapUp(Struct, frozen=True, gc=False):
    interaction_id: InteractionId
    user_id: UserId
    code: str
    note: str = ""


class SetProfile(Struct, frozen=True, gc=False):
    """Skills, entitlements and capacity of a user, who need not have shown up yet."""

    profile: Profile
    by: str


# --- accounts ---------------------------------------------------------------------------------------------


class CreateAccount(Struct, frozen=True, gc=False):
    account: Account
    profile: Profile
    by: str


class ChangeAccount(Struct, frozen=True, gc=False):
    """New values of fields of `Account` and of `Profile`."""

    user_id: UserId
    account_changes: Mapping[str, Any]
    profile_changes: Mapping[str, Any]
    by: str


class SetPassword(Struct, frozen=True, gc=False):
    """`wall`: tokens issued before are void, as in the next."""

    user_id: UserId
    password_hash: str

    def __repr__(self) -> str:
        return repr_without(self, "password_hash")

    wall: float
    by: str


class DisableAccount(Struct, frozen=True, gc=False):
    user_id: UserId
    wall: float
    by: str


class EnableAccount(Struct, frozen=True, gc=False):
    user_id: UserId
    by: str


# --- queues -----------------------------------------------------------------------------------------------


class DeclareQueue(Struct, frozen=True, gc=False):
    queue: Queue
    by: str


class RemoveQueue(Struct, frozen=True, gc=False):
    queue_id: QueueId
    by: str


# --- of time itself ---------------------------------------------------------------------------------------


class ExpireDeadlines(Struct, frozen=True, gc=False):
    """Time passed: ends what was due."""


class Restart(Struct, frozen=True, gc=False):
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
