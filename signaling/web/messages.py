"""Every command of the websocket as a type; replies and events are in `event.py`. PROTOCOL.md is the prose.

A message with an unknown field is refused, so that a client's typing error is never a silently ignored wish.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError, from_json

from bridge.desk.notice import DEPTH_SUBJECT, DEPTH_TEXT
from bridge.errors import ParseError
from signaling.web.account_message import Enrolling
from signaling.web.flow_message import Flowing
from signaling.web.notice_message import Noticing
from signaling.web.webhook_message import Hooking
from signaling.web.wire import COMMAND_ID_MAX, CommandId, Identifier, PhoneAddress, WireModel, Words

SUBPROTOCOL = "warmbridge.v1"
MESSAGE_MAX_BYTES = 256 * 1024
SDP_MAX_CHARACTERS = 64 * 1024  # the bound of wire/sdp.py: a larger one could not be parsed anyway
ATTRIBUTES_MAX = 64

Presence = Literal["ready", "away", "offline"]
UserRole = Literal["agent", "sme"]
MediaType = Literal["voice", "video"]
WantedState = Literal["waiting", "in-progress", "ended", "live", "any"]  # live: waiting and in-progress
SupervisionMode = Literal["monitor", "whisper", "coach"]

Sdp = Annotated[str, Field(min_length=1, max_length=SDP_MAX_CHARACTERS)]
# The bounds of attributes are explained here and kept by the desk, which has an error of its own for each.
AttributeName = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": 64})]
AttributeValue = Annotated[str, Field(json_schema_extra={"maxLength": 4096})]
Attributes = Annotated[
    dict[AttributeName, AttributeValue], Field(json_schema_extra={"maxProperties": ATTRIBUTES_MAX})
]


# --- commands: client to bridge ---------------------------------------------------------------------------


class Resume(WireModel):
    """The last numbered event the client has got, on a connection that dropped."""

    boot_id: Annotated[str, Field(max_length=64)]
    number: Annotated[int, Field(ge=0, le=COMMAND_ID_MAX)]
    part: Annotated[int, Field(ge=0, le=COMMAND_ID_MAX)] = 0


class Authenticate(WireModel):
    """First command of a connection; later again, with a fresh token of the same user, to stay longer."""

    command: Literal["authenticate"]
    id: CommandId
    token: Annotated[str, Field(min_length=1, max_length=8192)]
    resume: Resume | None = None


class Ping(WireModel):
    command: Literal["ping"]
    id: CommandId


class SetPresence(WireModel):
    """`ready` asks for offers in `role`; `away` keeps the calls but takes no new ones."""

    command: Literal["setPresence"]
    id: CommandId
    presence: Presence
    role: UserRole = "agent"


class AcceptOffer(WireModel):
    command: Literal["acceptOffer"]
    id: CommandId
    offer_id: Identifier


class RejectOffer(WireModel):
    command: Literal["rejectOffer"]
    id: CommandId
    offer_id: Identifier
    reason: Words = ""


class ProveReady(WireModel):
    """What the desktop found out about itself, said again before it expires. `detail` says what is wrong."""

    command: Literal["proveReady"]
    id: CommandId
    microphone: bool
    camera: bool
    ice: bool
    detail: Words = ""


class CompleteWrapUp(WireModel):
    """The work after one's own part in a call is done."""

    command: Literal["completeWrapUp"]
    id: CommandId
    interaction_id: Identifier
    code: Annotated[str, Field(max_length=128)] = ""
    note: Annotated[str, Field(max_length=4096)] = ""


class AddParticipant(WireModel):
    """Seeks `user_id` for the interaction, or whoever serves `queue_id`: an offer goes out to a desktop.

    Or calls `address`, a number or SIP URI: voice only, `name` is shown in its place.
    """

    command: Literal["addParticipant"]
    id: CommandId
    interaction_id: Identifier
    user_id: Identifier | None = None
    queue_id: Identifier | None = None
    address: PhoneAddress | None = None
    name: Identifier | None = None
    type: MediaType = "video"
    role: UserRole = "sme"
    properties: Attributes = Field(default_factory=dict)
    second_expert: bool = False

    @model_validator(mode="after")
    def _one_of_user_queue_and_address(self) -> Self:
        if [self.user_id, self.queue_id, self.address].count(None) != 2:
            raise PydanticCustomError("user_or_queue", "give one of userId, queueId and address")
        return self


