"""Routes that are a table: each is one command of the websocket, its fields taken from path and body."""

import inspect
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Body, Path
from pydantic import create_model
from starlette.responses import Response

from bridge.ids import InteractionId
from bridge.switchboard.door.principal import (
    INTERACTION_ALL,
    INTERACTION_READ,
    INTERACTION_SUPERVISE,
    INTERACTION_WRITE,
    QUEUE_WRITE,
    ROUTING_WRITE,
    USER_WRITE,
)
from signaling.web.protocol import flow_message, messages, queue_message, reply, transfer_message
from signaling.web.protocol.wire import WireModel
from signaling.web.rest import body
from signaling.web.rest.rest import (
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    Call,
    api_router,
    model_response,
    needs,
    problems,
)

_EXAMPLES = {
    "interactionId": "int_5f0c9a1e2b3d4c5f",
    "participantId": "prt_5f0c9a1e2b3d4c5f",
    "queueId": "escalation-video",
    "userId": "eve",
    "flowRunId": "run_5f0c9a1e2b3d4c5f",
}
_INTERACTION = "/interactions/{interactionId}"


@dataclass(frozen=True)
class Entry:
    """`result` is what `dispatch` gives for the command; one that wraps a single value is told unwrapped."""

    tag: str
    method: str
    path: str
    command: type[WireModel]
    result: type[WireModel] | None
    summary: str
    scopes: tuple[str, ...]


_ASK = (INTERACTION_READ,)
_DO = (INTERACTION_WRITE,)

TABLE = (
    Entry(
        "queues",
        "GET",
        "/queues",
        queue_message.ListQueues,
        reply.QueuesResult,
        "All queues with their figures",
        _ASK,
    ),
    Entry(
        "queues",
        "GET",
        "/queues/{queueId}",
        queue_message.GetQueue,
        reply.QueueResult,
        "One queue with its figures",
        _ASK,
    ),
    Entry(
        "queues",
        "POST",
        "/queues",
        queue_message.DeclareQueue,
        reply.QueueResult,
        "Make a queue, or change it",
        (QUEUE_WRITE,),
    ),
    Entry(
        "queues",
        "DELETE",
        "/queues/{queueId}",
        queue_message.RemoveQueue,
        None,
        "Remove a queue nobody waits in",
        (QUEUE_WRITE,),
    ),
    Entry(
        "queues",
        "POST",
        f"{_INTERACTION}/queue",
        queue_message.QueueInteraction,
        reply.InteractionResult,
        "Send a waiting customer to another queue",
        _DO,
    ),
    Entry(
        "users",
        "PUT",
        "/users/{userId}/profile",
        queue_message.SetProfile,
        None,
        "Skills, licence, capacity and external ids of a user",
        (USER_WRITE,),
    ),
    Entry(
        "users",
        "POST",
        "/users/me/proofs",
        queue_message.ProveReady,
        reply.UserResult,
        "Say what the desktop found out about itself",
        (ROUTING_WRITE,),
    ),
    Entry(
        "users",
        "POST",
        f"{_INTERACTION}/wrap-up",
        queue_message.CompleteWrapUp,
        reply.UserResult,
        "End one's work after the call, with a code and a note",
        (ROUTING_WRITE,),
    ),
    Entry(
        "callbacks",
        "GET",
        "/callbacks",
        queue_message.ListCallbacks,
        reply.CallbacksResult,
        "All callbacks that wait or dial",
        _ASK,
    ),
    Entry(
        "callbacks",
        "POST",
        f"{_INTERACTION}/callback",
        queue_message.RequestCallback,
        reply.CallbackResult,
        "Call the customer back; place and clock are kept",
        _DO,
    ),
    Entry(
        "callbacks",
        "POST",
        f"{_INTERACTION}/callback/cancel",
        queue_message.CancelCallback,
        None,
        "Give a callback up",
        _DO,
    ),
    Entry(
        "participants",
        "POST",
        f"{_INTERACTION}/participants/{{participantId}}/digits",
        messages.SendDigits,
        None,
        "Press keys towards a participant's phone",
        _DO,
    ),
    Entry(
        "transfers",
        "POST",
        f"{_INTERACTION}/consult",
        transfer_message.ConsultParticipant,
        reply.ParticipantResult,
        "Ask somebody while the customer is on hold",
        _DO,
    ),
    Entry(
        "transfers",
        "POST",
        f"{_INTERACTION}/consult/merge",
        transfer_message.MergeConsult,
        reply.InteractionResult,
        "Make a conference of a consultation",
        _DO,
    ),
    Entry(
        "transfers",
        "POST",
        f"{_INTERACTION}/transfer/blind",
        transfer_message.TransferBlind,
        reply.InteractionResult,
        "Hand over at once",
        _DO,
    ),
    Entry(
        "transfers",
        "POST",
        f"{_INTERACTION}/transfer/complete",
        transfer_message.CompleteTransfer,
        reply.InteractionResult,
        "Hand over to whom one consults",
        _DO,
    ),
    Entry(
        "transfers",
        "POST",
        f"{_INTERACTION}/transfer/cancel",
        transfer_message.CancelTransfer,
        reply.InteractionResult,
        "Go back to the customer",
        _DO,
    ),
    Entry(
        "supervision",
        "POST",
        f"{_INTERACTION}/supervision",
        transfer_message.SuperviseInteraction,
        reply.ParticipantResult,
        "Listen in, whisper or coach",
        (INTERACTION_SUPERVISE,),
    ),
    Entry(
        "companion",
        "POST",
        f"{_INTERACTION}/companion-links",
        transfer_message.CreateCompanionLink,
        reply.CompanionLinkResult,
        "A link by which the caller's browser joins",
        _DO,
    ),
    Entry(
        "interactions",
        "GET",
        f"{_INTERACTION}/trace",
        messages.GetTrace,
        reply.TraceResult,
        "The SIP messages of its calls, as far as the bridge still has them",
        (INTERACTION_READ, INTERACTION_ALL),
    ),
    Entry(
        "interactions",
        "GET",
        "/sidebar",
        messages.GetSidebar,
        reply.SidebarResult,
        "Which attributes a desktop shows, and what it lets one set",
        _ASK,
    ),
    Entry(
        "flows",
        "GET",
        "/flows",
        flow_message.ListFlows,
        flow_message.FlowsResult,
        "The flows there are",
        _ASK,
    ),
    Entry(
        "flows",
        "POST",
        f"{_INTERACTION}/flows",
        flow_message.StartFlow,
        flow_message.FlowRunResult,
        "Start a flow",
        _DO,
    ),
    Entry(
        "flows",
        "POST",
        f"{_INTERACTION}/flows/{{flowRunId}}/stop",
        flow_message.StopFlow,
        None,
        "Stop a flow",
        _DO,
    ),
)


