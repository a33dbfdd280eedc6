"""Commands and views of flows, for the websocket and for REST."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from signaling.web.protocol.wire import CommandId, Identifier, WireModel, Words

FlowName = Annotated[str, Field(min_length=1, max_length=128, examples=["escalation"])]
PropertyName = Annotated[str, Field(min_length=1, max_length=64)]
PropertyValue = Annotated[str, Field(max_length=4096)]
Properties = Annotated[dict[PropertyName, PropertyValue], Field(max_length=64)]


class Flow(WireModel):
    """One that can be run. `kind`: inbound, escalation, transfer; `digits` start it from a customer's phone."""

    flow_id: str
    name: str
    kind: str
    digits: str
    asks_for_video: bool


class FlowRun(WireModel):
    """A flow on its way through an interaction. `step` is "" once it is through."""

    flow_run_id: str
    flow_id: str
    kind: str
    step: str
    started_by: str
    trigger: str
    started_at: datetime
    waits_until: datetime | None


class FlowRunResult(WireModel):
    flow_run: FlowRun


class FlowsResult(WireModel):
    flows: tuple[Flow, ...]


class StartFlow(WireModel):
    """`properties` become attributes before the first step."""

    command: Literal["startFlow"]
    id: CommandId
    interaction_id: Identifier
    flow_id: FlowName
    properties: Properties = Field(default_factory=dict)


class StopFlow(WireModel):
    """Whatever it seeks is given up; the conversation goes on."""

    command: Literal["stopFlow"]
    id: CommandId
    interaction_id: Identifier
    flow_run_id: Identifier
    reason: Words = ""


class ListFlows(WireModel):
    command: Literal["listFlows"]
    id: CommandId


Flowing = StartFlow | StopFlow | ListFlows
