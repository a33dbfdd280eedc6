"""Commands of queues, callbacks, and of whoever works in a queue; `queueing` carries them out."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from bridge.desk.centre.notice import DEPTH_SUBJECT, DEPTH_TEXT
from signaling.web.protocol.wire import AttributeName, CommandId, Identifier, UserRole, WireModel, Words


class QueueInteraction(WireModel):
    """Sends a waiting customer to another queue; place and clock go along."""

    command: Literal["queueInteraction"]
    id: CommandId
    interaction_id: Identifier
    queue_id: Identifier


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


Queueing = QueueInteraction | ListQueues | GetQueue
Administration = DeclareQueue | RemoveQueue | SetProfile
Calling = RequestCallback | CancelCallback | ListCallbacks
Working = ProveReady | CompleteWrapUp
