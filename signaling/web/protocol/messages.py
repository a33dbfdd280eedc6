"""Every command of the websocket as a type: the common ones here, each other subject's in its `..._message`.

Answered by `reply`, followed by `event`. PROTOCOL.md is the prose.

A message with an unknown field is refused, so that a client's typing error is never a silently ignored wish.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError, from_json

from bridge.errors import ParseError
from signaling.web.protocol.account_message import Enrolling
from signaling.web.protocol.flow_message import Flowing
from signaling.web.protocol.notice_message import Noticing
from signaling.web.protocol.queue_message import Administration, Calling, Queueing, Working
from signaling.web.protocol.transfer_message import HandingOver
from signaling.web.protocol.webhook_message import Hooking
from signaling.web.protocol.wire import (
    COMMAND_ID_MAX,
    Attributes,
    CommandId,
    Identifier,
    MediaType,
    PhoneAddress,
    UserRole,
    WireModel,
    Words,
)

SUBPROTOCOL = "warmbridge.v1"
MESSAGE_MAX_BYTES = 256 * 1024
SDP_MAX_CHARACTERS = 64 * 1024  # the bound of wire/sdp.py: a larger one could not be parsed anyway


Presence = Literal["ready", "away", "offline"]
WantedState = Literal["waiting", "in-progress", "ended", "live", "any"]  # live: waiting and in-progress
Sdp = Annotated[str, Field(min_length=1, max_length=SDP_MAX_CHARACTERS)]


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


class GetSidebar(WireModel):
    """Which attributes a desktop shows, in which order, and what it lets one set."""

    command: Literal["getSidebar"]
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
    | GetSidebar
    | HandingOver
    | Queueing
    | Administration
    | Calling
    | Working
    | Enrolling
    | Hooking
    | Noticing
    | Flowing
    | OfferMedia
    | AnswerMedia
    | TrickleCandidate
    | GetMediaProbe
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