def _router() -> APIRouter:
    router = api_router("desk")
    for entry in TABLE:
        told = _told(entry.result)
        reads = entry.method == "GET"
        router.add_api_route(
            entry.path,
            _endpoint(entry),
            methods=[entry.method],
            operation_id=_name(entry),
            summary=entry.summary,
            tags=[entry.tag],
            status_code=200 if told else 204,
            response_model=told,
            responses=problems(READ_PROBLEMS if reads else WRITE_PROBLEMS),
        )
    router.tags.clear()
    return router


def _name(entry: Entry) -> str:
    name: str = get_args(entry.command.model_fields["command"].annotation)[0]
    return name


def _single(result: type[WireModel]) -> str | None:
    """The name of the only field of `result`, if it holds one value."""
    (name,) = result.model_fields or ("",)
    annotation = result.model_fields[name].annotation
    return name if isinstance(annotation, type) and issubclass(annotation, WireModel) else None


def _told(result: type[WireModel] | None) -> Any:
    if result is None:
        return None
    name = _single(result)
    return result if name is None else result.model_fields[name].annotation


def _endpoint(entry: Entry) -> Callable[..., Coroutine[Any, Any, Response]]:
    in_path = re.findall(r"{(\w+)}", entry.path)
    by_alias = {str(field.alias): name for name, field in entry.command.model_fields.items()}
    path_names = {by_alias[alias]: alias for alias in in_path}
    body_model = _body_model(entry, set(path_names))

    async def endpoint(call: Call, **given: Any) -> Response:
        wish = given.pop("wish", None)
        fields = {name: getattr(wish, name) for name in type(wish).model_fields} if wish else {}
        command: Any = entry.command.model_validate(
            {"command": _name(entry), "id": 0, **given, **fields}, by_name=True
        )
        if "interaction_id" in given:
            call.require_match(InteractionId(given["interaction_id"]))
        result = await call.dispatch.carry_out(call.principal, command)
        if result is None:
            return Response(status_code=204)
        name = _single(type(result))
        return model_response(result if name is None else getattr(result, name))

    parameters = [_parameter("call", Annotated[Call, needs(*entry.scopes)])]
    parameters += [_parameter(name, _path_type(alias)) for name, alias in path_names.items()]
    if body_model is not None:
        parameters.append(_parameter("wish", body_model))
    endpoint.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # FastAPI reads it
    endpoint.__name__ = _name(entry)
    return endpoint


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)


def _path_type(alias: str) -> Any:
    return Annotated[str, Path(alias=alias, min_length=1, max_length=128, examples=[_EXAMPLES[alias]])]


def _body_model(entry: Entry, in_path: set[str]) -> Any:
    """What is left of the command's fields; None if nothing is. Optional as a whole if all of it is."""
    fields: dict[str, tuple[Any, Any]] = {
        name: (field.annotation, field)
        for name, field in entry.command.model_fields.items()
        if name not in {"id", "command"} | in_path
    }
    if not fields:
        return None
    model = create_model(  # type: ignore[call-overload]
        f"{entry.command.__name__}Body", __base__=body.Body, __doc__=entry.command.__doc__, **fields
    )
    return Annotated[model, Body()]


ROUTER = _router()
