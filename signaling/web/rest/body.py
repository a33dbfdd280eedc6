"""What REST requests carry, as types; the views in the answers are those of `wire_view`."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from signaling.web.protocol.messages import Presence
from signaling.web.protocol.webhook_message import EventNames, Url
from signaling.web.protocol.wire import (
    Attributes,
    Identifier,
    MediaType,
    PhoneAddress,
    UserRole,
    WireModel,
    Words,
)
from signaling.web.protocol.wire_view import Interaction, Participant, TimelineEntry, User

_INTERACTION_EXAMPLE = {
    "escalation_reason": "Complex Case",
    "case_number": "12345",
}


class Body(WireModel):
    """A body with an example."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        validate_by_name=False,
        validate_by_alias=True,
    )


class NewParticipant(Body):
    """`participantId` names a user, by our id or by the id of another system (`externalIds`).

    In its place `address` is a number or SIP URI to call: voice only, `name` is shown in its place.
    """

    participant_id: Annotated[Identifier | None, Field(examples=["eve"])] = None
    address: Annotated[PhoneAddress | None, Field(examples=["+49301234567"])] = None
    name: Annotated[Identifier | None, Field(examples=["Fraud desk of the bank"])] = None
    type: MediaType = "video"
    role: Annotated[
        UserRole, Field(description="`agent` for a user who is an expert joins as `sme`", examples=["agent"])
    ] = "sme"
    state: Annotated[
        Literal["not-in-queue"], Field(description="the only state a participant can be added in")
    ] = "not-in-queue"
    properties: Annotated[Attributes, Field(examples=[_INTERACTION_EXAMPLE])] = Field(default_factory=dict)
    second_expert: Annotated[
        bool, Field(description="allows it while another expert is being sought", examples=[False])
    ] = False

    @model_validator(mode="after")
    def _one_of_user_and_address(self) -> "NewParticipant":
        if (self.participant_id is None) == (self.address is None):
            raise ValueError("give one of participantId and address")
        return self


class ParticipantChange(Body):
    """What is left out stays as it is. `disconnected` takes the participant out."""

    muted: Annotated[bool | None, Field(examples=[True])] = None
    state: Annotated[Literal["held", "in-session", "disconnected"] | None, Field(examples=["held"])] = None

    @model_validator(mode="after")
    def _one_thing(self) -> "ParticipantChange":
        if (self.muted is None) == (self.state is None):
            raise ValueError("give either muted or state: each is a command of its own")
        return self


class InteractionChange(Body):
    """Attributes are merged into those there are; `state: ended` hangs up on everybody."""

    attributes: Annotated[Attributes | None, Field(examples=[_INTERACTION_EXAMPLE])] = None
    state: Literal["ended"] | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> "InteractionChange":
        if (self.attributes is None) == (self.state is None):
            raise ValueError("give either attributes or state: each is a command of its own")
        return self


class InteractionAttributesChange(Body):
    """Merged into the attributes there are; an empty value is a value."""

    attributes: Annotated[Attributes, Field(examples=[_INTERACTION_EXAMPLE])]


class PromptWish(Body):
    """Into one participant's ear, or without `participantId` into the whole room."""

    prompt: Annotated[Identifier, Field(examples=["connecting"])]
    participant_id: Annotated[Identifier | None, Field(examples=["prt_5f0c9a1e2b3d4c5f"])] = None


class PresenceWish(Body):
    """`ready` asks for offers in `role`; `away` keeps the calls but takes no new ones."""

    presence: Annotated[Presence, Field(examples=["ready"])]
    role: Annotated[UserRole, Field(examples=["agent"])] = "agent"


class OfferRefusal(Body):
    reason: Annotated[Words, Field(examples=["lunch"])] = ""


class WebhookWish(Body):
    """Every event named is sent to `url` from now on, as far as the caller might see it."""

    url: Url
    events: EventNames = ("*",)
    description: Annotated[Words, Field(examples=["the CRM of the service desk"])] = ""


class WebhookChange(Body):
    """What is left out stays as it is."""

    url: Url | None = None
    events: EventNames | None = None
    description: Words | None = None
    active: Annotated[bool | None, Field(examples=[False])] = None


# --- answers ----------------------------------------------------------------------------------------------


class AddedParticipant(Participant):
    """The participant, and by which id it was asked for."""

    interaction_id: str
    requested_participant_id: str


class Interactions(WireModel):
    """A page. `next_cursor` is null on the last one."""

    interactions: tuple[Interaction, ...]
    next_cursor: str | None


class Participants(WireModel):
    participants: tuple[Participant, ...]


class InteractionAttributes(WireModel):
    attributes: dict[str, str]


class Timeline(WireModel):
    """`next_after` is null when there is no more for now."""

    timeline: tuple[TimelineEntry, ...]
    next_after: int | None


class Users(WireModel):
    users: tuple[User, ...]


class Prompts(WireModel):
    prompts: Annotated[tuple[str, ...], Field(examples=[["connecting", "music", "waiting"]])]