class QueueInteraction(WireModel):
    """Sends a waiting customer to another queue; place and clock go along."""

    command: Literal["queueInteraction"]
    id: CommandId
    interaction_id: Identifier
    queue_id: Identifier


class RequestCallback(WireModel):
    """The call ends and is made again later, in the same place of the queue. Said again: scheduled anew."""

    command: Literal["requestCallback"]
    id: CommandId
    interaction_id: Identifier
    number: Annotated[str, Field(max_length=256)] = ""
    not_before: AwareDatetime | None = None
    queue_id: Identifier | None = None
    reason: Words = ""


class CancelCallback(WireModel):
    """Nobody is called back, and the interaction ends."""

    command: Literal["cancelCallback"]
    id: CommandId
    interaction_id: Identifier
    reason: Words = ""


class ListCallbacks(WireModel):
    command: Literal["listCallbacks"]
    id: CommandId


class ListQueues(WireModel):
    """All queues with their figures."""

    command: Literal["listQueues"]
    id: CommandId


class GetQueue(WireModel):
    command: Literal["getQueue"]
    id: CommandId
    queue_id: Identifier


class QueueOverflow(WireModel):
    """Where to when more than `depth` wait or one waits longer than `wait_s`."""

    to: Literal["queue", "callback"]
    depth: Annotated[int, Field(ge=0)] | None = None
    wait_s: Annotated[float, Field(gt=0)] | None = None
    queue_id: Identifier | None = None


class QueueSettings(WireModel):
    """A queue as one declares it; the words are those of `[[queues]]` in the configuration."""

    queue_id: Identifier
    name: Annotated[str, Field(min_length=1, max_length=128)]
    role: UserRole = "agent"
    skills: dict[AttributeName, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)
    skill_match: Literal["all", "best", "none"] = "all"
    video_enabled: bool = True
    strategy: Literal["longest-idle", "most-skilled", "fewest-handled"] = "longest-idle"
    priorities: dict[AttributeName, float] | None = None
    max_depth: Annotated[int, Field(ge=1)] | None = None
    offer_s: Annotated[float, Field(gt=0)] | None = None
    timeout_s: Annotated[float, Field(gt=0)] | None = 300.0
    wrap_up_s: Annotated[float, Field(ge=0)] = 0.0
    wrap_up_codes: Annotated[tuple[AttributeName, ...], Field(max_length=64)] = ()
    announce_every_s: Annotated[float, Field(ge=0)] = 0.0
    announce_prompt: Annotated[str, Field(max_length=128)] = ""
    join_empty: bool = True
    leave_when_empty: bool = False
    overflow: QueueOverflow | None = None
    notify_depth: Annotated[int, Field(ge=0)] | None = None
    notify_every_s: Annotated[float, Field(gt=0)] = 300.0
    notify_groups: Annotated[tuple[AttributeName, ...], Field(max_length=16)] = ()
    notify_subject: Annotated[str, Field(max_length=200)] = DEPTH_SUBJECT
    notify_text: Annotated[str, Field(max_length=4000)] = DEPTH_TEXT
    answer_target_s: Annotated[float, Field(gt=0)] = 20.0


class DeclareQueue(WireModel):
    """Makes the queue, or changes it for everybody who waits there."""

    command: Literal["declareQueue"]
    id: CommandId
    queue: QueueSettings


class RemoveQueue(WireModel):
    """Only one in which nobody waits."""

    command: Literal["removeQueue"]
    id: CommandId
    queue_id: Identifier


class SetProfile(WireModel):
    """Skills (1 to 5), entitlements and capacity of a user, who need not have shown up yet."""

    command: Literal["setProfile"]
    id: CommandId
    user_id: Identifier
    skills: dict[AttributeName, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)
    video: bool = True
    capacity: Annotated[int, Field(ge=1, le=16)] = 1
    external_ids: Annotated[tuple[Identifier, ...], Field(max_length=16)] = ()


class RemoveParticipant(WireModel):
    """Takes somebody else out (kick)."""

    command: Literal["removeParticipant"]
    id: CommandId
    interaction_id: Identifier
    participant_id: Identifier


class LeaveInteraction(WireModel):
    """Takes oneself out; the others go on."""

    command: Literal["leaveInteraction"]
    id: CommandId
    interaction_id: Identifier


class EndInteraction(WireModel):
    """Hangs up on everybody."""

    command: Literal["endInteraction"]
    id: CommandId
    interaction_id: Identifier


class MuteParticipant(WireModel):
    command: Literal["muteParticipant"]
    id: CommandId
    interaction_id: Identifier
    participant_id: Identifier


