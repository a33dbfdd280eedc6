"""Commands and views of webhooks, for the websocket and for REST."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from signaling.web.protocol.wire import CommandId, Identifier, WireModel, Words

Url = Annotated[str, Field(min_length=8, max_length=2048, examples=["https://crm.example/warmbridge"])]
EventNames = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=64, pattern=r"^(\*|[a-zA-Z]+)$")], ...],
    Field(min_length=1, max_length=64, examples=[["interactionUpdated"]], description="`*` is every event"),
]
DeliveryId = Annotated[int, Field(ge=1, le=2**53 - 1, examples=[17])]


class Webhook(WireModel):
    """A subscription. Its secret is told once, when it is made. `resting` says why nothing is sent in its owner's
    name, "" while it is."""

    webhook_id: Annotated[str, Field(examples=["whk_5f0c9a1e2b3d4c5f"])]
    url: str
    events: tuple[str, ...]
    description: str
    active: bool
    owner: str
    resting: str
    created_at: datetime


class NewWebhook(Webhook):
    """`secret` is the key of the HMAC-SHA256 in `Warmbridge-Signature`."""

    secret: str


class DeadLetter(WireModel):
    """A delivery that was given up; `body` is the text it would have brought."""

    delivery_id: int
    number: int
    part: int
    event: str
    attempts: int
    reason: str
    body: str


class WebhookResult(WireModel):
    webhook: Webhook


class NewWebhookResult(WireModel):
    webhook: NewWebhook


class WebhooksResult(WireModel):
    webhooks: tuple[Webhook, ...]


class DeadLettersResult(WireModel):
    dead_letters: tuple[DeadLetter, ...]


# --- commands ---------------------------------------------------------------------------------------------


class CreateWebhook(WireModel):
    """Every event named is sent to `url` from now on, as far as the caller might see it."""

    command: Literal["createWebhook"]
    id: CommandId
    url: Url
    events: EventNames = ("*",)
    description: Words = ""


class ChangeWebhook(WireModel):
    """What is left out stays. Whoever changes it owns it: it tells what its owner may see."""

    command: Literal["changeWebhook"]
    id: CommandId
    webhook_id: Identifier
    url: Url | None = None
    events: EventNames | None = None
    description: Words | None = None
    active: bool | None = None


class RemoveWebhook(WireModel):
    """With what waits for it and its dead letters."""

    command: Literal["removeWebhook"]
    id: CommandId
    webhook_id: Identifier


class GetWebhook(WireModel):
    command: Literal["getWebhook"]
    id: CommandId
    webhook_id: Identifier


class ListWebhooks(WireModel):
    command: Literal["listWebhooks"]
    id: CommandId


class ListDeadLetters(WireModel):
    """Newest first, 200 at most."""

    command: Literal["listDeadLetters"]
    id: CommandId
    webhook_id: Identifier


class SendAgain(WireModel):
    """Puts a dead letter back into the queue."""

    command: Literal["sendAgain"]
    id: CommandId
    webhook_id: Identifier
    delivery_id: DeliveryId


Hooking = (
    CreateWebhook | ChangeWebhook | RemoveWebhook | GetWebhook | ListWebhooks | ListDeadLetters | SendAgain
)
