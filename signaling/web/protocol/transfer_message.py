"""Commands of transfers, supervisors and companion links; `handing_over` carries them out."""

from typing import Literal

from pydantic import Field

from signaling.web.protocol.wire import (
    Attributes,
    CommandId,
    Identifier,
    MediaType,
    UserRole,
    WireModel,
    Words,
)

SupervisionMode = Literal["monitor", "whisper", "coach"]


class Handover(WireModel):
    """To whom a customer is handed over, asked first or not: a user, or whoever a queue sends."""

    id: CommandId
    interaction_id: Identifier
    user_id: Identifier | None = None
    queue_id: Identifier | None = None
    type: MediaType = "voice"
    role: UserRole
    properties: Attributes = Field(default_factory=dict)
    second_expert: bool = False


class ConsultParticipant(Handover):
    """Seeks a user, or whoever a queue sends, to talk with alone; the customer hears music meanwhile."""

    command: Literal["consultParticipant"]
    role: UserRole = "sme"


class TransferBlind(Handover):
    """Hands the customer to a user or a queue without talking to anybody first."""

    command: Literal["transferBlind"]
    role: UserRole = "agent"


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


HandingOver = (
    ConsultParticipant
    | TransferBlind
    | CompleteTransfer
    | MergeConsult
    | CancelTransfer
    | SuperviseInteraction
    | CreateCompanionLink
)