class UnmuteParticipant(WireModel):
    command: Literal["unmuteParticipant"]
    id: CommandId
    interaction_id: Identifier
    participant_id: Identifier


class HoldParticipant(WireModel):
    """Nobody hears the participant, who hears music."""

    command: Literal["holdParticipant"]
    id: CommandId
    interaction_id: Identifier
    participant_id: Identifier


class ResumeParticipant(WireModel):
    command: Literal["resumeParticipant"]
    id: CommandId
    interaction_id: Identifier
    participant_id: Identifier


class SendDigits(WireModel):
    """Keys pressed towards a participant's phone, for a menu at the other end."""

    command: Literal["sendDigits"]
    id: CommandId
    interaction_id: Identifier
    participant_id: Identifier
    digits: Annotated[str, Field(pattern=r"^[0-9A-Da-d*#]{1,32}$", repr=False)]


class ConsultParticipant(WireModel):
    """Seeks a user, or whoever a queue sends, to talk with alone; the customer hears music meanwhile."""

    command: Literal["consultParticipant"]
    id: CommandId
    interaction_id: Identifier
    user_id: Identifier | None = None
    queue_id: Identifier | None = None
    type: MediaType = "voice"
    role: UserRole = "sme"
    properties: Attributes = Field(default_factory=dict)
    second_expert: bool = False


class TransferBlind(WireModel):
    """Hands the customer to a user or a queue without talking to anybody first."""

    command: Literal["transferBlind"]
    id: CommandId
    interaction_id: Identifier
    user_id: Identifier | None = None
    queue_id: Identifier | None = None
    type: MediaType = "voice"
    role: UserRole = "agent"
    properties: Attributes = Field(default_factory=dict)
    second_expert: bool = False


class CompleteTransfer(WireModel):
    """After a consultation: whoever asked leaves, the expert stays with the customer."""

    command: Literal["completeTransfer"]
    id: CommandId
    interaction_id: Identifier


class MergeConsult(WireModel):
    """After a consultation: a conference of all."""

    command: Literal["mergeConsult"]
    id: CommandId
    interaction_id: Identifier


class CancelTransfer(WireModel):
    """Back to the old place: whoever is sought or consulted goes, the customer is resumed."""

    command: Literal["cancelTransfer"]
    id: CommandId
    interaction_id: Identifier
    reason: Words = ""


class SuperviseInteraction(WireModel):
    """Listens in, or changes how. `participant_id` is who hears a whisper; without it, the agent."""

    command: Literal["superviseInteraction"]
    id: CommandId
    interaction_id: Identifier
    mode: SupervisionMode
    participant_id: Identifier | None = None


class CreateCompanionLink(WireModel):
    """A link for a caller who shall show video in a browser beside the phone."""

    command: Literal["createCompanionLink"]
    id: CommandId
    interaction_id: Identifier
    participant_id: Identifier | None = None


class JoinCompanion(WireModel):
    """Instead of `authenticate`: the customer pressed join. `secret` is the browser's own, made once and kept."""

    command: Literal["joinCompanion"]
    id: CommandId
    token: Annotated[str, Field(min_length=1, max_length=2048)]
    secret: Annotated[str, Field(min_length=32, max_length=128)]


class SetAttributes(WireModel):
    """Merges into the interaction's attributes; an empty value is a value."""

    command: Literal["setAttributes"]
    id: CommandId
    interaction_id: Identifier
    attributes: Attributes


class PlayPrompt(WireModel):
    """Into one participant's ear, or without `participant_id` into the whole room."""

    command: Literal["playPrompt"]
    id: CommandId
    interaction_id: Identifier
    participant_id: Identifier | None = None
    prompt: Identifier


class GetInteraction(WireModel):
    command: Literal["getInteraction"]
    id: CommandId
    interaction_id: Identifier


class GetTimeline(WireModel):
    """The audit trail: every journaled event of the interaction above the number `after`."""

    command: Literal["getTimeline"]
    id: CommandId
    interaction_id: Identifier
    after: Annotated[int, Field(ge=0, le=COMMAND_ID_MAX)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000


class GetTrace(WireModel):
    """The SIP messages of the interaction's calls, as far as the bridge still has them; for operators."""

    command: Literal["getTrace"]
    id: CommandId
    interaction_id: Identifier


class ListInteractions(WireModel):
    """What is set must all hold; newest first, in pages."""

    command: Literal["listInteractions"]
    id: CommandId
    state: WantedState = "live"
    caller: Annotated[str, Field(max_length=256)] = ""
    called: Annotated[str, Field(max_length=256)] = ""
    user_id: Annotated[str, Field(max_length=128)] = ""
    attributes: Attributes = Field(default_factory=dict)
    cursor: Annotated[str, Field(max_length=512)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 200


class GetUser(WireModel):
    command: Literal["getUser"]
    id: CommandId
    user_id: Identifier


class ListPrompts(WireModel):
    """The names `playPrompt` knows."""

    command: Literal["listPrompts"]
    id: CommandId


class ListUsers(WireModel):
    command: Literal["listUsers"]
    id: CommandId


class ListTrunks(WireModel):
    command: Literal["listTrunks"]
    id: CommandId


class OfferMedia(WireModel):
    """An SDP offer of this client for its leg in the interaction; the reply carries the answer."""

    command: Literal["offerMedia"]
    id: CommandId
    interaction_id: Identifier
    sdp: Sdp


class AnswerMedia(WireModel):
    """The SDP answer to the bridge's offer, which came as event `mediaOffered`."""

    command: Literal["answerMedia"]
    id: CommandId
    leg_id: Identifier
    sdp: Sdp


class IceCandidate(WireModel):
    """As RTCIceCandidate.toJSON() writes it; an empty `candidate` is end-of-candidates."""

    candidate: Annotated[str, Field(max_length=1024)] = ""
    sdp_mid: Annotated[str, Field(max_length=64)] | None = None
    sdp_m_line_index: Annotated[int, Field(ge=0, le=1024)] | None = None
    username_fragment: Annotated[str, Field(max_length=256)] | None = None


class TrickleCandidate(WireModel):
    """Accepted for the sake of ordinary clients; the bridge is ICE-lite and learns addresses from checks."""

    command: Literal["trickleCandidate"]
    id: CommandId
    leg_id: Identifier
    candidate: IceCandidate | None = None


class GetMediaProbe(WireModel):
    """What a desktop checks its way to the media port with, before it proves itself ready."""

    command: Literal["getMediaProbe"]
    id: CommandId


Command = (
    Authenticate
    | Ping
    | SetPresence
    | AcceptOffer
    | RejectOffer
    | AddParticipant
    | RemoveParticipant
    | LeaveInteraction
    | EndInteraction
    | MuteParticipant
    | UnmuteParticipant
    | HoldParticipant
    | ResumeParticipant
    | SendDigits
    | ConsultParticipant
    | TransferBlind
    | CompleteTransfer
    | MergeConsult
    | CancelTransfer
    | SuperviseInteraction
    | CreateCompanionLink
    | JoinCompanion
    | SetAttributes
    | PlayPrompt
    | GetInteraction
    | GetTimeline
    | GetTrace
    | ListInteractions
    | ListUsers
    | ListTrunks
    | GetUser
    | ListPrompts
    | Enrolling
    | Hooking
    | Noticing
    | Flowing
    | OfferMedia
    | AnswerMedia
    | TrickleCandidate
    | GetMediaProbe
    | ProveReady
    | CompleteWrapUp
    | QueueInteraction
    | RequestCallback
    | CancelCallback
    | ListCallbacks
    | ListQueues
    | GetQueue
    | DeclareQueue
    | RemoveQueue
    | SetProfile
)

_COMMANDS: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="command")])


def parse_command(text: str) -> Command:
    """One message of a client. Raises ParseError whose reason names the first wrong field, not its value."""
    try:
        return _COMMANDS.validate_json(text, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ParseError(_reason(error)) from None


def parse_command_id(text: str) -> int | None:
    """The id of a message that is no command otherwise, so that its refusal can be told to its sender."""
    try:
        value = from_json(text)
    except ValueError:
        return None
    command_id = value.get("id") if isinstance(value, dict) else None
    return command_id if type(command_id) is int and 0 <= command_id <= COMMAND_ID_MAX else None


def _reason(error: ValidationError) -> str:
    """The input itself stays out: it may be a token, and it may be a quarter of a megabyte."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "union_tag_invalid":
        return "command: not a command of this protocol"
    if first["type"] == "union_tag_not_found":
        return "command: Field required"
    # The first part of a location is the tag of the union, which the client does not know as a place; a name
    # that the client made up itself is cut short.
    where = ".".join(str(part)[:64] for part in first["loc"][1:])
    return f"{where}: {first['msg']}" if where else first["msg"]
